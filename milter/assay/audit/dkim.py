"""DKIM: what the selectors of a domain hold.

Selectors cannot be listed: the DNS answers names that one knows. Given ones are asked for, and a few that services and
packages use by default; where ``_domainkey`` itself does not exist there is no selector at all (RFC 8020).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from assay.answers import Absent, RRType
from assay.audit.asking import Asking
from assay.audit.findings import finding
from assay.audit.ids import Id
from assay.audit.report import Dkim, DkimKey, Finding, KeyState
from assay.domain import Domain
from assay.limits import MIN_RSA_BITS
from assay.verify.keys import REVOKED, KeyRecord, KeyType, UnusableKey, parse_key_record

USUAL_SELECTORS: Final = (
    *("default", "mail", "dkim", "email", "smtp", "selector1", "selector2"),
    *("google", "s1", "s2", "k1", "k2", "k3", "key1", "mx"),
)
"""What signers and services call their keys by default."""

_GOOD_RSA_BITS: Final = 2048  # RFC 8301 3.2: signers should use at least so many


@dataclass(frozen=True, slots=True)
class _Selector:
    """One selector, read.

    Attributes:
        records: how many TXT records it has.
    """

    key: DkimKey
    records: int


def inspect_dkim(
    domain: Domain, given: Sequence[Domain], asking: Asking, *, sends: bool
) -> tuple[Dkim, tuple[Finding, ...]]:
    """Look at the given selectors and the usual ones.

    Args:
        domain: d= of its signatures.
        given: the selectors that it signs with, as its owner says.
        asking: asks.
        sends: a domain that sends nothing needs no key; those that are given are looked at all the same.
    """
    tried = tuple(Domain(name) for name in USUAL_SELECTORS if sends and Domain(name) not in given)
    for selector in (*given, *tried):
        asking.prefetch(_name(selector, domain), RRType.TXT)
    selectors = [_read(selector, domain, asking, given=True) for selector in given]
    usual = [_read(selector, domain, asking, given=False) for selector in tried]
    selectors += [each for each in usual if each.key.state in {KeyState.USABLE, KeyState.UNUSABLE} and each.key.bits]
    if any(each.key.state is KeyState.UNANSWERED for each in usual):
        sends = False  # what is not known to be missing is not said to be
    section = Dkim(keys=tuple(each.key for each in selectors), tried=tuple(str(selector) for selector in tried))
    findings = [found for each in selectors for found in _findings(each, domain)]
    findings += _missing_keys(section, domain, asking) if sends else []
    return section, tuple(findings)


def _name(selector: Domain, domain: Domain) -> bytes:
    return b"%b._domainkey.%b" % (bytes(selector), bytes(domain))


def _read(selector: Domain, domain: Domain, asking: Asking, *, given: bool) -> _Selector:
    texts = asking.texts(_name(selector, domain))
    if not texts:
        state = KeyState.UNANSWERED if texts is None else KeyState.MISSING
        return _Selector(DkimKey(selector=selector.name, given=given, state=state), 0)
    best = min((parse_key_record(text) for text in sorted(texts)), key=_rank)
    if isinstance(best, KeyRecord):
        key = DkimKey(
            selector=selector.name,
            given=given,
            state=KeyState.USABLE,
            type=best.type.value,
            bits=best.bits,
            testing=best.testing,
        )
    else:
        state = KeyState.REVOKED if best.reason == REVOKED else KeyState.UNUSABLE
        key = DkimKey(selector=selector.name, given=given, state=state, bits=best.bits, reason=best.reason)
    return _Selector(key, len(texts))


def _rank(key: KeyRecord | UnusableKey) -> int:
    """Order what a selector holds: a key, one that a key record holds but nobody accepts, what is no key record."""
    if isinstance(key, KeyRecord):
        return 0
    return 1 if key.bits is not None or key.reason == REVOKED else 2


def _findings(selector: _Selector, domain: Domain) -> list[Finding]:
    key = selector.key
    where = f"{key.selector}._domainkey.{domain}"
    found: list[Finding] = []
    match key.state:
        case KeyState.MISSING:
            text = f"{where} has no TXT record, so what is signed with this selector cannot be verified"
            found.append(
                finding(Id.DKIM_MISSING, text, "publish the key that the signer made, or correct the selector")
            )
        case KeyState.REVOKED:
            text = f"the key at {where} is revoked (p= is empty): its signatures fail"
            found.append(finding(Id.DKIM_REVOKED, text, "sign with another selector"))
        case KeyState.UNUSABLE if key.bits is not None and key.bits < MIN_RSA_BITS:
            text = f"{where}: {key.reason}, so no receiver accepts it (RFC 8301 3.2)"
            found.append(
                finding(Id.DKIM_WEAK, text, "make a key of 2048 bits under a new selector, and sign with that")
            )
        case KeyState.UNUSABLE:
            text = f"{where}: {key.reason}"
            found.append(finding(Id.DKIM_UNUSABLE, text, "publish the record exactly as the signer wrote it"))
        case KeyState.USABLE:
            found += _usable(key, where)
        case KeyState.UNANSWERED:
            pass
    if selector.records > 1:
        text = f"{where} has {selector.records} TXT records; which one counts is open (RFC 6376 3.6.2.2)"
        found.append(
            finding(Id.DKIM_SEVERAL, text, "keep the one that the signer uses; a second key needs a second name")
        )
    return found


def _usable(key: DkimKey, where: str) -> list[Finding]:
    found: list[Finding] = []
    if key.type == KeyType.RSA and key.bits is not None and key.bits < _GOOD_RSA_BITS:
        text = f"the RSA key at {where} has {key.bits} bits; signers should use {_GOOD_RSA_BITS} (RFC 8301 3.2)"
        remedy = (
            f"make one of {_GOOD_RSA_BITS} bits under a new selector, sign with that, and remove this one a week on"
        )
        found.append(finding(Id.DKIM_SHORT, text, remedy))
    if key.testing:
        text = f"the key at {where} says t=y: receivers may treat its mail as unsigned (RFC 6376 3.6.1)"
        found.append(finding(Id.DKIM_TESTING, text, "take t=y out of the record"))
    return found


def _missing_keys(section: Dkim, domain: Domain, asking: Asking) -> list[Finding]:
    """Say where DKIM as a whole is missing."""
    usable = [key for key in section.keys if key.state is KeyState.USABLE]
    if usable and all(key.type == KeyType.ED25519 for key in usable):
        names = ", ".join(key.selector for key in usable)
        text = f"the known keys of {domain} are all ed25519 ({names}), which many receivers cannot verify yet"
        return [finding(Id.DKIM_ED25519_ONLY, text, "sign with an RSA key of 2048 bits as well (RFC 8463 3)")]
    if section.keys:
        return []
    why = (
        "SPF alone is not enough: it proves the envelope and not the From address that people see, and forwarding "
        "breaks it. DMARC needs a DKIM signature with d= of the domain"
    )
    answer = asking.resolve(b"_domainkey." + bytes(domain), RRType.TXT)
    if isinstance(answer, Absent) and answer.nxdomain and not answer.alias:
        text = f"{domain} has no DKIM key: _domainkey.{domain} does not exist. {why}"
        remedy = "sign outgoing mail with a key of 2048 bits and publish it at <selector>._domainkey"
        return [finding(Id.DKIM_NONE, text, remedy)]
    text = (
        f"no DKIM key of {domain} is known: no --selector was given, selectors cannot be listed from the DNS, and none "
        f"of the usual ones holds a key ({', '.join(section.tried)}). {why}"
    )
    remedy = "give the selector: it is s= in the DKIM-Signature field of a message that the domain sent"
    return [finding(Id.DKIM_UNKNOWN, text, remedy)]
