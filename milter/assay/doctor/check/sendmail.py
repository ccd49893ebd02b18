"""How Sendmail is attached, as its sendmail.mc says."""

from collections.abc import Iterator, Sequence
from typing import Final

from assay.config.model import Config
from assay.doctor.check import chain
from assay.doctor.check.postfix import COMMAND_TIMEOUT, CONNECT_TIMEOUT, CONTENT_TIMEOUT, MIN_SECONDS, SUBMISSION
from assay.doctor.inspection import Inspection
from assay.doctor.milters import Listed, is_at
from assay.doctor.model import Finding, error, warning
from assay.doctor.postfix import seconds
from assay.doctor.sendmail import Daemon, Filter, Sendmail

STALE: Final = warning(
    "sendmail-cf-stale",
    "sendmail.mc was changed after sendmail.cf was made of it: what it says is not in force.",
    "make -C /etc/mail, and restart Sendmail.",
)
UNSAFE: Final = error(
    "socket-directory-unsafe",
    "A group or everybody may write to a directory above the unix socket: Sendmail takes such a socket for unsafe and"
    " does not start, or defers all mail if it runs already.",
    "chmod go-w the directory.",
)
KINDS: Final = (STALE, UNSAFE)

_STICKY: Final = 0o1000

_DEFERS: Final = frozenset({"T", "4"})
_TIMES: Final = {
    "C": (CONNECT_TIMEOUT, "C:30s"),
    "S": (COMMAND_TIMEOUT, "S:30s"),
    "R": (CONTENT_TIMEOUT, "R:60s"),
    "E": (CONTENT_TIMEOUT, "E:5m"),
}
_REBUILD: Final = "then: make -C /etc/mail && systemctl restart sendmail"


def check(inspection: Inspection) -> Iterator[Finding]:
    """Look at Sendmail, if there is one and our own configuration is known."""
    sendmail, config = inspection.sendmail, inspection.config
    if sendmail is None or config is None:
        return
    if sendmail.stale:
        yield STALE.found(
            f"{sendmail.path} is newer than its sendmail.cf", "make -C /etc/mail && systemctl restart sendmail"
        )
    ours = [index for index, each in enumerate(sendmail.filters) if is_at(each.listed, config.socket, inspection.real)]
    if not ours:
        yield chain.NOT_LISTED.found(
            f"{sendmail.path} has no milter at {config.socket.libmilter}", f"add {_line(config)} and {_REBUILD}"
        )
        return
    own = sendmail.filters[ours[0]]
    where = chain.Chain(place=sendmail.path, own_name=sendmail.name, reorder=lambda order: _reorder(sendmail, order))
    yield from chain.check(inspection, [each.listed for each in sendmail.filters], ours, where)
    yield from _while_away(sendmail, own, config)
    yield from _directories(inspection, sendmail, config)
    yield from _times(sendmail, own, config)
    for daemon in sendmail.daemons:
        applies = daemon.filters is None or own.name in daemon.filters
        if daemon.submission and applies and not (daemon.authenticates and config.exempt.authenticated):
            why = (
                "[exempt] authenticated is false" if daemon.authenticates else "M= holds no a: nobody must authenticate"
            )
            yield SUBMISSION.found(
                f"{sendmail.path}: the daemon {daemon.name} takes mail of own users through assay, and {why}",
                _past_us(sendmail, daemon, own),
            )


def _past_us(sendmail: Sendmail, daemon: Daemon, own: Filter) -> str:
    """Say how a submission service keeps its other filters, such as a signer, and loses ours."""
    names = [each.name for each in sendmail.filters] if daemon.filters is None else daemon.filters
    line = f"DAEMON_OPTIONS(`{daemon.past(name for name in names if name != own.name)}')dnl"
    if daemon.written:
        return f"write {line} instead of DAEMON_OPTIONS(`{daemon.written}')dnl, {_REBUILD}"
    # with any DAEMON_OPTIONS Sendmail opens none by itself: also not port 25
    port_25 = "" if any(not each.submission for each in sendmail.daemons) else " DAEMON_OPTIONS(`Name=MTA')dnl and"
    return f"add FEATURE(`no_default_msa')dnl and{port_25} {line}, {_REBUILD}"


def _directories(inspection: Inspection, sendmail: Sendmail, config: Config) -> Iterator[Finding]:
    walk = inspection.walks.get((config.socket.path, ""))
    for step in walk.steps if walk is not None else ():
        if step.directory and step.mode & 0o022 and not step.mode & _STICKY:
            yield UNSAFE.found(
                f"{step.path} (mode {step.mode:04o}), above the socket that {sendmail.path} names, may be written to by"
                " others than root",
                f"chmod go-w {step.path}",
            )


def _while_away(sendmail: Sendmail, own: Filter, config: Config) -> Iterator[Finding]:
    if own.flag in _DEFERS:
        return
    kind, says = (chain.REJECTS, "F=R") if own.flag == "R" else (chain.ACCEPTS, "no F=")
    yield kind.found(f"{sendmail.path}: the filter {own.name} has {says}", f"write {_line(config)}, {_REBUILD}")


def _times(sendmail: Sendmail, own: Filter, config: Config) -> Iterator[Finding]:
    for letter, (kind, good) in _TIMES.items():
        least = 2 * config.dns.budget if kind is CONTENT_TIMEOUT else MIN_SECONDS
        span = seconds(own.times[letter])
        if span is not None and span < least:
            yield kind.found(
                f"{sendmail.path}: the filter {own.name} has T={letter}:{own.times[letter]}, and assay may need"
                f" {least:g}s",
                f"write T=...;{good} in its line, {_REBUILD}",
            )


def _line(config: Config) -> str:
    return f"INPUT_MAIL_FILTER(`assay', `S={config.socket.libmilter}, F=T, T=C:30s;S:30s;R:60s;E:5m')dnl"


def _reorder(sendmail: Sendmail, order: Sequence[Listed]) -> str:
    names = [each.name for listed in order for each in sendmail.filters if each.listed is listed]
    return f"define(`confINPUT_MAIL_FILTERS', `{', '.join(names)}')dnl after the last filter, {_REBUILD}"
