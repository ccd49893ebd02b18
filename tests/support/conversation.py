"""A daemon on a zone in memory, and an MTA's side of the conversation with it."""

import shutil
import sys
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from assay.daemon.milter_client import MilterClient, Verdict
from support.ports import free_port
from support.process import Process

ROOT = Path(__file__).parent.parent.parent
RECEIVER = "mx.receiver.example"

ZONE = """\
$ORIGIN example.
$TTL 300
@ SOA ns.example. hostmaster.example. 1 7200 900 1209600 300
@ NS ns.example.
good TXT "v=spf1 ip4:192.0.2.10 -all"
_dmarc.good TXT "v=DMARC1; p=reject"
careful TXT "v=spf1 ip4:192.0.2.10 -all"
_dmarc.careful TXT "v=DMARC1; p=quarantine"
slow TXT "v=spf1 ip4:192.0.2.10 -all"
_dmarc.slow TXT "v=DMARC1; p=reject"
"""

Header = tuple[bytes, bytes]


class ZoneDaemon(Process):
    """``assay run`` in all but its DNS; see :mod:`support.own_daemon`.

    Args:
        directory: for its files.
        zone: the text of a zone file.
        settings: further lines of the configuration, tables last.
        workers: how many; a test that names none has one, whatever machine it runs on.
        unix: listen on a unix socket instead of a port of loopback.
        servfail: names at which the DNS fails.
        policies: policy files beside the shipped ones, or in their place: text by file name.
    """

    def __init__(
        self,
        directory: Path,
        *,
        zone: str = ZONE,
        settings: str = "",
        workers: int = 1,
        unix: bool = False,
        servfail: Iterable[str] = (),
        policies: Mapping[str, str] | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        shutil.copytree(ROOT / "policies", directory / "policies")
        for name, text in (policies or {}).items():
            (directory / "policies" / name).write_text(text)
        self.address: tuple[str, int] | str = str(directory / "assay.sock") if unix else ("127.0.0.1", free_port())
        self._connections: list[MilterClient] = []
        self.config = directory / "assay.toml"
        self.write_config(settings, workers=workers)
        zone_file = directory / "zone"
        zone_file.write_text(zone)
        super().__init__(
            [sys.executable, str(ROOT / "tests/support/own_daemon.py"), str(self.config), str(zone_file), *servfail],
            log=directory / "assay.log",
        )

    def write_config(self, settings: str, *, mode: str = "enforce", workers: int = 1) -> None:
        """Write the configuration; ``settings`` are further lines, tables last."""
        socket = f"unix:{self.address}" if isinstance(self.address, str) else f"inet:{self.address[1]}@127.0.0.1"
        self.config.write_text(f'socket = "{socket}"\nmode = "{mode}"\nworkers = {workers}\n{settings}\n')

    def connect(self, *, timeout: float = 30.0) -> MilterClient:
        """Connect as soon as somebody listens."""
        self.wait_for(lambda: "listening" in self.output(), "the daemon to listen")
        client = MilterClient.connect_to(self.address, timeout=timeout)
        self._connections.append(client)
        return client

    def stop(self, *, seconds: float = 20.0) -> int:
        """Drop every connection that a test left open, then stop the daemon."""
        for client in self._connections:
            client.close()
        return super().stop(seconds=seconds)

    def session(
        self, client: IPv4Address | IPv6Address | str | None = "192.0.2.10", *, helo: bytes = b"mail.good.example"
    ) -> MilterClient:
        """Connect, negotiate, and report an SMTP client that has said HELO."""
        connection = self.connect()
        connection.negotiate()
        connection.macros(b"C", j=RECEIVER)
        connection.connect(ip_address(client) if isinstance(client, str) else client)
        connection.helo(helo)
        return connection

    def lines(self, *parts: str) -> list[str]:
        """Every log line so far that holds all these parts."""
        return [line for line in self.output().splitlines() if all(part in line for part in parts)]


def letter(author: bytes = b"a@good.example", *more: Header) -> list[Header]:
    """Header fields of a plain message, as an MTA hands them over."""
    return [(b"From", b" " + author), (b"To", b" user@receiver.example"), (b"Subject", b" hello"), *more]


def send(
    connection: MilterClient,
    headers: Iterable[Header] | None = None,
    *,
    mail_from: bytes = b"<bounce@good.example>",
    body: bytes = b"text\r\n",
    queue_id: str = "Q1",
) -> Verdict:
    """Hand over one message on an open session."""
    return connection.message(
        mail_from=mail_from, headers=letter() if headers is None else headers, body=body, queue_id=queue_id
    )


def stamped(verdict: Verdict) -> str:
    """Return the Authentication-Results that was inserted, unfolded; there must be exactly one, at index 0."""
    assert [(index, name) for index, name, _ in verdict.inserted] == [(0, b"Authentication-Results")]
    return " ".join(verdict.inserted[0][2].decode().split())
