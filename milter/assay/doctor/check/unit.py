"""The unit of systemd: it starts, restarts, stops gently, and keeps its sandbox."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from assay.doctor.check.socket import permits
from assay.doctor.inspection import Account, Inspection, Walk
from assay.doctor.model import Finding, error, notice, warning
from assay.doctor.unit import State, Unit, seconds, truth

MISSING: Final = notice(
    "unit-missing",
    "systemd runs this machine and knows no assay.service: nobody starts assay after a boot or a crash.",
    "Install the unit that comes with assay.",
)
NOT_ENABLED: Final = warning(
    "unit-not-enabled",
    "The service does not start at boot: after the next one the MTA does what it does while assay is away.",
    "systemctl enable assay",
)
NEEDS_RELOAD: Final = warning(
    "unit-needs-reload",
    "The unit was changed after systemd read it: the service runs with the old text.",
    "systemctl daemon-reload, then systemctl restart assay.",
)
FAILED: Final = error(
    "unit-failed",
    "systemd gave the service up. The socket that systemd holds still takes connections, and nobody answers them: the"
    " MTA waits for its time-out with every message.",
    "journalctl -u assay says why; then systemctl restart assay.",
)
NOT_IN_FORCE: Final = warning(
    "configuration-not-in-force",
    "The configuration or a policy file was changed after the daemon read it: what it says is not done yet.",
    "systemctl reload assay",
)
AS_ROOT: Final = error(
    "unit-as-root",
    "The service runs as root, which it never needs: a fault in it or in a library would be one of the whole machine.",
    "User=assay in the unit.",
)
PROGRAM: Final = error(
    "unit-program-closed",
    "The service cannot get to the program that its unit starts, or to the Python that this runs on: it ends at once"
    " (203/EXEC), again and again. That is so where a virtual environment was made with a Python below /root or /home,"
    " as pyenv and uv have it: ProtectHome= hides them.",
    "Make the virtual environment with a Python of the system, /usr/bin/python3 -m venv, and let the user of the"
    " service read all of it.",
)
SANDBOX: Final = warning(
    "unit-sandbox-changed",
    "The sandbox of the unit is another one than that which comes with assay, which was shown to work and to be tight.",
    "Take these lines out of the drop-in, or copy the unit that comes with assay again.",
)
KILL_MODE: Final = error(
    "unit-kill-mode",
    "At a stop SIGTERM goes to the workers too, whose libmilter then breaks off open messages; only the supervisor may"
    " get it.",
    "KillMode=mixed in the unit.",
)
STOP_TIMEOUT: Final = warning(
    "unit-stop-timeout",
    "systemd kills the service before its workers have finished the messages they have (stop_timeout). With Type=notify"
    " it is told how long they may take, and waits.",
    "TimeoutStopSec= in the unit larger than stop_timeout, or Type=notify.",
)
NO_RESTART: Final = warning(
    "unit-no-restart",
    "If the service ends by a fault nobody starts it again.",
    "Restart=always in the unit.",
)
DESCRIPTORS: Final = warning(
    "unit-descriptors",
    "A worker may need more descriptors than the unit allows: one for each SMTP session that Postfix may open, and one"
    " for each question under way. Beyond, connections wait.",
    "A larger LimitNOFILE= in the unit.",
)
WATCHDOG: Final = warning(
    "unit-watchdog-short",
    "systemd takes a service that is silent for so short a time for dead; on a busy machine that ends a healthy one.",
    "WatchdogSec= of the unit that comes with assay.",
)
KINDS: Final = (
    *(MISSING, NOT_ENABLED, NEEDS_RELOAD, FAILED, NOT_IN_FORCE, AS_ROOT, PROGRAM),
    *(SANDBOX, KILL_MODE, STOP_TIMEOUT, NO_RESTART, DESCRIPTORS, WATCHDOG),
)

DEFAULT_DESCRIPTORS: Final = 1024
"""systemd's soft limit for services that say nothing (DefaultLimitNOFILE)."""
RESERVE: Final = 256
"""Descriptors of a worker beside its sessions: queries under way, files, its control socket (local choice)."""
DEFAULT_STOP: Final = 90.0
"""Seconds: DefaultTimeoutStopSec of systemd."""
MIN_WATCHDOG: Final = 10.0
"""Seconds (local choice): a probe message goes the way of every other and may wait behind them."""

HOMES: Final = ("/home", "/root", "/run/user")
"""What ProtectHome= hides (systemd.exec(5))."""
_PASS: Final = 0o1

_SANDBOX = re.compile(
    r"(Protect|Private|Restrict|SystemCall|NoNewPrivileges|CapabilityBoundingSet|AmbientCapabilities|LockPersonality"
    r"|MemoryDenyWriteExecute|RemoveIPC|IPAddress|UMask|KeyringMode|ProcSubset|DevicePolicy)"
)


def check(inspection: Inspection) -> Iterator[Finding]:
    """Look at the unit, if systemd runs the machine or there is one."""
    unit = inspection.unit
    if unit is None or not unit.path:
        if inspection.machine.systemd:
            yield MISSING.found(
                "there is no assay.service",
                "copy share/assay/systemd/ to /etc/systemd/system/; systemctl daemon-reload",
            )
        return
    if not unit.enabled:
        yield NOT_ENABLED.found(f"{unit.path} is not wanted by any target", "systemctl enable --now assay")
    if unit.state is not None:
        yield from _state(unit, unit.state, inspection)
    yield from _user(unit)
    yield from _program(unit, inspection)
    yield from _sandbox(unit)
    yield from _life(unit, inspection)
    yield from _descriptors(unit, inspection)


