"""The audit of one domain: what each method says, put together."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from assay.answers import Resolver, RRType
from assay.audit.advice import changes_by_rfc9989, next_step, record_findings
from assay.audit.asking import Asking
from assay.audit.checkdmarc import Checkdmarc, Opinion
from assay.audit.dkim import inspect_dkim
from assay.audit.dmarc import DmarcReading, inspect_dmarc
from assay.audit.findings import CATALOGUE, finding
from assay.audit.ids import Id
from assay.audit.mx import inspect_mx, mx_findings
from assay.audit.report import Disagreement, Finding, Report, Severity, Spf
from assay.audit.reports import inspect_addresses
from assay.audit.spf import SpfReading, inspect_spf
from assay.domain import Domain
from assay.trace import Trace
from assay.verify.suffixes import PublicSuffixes
from assay.verify.walk import Walker, walk_names

_WORST_FIRST = tuple(Severity)
_ORDER = tuple(kind.value for kind in CATALOGUE)


def audit(
    domain: Domain,
    resolver: Resolver,
    suffixes: PublicSuffixes,
    *,
    selectors: Sequence[Domain] = (),
    accepted: Collection[Id] = (),
) -> Report:
    """Look at all that the DNS says about mail from a domain.

    Args:
        domain: its name.
        resolver: asked for MX, TXT, A and AAAA; nothing else is asked and nobody is connected to.
        suffixes: the list of public suffixes.
        selectors: that the domain signs with.
        accepted: findings that its owner knows of and that do not count.
    """
    asking = Asking(resolver)
    _ask_ahead(domain, asking)
    mx = inspect_mx(domain, asking)
    if not mx.exists:
        text = f"{domain} does not exist (NXDOMAIN)"
        return _report(
            domain, asking, [finding(Id.DOMAIN_MISSING, text, "check the spelling, or delegate it")], accepted
        )
    spf = inspect_spf(domain, asking)
    dkim, dkim_findings = inspect_dkim(domain, selectors, asking, sends=spf.sends)
    walker = Walker(asking, Trace())
    dmarc = inspect_dmarc(domain, asking, walker, suffixes, sends=spf.sends)
    findings = [
        *mx_findings(domain, mx, sends=spf.sends),
        *spf.findings,
        *dkim_findings,
        *dmarc.findings,
        *record_findings(domain, dmarc, suffixes, sends=spf.sends),
    ]
    section = dmarc.section
    if dmarc.record is not None and dmarc.domain is not None:
        addresses, about_addresses = inspect_addresses(dmarc.record, dmarc.domain, asking, walker)
        section = section.model_copy(update={"addresses": addresses})
        findings += about_addresses
    lint, disagreements = _second_opinion(domain, resolver, spf, dmarc, walker)
    report = _report(domain, asking, [*findings, *lint], accepted)
    return report.model_copy(
        update={
            "mx": mx.section,
            "spf": spf.section,
            "dkim": dkim,
            "dmarc": section,
            "next_step": next_step(dmarc, sends=spf.sends),
            "rfc9989": changes_by_rfc9989(domain, dmarc),
            "disagreements": tuple(disagreements),
        }
    )


def _ask_ahead(domain: Domain, asking: Asking) -> None:
    """Start what will be asked in any case, so that slow or dead name servers are waited for once."""
    for rrtype in (RRType.MX, RRType.TXT):
        asking.prefetch(bytes(domain), rrtype)
    for name in walk_names(domain):
        asking.prefetch(name, RRType.TXT)


def _report(domain: Domain, asking: Asking, findings: Iterable[Finding], accepted: Collection[Id]) -> Report:
    """Sort and mark the findings."""
    marked = [
        each.model_copy(update={"accepted": True}) if each.id in {str(kind) for kind in accepted} else each
        for each in findings
    ]
    marked.sort(key=lambda each: (_WORST_FIRST.index(each.severity), _ORDER.index(each.id)))
    return Report(domain=domain.name, findings=tuple(marked), unanswered=asking.unanswered)


def _second_opinion(
    domain: Domain, resolver: Resolver, spf: SpfReading, dmarc: DmarcReading, walker: Walker
) -> tuple[list[Finding], list[Disagreement]]:
    """Ask checkdmarc; what it does not know because a look-up failed is left out."""
    other = Checkdmarc(domain, resolver)
    findings = [
        _linted(Id.MX_MALFORMED, text)
        for text in _warnings(other.mx())
        if "null MX record" not in text or "alongside" in text
    ]
    disagreements: list[Disagreement] = []
    section = spf.section
    if section is not None and section.record is not None and (opinion := other.spf()) is not None:
        findings += [_linted(Id.SPF_WARNING, text) for text in opinion.warnings if not _covered(text, spf)]
        disagreements += _spf_disagreement(section, spf.findings, opinion)
    if dmarc.settled:
        disagreements += _place_disagreement(dmarc, other.dmarc(), walker, domain)
    if dmarc.record is not None and dmarc.domain is not None:
        opinion = other.dmarc_record(dmarc.record.text, dmarc.domain)
        findings += [_linted(Id.DMARC_WARNING, text) for text in _warnings(opinion)]
        if opinion is not None and opinion.error is not None and dmarc.record.invalid is None:
            findings.append(_linted(Id.DMARC_WARNING, opinion.error))
            disagreements.append(
                Disagreement(
                    about=f"the record of {dmarc.domain}",
                    assay="can be used",
                    checkdmarc=opinion.error,
                    why="RFC 9989 4.8: a tag with a wrong value has its default, and the record stays; checkdmarc "
                    "refuses it whole",
                )
            )
    return findings, disagreements


def _warnings(opinion: Opinion | None) -> tuple[str, ...]:
    return () if opinion is None else opinion.warnings


def _linted(kind: Id, text: str) -> Finding:
    return finding(kind, f"checkdmarc: {text}", "change the record so that the warning ends, or accept this finding")


def _covered(text: str, spf: SpfReading) -> bool:
    """Whether a warning about SPF says what a finding of ours says already."""
    ids = {found.id for found in spf.findings}
    if "ptr mechanism" in text:
        return True
    return text.startswith("Error when processing") and bool(ids)


def _spf_disagreement(section: Spf, findings: Iterable[Finding], opinion: Opinion) -> list[Disagreement]:
    """Compare what both count; after an error of the record checkdmarc stops counting."""
    if opinion.lookups is None or any(found.severity is Severity.ERROR for found in findings):
        return []
    ours, theirs = (section.lookups, section.voids), (opinion.lookups, opinion.voids)
    if ours == theirs:
        return []
    return [
        Disagreement(
            about="SPF look-ups and void look-ups",
            assay=f"{ours[0]} and {ours[1]}",
            checkdmarc=f"{theirs[0]} and {theirs[1]}",
            why="checkdmarc " + (" and ".join(_other_counts(section)) or "counts in another way"),
        )
    ]


def _other_counts(section: Spf) -> Iterator[str]:
    """Say in which of the ways that are known checkdmarc counts this record otherwise (docs/library-traps.md C8)."""
    terms = {cost.term.lstrip("+-~?").lower(): cost.void for cost in section.costs}
    if any(term.startswith("ptr") for term in terms):
        yield "asks for the addresses of a ptr term"
    if any(term.startswith("exists") and void for term, void in terms.items()):
        yield "does not ask what an exists term names"
    if any(term.startswith("mx") and void for term, void in terms.items()):
        yield "takes no note of an mx term whose host has no address"
    if any("%{p" in term for term in terms):
        yield "does not count the macro p"


def _place_disagreement(
    dmarc: DmarcReading, opinion: Opinion | None, walker: Walker, domain: Domain
) -> list[Disagreement]:
    """Compare which record applies."""
    section = dmarc.section
    if opinion is None or opinion.location == section.found_at:
        return []
    ours = "no record" if section.found_at is None else f"the record of {section.found_at}"
    theirs = opinion.error or f"the record of {opinion.location}"
    several = [
        str(name)
        for name, _ in walker.walk(domain).sights
        if isinstance(seen := walker.records(name), tuple) and len(seen) > 1
    ]
    if several:
        why = (
            f"RFC 9989 4.10 discards all records of {several[0]}, where there are several, and goes on; checkdmarc ends"
        )
    else:
        why = "checkdmarc reads or searches in another way than RFC 9989 4.8 and 4.10 have it"
    return [Disagreement(about="the DMARC record that applies", assay=ours, checkdmarc=theirs, why=why)]
