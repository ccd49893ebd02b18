"""Builds cases for the tests of the policy in one line each, and judges tables of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address

from assay.domain import Domain
from assay.facts import Client
from assay.policy.domain_policy import DomainPolicy
from assay.policy.engine import decide_by
from assay.policy.model import Case, Mode
from assay.results import (
    ArcResult,
    ArcSet,
    ArcValue,
    AuthResults,
    DkimResult,
    DkimValue,
    DmarcResult,
    DmarcValue,
    FromProblem,
    Requested,
    SpfIdentity,
    SpfResult,
    SpfValue,
)
from assay.trace import RuleStep, Trace

AUTHOR = "author.example"
DEFAULT = DomainPolicy(mode=Mode.ENFORCE)
NO_ARC = ArcResult(value=ArcValue.NONE, reason="test")


def domain(text: str | None) -> Domain | None:
    return None if text is None else Domain.parse(text)


def spf(value: str = "none", name: str | None = AUTHOR) -> SpfResult:
    return SpfResult(value=SpfValue(value), identity=SpfIdentity.MAILFROM, domain=domain(name), reason="test")


def dkim(value: str, name: str | None = AUTHOR) -> DkimResult:
    return DkimResult(value=DkimValue(value), sdid=domain(name), reason="test")


def arc_set(
    instance: int, sealer: str, claims: str | bytes | None = None, *, signs_from: bool = True, selector: str = "s1"
) -> ArcSet:
    said = f" mx.{sealer}; dmarc=pass header.from={AUTHOR}" if claims is None else claims
    return ArcSet(
        instance=instance,
        sealer=Domain.parse(sealer),
        selector=selector,
        signs_from=signs_from,
        claims=said.encode() if isinstance(said, str) else said,
    )


def arc(value: str, *sets: ArcSet, complete: bool = True) -> ArcResult:
    return ArcResult(value=ArcValue(value), reason="test", complete=complete, sets=sets)


def dmarc(
    value: str = "none",
    requested: str | None = None,
    *,
    published: str | None = None,
    author: str | None = AUTHOR,
    organizational: str | None = AUTHOR,
    policy: str | None = None,
    problem: FromProblem | None = None,
) -> DmarcResult:
    shown = published or requested
    return DmarcResult(
        value=DmarcValue(value),
        reason="test",
        author_domain=domain(author),
        organizational_domain=domain(organizational),
        policy_domain=domain(policy),
        from_problem=problem,
        requested=None if requested is None else Requested(requested),
        published=None if shown is None else Requested(shown),
    )


def case(
    dmarc_result: DmarcResult,
    *,
    spf_result: SpfResult | None = None,
    dkim_results: Iterable[DkimResult] = (),
    arc_result: ArcResult = NO_ARC,
    client: str | None = "192.0.2.1",
    signs: tuple[str, ...] = (),
) -> Case:
    return Case(
        results=AuthResults(spf=spf_result or spf(), dkim=tuple(dkim_results), arc=arc_result, dmarc=dmarc_result),
        client=Client(address=None if client is None else ip_address(client)),
        indirect_signs=signs,
    )


@dataclass(frozen=True, kw_only=True)
class Row:
    """A claim about one case: ``disposition`` and ``rule`` must follow, with a reply that begins with ``code``."""

    id: str
    section: str
    case: Case
    disposition: str
    rule: str
    policy: DomainPolicy = field(default=DEFAULT)
    code: str | None = None

    def check(self) -> None:
        trace = Trace()
        decision = decide_by(self.case, self.policy, trace)
        assert (decision.would, decision.disposition) == (self.disposition, self.disposition)
        assert decision.rule == self.rule
        reply = decision.reply
        assert (f"{reply.code} {reply.enhanced}" if reply else None) == self.code
        *asked, last = trace
        assert isinstance(last, RuleStep)
        assert (last.rule, last.decided, last.reason) == (self.rule, True, decision.reason)
        for step in asked:
            assert isinstance(step, RuleStep)
            assert not step.decided
            assert step.reason
