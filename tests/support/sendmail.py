"""A real Sendmail on loopback, in a copy of this machine that has one (:mod:`support.sendmail_root`)."""

import contextlib
import itertools
import re
import smtplib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from support.daemon import ROOT, Daemon
from support.ports import free_port
from support.postfix import RECIPIENT, Reply
from support.process import Process, wait_until
from support.sendmail_root import HOST, SHARED, SendmailRoot
from support.world import NEAR

EXEMPT: Final = """
[exempt]
networks = ["127.0.0.1"]
"""
"""For the daemon: Sendmail has no XCLIENT, so who comes from another address of loopback is a stranger."""

# The order is Sendmail's: options, features, daemons, filters, mailers. No mailer speaks SMTP, so nothing can leave.
_MC: Final = """\
include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(`debian')dnl
DOMAIN(`debian-mta')dnl
define(`confDOMAIN_NAME', `{host}')dnl
define(`confPID_FILE', `{inside}/sendmail.pid')dnl
define(`confCONTROL_SOCKET_NAME', `')dnl
define(`confHOST_STATUS_DIRECTORY', `')dnl
define(`STATUS_FILE', `{inside}/statistics')dnl
define(`QUEUE_DIR', `{inside}/queue')dnl
define(`ALIAS_FILE', `')dnl
define(`confSERVICE_SWITCH_FILE', `/etc/mail/service.switch-nodns')dnl
define(`confTO_IDENT', `0')dnl
define(`confREFUSE_LA', `1000')dnl
define(`confQUEUE_LA', `1000')dnl
define(`confAUTH_MECHANISMS', `PLAIN')dnl
TRUST_AUTH_MECH(`PLAIN')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
define(`SMART_HOST', `nowhere:nowhere')dnl
DAEMON_OPTIONS(`Family=inet, Name=MTA, Addr=127.0.0.1, Port={port}')dnl
{lines}
MAILER_DEFINITIONS
MAILER(`local')dnl
Mmaildir, P={inside}/deliver, F=lsPn8m, S=EnvFromL/HdrFromL, R=EnvToL/HdrToL, E=\\n, T=DNS/RFC822/X-Unix,
	A=deliver {inside}/mail $u
Mnowhere, P=/bin/false, F=lsPn8m, S=EnvFromL/HdrFromL, R=EnvToL/HdrToL, T=DNS/RFC822/X-Unix, A=false $u
LOCAL_CONFIG
Cwdest.example
LOCAL_RULE_0
R$* < @ dest.example . >	$#maildir $: $1
"""

_DELIVER: Final = """\
#!/bin/sh
set -e
file=$(mktemp "$1/tmp/XXXXXXXXXX")
cat >"$file"
mv "$file" "$1/new/"
"""

_SHIPPED: Final = (ROOT / "conf" / "sendmail.mc").read_text("utf-8")

_numbers = itertools.count()


