"""What a policy record should say, what it should say next, and what RFC 9989 changed for it."""

from typing import Final

from assay.audit.dmarc import DmarcReading
from assay.audit.findings import finding
from assay.audit.ids import Id
from assay.audit.report import Finding, Publish, Step
from assay.audit.tags import REMOVED_TAGS, rewritten, written_tags
from assay.domain import Domain
from assay.results import DmarcRecord, Psd, Requested
from assay.verify.suffixes import PublicSuffixes, is_public_suffix

_WHOLE: Final = 100  # pct: all mail
_REJECT: Final[dict[str, str | None]] = {"p": "reject", "sp": None, "np": None, "t": None}


def record_findings(domain: Domain, reading: DmarcReading, suffixes: PublicSuffixes, *, sends: bool) -> list[Finding]:
    """Say what should be done about the record that applies; nothing where none does.

    Args:
        domain: the audited one.
        reading: what was found.
        suffixes: the list of public suffixes.
        sends: mail may come from the domain.
    """
    record, place = reading.record, reading.domain
    if record is None or place is None:
        return []
    found = _invalid(record, place)
    if not found:
        found = _policy(domain, record, place, own=reading.own, sends=sends)
    if not record.rua:
        found.append(_no_reports(record, place, sends=sends or not reading.own))
    if record.psd is Psd.YES and not is_public_suffix(place, suffixes):
        text = f"psd=y in the record of {place} says that others register names below it, which no public list knows of"
        remedy = "take psd=y out, unless it is a registry: names below it are organizations of their own by it"
        found.append(finding(Id.DMARC_PSD, text, remedy, _publish(place, record, {"psd": None})))
    return found + _historic(record, place)


def next_step(reading: DmarcReading, *, sends: bool) -> Step | None:
    """Return the record to publish next; None where nothing is better, or something else has to be put right first.

    Args:
        reading: what was found.
        sends: mail may come from the domain; where none does there is no report to wait for.
    """
    record, place = reading.record, reading.domain
    if record is None or place is None or record.invalid is not None:
        return None
    changes: dict[str, str | None] = {}
    if not sends and reading.own:
        if not (
            record.testing or _share(record) < _WHOLE or {record.p, record.sp, record.np} - {Requested.REJECT, None}
        ):
            return None
        changes = _REJECT
        text = "reject at once: the domain sends no mail, so that none of it can be hit"
    elif not record.rua:
        changes = {"rua": f"mailto:dmarc-reports@{place}"}
        text = "ask for aggregate reports first: without them nobody sees which of your mail a stricter policy hits"
    elif record.p is None or record.p is Requested.NONE:
        changes = {"p": "quarantine", "sp": None, "np": None, "t": None}
        text = "when the reports show that all your mail is aligned by DKIM, and not by SPF alone: quarantine"
    elif record.testing or _share(record) < _WHOLE or Requested.NONE in {record.sp, record.np}:
        changes = {"t": None, **{tag: None for tag, value in (("sp", record.sp), ("np", record.np)) if _is_none(value)}}
        text = "take back the exceptions: the policy for all mail and all subdomains"
    elif record.p is Requested.QUARANTINE:
        changes = {"p": "reject", "sp": None, "np": None}
        text = "reject, where people do not write to mailing lists under this name; else stay with quarantine"
    else:
        return None
    return Step(text=text, publish=_publish(place, record, changes))


def changes_by_rfc9989(domain: Domain, reading: DmarcReading) -> tuple[str, ...]:
    """Say what RFC 9989 changed, as far as it concerns this domain."""
    section = reading.section
    said = [_searched(domain, reading)]
    organization, by_list = section.organizational_domain, section.organizational_domain_by_list
    if organization is not None:
        same = f"it is {organization} both ways" if organization == by_list else f"{organization}, not {by_list}"
        said.append(
            f"the organizational domain comes from the tree walk instead of the list of public suffixes: {same}"
        )
    record = reading.record
    if record is None:
        return tuple(said)
    tags = written_tags(record.text)
    if "pct" in tags:
        said.append(f"pct={tags['pct']} is not read any more: the policy holds for all mail, and t=y took its place")
    said += [f"{tag}= is not read any more" for tag in ("rf", "ri") if tag in tags]
    if "p" not in tags:
        said.append("a record without p= is one with p=none if it has a rua, and none at all if not")
    t = (
        "t=y asks for one level less; it is new"
        if record.testing
        else "t=y is new: it asks for one level less, to test"
    )
    said.append(t)
    np = "is set" if record.np else f"is not set, so that {'sp' if record.sp else 'p'} holds for them too"
    said.append(f"np= is new: the policy for subdomains that do not exist; it {np}")
    psd = "" if record.psd is Psd.UNKNOWN else f"; psd={record.psd} is set"
    said.append(f"psd= is new: psd=n makes a name an organizational domain, psd=y a public suffix{psd}")
    if record.p is Requested.REJECT:
        said.append("receivers must not reject for p=reject alone (7.4): without another sign they quarantine")
    return tuple(said)


def _searched(domain: Domain, reading: DmarcReading) -> str:
    names = ", ".join(sight.name for sight in reading.section.walk)
    by_list = dict.fromkeys((f"_dmarc.{domain}", f"_dmarc.{reading.section.organizational_domain_by_list}"))
    return f"the record is looked for at {names} (RFC 7489: at {', '.join(by_list)})"


