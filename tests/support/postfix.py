"""A real Postfix of its own on loopback: own configuration, queue and log; the machine's instance is never touched."""

import contextlib
import json
import os
import pwd
import re
import shutil
import smtplib
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest

from support.ports import free_port
from support.process import program, wait_until

RECIPIENT: Final = "user@dest.example"

# chroot is "n" elsewhere: a chroot needs copies of half of /etc. Nothing here can speak SMTP to the outside.
_MASTER: Final = """\
127.0.0.1:{port} inet n - {chroot} - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""

_RESPONSE: Final = re.compile(r"^<[-~*]{1,2}\s+(\d{3})([ -])(.*)$")
_REQUEST: Final = re.compile(r"^ [-~*]{1,2}> ?(.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server said to one command.

    Attributes:
        command: as sent; "." is the end of data, "" the connection itself.
        text: the lines after the code, joined by a newline.
    """

    command: str
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """One SMTP conversation of swaks."""

    replies: tuple[Reply, ...]
    raw: str

    @property
    def verdict(self) -> Reply:
        """The reply that decided: the first refusal, or that to the end of data."""
        for reply in self.replies:
            if reply.code >= 400 or reply.command == ".":
                return reply
        raise AssertionError(f"no verdict in:\n{self.raw}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """A message in a queue, as postqueue tells it."""

    queue: str
    queue_id: str
    sender: str
    recipients: tuple[str, ...]


class Postfix:
    """One instance that hands every message to a milter and delivers ``@dest.example`` to a Maildir.

    Args:
        milter: the milter's socket in Postfix's spelling.
        settings: further lines of main.cf, or other values for those below.
        services: further lines of master.cf.
        chroot: smtpd sees nothing outside the queue directory, as Debian has it.

    Attributes:
        port: of smtpd, on 127.0.0.1. XCLIENT is granted to everybody who gets there.
        config: the directory of main.cf.
        queue_directory: below which a chrooted smtpd lives.
    """

    def __init__(
        self, milter: str, settings: Mapping[str, str] | None = None, *, services: str = "", chroot: bool = False
    ) -> None:
        self._sudo = administrator()
        self._postfix = program("postfix")
        self._postqueue = program("postqueue")
        self._postsuper = program("postsuper")
        self._swaks = program("swaks")
        # Not pytest's tmp_path: that is closed to the user postfix. The path is absolute: postfix -c ignores others.
        self.directory = Path(tempfile.mkdtemp(prefix="assay-postfix-", dir="/tmp"))
        self.directory.chmod(0o755)
        self.port = free_port()
        self._inbox = self.directory / "mail" / "inbox"
        self._log = self.directory / "log" / "mail.log"
        self.config = self.directory / "config"
        self._configure(milter, settings or {})
        master = _MASTER.format(port=self.port, chroot="y" if chroot else "n")
        (self.config / "master.cf").write_text(master + services, "utf-8")

    def _configure(self, milter: str, settings: Mapping[str, str]) -> None:
        config = self.config
        for directory in (config, self._inbox.parent, self._log.parent):
            directory.mkdir()
        # virtual(8) refuses user ids under 100: root delivers as nobody.
        uid, gid = (os.getuid(), os.getgid()) if os.getuid() else pwd.getpwnam("nobody")[2:4]
        if not os.getuid():
            os.chown(self._inbox.parent, uid, gid)
        self._log.parent.chmod(0o777)  # postlogd writes as the user postfix
        values = {
            "compatibility_level": "3.6",
            "queue_directory": f"{self.directory}/queue",
            "data_directory": f"{self.directory}/data",
            "maillog_file": str(self._log),
            "maillog_file_prefixes": "/tmp",
            "myhostname": "mx.dest.example",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "all",  # XCLIENT refuses an address of a family that is off
            "mynetworks": "127.0.0.0/8",
            "mydestination": "",
            "local_recipient_maps": "",
            "alias_maps": "",
            "alias_database": "",
            "virtual_mailbox_domains": "dest.example",
            "virtual_mailbox_base": str(self._inbox.parent),
            "virtual_mailbox_maps": "static:inbox/",
            "virtual_mailbox_limit": "0",
            "virtual_uid_maps": f"static:{uid}",
            "virtual_gid_maps": f"static:{gid}",
            "message_size_limit": "134217728",
            "mailbox_size_limit": "0",
            "smtpd_relay_restrictions": "reject_unauth_destination",  # "permit" alone would be fatal
            "smtpd_authorized_xclient_hosts": "127.0.0.0/8",
            "smtpd_peername_lookup": "no",
            "local_header_rewrite_clients": "",  # loopback is a stranger like any other: nothing is added to its mail
            "disable_dns_lookups": "yes",
            # Bounces, and whatever else is meant for the outside, end here.
            "default_transport": "error:nothing leaves this machine",
            "relay_transport": "error:nothing leaves this machine",
            "notify_classes": "",
            "smtpd_milters": milter,
            "milter_default_action": "tempfail",
            "milter_protocol": "6",
            **settings,
        }
        (config / "main.cf").write_text("".join(f"{key} = {value}\n" for key, value in values.items()), "utf-8")
        self.queue_directory = self.directory / "queue"
        self.queue_directory.mkdir()

    def start(self) -> Self:
        """Start it and wait for its greeting."""
        self._command("start")
        try:
            wait_until(self._greets, "the greeting of Postfix")
        except AssertionError as error:
            error.add_note(self.log())
            raise
        return self

    def stop(self) -> None:
        self._command("stop")

    def _command(self, verb: str) -> None:
        done = subprocess.run(
            [*self._sudo, self._postfix, "-c", str(self.config), verb], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"postfix {verb}: {done.stdout}{done.stderr}{self.log()}"

    def _greets(self) -> bool:
        with contextlib.suppress(OSError, smtplib.SMTPException), self.connect():
            return True
        return False

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self._end()
            raise

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if value is not None:
            value.add_note(f"the log of Postfix:\n{self.log()}")
        self._end()

    def _end(self) -> None:
        try:
            self.stop()
        finally:
            self.remove()

    def remove(self) -> None:
        """Remove its files; of one that was not started, or was stopped."""
        if self._sudo:
            subprocess.run([*self._sudo, "rm", "-rf", str(self.directory)], check=True)
        else:
            shutil.rmtree(self.directory)

    def connect(self, *, address: str | None = None, helo: str = "client.example") -> smtplib.SMTP:
        """A client of Python's, for what swaks cannot do; as seen from ``address`` through XCLIENT."""
        client = smtplib.SMTP("127.0.0.1", self.port, local_hostname=helo, timeout=60)
        client.ehlo()
        if address is not None:
            code, text = client.docmd("XCLIENT", f"NAME=[UNAVAILABLE] ADDR={_xclient(address)}")
            assert code == 220, text
            client.ehlo()
        return client

    def send(
        self,
        message: bytes,
        *,
        mail_from: str,
        address: str | None = None,
        helo: str = "client.example",
        recipients: Sequence[str] = (RECIPIENT,),
        options: Sequence[str] = (),
    ) -> Transcript:
        """Send one message with swaks.

        Args:
            message: its octets as they go over the wire, apart from the dots that SMTP doubles.
            mail_from: without angle brackets; empty for the null sender.
            address: the client's, through XCLIENT; None for 127.0.0.1.
            helo: the argument of EHLO.
            recipients: only ``@dest.example`` is taken.
            options: further ones of swaks.
        """
        stuffed = (b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:]
        # Without fix-ups swaks sends this and one CRLF, no dot. A file for each call: clients may run side by side.
        with tempfile.NamedTemporaryFile(prefix="swaks-", dir=self.directory, delete=False) as data:
            data.write(stuffed + (b"." if stuffed.endswith(b"\r\n") else b"\r\n."))
        xclient = [] if address is None else ["--xclient-name", "[UNAVAILABLE]", "--xclient-addr", _xclient(address)]
        done = subprocess.run(
            [
                *(self._swaks, "--server", f"127.0.0.1:{self.port}", "--helo", helo),
                *("--from", mail_from or "<>", "--to", ",".join(recipients)),
                *("--no-data-fixup", "--data", f"@{data.name}", "--suppress-data"),
                *xclient,
                *options,
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        return Transcript(tuple(_replies(done.stdout)), done.stdout + done.stderr)

    def delivered(self) -> list[bytes]:
        """Every message that reached the Maildir, the oldest first."""
        files = sorted(self._inbox.glob("new/*"), key=lambda path: path.stat().st_mtime_ns)
        return [path.read_bytes() for path in files]

    def wait_delivered(self, count: int) -> list[bytes]:
        """Wait until so many messages were delivered, and return all."""
        wait_until(lambda: len(self.delivered()) >= count, f"{count} delivered messages")
        return self.delivered()

    def queue(self) -> list[Queued]:
        """What postqueue shows; the hold queue has the name "hold"."""
        done = subprocess.run(
            [*self._sudo, self._postqueue, "-c", str(self.config), "-j"], capture_output=True, text=True, check=True
        )
        entries = [json.loads(line) for line in done.stdout.splitlines()]
        return [
            Queued(
                queue=entry["queue_name"],
                queue_id=entry["queue_id"],
                sender=entry["sender"],
                recipients=tuple(recipient["address"] for recipient in entry["recipients"]),
            )
            for entry in entries
        ]

    def held(self) -> list[Queued]:
        return [entry for entry in self.queue() if entry.queue == "hold"]

    def release(self, held: Queued) -> None:
        """Let a message out of the hold queue and see to its delivery, as an administrator would."""
        for command in ([self._postsuper, "-H", held.queue_id], [self._postqueue, "-f"]):
            subprocess.run(
                [*self._sudo, command[0], "-c", str(self.config), *command[1:]], capture_output=True, check=True
            )

    def log(self) -> str:
        return self._log.read_text("utf-8", "backslashreplace") if self._log.exists() else ""


def _replies(output: str) -> list[Reply]:
    replies: list[Reply] = []
    command, lines = "", []
    for line in output.splitlines():
        if request := _REQUEST.match(line):
            # swaks shows the message as a count of its lines.
            command = "." if request[1].endswith(" lines sent") else request[1]
        elif response := _RESPONSE.match(line):
            lines.append(response[3])
            if response[2] == " ":
                replies.append(Reply(command=command, code=int(response[1]), text="\n".join(lines)))
                lines = []
    return replies


def _xclient(address: str) -> str:
    return f"IPV6:{address}" if ":" in address else address


def administrator() -> list[str]:
    """What goes before a command that only root may run, such as those of Postfix."""
    if os.getuid() == 0:
        return []
    if subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode != 0:
        pytest.fail("Postfix must be started by root: be root, let sudo ask first (sudo -v), or -m 'not real'")
    return ["sudo", "-n"]
