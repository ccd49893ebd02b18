"""Policy record and organizational domain the RFC 7489 way: by a list of public suffixes (standards C.5).

What differs from the tree walk is the search, and nothing else: the organizational domain is one label more than the
public suffix (RFC 7489 3.2), a record is looked for at the author domain and at its organizational domain only, and
several records at one of them end the search (RFC 7489 6.6.3). psd says nothing here, since the list says it. What
the record asks for is read as ever, np and t included: an owner who publishes them means them, whoever reads them.
"""

from dataclasses import dataclass, field

from assay.answers import Resolver, Unavailable
from assay.domain import Domain
from assay.trace import LookupStep, OrganizationStep, Trace
from assay.verify.discovery import Discovered, PolicyRecords, Undiscovered, query_name
from assay.verify.suffixes import PublicSuffixes, organization_of


@dataclass(slots=True)
class SuffixLookup:
    """Makes the searches of one message; each name is asked for once.

    Attributes:
        resolver: answers for this message.
        trace: takes one step for each name that is looked at.
    """

    resolver: Resolver
    trace: Trace
    suffixes: PublicSuffixes
    _records: PolicyRecords = field(init=False)
    _organizations: dict[Domain, Domain] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._records = PolicyRecords(self.resolver)

    def discover(self, author_domain: Domain) -> Discovered | Undiscovered:
        """Find the policy record at the author domain, else at its organizational domain (RFC 7489 6.6.3).

        Where the author domain's query fails the other one still tells what the owner may ask for.
        """
        failed: tuple[Domain, Unavailable] | None = None
        for name in dict.fromkeys((author_domain, self._organization(author_domain))):
            records = self._records.at(name)
            self.trace.add(LookupStep(author_domain, name, _outcome(records)))
            if isinstance(records, Unavailable):
                failed = failed or (name, records)
            elif len(records) == 1:
                return Discovered(domain=name, record=records[0], settled=failed is None)
            elif records and failed is None:
                return Undiscovered(reason=f"{len(records)} policy records at {name}", settled=True)
        if failed is not None:
            name, failure = failed
            reason = f"the policy record could not be looked for at {name}: {failure.why}"
            return Undiscovered(reason=reason, settled=False)
        return Undiscovered(reason=f"no policy record for {author_domain}", settled=True)

    def organizations(self, *starts: Domain) -> frozenset[tuple[Domain, ...]]:
        """Return the organizational domain of each start; the list leaves no doubt."""
        return frozenset({tuple(self._organization(start) for start in starts)})

    def known_organization(self, author_domain: Domain) -> Domain:
        """Return its organizational domain."""
        return self._organization(author_domain)

    def _organization(self, domain: Domain) -> Domain:
        known = self._organizations.get(domain)
        if known is None:
            known = self._organizations[domain] = organization_of(domain, self.suffixes)
            self.trace.add(OrganizationStep(domain, known, "by the list of public suffixes"))
        return known


def lookup_names(domain: Domain, suffixes: PublicSuffixes) -> tuple[bytes, ...]:
    """Return the names that the search for the record of ``domain`` asks for, for prefetching; one may stand twice."""
    names = (domain, organization_of(domain, suffixes))
    return tuple(asked for name in names if (asked := query_name(name)) is not None)


def _outcome(records: tuple[object, ...] | Unavailable) -> str:
    if isinstance(records, Unavailable):
        return f"nothing known: {records.why}"
    if len(records) > 1:
        return f"{len(records)} records, which end the search"
    return "record" if records else "no record"
