"""DMARC: which policy record applies to a domain, found as the daemon finds it (RFC 9989 4.10)."""

import re
from dataclasses import dataclass

from assay.answers import Unavailable
from assay.audit.asking import Asking, shown
from assay.audit.findings import finding
from assay.audit.ids import Id
from assay.audit.report import Dmarc, Finding, Publish, Sight
from assay.domain import Domain
from assay.results import DmarcRecord, Psd, Requested
from assay.verify.discovery import Discovered, Undiscovered
from assay.verify.dmarc_record import parse_record
from assay.verify.suffixes import PublicSuffixes, is_public_suffix, organization_of
from assay.verify.walk import Walker

# other capitals, blanks, quotes around it, no semicolon, no version, or nothing but the version
_MEANT = re.compile(
    r"[\s\"'\\]*(?:v[\s=:]+dmarc[\s=:]*1?|dmarc1)(?![0-9a-z])[\s;:,\"']*(.*)", re.IGNORECASE | re.DOTALL
)
_SPARE = " \t\"'\\"


@dataclass(frozen=True, slots=True)
class DmarcReading:
    """Which record applies.

    Attributes:
        record: None where none applies, and where that is not known.
        domain: whose record it is.
        own: it stands at the audited domain itself.
        settled: no failed query may hide another one.
    """

    section: Dmarc
    record: DmarcRecord | None
    domain: Domain | None
    own: bool
    settled: bool
    findings: tuple[Finding, ...]


def inspect_dmarc(
    domain: Domain, asking: Asking, walker: Walker, suffixes: PublicSuffixes, *, sends: bool
) -> DmarcReading:
    """Find the policy record and both kinds of organizational domain.

    Args:
        domain: the author domain.
        asking: asks.
        walker: of this audit; report addresses are compared by it too.
        suffixes: the list of public suffixes.
        sends: mail may come from the domain.
    """
    discovered = walker.discover(domain)
    organization = walker.organizational_domain(domain)
    by_list = organization_of(domain, suffixes)
    record, found_at = _record_of(discovered)
    section = Dmarc(
        record=None if record is None else record.text,
        found_at=None if found_at is None else found_at.name,
        requested=None if record is None else _requested(record, own=found_at == domain),
        walk=tuple(_sight(walker, name) for name, _ in walker.walk(domain).sights),
        organizational_domain=None if isinstance(organization, Unavailable) else organization.name,
        organizational_domain_by_list=by_list.name,
    )
    findings = [*_several(walker, domain), *_misplaced(domain, asking), *_misspelled(domain, asking)]
    if discovered.settled:  # else what the look-ups that failed would have said may be anything
        if isinstance(discovered, Undiscovered):
            # where its record is one of several, or misplaced, that is to be put right
            findings += [] if findings else [_missing(domain, f"no DMARC record applies to {domain}", sends=sends)]
        elif discovered.domain != domain and is_public_suffix(discovered.domain, suffixes):
            text = f"only the record of the public suffix {found_at} applies to {domain}"
            findings.append(_missing(domain, text, sends=sends))
            record, found_at = None, None
        elif not isinstance(organization, Unavailable) and organization != by_list:
            findings.append(_organization(walker, domain, organization, by_list))
    return DmarcReading(
        section=section,
        record=record,
        domain=found_at,
        own=found_at == domain,
        settled=discovered.settled,
        findings=tuple(findings),
    )


def _record_of(discovered: Discovered | Undiscovered) -> tuple[DmarcRecord | None, Domain | None]:
    if isinstance(discovered, Discovered) and discovered.settled:
        return discovered.record, discovered.domain
    return None, None


def _requested(record: DmarcRecord, *, own: bool) -> str | None:
    """Return the policy that a record asks for (standards C.1.8, C.3); the domain exists, so np is none of its."""
    usable = bool(record.rua)
    if record.invalid is not None or record.p is None:
        return Requested.NONE.value if usable else None
    return (record.p if own else record.sp or record.p).value


