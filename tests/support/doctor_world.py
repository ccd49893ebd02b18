"""A small copy of a machine on which assay is attached as it should be, for the doctor to look at.

Its Postfix configuration is read by the real postconf, its socket is served by a milter that speaks, its name server
answers. A test changes one thing and looks again.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import dns.flags

from assay.doctor.catalogue import findings
from assay.doctor.inspection import Inspection
from assay.doctor.look.everything import Looker
from assay.doctor.look.places import Places
from assay.doctor.model import Finding
from support.dnsserver import DnsServer, Exchange, Reply, plain
from support.fake_milter import LEADING_SPACE, NO_REPLIES, FakeMilter

ROOT: Final = Path(__file__).parent.parent.parent
SOCKET: Final = "/var/spool/postfix/assay/assay.sock"
ZONE: Final = ". NS ns.root.example."

STRANGER: Final = 61103
"""A user id that nobody has."""

MAIN: Final = {
    "compatibility_level": "3.6",
    "myhostname": "mx.dest.example",
    "queue_directory": "/var/spool/postfix",
    "mail_owner": "postfix",
    "smtpd_milters": "unix:assay/assay.sock",
    "milter_protocol": "6",
    "milter_default_action": "tempfail",
    "message_strip_characters": r"\0",
    "smtpd_sasl_auth_enable": "no",
}
"""main.cf as conf/postfix-main.cf advises."""

MASTER: Final = """\
smtp inet n - y - - smtpd
submission inet n - y - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_milters=inet:127.0.0.1:8891
  -o milter_macro_daemon_name=ORIGINATING
127.0.0.1:10025 inet n - n - 10 smtpd
  -o smtpd_milters=
  -o content_filter=
