"""Builds cases for the tests of the policy in one line each."""

from collections.abc import Iterable
from ipaddress import ip_address

from assay.domain import Domain
from assay.facts import Client
from assay.policy.model import Case
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

AUTHOR = "author.example"
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
