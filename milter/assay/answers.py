"""What the DNS can say, and how the rest of assay asks it.

Three answers, never two: a definite record set, a definite absence, and "nothing is known". The third must never be
taken for the second, since a sender can cause it (standards C.7, H.5 D4).
"""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol


class RRType(StrEnum):
    """The record types that mail authentication asks for."""

    A = "A"
    AAAA = "AAAA"
    MX = "MX"
    PTR = "PTR"
    TXT = "TXT"


@dataclass(frozen=True, slots=True)
class Mx:
    """One MX record (RFC 5321 5)."""

    preference: int
    exchange: bytes


Record = bytes | IPv4Address | IPv6Address | Mx
"""TXT: its character-strings joined without separator. PTR: the name, dotted, without the final dot. A, AAAA, MX:
their own types."""


@dataclass(frozen=True, slots=True)
class Found:
    """At least one record of the type asked for.

    Attributes:
        records: as they stood in the answer, never empty.
        ttl: seconds, the smallest of the record set and of every CNAME on the way to it.
    """

    records: tuple[Record, ...]
    ttl: int


@dataclass(frozen=True, slots=True)
class Absent:
    """NXDOMAIN (``nxdomain=True``) or NODATA: a definite "no such record".

    Attributes:
        nxdomain: the name at the end of the CNAME chain does not exist. Also True for a name that cannot be asked at
            all (a label over 63 octets, over 253 octets, an empty label, a NUL): nobody can own it.
        alias: the name asked for owns a CNAME, so it exists even where its target does not (RFC 8020 2).
    """

    nxdomain: bool
    alias: bool = False


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Timeout, SERVFAIL, refused, budget used up: nothing is known; maps to temperror.

    Attributes:
        why: in words.
        ours: the failure is on our side and says nothing about who owns the name: no name server of ours answered
            anything at all, or the system did not let us ask.
    """

    why: str
    ours: bool = False


Answer = Found | Absent | Unavailable


class Resolver(Protocol):
    """How a message asks the DNS. Thread-safe; never raises for what a name or an answer holds.

    Names are octets: labels joined by ".", without escapes and without the final dot, in any case. Names that no
    server could hold are answered ``Absent(nxdomain=True)`` without a query.
    """

    def resolve(self, name: bytes, rrtype: RRType) -> Answer:
        """Answer, waiting at most the time per query and what is left of the message's budget."""
        ...

    def prefetch(self, name: bytes, rrtype: RRType) -> Answer | None:
        """Start the query and return at once; a later ``resolve`` of the same name and type takes its answer.

        Returns:
            The answer if it is here already, and then ``resolve`` gives the same; else None. A resolver that has
            nothing to start may always return None.
        """
        ...
