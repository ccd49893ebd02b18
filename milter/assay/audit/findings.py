"""Every finding that an audit can have: how bad it is, and what it means in general."""

from typing import NamedTuple

from assay.audit.ids import Id
from assay.audit.report import Finding, Publish, Severity

_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTICE


class _Kind(NamedTuple):
    severity: Severity
    meaning: str


CATALOGUE: dict[Id, _Kind] = {
    Id.DOMAIN_MISSING: _Kind(_E, "the domain does not exist in the DNS; nothing else was looked at"),
    Id.MX_MISSING: _Kind(_W, "the domain has no MX record, though it sends: bounces and replies find no way back"),
    Id.MX_NULL: _Kind(_W, "the domain says that it takes no mail (null MX), though it sends"),
    Id.MX_MALFORMED: _Kind(_E, "an MX record breaks the rules of RFC 5321 or RFC 7505"),
    Id.MX_UNREACHABLE: _Kind(_E, "the host of an MX record has no address"),
    Id.SPF_MISSING: _Kind(_E, "the domain has no SPF record"),
    Id.SPF_SEVERAL: _Kind(_E, "a name has more than one SPF record, which is a permerror"),
    Id.SPF_SYNTAX: _Kind(_E, "an SPF record breaks the grammar, which is a permerror"),
    Id.SPF_TARGET_MISSING: _Kind(_E, "an include or redirect leads to no SPF record, which is a permerror"),
    Id.SPF_LOOP: _Kind(_E, "SPF records include each other in a circle"),
    Id.SPF_LOOKUPS: _Kind(_E, "SPF needs more than 10 look-ups, or an mx has more than 10 hosts: a permerror"),
    Id.SPF_VOIDS: _Kind(_E, "more than 2 SPF look-ups find nothing, which is a permerror"),
    Id.SPF_PASS_ALL: _Kind(_E, "SPF lets the whole internet send for the domain"),
    Id.SPF_NEUTRAL_ALL: _Kind(_W, "the SPF record ends in ?all, which says nothing of other senders"),
    Id.SPF_NO_ALL: _Kind(_W, "the SPF record has no end: neither all nor redirect"),
    Id.SPF_PTR: _Kind(_W, "the SPF record uses ptr, which RFC 7208 5.5 asks not to use"),
    Id.SPF_WARNING: _Kind(_N, "checkdmarc warns of something in the SPF record"),
    Id.DKIM_UNKNOWN: _Kind(_W, "no DKIM key is known: no selector was given, and none has a usual name"),
    Id.DKIM_NONE: _Kind(_E, "the domain has no DKIM key under any selector"),
    Id.DKIM_MISSING: _Kind(_E, "a given selector has no key"),
    Id.DKIM_REVOKED: _Kind(_E, "the key of a given selector is revoked"),
    Id.DKIM_UNUSABLE: _Kind(_E, "the record of a selector cannot be used as a key"),
    Id.DKIM_WEAK: _Kind(_E, "an RSA key is shorter than 1024 bits: nobody accepts it"),
    Id.DKIM_SHORT: _Kind(_W, "an RSA key is shorter than 2048 bits"),
    Id.DKIM_TESTING: _Kind(_W, "a key is marked as a test (t=y): its signatures need not count"),
    Id.DKIM_SEVERAL: _Kind(_W, "a selector has more than one TXT record: which counts is open"),
    Id.DKIM_ED25519_ONLY: _Kind(_W, "all known keys are ed25519, which many receivers cannot verify"),
    Id.DMARC_MISSING: _Kind(_E, "no DMARC policy record of the domain or its organization applies"),
    Id.DMARC_MISPLACED: _Kind(_E, "a DMARC record stands at the domain itself, where nobody looks for it"),
    Id.DMARC_SEVERAL: _Kind(_E, "a name has more than one DMARC record: all of them are ignored"),
    Id.DMARC_INVALID: _Kind(_E, "the DMARC record cannot be read as one, or has a policy that cannot be used"),
    Id.DMARC_NO_POLICY: _Kind(_W, "the DMARC record has no p="),
    Id.DMARC_NONE: _Kind(_W, "the policy is none: a step on the way, not an end"),
    Id.DMARC_QUARANTINE: _Kind(_N, "the policy is quarantine: reject is better where it is possible"),
    Id.DMARC_SP_NONE: _Kind(_W, "the policy for subdomains is none: a step on the way"),
    Id.DMARC_NP_NONE: _Kind(_W, "the policy for subdomains that do not exist is none"),
    Id.DMARC_PCT: _Kind(_W, "pct is below 100: a step on the way, which RFC 9989 removed"),
    Id.DMARC_TESTING: _Kind(_W, "t=y asks receivers to apply one level less: a step on the way"),
    Id.DMARC_HISTORIC: _Kind(_N, "the DMARC record holds what RFC 9989 removed, without harm"),
    Id.DMARC_PSD: _Kind(_W, "psd=y says that the domain is a public suffix, which no list knows of"),
    Id.DMARC_ORGANIZATION: _Kind(_N, "tree walk and list of public suffixes give different organizational domains"),
    Id.DMARC_WARNING: _Kind(_N, "checkdmarc warns of something in the DMARC record"),
    Id.REPORT_MISSING: _Kind(_W, "the DMARC record names no address for aggregate reports"),
    Id.REPORT_MALFORMED: _Kind(_W, "a report address cannot be read"),
    Id.REPORT_SCHEME: _Kind(_W, "a report address is no mailto:, which receivers need not support"),
    Id.REPORT_UNAUTHORISED: _Kind(_E, "a report address in another domain has not agreed to get reports"),
    Id.REPORT_UNREACHABLE: _Kind(_E, "the domain of a report address takes no mail"),
}
"""What each id means; docs/domain.md has the same table."""


def finding(kind: Id, text: str, remedy: str, publish: Publish | None = None) -> Finding:
    """Make a finding.

    Args:
        kind: its id, which brings its severity.
        text: what was found, with the names concerned.
        remedy: what to do about it.
        publish: the record to publish, where the audit can know it.
    """
    return Finding(id=kind.value, severity=CATALOGUE[kind].severity, text=text, remedy=remedy, publish=publish)