def _state(unit: Unit, state: State, inspection: Inspection) -> Iterator[Finding]:
    if state.failed:
        yield FAILED.found("assay.service is in the state failed", "journalctl -u assay; systemctl restart assay")
        return
    if state.outdated:
        yield NEEDS_RELOAD.found(
            f"{unit.path} or a drop-in is newer than what systemd runs",
            "systemctl daemon-reload && systemctl restart assay",
        )
    changed = [walk.steps[-1] for walk in inspection.files if not walk.missing]
    newest = max(changed, key=lambda step: step.modified, default=None)
    if newest is not None and state.since is not None and newest.modified > state.since + 1:
        yield NOT_IN_FORCE.found(
            f"{newest.path} was changed after assay was started or reloaded", "assay config && systemctl reload assay"
        )


def _user(unit: Unit) -> Iterator[Finding]:
    user = unit.settings.get("User", "")
    if user in {"root", "0"} or (not user and not truth(unit.settings.get("DynamicUser", "no"))):
        yield AS_ROOT.found(f"{_place(unit, 'User')} is {user or 'not set'}", _edit("User=assay"))


def _program(unit: Unit, inspection: Inspection) -> Iterator[Finding]:
    """Name the first thing that cannot be reached; what comes after it is mostly in the same place."""
    hides = unit.settings.get("ProtectHome", "no").lower()
    hidden = HOMES if truth(hides) or hides == "tmpfs" else ()
    for walk in inspection.program:
        why, remedy = _unreachable(walk, hidden, inspection.daemon_user)
        if why:
            yield PROGRAM.found(f"{_place(unit, 'ExecStart')} needs {walk.path}: {why}", remedy)
            return


def _unreachable(walk: Walk, hidden: Sequence[str], user: Account | None) -> tuple[str, str]:
    """Say why the service does not get there, and what to do; two empty texts if it does."""
    again = "make the virtual environment anew (/usr/bin/python3 -m venv --clear DIRECTORY), install assay into it"
    for step in walk.steps:
        for home in hidden:
            if step.path == home:
                return f"it is in {walk.real}, and ProtectHome= hides {home}", f"{again}, then: systemctl restart assay"
        if user is not None and not permits(step, user, _PASS):
            why = f"{step.path} (mode {step.mode:04o}, owner {step.uid}) does not let the user {user.name} in"
            return why, f"chmod a+rx {step.path}; with all below it: chmod -R a+rX {step.path}"
    return (f"there is no {walk.missing}", f"{again}, or correct the line") if walk.missing else ("", "")


def _sandbox(unit: Unit) -> Iterator[Finding]:
    keys = sorted(key for key in unit.shipped if _SANDBOX.match(key))
    loose = [
        f"{key}={unit.settings.get(key, '')} (shipped: {unit.shipped[key]})"
        for key in keys
        if unit.settings.get(key, "").lower() != unit.shipped[key].lower()
    ]
    if loose:
        yield SANDBOX.found(
            f"{', '.join(unit.drop_ins) or unit.path}: {', '.join(loose)}",
            "systemctl revert assay, or take these lines out: systemctl edit assay",
        )


def _life(unit: Unit, inspection: Inspection) -> Iterator[Finding]:
    mode = unit.settings.get("KillMode", "control-group")
    if mode not in {"mixed", "process"}:
        yield KILL_MODE.found(f"{_place(unit, 'KillMode')} is {mode}", _edit("KillMode=mixed"))
    if inspection.config is not None and unit.settings.get("Type") != "notify":
        stop = seconds(unit.settings.get("TimeoutStopSec", f"{DEFAULT_STOP:g}"))
        if stop is not None and stop <= inspection.config.stop_timeout:
            yield STOP_TIMEOUT.found(
                f"{_place(unit, 'TimeoutStopSec')} is {stop:g}s, and stop_timeout in {inspection.config.source}"
                f" {inspection.config.stop_timeout:g}s",
                _edit(f"TimeoutStopSec={inspection.config.stop_timeout + 30:g}"),
            )
    restart = unit.settings.get("Restart", "no")
    if restart not in {"always", "on-failure", "on-abnormal"}:
        yield NO_RESTART.found(f"{_place(unit, 'Restart')} is {restart}", _edit("Restart=always"))
    watchdog = seconds(unit.settings.get("WatchdogSec", "0"))
    if watchdog is not None and 0 < watchdog < MIN_WATCHDOG:
        shipped = unit.shipped.get("WatchdogSec", "30")
        yield WATCHDOG.found(f"{_place(unit, 'WatchdogSec')} is {watchdog:g}s", _edit(f"WatchdogSec={shipped}"))


def _descriptors(unit: Unit, inspection: Inspection) -> Iterator[Finding]:
    limit = unit.settings.get("LimitNOFILE", str(DEFAULT_DESCRIPTORS)).partition(":")[0]
    sessions = inspection.postfix.processes() if inspection.postfix is not None else 0
    needed = sessions + RESERVE
    if limit.isdecimal() and int(limit) < needed:
        yield DESCRIPTORS.found(
            f"{_place(unit, 'LimitNOFILE')} is {limit}, and Postfix may open {sessions} sessions at the same time",
            _edit(f"LimitNOFILE={max(16384, needed)}"),
        )


def _place(unit: Unit, key: str) -> str:
    return f"{', '.join((unit.path, *unit.drop_ins))}: {key}="


def _edit(line: str) -> str:
    return f"systemctl edit assay: a line [Service], and below it {line}; then: systemctl restart assay"
