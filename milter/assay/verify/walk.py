"""The DNS tree walk and the organizational domain (RFC 9989 4.10, standards C.3).

A query that fails is neither a record nor the absence of one. The walk notes it and goes on, and
:meth:`Walker.organizations` says which organizational domains stay possible: so a failure counts exactly where it
could change something, and what a sender can break does not decide more than that.

Everything rests on where records stand. A guard against a public suffix that publishes a record without psd=y
(standards C.5) would be one more argument of :class:`Walker`, asked in :func:`_narrow` for psd=u.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from assay.answers import Absent, Resolver, RRType, Unavailable
from assay.domain import Domain
from assay.limits import MAX_NAME_OCTETS, MAX_WALK_QUERIES
from assay.results import DmarcRecord, Psd
from assay.trace import Trace, WalkStep
from assay.verify.dmarc_record import parse_record

_PREFIX = b"_dmarc."

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
        """The organizational domain if no failed query hides a record."""
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
    """

    resolver: Resolver
    trace: Trace
    _records: dict[Domain, tuple[DmarcRecord, ...] | Unavailable] = field(init=False, default_factory=dict)
    _walks: dict[Domain, Walk] = field(init=False, default_factory=dict)
    _traced: set[tuple[Domain, Domain]] = field(init=False, default_factory=set)

    def records(self, name: Domain) -> tuple[DmarcRecord, ...] | Unavailable:
        """Return every policy record at ``_dmarc.<name>``; NXDOMAIN and NODATA are no records.

        At a name that cannot be asked for there are none either (C.3): it is no error that a sender could choose.
        """
        known = self._records.get(name)
        if known is None:
            known = self._records[name] = self._query(name)
        return known

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
        passes = [frozenset(name for name, _ in walk.sights) for walk in walks]
        sights = {name: sight for walk in walks for name, sight in walk.sights}
        outcomes: set[tuple[Domain | None, ...]] = {(None,) * len(starts)}
        for name in sorted(sights, key=_label_count):
            outcomes = {
                tuple(
                    _narrow(organization, start, name, psd) if name in passed else organization
                    for organization, start, passed in zip(outcome, starts, passes, strict=True)
                )
                for outcome in outcomes
                for psd in _possible_psd(sights[name])
            }
        return frozenset(
            tuple(organization or start for organization, start in zip(outcome, starts, strict=True))
            for outcome in outcomes
        )

    def _query(self, name: Domain) -> tuple[DmarcRecord, ...] | Unavailable:
        if not _can_be_asked(name):
            return ()
        answer = self.resolver.resolve(_PREFIX + bytes(name), RRType.TXT)
        if isinstance(answer, Unavailable):
            return answer
        if isinstance(answer, Absent):
            return ()
        parsed = (parse_record(text) for text in answer.records if isinstance(text, bytes))
        return tuple(record for record in parsed if record is not None)


def walk_names(domain: Domain) -> tuple[bytes, ...]:
    """Return the names that a tree walk from ``domain`` asks for in order, if no record ends it: for prefetching."""
    return tuple(_PREFIX + bytes(name) for name in _path(domain) if _can_be_asked(name))


def _path(start: Domain) -> Iterable[Domain]:
    """Return ``start`` and its suffixes down to one label; the first step of a long name jumps to seven labels."""
    longest = min(_label_count(start), MAX_WALK_QUERIES) - 1
    return (start, *(start.suffix(count) for count in range(longest, 0, -1)))


def _label_count(name: Domain) -> int:
    return name.name.count(".") + 1


def _can_be_asked(name: Domain) -> bool:
    return len(_PREFIX) + len(name.name) <= MAX_NAME_OCTETS


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
