"""A judgement as text for a terminal and as JSON; whatever came from outside is made printable first."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import assert_never

from rich.console import Console
from rich.text import Text

from assay.answers import Absent, Answer, Found, Mx, Record, Unavailable
from assay.daemon.judge import Judgement
from assay.domain import Domain
from assay.policy.model import Disposition
from assay.trace import (
    AlignmentStep,
    ArcDone,
    ArcStep,
    DkimDone,
    DmarcDone,
    LookupStep,
    OrganizationStep,
    Query,
    RuleStep,
    ShadowDone,
    SpfDone,
    SpfTerm,
    Step,
    WalkStep,
)

_COLOURS: Mapping[str, str] = {
    "pass": "green",
    "fail": "red",
    "softfail": "red",
    "permerror": "red",
    "temperror": "yellow",
    "policy": "yellow",
    "reject": "red",
    "quarantine": "yellow",
    "tempfail": "yellow",
}


def printable(value: object) -> str:
    """Return text that a terminal shows and does not obey: controls and what is no character are written as escapes."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode() for char in text
    )


def print_judgement(judgement: Judgement, console: Console) -> None:
    """Print every step, the decision and what is written into the message."""
    for mark, value, rest in _lines(judgement.trace):
        line = Text(f"{mark:<10}", style="dim")
        if value:
            line.append(f"{value} ", style=_COLOURS.get(value, "bold"))
        line.append(printable(rest))
        console.print(line, soft_wrap=True)
    decision = judgement.decision
    line = Text(f"{'decision':<10}", style="bold")
    line.append(decision.disposition, style=_COLOURS.get(decision.disposition, "bold"))
    if decision.would is not decision.disposition:
        line.append(f" (monitor mode; would be {decision.would})")
    line.append(f" by {decision.rule}: {printable(decision.reason)}")
    console.print(line, soft_wrap=True)
    if decision.override is not None:
        console.print(Text(f"{'override':<10}{decision.override}: {printable(decision.comment)}"), soft_wrap=True)
    if decision.reply is not None:
        reply = decision.reply
        console.print(Text(f"{'reply':<10}{reply.code} {reply.enhanced} {printable(reply.text)}"), soft_wrap=True)
    elif decision.disposition is Disposition.QUARANTINE:
        how = "held by the MTA" if judgement.hold else "marked by a header field"
        console.print(Text(f"{'':<10}{how}"))
    for removal in judgement.stamp.removals:
        console.print(Text(f"{'removed':<10}{printable(removal.name)} #{removal.index}"))
    for insertion in judgement.stamp.insertions:
        console.print(Text(f"{'added':<10}{insertion.name}:{insertion.value}"), soft_wrap=True)


def judgement_as_json(judgement: Judgement) -> str:
    """Return the judgement as one JSON object; its keys are the names of the fields in the code."""
    return json.dumps(_plain(judgement), indent=2)


def _lines(steps: Iterable[Step]) -> Iterator[tuple[str, str, str]]:
    """Give one line for each step; the steps inside of the shadow evaluation stand before its result."""
    for step in steps:
        if isinstance(step, ShadowDone):
            for _, value, rest in _lines(step.steps):
                yield "shadow", value, rest
        yield _step(step)


def _step(step: Step) -> tuple[str, str, str]:
    """Return a step as its kind, its value and the rest of the line."""
    match step:
        case Query():
            return "dns", "", f"{step.rrtype} {printable(step.name)}: {answer_text(step.answer)}"
        case SpfTerm():
            return "spf", "", f"{step.domain}: {step.term}: {step.outcome}"
        case SpfDone(result):
            return "SPF", result.value, f"{result.identity}={result.domain or '-'}: {result.reason}"
        case DkimDone(index, result):
            return (
                "DKIM",
                result.value,
                f"#{index + 1} d={result.sdid or '-'} s={result.selector or '-'}: {result.reason}",
            )
        case ArcStep():
            return "arc", "", f"{step.field}({step.instance}) {'ok' if step.passed else 'broken'}: {step.reason}"
        case ArcDone(arc):
            return "ARC", arc.value, arc.reason
        case WalkStep() | LookupStep() | OrganizationStep() | AlignmentStep() | DmarcDone() | ShadowDone():
            return _dmarc_step(step)
        case RuleStep():
            return "policy", "", f"{step.rule}: {step.reason}"
        case _:
            assert_never(step)


def _dmarc_step(
    step: WalkStep | LookupStep | OrganizationStep | AlignmentStep | DmarcDone | ShadowDone,
) -> tuple[str, str, str]:
    match step:
        case WalkStep():
            return "dmarc", "", f"walk from {step.start}: _dmarc.{step.name}: {step.outcome}"
        case LookupStep():
            return "dmarc", "", f"record for {step.author_domain}: _dmarc.{step.name}: {step.outcome}"
        case OrganizationStep():
            organization = step.organizational_domain
            return "dmarc", "", f"organizational domain of {step.domain} is {organization}: {step.reason}"
        case AlignmentStep():
            verb = "is aligned" if step.aligned else "is not aligned"
            method, domain = step.identifier.method, step.identifier.domain
            return "dmarc", "", f"{method} {domain} {verb} with {step.author_domain}: {step.reason}"
        case DmarcDone(result):
            return "DMARC", result.value, f"from={result.author_domain or '-'}: {result.reason}"
        case ShadowDone(result):
            way = result.discovery or "-"
            return "SHADOW", result.value, f"{way} from={result.author_domain or '-'}: {result.reason}"
        case _:
            assert_never(step)


def answer_text(answer: Answer) -> str:
    """Return an answer of the DNS in one line."""
    match answer:
        case Found():
            return ", ".join(_record_text(record) for record in answer.records) + f" (TTL {answer.ttl})"
        case Absent():
            return "the name does not exist" if answer.nxdomain else "no such record"
        case Unavailable():
            return f"no answer: {answer.why}"
        case _:
            assert_never(answer)


def _record_text(record: Record) -> str:
    match record:
        case bytes():
            return f'"{printable(record)}"'
        case Mx():
            return f"{record.preference} {printable(record.exchange)}"
        case IPv4Address() | IPv6Address():
            return str(record)
        case _:
            assert_never(record)


def _plain(value: object) -> object:
    """Turn values into what JSON knows; a dataclass of the trace also says which step it is."""
    match value:
        case None | bool() | int() | float():
            return value
        case Enum():
            return value.value
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case bytes():
            return value.decode("utf-8", "backslashreplace")
        case Domain():
            return value.name
        case tuple() | list() | frozenset():
            return [_plain(item) for item in value]
        case _ if dataclasses.is_dataclass(value):
            return dict(_fields(value))
        case _:
            return str(value)


def _fields(value: object) -> Iterator[tuple[str, object]]:
    yield "type", type(value).__name__
    for field in dataclasses.fields(value):  # type: ignore[arg-type] # checked by the caller
        yield field.name, _plain(getattr(value, field.name))
