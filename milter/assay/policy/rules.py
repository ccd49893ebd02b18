"""The rules of the policy: small pure functions, asked in the order of :data:`RULES`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, assert_never

from assay.domain import Domain
from assay.policy.chain import chain_comment, vouched
from assay.policy.domain_policy import DomainPolicy
from assay.policy.indirect import author_family, indirect_flow
from assay.policy.model import Case, Disposition, Override
from assay.policy.verdict import NOT_FAILED, Ground, Skip, Verdict
from assay.results import AuthResults, DkimValue, DmarcValue, FromProblem, Identifier, Requested, SpfValue


def dmarc_pass(case: Case, policy: DomainPolicy) -> Verdict | Skip:
    """Let in what its author domain stands for."""
    del policy  # no key changes it
    dmarc = case.results.dmarc
    if dmarc.value is not DmarcValue.PASS:
        return Skip(f"DMARC is {dmarc.value}")
    return Verdict(action=Disposition.NONE, reason=f"DMARC passed for {dmarc.author_domain}")


def trusted_network(case: Case, policy: DomainPolicy) -> Verdict | Skip:
    """Let in mail of a client whose network is listed, whatever the results are."""
    address = case.client.address
    if address is None:
        return Skip("the address of the client is not known")
    for network in policy.trusted.networks:
        if address in network:
            return Verdict(action=Disposition.NONE, reason=f"the client is in the trusted network {network}")
    return Skip("the client is in no trusted network")


def from_unusable(case: Case, policy: DomainPolicy) -> Verdict | Skip:
    """Act on a From field that names no author domain: a known way around DMARC (standards C.2.3)."""
    problem = case.results.dmarc.from_problem
    match problem:
        case None:
            return Skip("the From field is usable")
        case FromProblem.MISSING | FromProblem.REPEATED:
            action = policy.dmarc.on_from_count
        case FromProblem.UNPARSABLE | FromProblem.EMPTY_GROUP | FromProblem.TOO_MANY:
            action = policy.dmarc.on_from_unusable
        case _:
            assert_never(problem)
    return Verdict(action=action, reason=problem.value, ground=Ground.FROM_FIELD)


def dmarc_permerror(case: Case, policy: DomainPolicy) -> Verdict | Skip:
    """Act on a policy record that can never work (standards C.7.2)."""
    if case.results.dmarc.value is not DmarcValue.PERMERROR:
        return Skip("no permanent error of DMARC")
    return Verdict(action=policy.dmarc.on_permerror, reason="DMARC cannot be evaluated: permanent error")


def trusted_arc_chain(case: Case, policy: DomainPolicy) -> Verdict | Skip:
    """Let in a DMARC failure for which sealers that we list vouch (standards D.4)."""
    author_domain = case.results.dmarc.author_domain
    if not _not_passed(case.results) or author_domain is None:
        return NOT_FAILED
    arc = case.results.arc
    earliest = vouched(arc, author_domain, policy.arc.trusted_sealers)
    if isinstance(earliest, Skip):
        return earliest
    comment = chain_comment(arc)
    return Verdict(
        action=Disposition.NONE,
        reason=f"DMARC did not pass, but the trusted sealer {earliest.sealer} saw it pass: {comment}",
        comment=comment,
    )


def authenticated_list(case: Case, policy: DomainPolicy) -> Verdict | Skip:
    """Let in a DMARC failure that a listed mailing list answers for with its own domain; List-Id alone is nothing."""
    if not _not_passed(case.results):
        return NOT_FAILED
    proof = _first_under(case.results.authenticated(), policy.trusted.lists)
    if proof is None:
        return Skip("no listed mailing list is authenticated")
    return Verdict(
        action=Disposition.NONE,
        reason=f"DMARC did not pass, but {proof.method} authenticates the mailing list {proof.domain}",
        override=Override.MAILING_LIST,
    )


def trusted_forwarder(case: Case, policy: DomainPolicy) -> Verdict | Skip:
    """Let in a DMARC failure that a listed forwarder answers for with its own domain."""
    if not _not_passed(case.results):
        return NOT_FAILED
    proof = _first_under(case.results.authenticated(), policy.trusted.forwarders)
    if proof is None:
        return Skip("no listed forwarder is authenticated")
    return Verdict(
        action=Disposition.NONE,
        reason=f"DMARC did not pass, but {proof.method} authenticates the forwarder {proof.domain}",
        override=Override.TRUSTED_FORWARDER,
    )


def dmarc_temperror(case: Case, policy: DomainPolicy) -> Verdict | Skip:
    """Act on DMARC that stays open because the DNS failed (standards C.7.1)."""
    dmarc = case.results.dmarc
    if dmarc.value is not DmarcValue.TEMPERROR:
        return Skip("no temporary error of DMARC")
    match dmarc.requested:
        case None if case.dns_is_gone:
            # Not the author domain's name servers but our own: while they are gone every forgery would get in.
            return Verdict(
                action=policy.dmarc.on_temperror,
                reason="our DNS failed: no name server answers, or none could be asked",
            )
        case None:
            return Verdict(
                action=policy.dmarc.on_temperror_unknown,
                reason="the DNS failed: the policy record could not be fetched",
            )
        case Requested.NONE:
            # RFC 9989 forbids p=none to change the handling; an open outcome can do no more than a failure.
            return Verdict(action=Disposition.NONE, reason="the DNS failed, and the policy record asks for none")
        case Requested.QUARANTINE | Requested.REJECT:
            return Verdict(
                action=policy.dmarc.on_temperror,
                reason=f"the DNS failed, and the policy record asks for {dmarc.requested}",
                ground=_open_method(case.results),
            )
        case _:
            assert_never(dmarc.requested)


def dmarc_fail_indirect(case: Case, policy: DomainPolicy) -> Verdict | Skip:
    """Soften a rejection where the message came by an indirect flow (RFC 9989 7.4, 8: never reject by p alone)."""
    dmarc = case.results.dmarc
    if dmarc.value is not DmarcValue.FAIL or dmarc.requested is not Requested.REJECT:
        return Skip("no DMARC failure whose owner asks for reject")
    flow = indirect_flow(case, policy.indirect)
    if flow is None:
        return Skip("no indirect flow")
    return Verdict(
        action=policy.dmarc.on_reject_indirect,
        reason=f"DMARC failed for {dmarc.author_domain}, whose owner asks for reject, in an indirect flow ({flow})",
        comment="RFC 9989 7.4",
    )


def dmarc_fail(case: Case, policy: DomainPolicy) -> Verdict | Skip:
    """Do what the owner asks for, as the policy maps it."""
    dmarc = case.results.dmarc
    if dmarc.value is not DmarcValue.FAIL:
        return NOT_FAILED
    match dmarc.requested:
        case None | Requested.NONE:
            action = policy.dmarc.on_none
        case Requested.QUARANTINE:
            action = policy.dmarc.on_quarantine
        case Requested.REJECT:
            action = policy.dmarc.on_reject
        case _:
            assert_never(dmarc.requested)
    asked = dmarc.requested or Requested.NONE
    return Verdict(action=action, reason=f"DMARC failed for {dmarc.author_domain}, whose owner asks for {asked}")


def spf_fail(case: Case, policy: DomainPolicy) -> Verdict | Skip:
    """Act on SPF fail where no DMARC policy applies."""
    return _spf(case.results, SpfValue.FAIL, policy.spf.on_fail, "does not authorize the client")


def spf_temperror(case: Case, policy: DomainPolicy) -> Verdict | Skip:
    """Act on an open SPF result where no DMARC policy applies."""
    return _spf(case.results, SpfValue.TEMPERROR, policy.spf.on_temperror, "could not be evaluated: the DNS failed")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule and its name in logs, expectations and explanations."""

    name: str
    ask: Callable[[Case, DomainPolicy], Verdict | Skip]