def _sight(walker: Walker, name: Domain) -> Sight:
    records = walker.records(name)
    if isinstance(records, Unavailable):
        return Sight(name=f"_dmarc.{name}", seen=f"no answer: {records.why}")
    seen = "no record" if not records else records[0].text if len(records) == 1 else f"{len(records)} records"
    return Sight(name=f"_dmarc.{name}", seen=shown(seen.encode()))


def _several(walker: Walker, domain: Domain) -> list[Finding]:
    """Say where records are ignored because there are several of them."""
    found = []
    for name, _ in walker.walk(domain).sights:
        records = walker.records(name)
        if not isinstance(records, Unavailable) and len(records) > 1:
            text = f"_dmarc.{name} has {len(records)} DMARC records, so that none of them counts (RFC 9989 4.10)"
            found.append(finding(Id.DMARC_SEVERAL, text, "keep one of them"))
    return found


def _misplaced(domain: Domain, asking: Asking) -> tuple[Finding, ...]:
    """Look for a DMARC record where it has no effect."""
    for text in asking.texts(bytes(domain)) or ():
        record = parse_record(text)
        if record is not None:
            publish = Publish(name=f"_dmarc.{domain}", type="TXT", value=record.text)
            why = f"the DMARC record of {domain} stands at {domain}, and receivers look at _dmarc.{domain}"
            return (finding(Id.DMARC_MISPLACED, why, "move it there", publish),)
    return ()


def _misspelled(domain: Domain, asking: Asking) -> list[Finding]:
    """Look at the right place for what was meant as a DMARC record and is none, since it does not begin like one."""
    texts = asking.texts(b"_dmarc." + bytes(domain)) or []
    if any(parse_record(text) is not None for text in texts):
        return []
    found = []
    for text in texts:
        meant = _MEANT.match(shown(text))
        if meant is None:
            continue
        right = f"v=DMARC1; {meant[1].rstrip(_SPARE)}"
        why = f'_dmarc.{domain} says "{meant[0]}", and a record that does not begin with "v=DMARC1;" counts for nothing'
        publish = Publish(name=f"_dmarc.{domain}", type="TXT", value=right)
        found.append(finding(Id.DMARC_INVALID, f"{why} (RFC 9989 4.7)", "write it like this", publish))
    return found


def _missing(domain: Domain, text: str, *, sends: bool) -> Finding:
    if not sends:
        publish = Publish(name=f"_dmarc.{domain}", type="TXT", value="v=DMARC1; p=reject")
        return finding(Id.DMARC_MISSING, text, "p=reject at once: the domain sends no mail", publish)
    publish = Publish(name=f"_dmarc.{domain}", type="TXT", value=f"v=DMARC1; p=none; rua=mailto:dmarc-reports@{domain}")
    remedy = "begin with p=none and read the reports for some weeks: they name every host that sends for the domain"
    return finding(Id.DMARC_MISSING, text, remedy, publish)


def _organization(walker: Walker, domain: Domain, walked: Domain, by_list: Domain) -> Finding:
    text = (
        f"the organizational domain of {domain} is {walked} by the tree walk (RFC 9989) and {by_list} by the list of "
        "public suffixes (RFC 7489): as long as receivers use either, relaxed alignment and the policy for subdomains "
        "differ between them"
    )
    marked = [
        f"psd={record.psd} in the record of {name}"
        for name, record in walker.walk(domain).found
        if record.psd is not Psd.UNKNOWN
    ]
    if marked:
        remedy = f"take {marked[0]} out"
    elif walked.is_under(by_list):
        remedy = f"publish a DMARC record for {by_list}: the walk ends at the shortest name that has one"
    else:
        remedy = f"write psd=n into the record of {by_list}: the walk ends there then"
    return finding(Id.DMARC_ORGANIZATION, text, f"{remedy}; where the difference is meant, accept this finding")
