"""DMARC: policy discovery, alignment, the verdict (RFC 9989 4 and 5, standards C.2 to C.7).

The order of work is the cheap one of C.3: the record at the author domain, identifiers that equal it, identifiers
that no organizational domain of it could hold, and only then walks. A failed query makes temperror only where its
answer could change the outcome (C.7). Which of the two ways finds record and organizational domain (C.5) is an option.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import assert_never

from assay.answers import Absent, Resolver, RRType, Unavailable
from assay.domain import Domain
from assay.limits import MAX_IDENTIFIERS
from assay.message.author import Author
from assay.results import (
    Alignment,
    Discovery,
    DkimResult,
    DkimValue,
    DmarcRecord,
    DmarcResult,
    DmarcValue,
    Identifier,
    Method,
    Requested,
    SpfResult,
    SpfValue,
)
from assay.trace import AlignmentStep, DmarcDone, Trace
from assay.verify.discovery import Finder, Undiscovered
from assay.verify.options import DmarcOptions
from assay.verify.suffix_lookup import SuffixLookup, lookup_names
from assay.verify.walk import Walker, walk_names

_STRICTNESS = {None: 0, Requested.NONE: 1, Requested.QUARANTINE: 2, Requested.REJECT: 3}

_LOWERED = {  # t=y (RFC 9989 4.7)
    Requested.NONE: Requested.NONE,
    Requested.QUARANTINE: Requested.NONE,
    Requested.REJECT: Requested.QUARANTINE,
}


def verify_dmarc(  # noqa: PLR0913 - what SPF and DKIM found, besides what every method is given
    author: Author,
    spf: SpfResult,
    dkim: tuple[DkimResult, ...],
    resolver: Resolver,
    options: DmarcOptions,
    trace: Trace,
) -> DmarcResult:
    """Evaluate DMARC for one message.

    Args:
        author: the author domains of its From field, or why there are none.
        spf: its SPF result; for the null sender that of the HELO identity, which then is the MAIL FROM (C.4.1).
        dkim: the result of each signature.
        resolver: answers for this message.
        options: how record and organizational domain are found; ``shadow`` is for the caller.
        trace: takes the steps.

    Returns:
        The result; nothing raises for what mail or DNS hold. ``none``: DMARC does not apply. ``permerror``: From is
        unusable (``from_problem`` says why), the record is (C.1.8), or of several author domains none has a record.
        ``temperror``: a failed query could change the outcome; ``requested`` is then what the owner asks for as far
        as a record could be read.
    """
    evaluation = _Evaluation(
        passed=_identifiers(spf, SpfValue.PASS, dkim, DkimValue.PASS),
        unknown=_identifiers(spf, SpfValue.TEMPERROR, dkim, DkimValue.TEMPERROR),
        discovery=options.organizational_domain,
        finder=_finder(resolver, options, trace),
        resolver=resolver,
        trace=trace,
    )
    if author.problem is not None:
        reason = f"From is unusable: {author.problem}"
        result = DmarcResult(value=DmarcValue.PERMERROR, reason=reason, from_problem=author.problem)
    elif not author.domains:
        # One mailbox whose domain cannot take part, such as root@localhost: internal mail is not held (C.2.3).
        result = DmarcResult(value=DmarcValue.NONE, reason="From names no domain that could have a policy")
    else:
        result = _combine([evaluation.of(domain) for domain in author.domains])
    trace.add(DmarcDone(result))
    return result


def record_names(author_domains: Iterable[Domain], options: DmarcOptions) -> tuple[bytes, ...]:
    """Return the names at which policy records of author domains are looked for: for prefetching.

    Those of the shadow evaluation come last, so that no budget is used up by them.
    """
    domains = tuple(author_domains)
    names = dict.fromkeys(name for domain in domains for name in _names(domain, options))
    if options.shadow:
        names |= dict.fromkeys(name for domain in domains for name in _names(domain, options.of_shadow()))
    return tuple(names)


def _names(domain: Domain, options: DmarcOptions) -> tuple[bytes, ...]:
    match options.organizational_domain:
        case Discovery.TREEWALK:
            return walk_names(domain)
        case Discovery.PSL:
            return lookup_names(domain, options.suffixes)
        case _:
            assert_never(options.organizational_domain)


def _finder(resolver: Resolver, options: DmarcOptions, trace: Trace) -> Finder:
    match options.organizational_domain:
        case Discovery.TREEWALK:
            return Walker(resolver, trace, options.suffixes if options.public_suffix_guard else None)
        case Discovery.PSL:
            return SuffixLookup(resolver, trace, options.suffixes)
        case _:
            assert_never(options.organizational_domain)


def _identifiers(
    spf: SpfResult, spf_value: SpfValue, dkim: Iterable[DkimResult], dkim_value: DkimValue
) -> tuple[Identifier, ...]:
    """Return the domains of the results with these values, each once for each method, SPF first."""
    found: dict[Identifier, None] = {}
    if spf.value is spf_value and spf.domain is not None:
        found[Identifier(Method.SPF, spf.domain)] = None
    for result in dkim:
        if result.value is dkim_value and result.sdid is not None:
            found[Identifier(Method.DKIM, result.sdid)] = None
    return tuple(found)


def _combine(results: list[DmarcResult]) -> DmarcResult:
    """Make one result of those of several author domains (C.2.3): no domain in From may lend its luck to another.

    Pass only if all pass. Otherwise the strictest request of those that did not pass counts, with its domain, and:

    * a record that is unusable makes permerror where no request is stricter than none: neither a domain that passes,
      nor one that asks for nothing, nor one whose DNS is dead may take its place;
    * a temperror makes temperror, since that domain could fail with reject; unless another one does so for certain;
    * where none passes and none fails there is no record at all: permerror, never none, which is the known bypass;
    * all else is a fail. Where nobody asks for anything (one passes, another has no record) its request is none.
    """
    first, *others = results
    if not others or all(result.value is DmarcValue.PASS for result in results):
        return first
    rest = [result for result in results if result.value is not DmarcValue.PASS]
    # On a tie a domain that fails stands first.
    worst = max(rest, key=lambda result: (_STRICTNESS[result.requested], result.value is DmarcValue.FAIL))
    names = ", ".join(str(result.author_domain) for result in rest)
    values = {result.value for result in results}
    broken = [result for result in rest if result.value is DmarcValue.PERMERROR]
    if broken and worst.requested not in {Requested.QUARANTINE, Requested.REJECT}:
        return replace(broken[0], reason=f"of several author domains these did not pass: {names}; {broken[0].reason}")
    certain = worst.value is DmarcValue.FAIL and worst.requested is Requested.REJECT
    if DmarcValue.TEMPERROR in values and not certain:
        reason = f"of several author domains not all could be judged: {names}"
        return replace(worst, value=DmarcValue.TEMPERROR, reason=reason)
    if values == {DmarcValue.NONE}:
        reason = f"several author domains, and none has a policy record: {names}"
        return replace(worst, value=DmarcValue.PERMERROR, reason=reason)
    return replace(
        worst,
        value=DmarcValue.FAIL,
        reason=f"of several author domains these did not pass: {names}",
        requested=worst.requested or Requested.NONE,
        published=worst.published or Requested.NONE,
    )


class _Relation(Enum):
    """How an identifier relates to the author domain."""

    ALIGNED = auto()
    UNALIGNED = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Policy:
    """The policy record that applies to an author domain.

    Attributes:
        author_domain: whom it is applied to.
        domain: where it stands.
        settled: False if a failed query may hide a record that would apply in its place.
        base: the result so far; its value is never final.
    """

    author_domain: Domain
    domain: Domain
    record: DmarcRecord
    settled: bool
    base: DmarcResult


@dataclass(slots=True, kw_only=True)
class _Evaluation:
    """Evaluates author domains of one message.

    Attributes:
        passed: the authenticated identifiers.
        unknown: those whose authentication could not be told (temperror).
        discovery: which way ``finder`` finds record and organizational domain.
        compared: domains whose organizational domain was looked for, to bound the work (C.4.5).
    """

    passed: tuple[Identifier, ...]
    unknown: tuple[Identifier, ...]
    discovery: Discovery
    finder: Finder
    resolver: Resolver
    trace: Trace
    compared: set[Domain] = field(default_factory=set)

    def of(self, author_domain: Domain) -> DmarcResult:
        """Return the result for one author domain."""
        policy = self._discover(author_domain)
        result = policy if isinstance(policy, DmarcResult) else self._judge(policy)
        organization = self.finder.known_organization(author_domain)
        return result if organization is None else replace(result, organizational_domain=organization)

    def _discover(self, author_domain: Domain) -> _Policy | DmarcResult:
        """Find the policy record (C.3); a result in place of a policy is final."""
        discovered = self.finder.discover(author_domain)
        if isinstance(discovered, Undiscovered):
            value = DmarcValue.NONE if discovered.settled else DmarcValue.TEMPERROR
            return DmarcResult(
                value=value, reason=discovered.reason, author_domain=author_domain, discovery=self.discovery
            )
        return self._policy(author_domain, discovered.domain, discovered.record, settled=discovered.settled)

    def _policy(
        self, author_domain: Domain, domain: Domain, record: DmarcRecord, *, settled: bool
    ) -> _Policy | DmarcResult:
        """Take a record as the policy, unless it is unusable (C.1.8)."""
        base = DmarcResult(
            value=DmarcValue.NONE,
            reason="",
            author_domain=author_domain,
            record=record,
            policy_domain=domain,
            discovery=self.discovery,
        )
        if record.invalid is None and record.p is not None:
            published = self._published(author_domain, domain, record, record.p)
            requested = _LOWERED[published] if record.testing else published
            base = replace(base, requested=requested, published=published)
        elif record.rua:
            # p, sp and np alike are then none.
            base = replace(base, requested=Requested.NONE, published=Requested.NONE)
        elif not settled:
            reason = f"a policy record in place of that of {domain} may exist"
            return replace(base, value=DmarcValue.TEMPERROR, reason=reason)
        elif record.invalid is None:
            return replace(base, reason=f"the record of {domain} asks for nothing: neither p nor a usable rua")
        else:
            return replace(
                base,
                value=DmarcValue.PERMERROR,
                reason=f"the record of {domain} is unusable: {record.invalid}; no usable rua",
            )
        return _Policy(author_domain=author_domain, domain=domain, record=record, settled=settled, base=base)

    def _published(self, author_domain: Domain, domain: Domain, record: DmarcRecord, p: Requested) -> Requested:
        """Return which of p, sp and np applies (C.3).

        Whether the author domain exists is asked only where np says something else than sp; existence is as RFC 8020
        has it, by NXDOMAIN for the name itself. Where that query fails the stricter of the two counts (local choice).
        """
        if domain == author_domain:
            return p
        existing = record.sp or p
        missing = record.np or existing
        if missing is existing:
            return existing
        match self.resolver.resolve(bytes(author_domain), RRType.A):
            case Absent(nxdomain=True, alias=False):
                return missing
            case Unavailable():
                return max(existing, missing, key=_STRICTNESS.__getitem__)
            case _:
                return existing

    def _judge(self, policy: _Policy) -> DmarcResult:
        """Return the verdict under a policy (C.4.4, C.7.1)."""
        base = policy.base
        aligned: set[Identifier] = set()
        doubt: str | None = None
        # Equality costs nothing, so it goes first. One aligned identifier settles its method; the other method is
        # still looked at, since reports state both.
        for identifier in sorted(self.passed, key=lambda identifier: identifier.domain != policy.author_domain):
            if any(identifier.method is other.method for other in aligned):
                continue
            relation = self._relation(policy, identifier)
            if relation is _Relation.ALIGNED:
                aligned.add(identifier)
            elif relation is _Relation.UNKNOWN:
                doubt = f"whether {identifier.domain} is aligned could not be looked up"
        if aligned:
            proof = tuple(identifier for identifier in self.passed if identifier in aligned)
            reason = f"{proof[0].method} proves {proof[0].domain}, which is aligned"
            return replace(base, value=DmarcValue.PASS, reason=reason, aligned=proof)
        if not policy.settled:
            # The owner's request stays: it is the best that is known (C.7.1, H.5 D4).
            doubt = f"a policy record in place of that of {policy.domain} may exist"
        doubt = doubt or self._doubt(policy)
        if doubt is not None:
            return replace(base, value=DmarcValue.TEMPERROR, reason=doubt)
        reason = f"no authenticated identifier is aligned with {policy.author_domain}"
        return replace(base, value=DmarcValue.FAIL, reason=reason)

    def _doubt(self, policy: _Policy) -> str | None:
        """Return which identifier might have passed and been aligned, had SPF or DKIM been able to tell (C.7.1).

        Alignment comes first: what cannot be aligned makes no temperror, whatever its DNS does.
        """
        for identifier in self.unknown:
            if self._relation(policy, identifier) is not _Relation.UNALIGNED:
                return f"{identifier.method} could not tell whether {identifier.domain} is authentic"
        return None

    def _relation(self, policy: _Policy, identifier: Identifier) -> _Relation:
        """Compare an identifier with the author domain, and trace it."""
        relation, reason = self._compare(policy, identifier)
        aligned = relation is _Relation.ALIGNED
        self.trace.add(AlignmentStep(identifier, policy.author_domain, aligned, reason))
        return relation

    def _compare(self, policy: _Policy, identifier: Identifier) -> tuple[_Relation, str]:
        """Compare an identifier with the author domain, the cheap tests first (C.4.2, C.4.3)."""
        author_domain, domain = policy.author_domain, identifier.domain
        if domain == author_domain:
            return _Relation.ALIGNED, "it is the author domain"
        if not policy.settled:
            # Another record may apply, and with it strict alignment: equality is all that is certain.
            return _Relation.UNKNOWN, "the policy record is not known for certain"
        obstacle = self._obstacle(policy, identifier)
        if obstacle is not None:
            return _Relation.UNALIGNED, obstacle
        self.compared.add(domain)
        verdicts = {mine == its for mine, its in self.finder.organizations(author_domain, domain)}
        if len(verdicts) > 1:
            return _Relation.UNKNOWN, "a query that decides it failed"
        if True in verdicts:
            return _Relation.ALIGNED, "both have the same organizational domain"
        return _Relation.UNALIGNED, "it has an organizational domain of its own"

    def _obstacle(self, policy: _Policy, identifier: Identifier) -> str | None:
        """Return why an identifier cannot be aligned, as far as that is known without a walk from it."""
        author_domain, domain = policy.author_domain, identifier.domain
        mode = policy.record.aspf if identifier.method is Method.SPF else policy.record.adkim
        if mode is Alignment.STRICT:
            return "alignment is strict, and it is not the author domain"
        # The organizational domain of a name is the name or an ancestor: what is outside of the author's cannot be
        # aligned. No query is needed to know that of what is outside of its top-level domain.
        if not domain.is_under(author_domain.suffix(1)) or not any(
            domain.is_under(organization) for (organization,) in self.finder.organizations(author_domain)
        ):
            return "it is outside of the organizational domain"
        if domain not in self.compared and len(self.compared) >= MAX_IDENTIFIERS:
            return f"not compared: {MAX_IDENTIFIERS} other domains were"
        return None
