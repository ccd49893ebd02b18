"""Every finding about the name servers, the service and the machine, on a machine where it is the only one."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

import dns.flags
import dns.rrset

from assay.dns.nameservers import parse_nameserver
from assay.doctor.inspection import Held, Library, Unread
from assay.doctor.unit import State
from support.dnsserver import Exchange, Reply, dead, plain, rcode
from support.doctor_changes import Case, both, drop_in, seen, server, setting, with_machine
from support.doctor_world import Machine, authentic


def _invent(exchange: Exchange) -> list[Reply]:
    """Answer the impossible name as a name server of some providers does."""
    if exchange.seen.name == b"assay-doctor.invalid":
        made_up = exchange.message()
        made_up.answer.append(dns.rrset.from_text("assay-doctor.invalid.", 60, "IN", "A", "192.0.2.1"))
        return [(0, made_up.to_wire())]
    return authentic(exchange)


def _without_recursion(exchange: Exchange) -> list[Reply]:
    exchange.answer.flags &= ~dns.flags.RA
    return plain(exchange)


def stated(state: State) -> Callable[[Machine], object]:
    """Have systemd say this of the service."""
    return seen(lambda looked: replace(looked, unit=looked.unit and replace(looked.unit, state=state)))


MACHINE_CASES: Final = (
    # the name servers
    Case(id="resolver-silent", claim="the name server is dead", change=server(dead), says=("no answer in time",)),
    Case(id="resolver-fails", claim="the name server refuses", change=server(rcode("REFUSED")), says=("REFUSED",)),
    Case(
        id="resolver-fails",
        claim="the name server knows only its own zones",
        change=server(_without_recursion),
        says=("does not offer recursion",),
    ),
    Case(
        id="resolver-slow",
        claim="the name server needs a tenth of a second for an answer of its cache",
        change=lambda made: setattr(
            made,
            "adjust",
            lambda looked: replace(looked, resolvers=(replace(looked.resolvers[0], milliseconds=101.4),)),
        ),
        says=("needs 101 ms",),
    ),
    Case(
        id="resolver-no-tcp",
        claim="the name server answers over UDP alone",
        change=server(authentic, tcp=False),
        says=("does not answer over TCP",),
        remedy=("open TCP port",),
    ),
    Case(
        id="resolver-invents-names", claim="the name server answers for a name that cannot be", change=server(_invent)
    ),
    Case(
        id="resolver-public",
        claim="the name server is that of Google",
        change=seen(
            lambda looked: replace(
                looked, resolvers=(replace(looked.resolvers[0], server=parse_nameserver("8.8.8.8")),)
            )
        ),
        says=("8.8.8.8:53", "Google"),
        remedy=("unbound",),
    ),
    Case(id="resolver-no-dnssec", claim="the name server does not validate", change=server(plain)),
    # the service
    Case(
        id="unit-not-enabled",
        claim="nothing starts the service at boot",
        change=both(
            lambda made: made.path("/etc/systemd/system/multi-user.target.wants/assay.service").unlink(),
            lambda made: made.path("/etc/systemd/system/sockets.target.wants/assay.socket").unlink(),
        ),
        remedy=("systemctl enable --now assay",),
    ),
    Case(
        id="unit-needs-reload",
        claim="systemd runs with an older text of the unit",
        change=stated(State(outdated=True, failed=False, since=None)),
        remedy=("systemctl daemon-reload",),
    ),
    Case(
        id="unit-failed",
        claim="systemd gave the service up",
        change=stated(State(outdated=True, failed=True, since=1)),
        remedy=("journalctl -u assay",),
    ),
    Case(
        id="configuration-not-in-force",
        claim="a policy was changed since the last reload",
        change=stated(State(outdated=False, failed=False, since=1_000_000)),
        after=lambda made: os.utime(made.path("/etc/assay/policies/default.toml"), (2**32, 2**32)),
        says=("/etc/assay/policies/default.toml was changed after",),
        remedy=("systemctl reload assay",),
    ),
    Case(
        id="unit-missing",
        claim="systemd knows no unit",
        change=seen(
            lambda looked: replace(looked, unit=None, machine=replace(looked.machine, systemd=True)),
        ),
        says=("there is no assay.service",),
    ),
    Case(
        id="unit-as-root", claim="a drop-in makes it run as root", change=drop_in("User=root"), says=("User= is root",)
    ),
    Case(
        id="unit-program-closed",
        claim="the virtual environment was made with a Python of pyenv",
        change=lambda made: made.install("/opt/assay", "/root/.pyenv/versions/3.12.1/bin/python3.12"),
        says=("needs /opt/assay/bin/python3: it is in /root/.pyenv/versions/3.12.1/bin/python3.12, and ProtectHome=",),
        remedy=("/usr/bin/python3 -m venv",),
    ),
    Case(
        id="unit-program-closed",
        claim="the interpreter was copied into the environment, and its library is below /home",
        change=lambda made: made.write("/opt/assay/pyvenv.cfg", "home = /home/me/python/bin\n"),
        after=lambda made: made.path("/home/me/python/bin/python3"),
        says=("needs /home/me/python/bin: it is in /home/me/python/bin, and ProtectHome= hides /home",),
    ),
    Case(
        id="unit-program-closed",
        claim="root made the environment with a umask that lets nobody else in",
        after=lambda made: made.path("/opt/assay").chmod(0o700),
        says=("needs /opt/assay/bin/assay: /opt/assay (mode 0700, owner", "does not let the user assay"),
        remedy=("chmod -R a+rX",),
    ),
    Case(
        id="unit-program-closed",
        claim="the program is not where the unit says",
        change=drop_in("ExecStart=", "ExecStart=-/usr/local/bin/assay run"),
        says=("needs /usr/local/bin/assay: there is no /usr/local",),
    ),
    Case(
        id="unit-sandbox-changed",
        claim="a drop-in opens the sandbox",
        change=drop_in("ProtectSystem=no"),
        says=("override.conf", "ProtectSystem=no (shipped: strict)"),
        remedy=("systemctl revert assay",),
    ),
    Case(
        id="unit-kill-mode",
        claim="a drop-in sends SIGTERM to the workers",
        change=drop_in("KillMode=control-group"),
        says=("KillMode= is control-group",),
        remedy=("KillMode=mixed",),
    ),
    Case(
        id="unit-stop-timeout",
        claim="stop_timeout is longer than systemd waits, which nobody tells",
        change=both(drop_in("Type=exec"), setting("stop_timeout", "120")),
        says=("TimeoutStopSec= is 90s", "120s"),
        remedy=("TimeoutStopSec=150",),
    ),
    Case(id="unit-no-restart", claim="a drop-in forbids the restart", change=drop_in("Restart=no"), says=("is no",)),
    Case(
        id="unit-descriptors",
        claim="a drop-in allows fewer descriptors than Postfix has processes",
        change=drop_in("LimitNOFILE=256"),
        says=("LimitNOFILE= is 256, and Postfix may open 210 sessions",),
        remedy=("LimitNOFILE=16384",),
    ),
    Case(
        id="unit-watchdog-short",
        claim="a drop-in gives the watchdog two seconds",
        change=drop_in("WatchdogSec=2"),
        says=("WatchdogSec= is 2s",),
        remedy=("WatchdogSec=60",),
    ),
    # the machine
    Case(
        id="clock-not-synchronised",
        claim="nothing keeps the clock",
        change=with_machine(lambda _: {"synchronised": False}),
        remedy=("chrony",),
    ),
    Case(
        id="clock-in-the-past",
        claim="the clock stands at 1970",
        change=with_machine(lambda _: {"now": 0.0}),
        says=("the clock says 1970-01-01",),
    ),
    Case(
        id="suffix-list-old",
        claim="the list of public suffixes is two years old",
        change=with_machine(
            lambda looked: {"suffixes": looked.machine.suffixes and looked.machine.suffixes - timedelta(days=800)}
        ),
        remedy=("pip install --upgrade publicsuffixlist",),
    ),
    Case(
        id="library-unsuitable",
        claim="dkimpy is older than setup.cfg asks for",
        change=with_machine(
            lambda _: {"libraries": (Library(name="dkimpy", required="<2,>=1.1.8", installed="1.1.7"),)}
        ),
        says=("dkimpy is 1.1.7, and <2,>=1.1.8 is needed",),
        remedy=("pip install 'dkimpy<2,>=1.1.8'",),
    ),
    Case(
        id="mail-on-hold",
        claim="messages wait on hold by our decision",
        change=seen(
            lambda looked: replace(
                looked,
                held=(
                    Held(queue_id="4B", since=int(looked.machine.now) - 86400, author_domain="b.example"),
                    Held(queue_id="4A", since=int(looked.machine.now) - 3 * 86400, author_domain="a.example"),
                ),
            )
        ),
        says=("2 kept in the queue", "the oldest for 3 days: 4A (from a.example), 4B (from b.example)"),
        remedy=("postsuper -c ", " -H 4A && postqueue -c "),
    ),
    Case(
        id="mta-not-found",
        claim="there is neither Postfix nor Sendmail",
        change=lambda made: made.main.clear(),
        remedy=("--postfix-config",),
    ),
    Case(
        id="not-looked-at",
        claim="something cannot be read",
        change=seen(lambda looked: replace(looked, unread=(Unread(what="X", why="closed", remedy="run it as root"),))),
        says=("X: closed",),
        remedy=("as root",),
    ),
)