def filter_lines(socket: str, *, flags: str = "F=T") -> list[str]:
    """What conf/sendmail.mc tells an administrator to add.

    Args:
        socket: the milter's, as libmilter spells it.
        flags: in the place of those that are shipped.
    """
    lines = [line for line in _SHIPPED.splitlines() if not line.startswith("dnl")]
    text = "\n".join(lines)
    assert (text.count("S=inet:8894@127.0.0.1"), text.count("F=T")) == (1, 1), text
    return text.replace("inet:8894@127.0.0.1", socket).replace("F=T", flags).splitlines()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A message in the queue that Sendmail keeps until somebody releases it."""

    queue_id: str
    reason: str
    sender: str


class Sendmail(Process):
    """One instance that delivers ``@dest.example`` to files.

    Args:
        root: where it runs.
        lines: of its sendmail.mc, such as INPUT_MAIL_FILTER.

    Attributes:
        port: of its MTA, on 127.0.0.1.
        directory: its own, as seen from outside.
    """

    def __init__(self, root: SendmailRoot, lines: Sequence[str]) -> None:
        self._root = root
        self._tag = f"sendmail{next(_numbers)}"
        self.directory = root.shared / self._tag
        self._inside = SHARED / self._tag
        self.port = free_port()
        for name in ("queue", "mail", "mail/tmp", "mail/new"):
            (self.directory / name).mkdir(parents=True)
        (self.directory / "queue").chmod(0o700)
        for name in ("tmp", "new"):
            (self.directory / "mail" / name).chmod(0o777)  # its mailers run as the user mail
        deliver = self.directory / "deliver"
        deliver.write_text(_DELIVER, "ascii")
        deliver.chmod(0o755)
        text = _MC.format(host=HOST, inside=self._inside, port=self.port, lines="\n".join(lines))
        (self.directory / "sendmail.mc").write_text(text, "utf-8")
        (self.directory / "sendmail.cf").write_text(root.run("m4", self._inside / "sendmail.mc"), "utf-8")
        super().__init__(root.command(*self._sendmail("-L", self._tag, "-bD")), log=self.directory / "output")

    def _sendmail(self, *arguments: str) -> list[str]:
        return ["/usr/sbin/sendmail", "-C", f"{self._inside}/sendmail.cf", *arguments]

    def start(self) -> Self:
        """Start it and wait for its greeting."""
        super().start()
        self.wait_for(self._greets, "the greeting of Sendmail")
        return self

    def _greets(self) -> bool:
        with contextlib.suppress(OSError, smtplib.SMTPException), self.connect():
            return True
        return False

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if value is not None:
            value.add_note(f"the log of Sendmail:\n{self.syslog()}")
        super().__exit__(kind, value, tb)

    def connect(self, *, address: str = NEAR, port: int | None = None) -> smtplib.SMTP:
        """A client that comes from this address of loopback."""
        client = smtplib.SMTP(
            "127.0.0.1",
            port or self.port,
            local_hostname="client.example",
            timeout=60,
            source_address=(address, 0),
        )
        client.ehlo()
        return client

    def send(self, message: bytes, *, mail_from: str, address: str = NEAR, client: smtplib.SMTP | None = None) -> Reply:
        """Send one message; return the refusal, or the reply to the end of data."""
        with contextlib.ExitStack() as stack:
            smtp = client or stack.enter_context(self.connect(address=address))
            for command, argument in (("MAIL FROM:", f"<{mail_from}> BODY=8BITMIME"), ("RCPT TO:", f"<{RECIPIENT}>")):
                code, text = smtp.docmd(f"{command}{argument}")
                if code >= 400:
                    return Reply(command=command, code=code, text=text.decode())
            code, text = smtp.data(message)
            return Reply(command=".", code=code, text=text.decode())

    def delivered(self) -> list[bytes]:
        """Every message that was delivered, the oldest first."""
        files = sorted((self.directory / "mail" / "new").iterdir(), key=lambda path: path.stat().st_mtime_ns)
        return [path.read_bytes() for path in files]

    def quarantined(self) -> list[Quarantined]:
        """What is in the queue and will stay there."""
        return [_quarantined(path) for path in sorted((self.directory / "queue").glob("hf*"))]

    def flush(self) -> None:
        """Try to deliver everything that waits."""
        self._root.run(*self._sendmail("-q"))

    def release(self, held: Quarantined) -> None:
        """Let a message out of quarantine and deliver it, as an administrator would."""
        self._root.run(*self._sendmail("-qQ", "-Q", f"-qI{held.queue_id}"))
        self._root.run(*self._sendmail(f"-qI{held.queue_id}"))

    def mailq(self, *arguments: str) -> str:
        return self._root.run(*self._sendmail("-bp", *arguments))

    def syslog(self) -> str:
        return "\n".join(self._root.syslog.lines(self._tag))

    def wait_for_syslog(self, pattern: str) -> str:
        """Wait for a log line in which this is found, and return the line."""

        def found() -> str | None:
            return next((line for line in self.syslog().splitlines() if re.search(pattern, line)), None)

        return wait_until(found, f"{pattern!r} in the log:\n{self.syslog()}")


@dataclass(frozen=True, slots=True)
class Site:
    """A daemon and the Sendmail that hands it mail."""

    daemon: Daemon
    sendmail: Sendmail

    def send(self, mail: bytes, *, mail_from: str = "a@near.example", address: str = NEAR) -> Reply:
        return self.sendmail.send(mail, mail_from=mail_from, address=address)

    def log_of(self, reply: Reply) -> str:
        """The daemon's line for an accepted message."""
        accepted = re.match(r"2\.0\.0 (\w+) Message accepted", reply.text)
        assert accepted is not None, reply
        return self.daemon.line(f"queue_id={accepted[1]}")


def _quarantined(path: Path) -> Quarantined:
    lines = path.read_text("latin-1").splitlines()
    [reason] = [line[1:] for line in lines if line.startswith("q")]
    [sender] = [line[1:].strip("<>") for line in lines if line.startswith("S")]
    return Quarantined(queue_id=path.name[2:], reason=reason, sender=sender)
