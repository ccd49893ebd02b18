"""Logs: one line per event, which nothing from outside can break and whose loss is never a fault.

Only the daemon and the commands import this. A line is one ``write`` to the operating system, without a lock, so that
threads and forked workers share the descriptor safely. A logger never raises, whatever it is given and however little
memory is left: in the callbacks the verdict follows after the line.
"""

import json
import os
import re
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from enum import StrEnum
from functools import partial
from typing import Any, Final, Protocol

import structlog

from assay.facts import MessageFacts
from assay.log_sink import LineWriter, Sink, StandardError
from assay.policy.model import Decision
from assay.results import AuthResults, SpfIdentity, SpfResult

MAX_VALUE: Final = 256
"""Characters of one value."""

MAX_TRACEBACK: Final = 6000
"""Characters of a traceback, its end. All of them escaped, it stays below the 48 KiB at which journald cuts a line
(LineMax=)."""

_PLAIN: Final = re.compile(r"[!#-<>-\[\]-~]+")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_FIRST: Final = ("queue_id", "event")
_LAST: Final = ("level", "time", "exception")
_PLACED: Final = frozenset((*_FIRST, *_LAST))
_PRIORITY: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


class Format(StrEnum):
    """How a line looks: key=value, or one JSON object."""

    TEXT = "text"
    JSON = "json"


class Logger(Protocol):
    """What :func:`get_logger` gives: ``event`` in a few fixed words, all that varies as named values."""

    def debug(self, event: str, **values: object) -> None:
        """Log for who looks for a fault."""
        ...

    def info(self, event: str, **values: object) -> None:
        """Log what happens every day."""
        ...

    def warning(self, event: str, **values: object) -> None:
        """Log what the administrator should see."""
        ...

    def error(self, event: str, **values: object) -> None:
        """Log what the administrator must see."""
        ...

    def exception(self, event: str, **values: object) -> None:
        """Log an error with the traceback of the exception that is being handled, or of ``exc_info``."""
        ...


def configure(
    format: Format | str = Format.TEXT,  # noqa: A002 -- the name of the configuration key
    level: str = "info",
    stream: Sink | None = None,
    *,
    journal: bool | None = None,
) -> None:
    """Set up logging for this process and those it forks; may be called again.

    Args:
        format: text or JSON.
        level: the lowest level that is written: debug, info, warning, error or critical.
        stream: where to; standard error by default.
        journal: the reader is journald: write its ``<N>`` priorities in text and leave out the time, which it adds. By
            default that is found out (JOURNAL_STREAM, systemd.exec(5)).

    Raises:
        ValueError: an unknown format.
        KeyError: an unknown level.
    """
    if journal is None:
        journal = stream is None and _stderr_is_journal()
    render = _render_json if Format(format) is Format.JSON else partial(_render_text, priorities=journal)
    processors: list[Any] = [structlog.processors.add_log_level]
    if not journal:
        processors.append(structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"))
    processors += [structlog.processors.format_exc_info, render]

    def report(count: int) -> str:
        event: Any = {"event": "log lines could not be written and are lost", "count": count}
        for process in processors:
            event = process(None, "warning", event)
        return str(event)

    writer = LineWriter(StandardError() if stream is None else stream, report)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: writer,
        # Loggers are made at import, before the configuration is read.
        cache_logger_on_first_use=False,
    )


def get_logger() -> Logger:
    """Return a logger that follows :func:`configure`, also if it is called later."""
    return _CarefulLogger()


def _carefully(level: str) -> Callable[..., None]:
    def write(self: "_CarefulLogger", event: str, **values: object) -> None:
        try:
            getattr(self.structlog, level)(event, **values)
        except Exception as fault:  # noqa: BLE001 -- what follows after the line matters more, above all a verdict
            with suppress(Exception):
                self.structlog.error("a log line could not be made", of=event, reason=type(fault).__name__)

    return write


class _CarefulLogger:
    """Hands everything to structlog, and never raises."""

    def __init__(self) -> None:
        self.structlog = structlog.get_logger()

    debug = _carefully("debug")
    info = _carefully("info")
    warning = _carefully("warning")
    error = _carefully("error")
    exception = _carefully("exception")


