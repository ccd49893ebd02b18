"""The one place where a message is judged: facts and DNS answers in, results, decision, stamp and trace out.

The daemon, ``assay check``, ``assay demo``, the tests and the benchmarks call :func:`judge`; nobody else decides.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from assay.answers import Answer, Resolver, RRType, Unavailable
from assay.clock import Clock
from assay.facts import Client, Envelope, MessageFacts
from assay.message.author import Author, parse_author
from assay.message.header import header_problem, indirect_signs
from assay.metrics.families import Stage
from assay.policy.engine import decide
from assay.policy.model import Case, Decision, Disposition, Exempt, Mode, Reply, Unruled
from assay.policy.policies import Policies
from assay.results import AuthResults, DmarcResult, DmarcValue, SpfResult
from assay.stamp.stamp import Stamp, make_exempt_stamp, make_stamp
from assay.trace import DmarcDone, Query, ShadowDone, Step, Trace
from assay.verify.arc import verify_arc
from assay.verify.dkim import verify_dkim
from assay.verify.dmarc import verify_dmarc
from assay.verify.options import DmarcOptions, VerifyOptions
from assay.verify.spf import verify_spf


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What to judge by; made of the configuration and the policy files, never changed while a worker lives.

    Attributes:
        dmarc: how the organizational domain is found.
        exempt_networks: clients in them are not judged.
        exempt_authenticated: authenticated clients are not judged.
        keep_results: incoming fields with our authserv-id stay on exempt mail (re-injection from a content filter).
        own_ids: further authserv-ids of ours, whose incoming fields are removed.
    """

    policies: Policies
    options: VerifyOptions = field(default_factory=VerifyOptions)
    dmarc: DmarcOptions = field(default_factory=DmarcOptions)
    exempt_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    exempt_authenticated: bool = True
    keep_results: bool = False
    own_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Everything that is known after the judging of one message.

    Attributes:
        results: None for mail that is not judged: it is exempt, or its header is too large.
        decision: what to do.
        hold: a quarantine is carried out by the MTA's hold queue; otherwise by the header field in ``stamp``.
        stamp: what to write into and to remove from the message.
        trace: every step, in order; those of SPF first.
        answers: every answer of the DNS that was used, each question once: enough to judge the message again.
        exempt: why it is let in unjudged, None if it is not.
        shadow: what DMARC says the other way; None if that was not asked for. Nothing else depends on it.
    """

    results: AuthResults | None
    decision: Decision
    hold: bool
    stamp: Stamp
    trace: tuple[Step, ...]
    answers: tuple[Query, ...]
    exempt: Exempt | None = None
    shadow: DmarcResult | None = None


def exemption(client: Client, envelope: Envelope, settings: Settings) -> Exempt | None:
    """Say why mail of this client is not judged, None if it is.

    A client without an address is a process on this machine (standards G.2: family unknown or unix), and counts as
    one on the loopback network.
    """
    if settings.exempt_authenticated and envelope.authenticated is not None:
        return Exempt.AUTHENTICATED
    if client.address is None:
        if any(network.is_loopback for network in settings.exempt_networks):
            return Exempt.NETWORK
    elif any(client.address in network for network in settings.exempt_networks):
        return Exempt.NETWORK
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfJudgement:
    """What SPF says of a message, with every step; needs nothing but client and envelope."""

    result: SpfResult
    trace: tuple[Step, ...]


def judge_spf(facts: MessageFacts, resolver: Resolver, clock: Clock) -> SpfJudgement:
    """Evaluate SPF ahead of :func:`judge`; args as there."""
    trace = Trace()
    result = verify_spf(facts, _Traced(resolver, trace), clock(), trace)
    return SpfJudgement(result=result, trace=tuple(trace))


def _untimed(_stage: Stage) -> None:
    """Take no note of what a stage took."""


def judge(  # noqa: PLR0913 - the last two are of the daemon alone
    facts: MessageFacts,
    resolver: Resolver,
    settings: Settings,
    clock: Clock,
    spf: SpfJudgement | None = None,
    lap: Callable[[Stage], None] = _untimed,
) -> Judgement:
    """Judge one message.

    Args:
        facts: all that is known of it.
        resolver: the message's own; answers that were prefetched are taken from it.
        settings: policies and options.
        clock: read once, so that every time-dependent rule sees the same instant.
        spf: of the same message by the same resolver, if it was evaluated already.
        lap: told of each stage when it is over, for whoever measures; nothing depends on it.

    Returns:
        The judgement. Bad mail and a failing DNS are values in it; an exception is a fault of ours, and the caller
        defers the message.
    """
    exempt = exemption(facts.client, facts.envelope, settings)
    if exempt is not None:
        return Judgement(
            results=None,
            decision=Decision(
                disposition=Disposition.NONE, would=Disposition.NONE, rule=Unruled.EXEMPT, reason=f"exempt: {exempt}"
            ),
            hold=False,
            stamp=_unstamped(facts, settings, keep_results=settings.keep_results),
            trace=(),
            answers=(),
            exempt=exempt,
        )
    too_large = header_problem(len(facts.headers), sum(len(each.name) + len(each.value) for each in facts.headers))
    if too_large is not None:
        return _unread(too_large, facts, settings)
    now = clock()
    if spf is None:
        spf = judge_spf(facts, resolver, lambda: now)
        lap(Stage.SPF)
    trace = Trace(list(spf.trace))
    traced = _Traced(resolver, trace)
    dkim = verify_dkim(facts, traced, now, settings.options, trace)
    lap(Stage.DKIM)
    arc = verify_arc(facts, traced, now, settings.options, trace)
    lap(Stage.ARC)
    author = parse_author(facts.headers, smtputf8=facts.envelope.smtputf8)
    dmarc = verify_dmarc(author, spf.result, dkim, traced, settings.dmarc, trace)
    lap(Stage.DMARC)
    results = AuthResults(spf=spf.result, dkim=dkim, arc=arc, dmarc=dmarc)
    case = Case(
        results=results,
        client=facts.client,
        indirect_signs=indirect_signs(facts.headers),
        dns_is_gone=any(isinstance(step, Query) and _failed_here(step.answer) for step in trace),
    )
    decision = decide(case, settings.policies, trace)
    stamp = make_stamp(
        facts,
        results,
        decision,
        own_ids=settings.own_ids,
        own_fields=settings.policies.quarantine_fields,
    )
    lap(Stage.POLICY)
    shadow = None
    if settings.dmarc.shadow:
        # last, so that what it asks takes nothing from what the verdict needed
        shadow = _shadow(author, results, traced, settings.dmarc.of_shadow(), trace)
        lap(Stage.SHADOW)
    return Judgement(
        results=results,
        decision=decision,
        hold=decision.disposition is Disposition.QUARANTINE and decision.quarantine_field is None,
        stamp=stamp,
        shadow=shadow,
        trace=tuple(trace),
        answers=tuple(step for step in trace if isinstance(step, Query)),
    )


def _unread(problem: str, facts: MessageFacts, settings: Settings) -> Judgement:
    """Refuse a message whose header is too large to be read; in monitor mode it only loses the forged fields."""
    enforced = settings.policies.for_author(None).mode is Mode.ENFORCE
    decision = Decision(
        disposition=Disposition.REJECT if enforced else Disposition.NONE,
        would=Disposition.REJECT,
        rule=Unruled.HEADER_TOO_LARGE,
        reason=problem,
        reply=Reply(552, "5.3.4", problem) if enforced else None,  # RFC 3463 3.4: message too big for system
    )
    return Judgement(
        results=None,
        decision=decision,
        hold=False,
        stamp=Stamp() if enforced else _unstamped(facts, settings),
        trace=(),
        answers=(),
    )


def _unstamped(facts: MessageFacts, settings: Settings, *, keep_results: bool = False) -> Stamp:
    return make_exempt_stamp(
        facts.headers,
        settings.own_ids | {facts.authserv_id},
        own_fields=settings.policies.quarantine_fields,
        keep_results=keep_results,
    )


def _shadow(
    author: Author, results: AuthResults, resolver: Resolver, options: DmarcOptions, trace: Trace
) -> DmarcResult:
    """Evaluate DMARC the other way, to compare."""
    steps = Trace()
    try:
        result = verify_dmarc(author, results.spf, results.dkim, resolver, options, steps)
    except Exception as fault:  # noqa: BLE001 - a mere comparison must not cost the message its verdict
        result = DmarcResult(
            value=DmarcValue.TEMPERROR, reason=f"a fault of ours: {fault!r}", discovery=options.organizational_domain
        )
    trace.add(ShadowDone(result, tuple(step for step in steps if not isinstance(step, DmarcDone))))
    return result


def _failed_here(answer: Answer) -> bool:
    return isinstance(answer, Unavailable) and answer.ours


class _Traced:
    """The message's resolver, with each question and its answer noted once in the trace."""

    def __init__(self, resolver: Resolver, trace: Trace) -> None:
        self._resolver = resolver
        self._trace = trace
        self._noted = {(step.name.lower(), step.rrtype) for step in trace if isinstance(step, Query)}

    def resolve(self, name: bytes, rrtype: RRType) -> Answer:
        answer = self._resolver.resolve(name, rrtype)
        key = (name.lower(), rrtype)
        if key not in self._noted:
            self._noted.add(key)
            self._trace.add(Query(name, rrtype, answer))
        return answer

    def prefetch(self, name: bytes, rrtype: RRType) -> Answer | None:
        return self._resolver.prefetch(name, rrtype)
