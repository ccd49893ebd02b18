"""Every kind of finding, and all checks in the order in which a person wants to read what they find."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from assay.doctor.check import chain, files, machine, postfix, resolver, sendmail, socket, unit
from assay.doctor.inspection import Inspection
from assay.doctor.model import Finding, Kind, Severity

_SUBJECTS: Final[Mapping[str, tuple[Kind, ...]]] = {
    "The configuration": files.KINDS,
    "The socket": socket.KINDS,
    "The lists of milters": chain.KINDS,
    "Postfix": postfix.KINDS,
    "Sendmail": sendmail.KINDS,
    "The name servers": resolver.KINDS,
    "The service": unit.KINDS,
    "The machine": machine.KINDS,
}
_CHECKS: Final[tuple[Callable[[Inspection], Iterator[Finding]], ...]] = (
    *(files.check, socket.check, postfix.check, sendmail.check),
    *(resolver.check, unit.check, machine.check),
)

KINDS: Final = tuple(kind for kinds in _SUBJECTS.values() for kind in kinds)


def findings(inspection: Inspection) -> tuple[Finding, ...]:
    """Run every check; the worst first, each thing said once."""
    found = dict.fromkeys(finding for check in _CHECKS for finding in check(inspection))
    order = list(Severity)
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


def page() -> str:
    """Return all kinds as Markdown: what ``docs/doctor.md`` holds."""
    lines: list[str] = []
    for subject, kinds in _SUBJECTS.items():
        lines += [f"## {subject}", ""]
        for kind in kinds:
            lines += [f"### {kind.id}", "", f"{kind.severity.capitalize()}. {kind.meaning}", "", kind.remedy, ""]
    return "\n".join(lines)
