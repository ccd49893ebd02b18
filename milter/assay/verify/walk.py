"""The DNS tree walk and the organizational domain (RFC 9989 4.10, standards C.3).

A query that fails is neither a record nor the absence of one. The walk notes it and goes on, and
:meth:`Walker.organizations` says which organizational domains stay possible: so a failure counts exactly where it
could change something, and what a sender can break does not decide more than that.

Everything rests on where records stand. One guard against that (standards C.5, H.5 D5): where a walk ends at a public
suffix whose record has no psd tag, all that is registered below it would share one organizational domain. So in
:meth:`Walker.organizations` the list of public suffixes then says where the organizational domain is. The policy
record that applies stays the one that the walk found, so that the guard takes alignments away and does nothing else.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from assay.answers import Resolver, Unavailable
from assay.domain import Domain
from assay.limits import MAX_WALK_QUERIES
from assay.results import DmarcRecord, Psd
from assay.trace import OrganizationStep, Trace, WalkStep
from assay.verify.discovery import Discovered, PolicyRecords, Undiscovered, query_name
from assay.verify.suffixes import PublicSuffixes, is_public_suffix, organization_of

Sight = DmarcRecord | Unavailable | None
"""What a walk sees at one name: its one record, nothing, or that nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A tree walk that was made.

    Attributes:
        start: where it began.
        sights: what was seen, the longest name first; at most ``MAX_WALK_QUERIES``. The walk ended at the first
            record with psd=y or psd=n, or at the single label.
    """

    start: Domain
    sights: tuple[tuple[Domain, Sight], ...]

    @property
    def found(self) -> tuple[tuple[Domain, DmarcRecord], ...]:
        """The records seen, the longest name first."""
        return tuple((name, sight) for name, sight in self.sights if isinstance(sight, DmarcRecord))

    @property
    def failures(self) -> tuple[tuple[Domain, Unavailable], ...]:
        """The names whose query failed, the longest first."""
        return tuple((name, sight) for name, sight in self.sights if isinstance(sight, Unavailable))

    @property
    def likely_organizational_domain(self) -> Domain:
        """The organizational domain if no failed query hides a record; without the guard."""
        organization: Domain | None = None
        for name, record in reversed(self.found):
            organization = _narrow(organization, self.start, name, record.psd)
        return organization or self.start


@dataclass(slots=True)
class Walker:
    """Makes the walks of one message; each name is asked for once and each walk made once.

    Attributes:
        resolver: answers for this message.
        trace: takes one step for each name of each walk.
        guard: the list of public suffixes; None: no guard.
    """

    resolver: Resolver
    trace: Trace
    guard: PublicSuffixes | None = None
    _records: PolicyRecords = field(init=False)
    _suffixes: dict[Domain, bool] = field(init=False, default_factory=dict)
    _guarded: dict[tuple[Domain, Domain], Domain] = field(init=False, default_factory=dict)
    _walks: dict[Domain, Walk] = field(init=False, default_factory=dict)
    _organizations: dict[Domain, Domain] = field(init=False, default_factory=dict)
    _traced: set[tuple[Domain, Domain]] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self._records = PolicyRecords(self.resolver)

    def records(self, name: Domain) -> tuple[DmarcRecord, ...] | Unavailable:
        """Return every policy record at ``_dmarc.<name>``."""
        return self._records.at(name)

    def record(self, name: Domain, *, start: Domain | None = None) -> Sight:
        """Return the policy record at ``name``, as the walk from ``start`` (default: from ``name``) sees it.

        Several records at one name are all discarded, as if there were none (C.1.6).
        """
        start = start or name
        records = self.records(name)
        sight: Sight
        if isinstance(records, Unavailable):
            sight, outcome = records, f"nothing known: {records.why}"
        elif len(records) == 1:
            sight, outcome = records[0], f"record, psd={records[0].psd}"
        else:
            sight, outcome = None, f"{len(records)} records, discarded" if records else "no record"
        if (start, name) not in self._traced:
            self._traced.add((start, name))
            self.trace.add(WalkStep(start, name, outcome))
        return sight

    def walk(self, start: Domain) -> Walk:
        """Walk from ``start`` towards the root (C.3): at most ``MAX_WALK_QUERIES`` queries.

        A record with psd=y or psd=n ends it. A failed query does not: a record above it may still tell what the
        owner asks for.
        """
        known = self._walks.get(start)
        if known is None:
            sights: list[tuple[Domain, Sight]] = []
            for name in _path(start):
                sight = self.record(name, start=start)
                sights.append((name, sight))
                if isinstance(sight, DmarcRecord) and sight.psd is not Psd.UNKNOWN:
                    break
            known = self._walks[start] = Walk(start=start, sights=tuple(sights))
        return known

    def discover(self, author_domain: Domain) -> Discovered | Undiscovered:
        """Find the policy record: at the author domain, its organizational domain, or the public suffix (C.3)."""
        own = self.record(author_domain)
        if isinstance(own, DmarcRecord):
            if own.psd is not Psd.UNKNOWN:
                self.walk(author_domain)  # it ends at once, so that the organizational domain is free
            return Discovered(domain=author_domain, record=own, settled=True)
        walk = self.walk(author_domain)
        if walk.found:
            # A record between these two is not used. Without one at the organizational domain the last record seen
            # is that of the public suffix, since nothing else ends a walk above the organizational domain.
            records = dict(walk.found)
            last = walk.found[-1][0]
            domain = walk.likely_organizational_domain
            domain = domain if domain in records else last
            return Discovered(domain=domain, record=records[domain], settled=not walk.failures)
        if walk.failures:
            name, failure = walk.failures[0]
            reason = f"the policy record could not be looked for at {name}: {failure.why}"
            return Undiscovered(reason=reason, settled=False)
        return Undiscovered(reason=f"no policy record for {author_domain}", settled=True)

    def known_organization(self, author_domain: Domain) -> Domain | None:
        """Return its organizational domain if the walk was made already and no failed query leaves more than one."""
        if not self.has_walked(author_domain):
            return None
        organization = self.organizational_domain(author_domain)
        return None if isinstance(organization, Unavailable) else organization

    def has_walked(self, start: Domain) -> bool:
        """Whether the walk from ``start`` was made already, so that asking about it costs nothing."""
        return start in self._walks

    def organizational_domain(self, start: Domain) -> Domain | Unavailable:
        """Return the organizational domain of ``start``; Unavailable where a failed query leaves more than one."""
        possible = self.organizations(start)
        if len(possible) > 1:
            name, failure = self.walk(start).failures[0]
            return Unavailable(f"_dmarc.{name}: {failure.why}")
        ((organization,),) = possible
        return organization

    def organizations(self, *starts: Domain) -> frozenset[tuple[Domain, ...]]:
        """Return the organizational domains that ``starts`` may have, together.

        Without a failed query that is one tuple, the organizational domain of each start. A name whose query failed
        may hold no record, or one with any value of psd, and it holds the same for every walk that passes it:
        each tuple is the outcome of one such assumption.

        The rule of C.3 reads from the longest name: the first psd=n or psd=y decides, else the fewest labels. Read
        from the shortest name that is: psd=n and psd=y replace what was, and any other record counts only where
        nothing was. In this direction the outcomes merge as they appear, so that they stay as few as the names.
        """
        walks = [self.walk(start) for start in starts]
        if not any(walk.failures for walk in walks):
            return frozenset((tuple(self._certain(walk) for walk in walks),))
        passes = [frozenset(name for name, _ in walk.sights) for walk in walks]
        sights = {name: sight for walk in walks for name, sight in walk.sights}
        outcomes: set[tuple[Domain | None, ...]] = {(None,) * len(starts)}
        for name in sorted(sights, key=_label_count):
            outcomes = {
                tuple(
                    self._narrow(organization, start, name, psd) if name in passed else organization
                    for organization, start, passed in zip(outcome, starts, passes, strict=True)
                )
                for outcome in outcomes
                for psd in _possible_psd(sights[name])
            }
        return frozenset(
            tuple(organization or start for organization, start in zip(outcome, starts, strict=True))
            for outcome in outcomes
        )

    def _certain(self, walk: Walk) -> Domain:
        """Return the organizational domain after a walk without a failed query."""
        known = self._organizations.get(walk.start)
        if known is None:
            organization: Domain | None = None
            for name, record in reversed(walk.found):
                organization = self._narrow(organization, walk.start, name, record.psd)
            known = self._organizations[walk.start] = organization or walk.start
        return known

    def _narrow(self, organization: Domain | None, start: Domain, name: Domain, psd: Psd | None) -> Domain | None:
        """Do as :func:`_narrow`, with the guard (C.5)."""
        guard = self.guard
        if guard is None or organization is not None or psd is not Psd.UNKNOWN or not self._is_suffix(name, guard):
            return _narrow(organization, start, name, psd)
        key = (start, name)
        if key not in self._guarded:
            guarded = organization_of(start, guard)
            if _label_count(guarded) >= MAX_WALK_QUERIES:
                # Walks of longer names jump over it: it may be the organizational domain of others by a record that
                # this walk does not see, and then the guard would align what the walks do not.
                guarded = start
            self._guarded[key] = guarded
            reason = f"{name} is a public suffix, which a record without psd makes no organizational domain"
            self.trace.add(OrganizationStep(start, guarded, reason))
        return self._guarded[key]

    def _is_suffix(self, name: Domain, guard: PublicSuffixes) -> bool:
        """Ask the list, once for each name."""
        known = self._suffixes.get(name)
        if known is None:
            known = self._suffixes[name] = is_public_suffix(name, guard)
        return known


def walk_names(domain: Domain) -> tuple[bytes, ...]:
    """Return the names that a tree walk from ``domain`` asks for in order, if no record ends it: for prefetching."""
    return tuple(asked for name in _path(domain) if (asked := query_name(name)) is not None)


def _path(start: Domain) -> Iterable[Domain]:
    """Return ``start`` and its suffixes down to one label; the first step of a long name jumps to seven labels."""
    longest = min(_label_count(start), MAX_WALK_QUERIES) - 1
    return (start, *(start.suffix(count) for count in range(longest, 0, -1)))


def _label_count(name: Domain) -> int:
    return name.name.count(".") + 1


def _possible_psd(sight: Sight) -> tuple[Psd | None, ...]:
    """Return what psd a name may turn out to have; None stands for no record."""
    if isinstance(sight, Unavailable):
        return (None, *Psd)
    return (None if sight is None else sight.psd,)


def _narrow(organization: Domain | None, start: Domain, name: Domain, psd: Psd | None) -> Domain | None:
    """Return the organizational domain of ``start`` after one more, longer name of its walk (C.3)."""
    if psd is None:
        return organization
    if psd is Psd.UNKNOWN:
        return organization or name
    if psd is Psd.NO or name == start:
        return name
    # One label longer on the path to the start, not the name asked for before; psd=y never pushes below the start.
    return start.suffix(_label_count(name) + 1)
