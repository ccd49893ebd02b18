"""Sendmail as ``sendmail.mc`` tells it: its milters, in the order of the list, and its daemons. Pure.

The macros are not expanded, as m4 would: only their plain calls, as every guide shows them, are read.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from assay.doctor.milters import Listed

_CALL = re.compile(r"\b(INPUT_MAIL_FILTER|MAIL_FILTER|DAEMON_OPTIONS|define|FEATURE)\s*\(")
_COMMENT = re.compile(r"\bdnl\b.*|^#.*", re.MULTILINE)
# Sendmail's own: connect, send, read (each packet), and the whole of end of message.
_DEFAULT_TIMES: Final = {"C": "5m", "S": "10s", "R": "10s", "E": "5m"}
QUEUE: Final = "/var/spool/mqueue"
"""Where Sendmail keeps its queue unless it is told otherwise."""
_SUBMISSION_PORTS: Final = frozenset({"submission", "submissions", "smtps", "587", "465"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A milter of Sendmail.

    Attributes:
        flag: of F=: ``T`` defers, ``R`` refuses and ``4`` ends the session while the milter is away; empty lets pass.
        times: of T=, with Sendmail's defaults.
    """

    name: str
    flag: str
    times: Mapping[str, str]
    listed: Listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A port that Sendmail listens on.

    Attributes:
        authenticates: it insists on SMTP AUTH (``a`` in M=).
        filters: names of InputMailFilters; None if it says nothing, and all of the list apply.
        written: the argument of its DAEMON_OPTIONS; empty for one that Sendmail opens by itself.
    """

    name: str
    submission: bool
    authenticates: bool
    filters: tuple[str, ...] | None
    written: str = ""

    def past(self, names: Iterable[str]) -> str:
        """Return the argument of its DAEMON_OPTIONS if it asks these filters alone, and all for a password."""
        kept = [part.strip() for part in (self.written or "Port=submission, Name=MSA, M=E").split(",")]
        letters = [part[:1] for part in kept]
        if "M" not in letters:
            kept.append("M=")
        kept = [f"{part}a" if part[:1] == "M" and not self.authenticates else part for part in kept if part[:1] != "I"]
        return ", ".join([*kept, f"InputMailFilters={';'.join(names)}"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Sendmail:
    """One sendmail.mc.

    Attributes:
        name: of the host, as it says (confDOMAIN_NAME); empty if it leaves that to the machine.
        queue: the directory of its queue; may hold wildcards.
        stale: sendmail.cf is older than it, or missing.
    """

    path: str
    name: str
    queue: str
    filters: tuple[Filter, ...]
    daemons: tuple[Daemon, ...]
    stale: bool


def parse_sendmail(text: str, path: str, *, stale: bool) -> Sendmail:
    """Read a sendmail.mc."""
    declared: dict[str, Filter] = {}
    order: list[str] = []
    daemons: list[Daemon] = []
    features: set[str] = set()
    own_name, queue = "", QUEUE
    for macro, arguments in _calls(_COMMENT.sub("", text)):
        match macro, arguments:
            case ("INPUT_MAIL_FILTER", [name, equates, *_]):
                declared[name] = _filter(name, equates)
                order.append(name)
            case ("MAIL_FILTER", [name, equates, *_]):
                declared[name] = _filter(name, equates)
            case ("define", ["confINPUT_MAIL_FILTERS", names, *_]):
                order = _names(names)
            case ("define", ["confDOMAIN_NAME", own_name, *_]):
                pass
            case ("define", ["QUEUE_DIR", queue, *_]):
                pass
            case ("DAEMON_OPTIONS", [equates, *_]):
                daemons.append(_daemon(equates))
            case ("FEATURE", [feature, *_]):
                features.add(feature)
            case _:
                pass
    if "no_default_msa" not in features:
        # what cf/README says of it: port 587, M=E, so that nobody has to authenticate
        daemons.append(Daemon(name="MSA", submission=True, authenticates=False, filters=None))
    filters = tuple(declared[name] for name in order if name in declared)
    return Sendmail(path=path, name=own_name, queue=queue, filters=filters, daemons=tuple(daemons), stale=stale)


def _calls(text: str) -> Iterator[tuple[str, list[str]]]:
    for match in _CALL.finditer(text):
        yield match[1], _arguments(text, match.end())


def _arguments(text: str, start: int) -> list[str]:
    """Split the arguments of a macro at commas outside quotes and parentheses, and take the quotes off."""
    arguments = [""]
    quotes = depth = 0
    for char in text[start:]:
        if char == "`":
            quotes += 1
            continue
        if char == "'" and quotes:
            quotes -= 1
            continue
        if not quotes and char == ")" and not depth:
            break
        if not quotes and char == "," and not depth:
            arguments.append("")
            continue
        if not quotes:
            depth += {"(": 1, ")": -1}.get(char, 0)
        arguments[-1] += char
    return [argument.strip() for argument in arguments]


def _equates(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(","))
    return {key.strip(): value.strip() for key, equals, value in pairs if equals}


def _filter(name: str, text: str) -> Filter:
    equates = _equates(text)
    socket = equates.get("S", "")
    kind, _, rest = socket.partition(":")
    times = dict(part.split(":", 1) for part in equates.get("T", "").split(";") if ":" in part)
    path = rest if kind in {"unix", "local"} else socket if socket.startswith("/") else ""
    listed = Listed(spelled=_as_postfix(socket), path=path, settings={})
    return Filter(name=name, flag=equates.get("F", ""), times={**_DEFAULT_TIMES, **times}, listed=listed)


def _as_postfix(socket: str) -> str:
    """Write ``inet:port@host`` as ``inet:host:port``, so that both MTAs' lists can be compared."""
    kind, _, rest = socket.partition(":")
    port, at, host = rest.partition("@")
    return f"inet:{host}:{port}" if at and kind in {"inet", "inet6"} else socket


def _daemon(text: str) -> Daemon:
    # of a key its first letter counts
    letters = {key[:1]: value for key, value in _equates(text).items()}
    filters = letters.get("I")
    return Daemon(
        name=letters.get("N", "MTA"),
        submission=letters.get("P", "smtp") in _SUBMISSION_PORTS,
        authenticates="a" in letters.get("M", ""),
        filters=None if filters is None else tuple(_names(filters.replace(";", ","))),
        written=" ".join(text.split()),
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