def _invalid(record: DmarcRecord, place: Domain) -> list[Finding]:
    if record.invalid is not None:
        becomes = "p=none" if record.rua else "no DMARC at all"
        text = f"the record of {place} cannot be used: {record.invalid}; receivers make {becomes} of it (RFC 9989 4.7)"
        remedy = "write each tag once, and none, quarantine or reject as policy"
        return [finding(Id.DMARC_INVALID, text, remedy, _publish(place, record, _repaired(record)))]
    if record.p is None:
        becomes = "p=none" if record.rua else "no DMARC at all"
        text = f"the record of {place} has no p=: receivers make {becomes} of it, and older ones do not read it"
        return [finding(Id.DMARC_NO_POLICY, text, "add p=, right behind v=", _publish(place, record, {"p": "none"}))]
    return []


def _repaired(record: DmarcRecord) -> dict[str, str | None]:
    """Return the policies as far as they could be read; the first of each tag stays."""
    policies = {"p": record.p or Requested.NONE, "sp": record.sp, "np": record.np}
    return {tag: None if policy is None else policy.value for tag, policy in policies.items()}


def _policy(domain: Domain, record: DmarcRecord, place: Domain, *, own: bool, sends: bool) -> list[Finding]:
    """Look at p, sp, np, pct and t; of a record of another name sp holds where it is written."""
    found: list[Finding] = []
    requested = record.p if own else record.sp or record.p
    step = "; that is a step on the way, while the reports are read"
    if record.p is Requested.NONE and (own or record.sp is None):
        text = f"p=none in the record of {place}: forged mail from {domain} is let in{step}"
        publish = _publish(place, record, {"p": "quarantine", "sp": None, "np": None})
        remedy = "when all your own mail is aligned: p=quarantine, then reject"
        if own and not sends:
            publish, remedy = _publish(place, record, _REJECT), "p=reject at once: the domain sends no mail"
        found.append(finding(Id.DMARC_NONE, text, remedy, publish))
    elif record.sp is Requested.NONE:
        text = f"sp=none in the record of {place}: forged mail from its subdomains is let in{step}"
        publish = _publish(place, record, {"sp": None})
        found.append(finding(Id.DMARC_SP_NONE, text, "take sp=none out, so that p holds for subdomains", publish))
    elif requested is Requested.QUARANTINE:
        text = f"the policy for {domain} is quarantine: forged mail still arrives, in a folder that people look into"
        remedy = "p=reject where people do not write to mailing lists under this name; else accept this finding"
        if own and not sends:
            remedy = "p=reject: the domain sends no mail"
        publish = _publish(place, record, {"p": "reject", "sp": None, "np": None})
        found.append(finding(Id.DMARC_QUARANTINE, text, remedy, publish))
    if record.np is Requested.NONE and record.p is not Requested.NONE and record.sp is not Requested.NONE:
        text = f"np=none in the record of {place}: forged mail from invented subdomains is let in"
        found.append(
            finding(Id.DMARC_NP_NONE, text, "take np=none out: no mail of yours comes from names that do not exist",
                    _publish(place, record, {"np": None}))
        )  # fmt: skip
    if _share(record) < _WHOLE:
        text = (
            f"pct={_share(record)} in the record of {place}: receivers of RFC 7489 spare the rest; RFC 9989 removed it"
        )
        remedy = "take pct out; to test a policy write t=y"
        found.append(finding(Id.DMARC_PCT, text, remedy, _publish(place, record, {})))
    if record.testing and requested is not Requested.NONE:
        text = f"t=y in the record of {place}: receivers apply one level less than {requested}{step}"
        found.append(finding(Id.DMARC_TESTING, text, "take t=y out", _publish(place, record, {"t": None})))
    return found


def _no_reports(record: DmarcRecord, place: Domain, *, sends: bool) -> Finding:
    text = (
        f"the record of {place} names no usable address for aggregate reports (rua): nobody sees who sends in its name"
    )
    if not sends:  # it may take no mail either
        return finding(Id.REPORT_MISSING, text, "add one of a domain of yours that takes mail")
    publish = _publish(place, record, {"rua": f"mailto:dmarc-reports@{place}"})
    return finding(Id.REPORT_MISSING, text, "add one that a program reads", publish)


def _historic(record: DmarcRecord, place: Domain) -> list[Finding]:
    """Name what RFC 9989 removed; a pct below 100 has a finding of its own."""
    tags = written_tags(record.text)
    old = [f"{tag}={tags[tag]}" for tag in REMOVED_TAGS if tag in tags and (tag != "pct" or _share(record) >= _WHOLE)]
    if not old:
        return []
    text = f"{', '.join(old)} in the record of {place}: RFC 9989 removed that, and receivers ignore it"
    return [finding(Id.DMARC_HISTORIC, text, "take it out", _publish(place, record, {}))]


def _share(record: DmarcRecord) -> int:
    """Return pct as RFC 7489 reads it: 100 where it is absent or no number from 0 to 100."""
    written = written_tags(record.text).get("pct", "")
    return min(int(written), _WHOLE) if written.isascii() and written.isdigit() else _WHOLE


def _is_none(policy: Requested | None) -> bool:
    return policy is Requested.NONE


def _publish(place: Domain, record: DmarcRecord, changes: dict[str, str | None]) -> Publish:
    return Publish(name=f"_dmarc.{place}", type="TXT", value=rewritten(record.text, changes))
