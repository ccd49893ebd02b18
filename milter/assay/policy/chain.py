"""The word of trusted ARC sealers (standards D.4, H.3 Q1 to Q4).

A chain that passes proves who handled the message and what they claim, nothing more. It counts only where every sealer
from the newest down to the one whose claims are used is listed by us.
"""

import re
from ipaddress import ip_address
from typing import Final

from assay.domain import Domain
from assay.errors import DomainError
from assay.message.auth_results import AuthResultsField, ResInfo, parse_auth_results
from assay.policy.verdict import Skip
from assay.results import ArcResult, ArcSet, ArcValue

MAX_COMMENT: Final = 1000
"""Characters of a comment on a chain: unlisted sealers may have written most of it (local choice)."""

_VERSION: Final = 1
"""RFC 8601 2.5: what another version means is not known."""

_NAME = re.compile(r"[A-Za-z0-9._-]+")


def vouched(arc: ArcResult, author_domain: Domain, trusted: frozenset[Domain]) -> ArcSet | Skip:
    """Return the earliest set of the trusted run if it claims a DMARC pass of ``author_domain``.

    Args:
        arc: the outcome of the chain; its sets lowest instance first.
        author_domain: of the message as it arrived here.
        trusted: sealers that the policy lists.
    """
    if arc.value is not ArcValue.PASS or not arc.sets:
        return Skip("no ARC chain passes")
    newest = arc.sets[-1]
    if newest.sealer not in trusted:
        return Skip(f"the newest ARC sealer, {newest.sealer}, is not listed")
    if not newest.signs_from:
        # RFC 8617 does not ask for it; without it the author domain could be another by now (standards D.1.3).
        return Skip("the newest ARC-Message-Signature does not cover From")
    earliest = newest
    for candidate in reversed(arc.sets):
        if candidate.sealer not in trusted:
            break
        earliest = candidate
    if not _claims_pass(earliest, author_domain):
        return Skip(f"ARC set {earliest.instance} does not claim a DMARC pass of {author_domain}")
    return earliest


def chain_comment(arc: ArcResult) -> str:
    """Describe a chain for the report's override reason (standards D.4.2)."""
    words = [f"arc={arc.value}"]
    for one in reversed(arc.sets):
        selector = one.selector if _NAME.fullmatch(one.selector) else "?"
        words += [f"as[{one.instance}].d={one.sealer}", f"as[{one.instance}].s={selector}"]
    first = arc.sets[0]
    claims = parse_auth_results(first.claims)
    client = None if claims is None else _remote_ip(claims)
    if client is not None:
        words.append(f"remote-ip[{first.instance}]={client}")
    return " ".join(words)[:MAX_COMMENT]


def _claims_pass(one: ArcSet, author_domain: Domain) -> bool:
    claims = parse_auth_results(one.claims)
    if claims is None or claims.version != _VERSION:
        return False
    said = [info for info in claims.results if info.method == "dmarc" and info.version == _VERSION]
    # Every word about DMARC must agree: two that differ are no claim at all.
    return bool(said) and all(info.result == "pass" and _names(info, author_domain) for info in said)


def _names(info: ResInfo, author_domain: Domain) -> bool:
    match _values(info, "header", "from"):
        case [only]:
            try:
                return Domain.parse(only) == author_domain
            except DomainError:
                return False
        case _:
            return False


def _remote_ip(claims: AuthResultsField) -> str | None:
    """Return the client address that the first sealer noted, in our own spelling."""
    for info in claims.results:
        for value in _values(info, "smtp", "remote-ip"):
            if "%" in value:  # the zone of an IPv6 address may be any text, and means nothing away from its host
                continue
            try:
                return str(ip_address(value))
            except ValueError:
                continue
    return None


def _values(info: ResInfo, ptype: str, name: str) -> list[str]:
    return [value for kind, key, value in info.properties if (kind, key) == (ptype, name)]