def message_line(  # noqa: PLR0913 -- one value for each thing that the line shows
    facts: MessageFacts,
    results: AuthResults | None,
    decision: Decision,
    *,
    milliseconds: float,
    queries: int,
    exempt: str | None = None,
) -> dict[str, object]:
    """Return the values of the one line that each message gets.

    Args:
        facts: of the message.
        results: None for a message that was not judged.
        decision: what is done; not shown for an exempt message.
        milliseconds: spent at end-of-message.
        queries: sent to the DNS or answered by its cache.
        exempt: ``network`` or ``authenticated``; None for a message that is not exempt.
    """
    values: dict[str, object] = {"queue_id": facts.queue_id, "client": facts.client.address or "local"}
    done: dict[str, object] = {
        "disposition": decision.disposition,
        "would": None if decision.would is decision.disposition else decision.would,
        "rule": decision.rule,
        "override": decision.override,
        "reason": decision.reason,
    }
    if exempt is not None:
        values |= {"mail_from": _mail_from(facts, None), "exempt": exempt}
    elif results is None:
        values |= {"mail_from": _mail_from(facts, None)} | done
    else:
        dkim = [f"{result.value}:{result.sdid or '-'}" for result in results.dkim]
        values |= {
            "mail_from": _mail_from(facts, results.spf),
            "from": results.dmarc.author_domain or "-",
            "spf": results.spf.value,
            "dkim": ",".join(dkim) or "none",
            "arc": results.arc.value,
            "dmarc": results.dmarc.value,
            "requested": results.dmarc.requested,
            **done,
        }
    return values | {"ms": round(milliseconds, 1), "queries": queries}


def _mail_from(facts: MessageFacts, spf: SpfResult | None) -> str:
    """Return the domain that SPF found in MAIL FROM, else whatever follows its last "@"; ``<>`` for the null sender."""
    if spf is not None and spf.identity is SpfIdentity.MAILFROM and spf.domain is not None:
        return spf.domain.name
    path = facts.envelope.mail_from
    return _text(path if path == b"<>" else path.rpartition(b"@")[2].rstrip(b">")) or "-"


def _stderr_is_journal() -> bool:
    """Whether standard error is the socket that systemd named in the environment."""
    try:
        status = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _values(event: MutableMapping[str, Any]) -> dict[str, object]:
    """Put the queue id first and what is the same everywhere last; drop what is None; make everything clean."""
    order = [*_FIRST, *(key for key in event if key not in _PLACED), *_LAST]
    return {key: _clean(key, event[key]) for key in order if event.get(key) is not None}


def _clean(key: str, value: object) -> object:
    if isinstance(value, str) and len(value) <= MAX_VALUE and _PLAIN.fullmatch(value):
        return value  # as most values
    if isinstance(value, int | float):
        return value
    text = _text(value)
    if not text.isascii():
        text = _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
    if key == "exception":
        return text[-MAX_TRACEBACK:].encode("ascii", "replace").decode("ascii")
    return text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 3] + "..."


def _text(value: object) -> str:
    if type(value) is str:
        return value
    if isinstance(value, bytes):
        return value[: 4 * MAX_VALUE].decode("utf-8", "backslashreplace")
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 -- a foreign object's __str__ must not turn a log line into a fault
        return f"<{type(value).__name__}: {type(error).__name__}>"


def _quoted(value: object) -> str:
    """Return plain words as they are, anything else as a JSON string: quotes, controls and non-ASCII are escaped."""
    text = json.dumps(value) if isinstance(value, int | float) else str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def _render_text(_logger: object, _method: str, event: MutableMapping[str, Any], *, priorities: bool) -> str:
    values = _values(event)
    prefix = f"<{_PRIORITY.get(str(event.get('level')), 6)}>" if priorities else ""
    return prefix + " ".join(f"{key}={_quoted(value)}" for key, value in values.items())


def _render_json(_logger: object, _method: str, event: Mapping[str, Any]) -> str:
    return json.dumps(_values(dict(event)))
