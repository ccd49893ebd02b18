"""What DMARC needs to find, whichever way: the policy record and the organizational domains (standards C.5)."""

from dataclasses import dataclass, field
from typing import Protocol

from assay.answers import Absent, Resolver, RRType, Unavailable
from assay.domain import Domain
from assay.limits import MAX_NAME_OCTETS
from assay.results import DmarcRecord
from assay.verify.dmarc_record import parse_record

_PREFIX = b"_dmarc."


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovered:
    """A policy record applies.

    Attributes:
        domain: where it stands.
        settled: False if a failed query may hide a record that would apply in its place.
    """

    domain: Domain
    record: DmarcRecord
    settled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Undiscovered:
    """No policy record is known.

    Attributes:
        settled: False if a failed query may hide one.
    """

    reason: str
    settled: bool


class Finder(Protocol):
    """A way to find policy records and organizational domains, for one message."""

    def discover(self, author_domain: Domain) -> Discovered | Undiscovered:
        """Find the policy record that applies to mail of an author domain."""
        ...

    def organizations(self, *starts: Domain) -> frozenset[tuple[Domain, ...]]:
        """Return the organizational domains that ``starts`` may have, together: more than one after a failed query."""
        ...

    def known_organization(self, author_domain: Domain) -> Domain | None:
        """Return the organizational domain of an author domain if that needs no query and is certain."""
        ...


@dataclass(slots=True)
class PolicyRecords:
    """The policy records of one message; each name is asked for once."""

    resolver: Resolver
    _known: dict[Domain, tuple[DmarcRecord, ...] | Unavailable] = field(init=False, default_factory=dict)

    def at(self, name: Domain) -> tuple[DmarcRecord, ...] | Unavailable:
        """Return every policy record at ``_dmarc.<name>``; NXDOMAIN and NODATA are no records.

        At a name that cannot be asked for there are none either (C.3): it is no error that a sender could choose.
        """
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._query(name)
        return known

    def _query(self, name: Domain) -> tuple[DmarcRecord, ...] | Unavailable:
        asked = query_name(name)
        if asked is None:
            return ()
        answer = self.resolver.resolve(asked, RRType.TXT)
        if isinstance(answer, Unavailable):
            return answer
        if isinstance(answer, Absent):
            return ()
        parsed = (parse_record(text) for text in answer.records if isinstance(text, bytes))
        return tuple(record for record in parsed if record is not None)


def query_name(domain: Domain) -> bytes | None:
    """Return the name at which the policy record of ``domain`` stands; None where it is too long to be asked for."""
    name = _PREFIX + bytes(domain)
    return name if len(name) <= MAX_NAME_OCTETS else None
