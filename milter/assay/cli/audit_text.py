"""An audit as text for a terminal; whatever came from outside is made printable first."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.text import Text

from assay.audit.report import Dkim, Dmarc, Finding, KeyState, Mx, Publish, Report, ReportAddress, Severity, Spf
from assay.cli.render import printable

_COLOURS: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTICE: "cyan"}
_STRING: Final = 255  # octets of one character-string in a zone file (RFC 1035 3.3)


def print_report(report: Report, console: Console) -> None:
    """Print what was seen, the findings, the next step, and a line that counts."""
    console.print(Text(report.domain, style="bold"))
    for mark, text in _seen(report):
        line = Text(f"  {mark:<9}", style="dim")
        line.append(printable(text), style="not dim")
        console.print(line, soft_wrap=True)
    for each in report.findings:
        _print_finding(each, console)
    if report.next_step is not None:
        console.print()
        console.print(Text(f"next: {printable(report.next_step.text)}", style="bold"), soft_wrap=True)
        console.print(Text(f"    {zone_line(report.next_step.publish)}"), soft_wrap=True)
    console.print()
    console.print(Text(_summary(report), style="bold"), soft_wrap=True)


def zone_line(record: Publish) -> str:
    """Return a record as a zone file has it; a text of more than 255 octets in several strings."""
    value = record.value
    if record.type == "TXT":
        parts = [value[start : start + _STRING] for start in range(0, len(value), _STRING)]
        value = " ".join('"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' for part in parts)
    return printable(f"{record.name}. {record.type} {value}")


def _print_finding(found: Finding, console: Console) -> None:
    console.print()
    line = Text(f"{found.severity}", style=_COLOURS[found.severity])
    line.append(f" {found.id}", style="bold not dim")
    if found.accepted:
        line.append(" (accepted)", style="dim")
    line.append(f": {printable(found.text)}", style="default")
    console.print(line, soft_wrap=True)
    console.print(Text(f"    to do: {printable(found.remedy)}"), soft_wrap=True)
    if found.publish is not None:
        console.print(Text(f"    {zone_line(found.publish)}"), soft_wrap=True)


def _seen(report: Report) -> Iterator[tuple[str, str]]:
    """Give what was seen, one line for each thing."""
    if report.mx is not None:
        yield from _mx(report.mx)
    if report.spf is not None:
        yield from _spf(report.spf)
    if report.dkim is not None:
        yield from _dkim(report.dkim)
    if report.dmarc is not None:
        yield from _dmarc(report.dmarc)
    for text in report.rfc9989:
        yield "RFC 9989", text
    for other in report.disagreements:
        yield (
            "but",
            f"checkdmarc sees {other.about} in another way: {other.checkdmarc}; assay: {other.assay}; {other.why}",
        )
    for question in report.unanswered:
        yield "unknown", f"{question.type} {question.name}: no answer ({question.why})"


def _mx(mx: Mx) -> Iterator[tuple[str, str]]:
    if mx.null:
        yield "MX", "null: takes no mail"
    elif not mx.hosts:
        yield "MX", "none"
    for host in mx.hosts:
        yield "MX", f"{host.preference} {host.host} ({', '.join(host.addresses) or 'no address'})"


def _spf(spf: Spf) -> Iterator[tuple[str, str]]:
    yield "SPF", spf.record or "none"
    if spf.record is not None:
        counts = f"{spf.lookups} of {spf.lookups_limit} look-ups, {spf.voids} of {spf.voids_limit} that find nothing"
        yield "", counts
    for cost in spf.costs:
        yield "", f"{cost.lookups:>3}. {cost.term} ({cost.domain}){': finds nothing' if cost.void else ''}"
    for term in spf.unknown:
        yield "", f"what it leads to depends on the message: {term}"


def _dkim(dkim: Dkim) -> Iterator[tuple[str, str]]:
    for key in dkim.keys:
        state = f"{key.type}, {key.bits} bits" if key.state is KeyState.USABLE else key.reason or key.state
        given = "" if key.given else "; found, and not given by --selector"
        yield "DKIM", f"{key.selector}: {state}{' (t=y)' if key.testing else ''}{given}"
    tried = f"; tried besides: {', '.join(dkim.tried)}" if dkim.tried else ""
    yield "DKIM", f"selectors cannot be listed from the DNS{tried}"


def _dmarc(dmarc: Dmarc) -> Iterator[tuple[str, str]]:
    for sight in dmarc.walk:
        yield "DMARC", f"{sight.name}: {sight.seen}"
    if dmarc.record is not None:
        asked = f"asks for {dmarc.requested}" if dmarc.requested else "asks for nothing that can be read"
        yield "", f"the record of {dmarc.found_at} applies, and {asked}"
    for address in dmarc.addresses:
        yield "", f"{address.tag} {address.uri}: {_agreement(address)}"


def _agreement(address: ReportAddress) -> str:
    if address.host is None:
        return "no host"
    if address.external is None:
        return "whose it is is not known"
    if not address.external:
        return "of the same organization"
    return {True: "agreed to", False: "not agreed to", None: "no answer whether it is agreed to"}[address.authorised]


def _summary(report: Report) -> str:
    counts = Counter(found.severity for found in report.counted)
    words = [
        f"{counts[severity]} {severity}{'s' if counts[severity] != 1 else ''}"
        for severity in Severity
        if counts[severity]
    ]
    accepted = len(report.findings) - len(report.counted)
    text = ", ".join(words) or ("nothing found" if report.unanswered else "nothing to do")
    text += f" ({accepted} accepted)" if accepted else ""
    if report.unanswered:
        text += "; the DNS did not answer every question, so this may not be all: try again"
    return text
