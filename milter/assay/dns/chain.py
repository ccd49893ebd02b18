"""What a response means for the name that was asked: follow owner names through CNAME and DNAME. Pure.

Only records owned by the name asked, or by a name its aliases lead to, count. Authority and additional sections are
never believed, so that a server cannot place records of other names.
"""

from dataclasses import dataclass
from typing import Final

from assay.answers import Absent, Found, Record, RRType, Unavailable
from assay.dns.names import MAX_WIRE_OCTETS, fold, parents
from assay.dns.wire import RCode, ResourceRecord, Response, RType

MAX_LINKS: Final = 11
"""Aliases on the way to one answer, over all queries for it; Unbound restarts a query as often."""

_LARGEST_TTL: Final = 0x7FFFFFFF


@dataclass(frozen=True, slots=True)
class Chain:
    """The way from the name asked to the name to ask next.

    Attributes:
        names: wire names; ``names[0]`` is the name asked, ``names[-1]`` the one to ask next, letters as written.
        ttl: seconds, the smallest of the aliases so far.
    """

    names: tuple[bytes, ...]
    ttl: int = _LARGEST_TTL


@dataclass(frozen=True, slots=True)
class Settled:
    """A definite answer.

    Attributes:
        answer: Found or Absent.
        ttl: seconds, the smallest on the way; for Absent that of the aliases alone.
    """

    answer: Found | Absent
    ttl: int


def follow(response: Response, rrtype: RRType, chain: Chain) -> Settled | Chain | Unavailable:
    """Read the answer to ``chain.names[-1]``.

    Returns:
        ``Settled`` for a record set, NXDOMAIN or NODATA; a longer ``Chain`` if the answer stops in an alias whose
        target is not in it, so that the target must be asked; ``Unavailable`` if nothing is known: an error code, a
        referral, records of another owner, a loop, too many aliases.
    """
    if response.rcode not in (RCode.NOERROR, RCode.NXDOMAIN):
        return Unavailable(_error_name(response.rcode))
    by_owner: dict[bytes, list[ResourceRecord]] = {}
    for record in response.answers:
        by_owner.setdefault(record.owner, []).append(record)
    wanted = RType[rrtype.name]
    asked = len(chain.names)
    while True:
        own = by_owner.get(fold(chain.names[-1]), ())
        matching = [record for record in own if record.rtype == wanted]
        if matching:
            return _found(matching, response.rcode, chain)
        longer = _next(own, by_owner, chain)
        if isinstance(longer, Unavailable):
            return longer
        if longer is None:
            return _without_records(response, chain, followed=len(chain.names) > asked, others=bool(own))
        chain = longer


def _found(matching: list[ResourceRecord], rcode: int, chain: Chain) -> Settled | Unavailable:
    if rcode == RCode.NXDOMAIN:
        return Unavailable("NXDOMAIN with records of the name")
    ttl = min(chain.ttl, *(record.ttl for record in matching))
    records: list[Record] = [record.data for record in matching if record.data is not None]
    if not records:
        # Names with a dot inside a label: nobody can ask for what they mean, so there is nothing of use here.
        return Settled(Absent(nxdomain=False, alias=len(chain.names) > 1), ttl)
    return Settled(Found(tuple(records), ttl), ttl)


def _without_records(
    response: Response, chain: Chain, *, followed: bool, others: bool
) -> Settled | Chain | Unavailable:
    """Judge an answer in which the last name of the chain owns no record of the type asked for."""
    if others or (response.answers and not followed):
        return Unavailable("the answer holds records of another owner or type")
    alias = len(chain.names) > 1
    if response.rcode == RCode.NXDOMAIN:
        # RFC 6604 3: the code speaks of the last name of the chain
        return Settled(Absent(nxdomain=True, alias=alias), chain.ttl)
    if followed:
        return chain
    if response.referral:
        return Unavailable("a referral instead of an answer")
    return Settled(Absent(nxdomain=False, alias=alias), chain.ttl)


def _next(
    own: list[ResourceRecord] | tuple[()], by_owner: dict[bytes, list[ResourceRecord]], chain: Chain
) -> Chain | Unavailable | None:
    """Go one alias further; None where no alias leads on."""
    name = chain.names[-1]
    aliases = [record for record in own if record.rtype == RType.CNAME]
    if len({record.data for record in aliases}) > 1:
        return Unavailable("several CNAME records at one name")
    if aliases:
        target, ttl = aliases[0].data, aliases[0].ttl
    else:
        target, ttl = _through_dname(name, by_owner)
    if not isinstance(target, bytes):
        return None
    if len(target) > MAX_WIRE_OCTETS:
        return Unavailable("a DNAME makes a name that is too long")
    if fold(target) in map(fold, chain.names):
        return Unavailable("a CNAME loop")
    if len(chain.names) > MAX_LINKS:
        return Unavailable(f"more than {MAX_LINKS} CNAME records in a chain")
    return Chain((*chain.names, target), min(chain.ttl, ttl))


def _through_dname(name: bytes, by_owner: dict[bytes, list[ResourceRecord]]) -> tuple[Record | None, int]:
    """Make the CNAME that a DNAME above the name stands for (RFC 6672 2.2, 3.4); (None, 0) without one."""
    for parent in parents(name):
        for record in by_owner.get(fold(parent), ()):
            if record.rtype == RType.DNAME and isinstance(record.data, bytes):
                return name[: len(name) - len(parent)] + record.data, record.ttl
    return None, 0


def _error_name(rcode: int) -> str:
    try:
        return RCode(rcode).name
    except ValueError:
        return f"response code {rcode}"
