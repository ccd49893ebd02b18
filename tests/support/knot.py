"""A real authoritative name server, Debian's knot, on a free port of loopback."""

import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode

from support.ports import free_port
from support.process import Process, program


@dataclass(frozen=True, slots=True)
class Knot:
    """A running server.

    Attributes:
        port: UDP and TCP, of 127.0.0.1.
        process: to be stopped, or killed and started again.
    """

    port: int
    process: Process

    @property
    def nameserver(self) -> str:
        """As ``[dns] nameservers`` spells it."""
        return f"127.0.0.1:{self.port}"


def zone_text(origin: str, records: Iterable[str], *, ttl: int = 60) -> str:
    """A zone file: SOA and NS of its own, then lines such as ``www TXT "text"``, relative to the origin."""
    return "\n".join(
        [
            f"$ORIGIN {origin.rstrip('.')}.",
            f"$TTL {ttl}",
            f"@ SOA ns hostmaster 1 3600 600 86400 {ttl}",
            "@ NS ns",
            "ns A 127.0.0.1",
            *records,
            "",
        ]
    )


def txt(value: bytes) -> str:
    """The data of a TXT record in a zone file: any octets, in character-strings of at most 255."""
    parts = [value[start : start + 255] for start in range(0, len(value), 255)] or [b""]
    return " ".join('"' + "".join(_escaped(octet) for octet in part) + '"' for part in parts)


def _escaped(octet: int) -> str:
    plain = 0x20 <= octet < 0x7F and octet not in b'"\\'
    return chr(octet) if plain else f"\\{octet:03d}"


@contextmanager
def knot(directory: Path, zones: Mapping[str, str], port: int | None = None) -> Iterator[Knot]:
    """Serve zones (origin to the text of its file) until the block ends, at a port or at a free one.

    Raises:
        AssertionError: knotd does not take a zone, or does not answer for it; its log is in the message.
    """
    port = port or free_port()
    directory.mkdir(parents=True, exist_ok=True)
    config = _config(directory, port, zones)
    checked = subprocess.run(
        [program("knotc"), "-c", config, "conf-check"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    with Process([program("knotd"), "-c", str(config)], log=directory / "knotd.log") as process:
        for origin in zones:
            process.wait_for(lambda origin=origin: _answers(port, origin), f"knotd to answer for {origin}")
        yield Knot(port, process)


def _config(directory: Path, port: int, zones: Mapping[str, str]) -> Path:
    lines = [
        "server:",
        f'    rundir: "{directory}"',
        f"    listen: 127.0.0.1@{port}",
        "    udp-workers: 1",
        "    tcp-workers: 1",
        "    background-workers: 1",
        "log:",
        "  - target: stderr",
        "    any: info",
        "database:",
        f'    storage: "{directory}"',
        "template:",
        "  - id: default",
        f'    storage: "{directory}"',
        "    journal-content: none",
        "    zonefile-sync: -1",  # what the test wrote is not rewritten
        "zone:",
    ]
    for number, (origin, text) in enumerate(zones.items()):
        name = f"{number}.zone"
        (directory / name).write_text(text, encoding="latin-1")
        lines += [f'  - domain: "{origin}"', f'    file: "{name}"']
    path = directory / "knot.conf"
    path.write_text("\n".join(lines) + "\n", encoding="latin-1")
    return path


def _answers(port: int, origin: str) -> bool:
    query = dns.message.make_query(origin, "SOA")
    try:
        answer = dns.query.udp(query, "127.0.0.1", port=port, timeout=0.2)
    except (dns.exception.DNSException, OSError):
        return False
    return answer.rcode() == dns.rcode.NOERROR