cleanup unix n - y - 0 cleanup
"""

# The user postfix has the group of whoever runs the tests, so that these can make a socket that it may use.
PASSWD: Final = f"""\
root:x:0:0:root:/root:/bin/bash
postfix:x:{STRANGER}:{os.getgid()}::/var/spool/postfix:/usr/sbin/nologin
assay:x:{STRANGER + 1}:{STRANGER + 1}::/:/usr/sbin/nologin
"""
GROUP: Final = f"root:x:0:\npostfix:x:{os.getgid()}:\nassay:x:{STRANGER + 1}:\n"

DROP_IN: Final = f"""\
[Socket]
ListenStream=
ListenStream={SOCKET}
SocketUser=assay
SocketGroup=postfix
SocketMode=0660
"""


def authentic(exchange: Exchange) -> list[Reply]:
    """Answer from the zone, and say that the answer was validated."""
    exchange.answer.flags |= dns.flags.AD
    return plain(exchange)


@dataclass(kw_only=True)
class Machine:
    """The copy; its attributes are what a test may change before the files are written.

    Attributes:
        root: its root directory.
        settings: of assay.toml, before the first table: key and value as written.
        tables: the rest of it, after the name server.
        main: main.cf; empty for a machine without Postfix.
        main_text: what main.cf holds besides.
        master: master.cf.
        mode: of the socket.
        milter: whether somebody serves the unix socket, and what that negotiates.
        filters: milters on ports, that are served too.
        server: the name server.
        adjust: changes what was read, for what the machine below cannot be made to say.
    """

    root: Path
    settings: dict[str, str] = field(default_factory=lambda: {"socket": f'"unix:{SOCKET}"'})
    tables: str = ""
    main: dict[str, str] = field(default_factory=lambda: dict(MAIN))
    main_text: str = ""
    master: str = MASTER
    mode: int = 0o660
    milter: int | None = LEADING_SPACE | NO_REPLIES
    filters: list[FakeMilter] = field(default_factory=list)
    server: DnsServer = field(default_factory=lambda: DnsServer(ZONE, everything=authentic))
    adjust: Callable[[Inspection], Inspection] = lambda inspection: inspection

    @property
    def config(self) -> Path:
        """Our configuration, once it is written."""
        return self.path("/etc/assay/assay.toml")

    def path(self, inside: str) -> Path:
        """Return where a path of the copy is; the directories above it are made, open to everybody."""
        where = self.root / inside.lstrip("/")
        for directory in [*reversed(where.relative_to(self.root).parents)][1:]:
            (self.root / directory).mkdir(exist_ok=True)
            (self.root / directory).chmod(0o755)
        return where

    def write(self, inside: str, text: str) -> None:
        where = self.path(inside)
        where.write_text(text, "utf-8")
        where.chmod(0o644)

    def enable(self, unit: str, target: str) -> None:
        self.path(f"/etc/systemd/system/{target}.wants/{unit}").symlink_to(f"/etc/systemd/system/{unit}")

    def install(self, environment: str, python: str = "/usr/bin/python3") -> None:
        """Make what is looked at of a virtual environment with assay in it, and of the Python that it was made with."""
        self.write(f"{environment}/bin/assay", f"#!{environment}/bin/python3\n")
        self.write(python, "a program")
        self.path(python).chmod(0o755)
        self.path(f"{environment}/bin/assay").chmod(0o755)
        self.path(f"{environment}/bin/python3").unlink(missing_ok=True)
        self.path(f"{environment}/bin/python3").symlink_to(python)
        self.write(f"{environment}/pyvenv.cfg", f"home = {Path(python).parent}\nversion = 3.11.2\n")

    def lay_out(self) -> None:
        """Write what does not depend on the attributes."""
        self.root.chmod(0o755)
        self.write("/etc/passwd", PASSWD)
        self.write("/etc/group", GROUP)
        self.write("/etc/assay/policies/default.toml", (ROOT / "policies/default.toml").read_text("utf-8"))
        for unit in ("assay.service", "assay.socket"):
            self.write(f"/etc/systemd/system/{unit}", (ROOT / "systemd" / unit).read_text("utf-8"))
        self.install("/opt/assay")
        self.write("/etc/systemd/system/assay.socket.d/postfix.conf", DROP_IN)
        self.enable("assay.service", "multi-user.target")
        self.enable("assay.socket", "sockets.target")
        self.path(SOCKET)

    def write_configurations(self) -> None:
        lines = "".join(f"{key} = {value}\n" for key, value in self.settings.items())
        servers = f'[dns]\nnameservers = ["{self.server.nameserver}"]\ntimeout = 0.5\n'
        self.write("/etc/assay/assay.toml", f"{lines}{servers}{self.tables}")
        if self.main:
            lines = "".join(f"{key} = {value}\n" for key, value in self.main.items())
            self.write("/etc/postfix/main.cf", lines + self.main_text)
            self.write("/etc/postfix/master.cf", self.master)
            # Postfix waits until a file that it reads has not changed for a second or two
            for name in ("main.cf", "master.cf"):
                os.utime(self.path(f"/etc/postfix/{name}"), (0, 0))

    @contextmanager
    def served(self) -> Iterator[None]:
        """Serve its socket and its name server."""
        with self.server, ExitStack() as stack:
            for each in self.filters:
                stack.enter_context(each)
            if self.milter is not None:
                stack.enter_context(FakeMilter(self.milter, path=self.path(SOCKET)))
                self.path(SOCKET).chmod(self.mode)
            yield

    def inspect(self) -> Inspection:
        """Look at it; of the machine below, the clock is taken for good."""
        inspection = Looker(Places(root=self.root)).inspect(None)
        machine = replace(inspection.machine, synchronised=True)
        return self.adjust(replace(inspection, machine=machine))


@contextmanager
def machine(*changes: Callable[[Machine], None]) -> Iterator[Machine]:
    """Make a good machine, change it, and serve it."""
    # A unix socket has a path of 107 octets at most, so not pytest's directory.
    made = Machine(root=Path(tempfile.mkdtemp(prefix="assay-", dir="/tmp")))
    try:
        made.lay_out()
        for change in changes:
            change(made)
        made.write_configurations()
        with made.served():
            yield made
    finally:
        shutil.rmtree(made.root)


def found(made: Machine) -> list[Finding]:
    return list(findings(made.inspect()))