# The order is the policy: the first rule that answers decides.
RULES: Final[tuple[Rule, ...]] = (
    Rule("dmarc-pass", dmarc_pass),
    Rule("trusted-network", trusted_network),
    Rule("from-unusable", from_unusable),
    Rule("dmarc-permerror", dmarc_permerror),
    Rule("trusted-arc-chain", trusted_arc_chain),
    Rule("authenticated-list", authenticated_list),
    Rule("trusted-forwarder", trusted_forwarder),
    Rule("dmarc-temperror", dmarc_temperror),
    Rule("dmarc-fail-indirect", dmarc_fail_indirect),
    Rule("dmarc-fail", dmarc_fail),
    Rule("spf-fail", spf_fail),
    Rule("spf-temperror", spf_temperror),
)

NO_POLICY: Final = "no-policy"
"""Stands in for the rule where none answers: DMARC is none, and nothing is to be done about SPF."""


def _not_passed(results: AuthResults) -> bool:
    """Whether DMARC failed, or stays open: who may bring in a failure may bring in what may be one."""
    return results.dmarc.value in {DmarcValue.FAIL, DmarcValue.TEMPERROR}


def _first_under(identifiers: Iterable[Identifier], listed: frozenset[Domain]) -> Identifier | None:
    """Return the first identifier that is a listed domain or a subdomain of one."""
    for identifier in identifiers:
        labels = len(identifier.domain.labels)
        if any(identifier.domain.suffix(count) in listed for count in range(1, labels + 1)):
            return identifier
    return None


def _open_method(results: AuthResults) -> Ground:
    """Tell which method kept DMARC open, for the reply's code.

    Only an identifier that could align keeps DMARC open (standards C.7.1). Where exactly one method has such a
    temperror the reply names it; otherwise DMARC's own look-ups failed, or several did.
    """
    family = author_family(results.dmarc)
    spf = results.spf.value is SpfValue.TEMPERROR and _under(results.spf.domain, family)
    dkim = any(one.value is DkimValue.TEMPERROR and _under(one.sdid, family) for one in results.dkim)
    match spf, dkim:
        case True, False:
            return Ground.DMARC_BY_SPF
        case False, True:
            return Ground.DKIM_KEY
        case _:
            return Ground.DMARC


def _under(domain: Domain | None, family: Domain | None) -> bool:
    return domain is not None and family is not None and domain.is_under(family)


def _spf(results: AuthResults, value: SpfValue, action: Disposition, says: str) -> Verdict | Skip:
    if results.dmarc.value is not DmarcValue.NONE:
        return Skip(f"DMARC is {results.dmarc.value}, so SPF alone decides nothing")
    if results.spf.value is not value:
        return Skip(f"SPF is {results.spf.value}")
    if action is Disposition.NONE:
        return Skip(f"nothing is to be done on SPF {value}")
    return Verdict(action=action, reason=f"SPF of {results.spf.domain} {says}", ground=Ground.SPF)
