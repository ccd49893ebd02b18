"""From a case and a policy to a decision. Pure; the one place where the mode and the override reason are settled."""

from typing import Final, assert_never

from assay.policy.domain_policy import DomainPolicy, QuarantineHow
from assay.policy.model import Case, Decision, Disposition, Mode, Override, Reply
from assay.policy.policies import Policies
from assay.policy.reply import fill
from assay.policy.rules import NO_POLICY, RULES
from assay.policy.verdict import Ground, Verdict
from assay.results import DmarcResult, DmarcValue, Requested
from assay.trace import RuleStep, Trace

# DNS names a Requested; only this table turns it into something that we do (docs/architecture.md).
_ASKED: Final = {
    Requested.NONE: Disposition.NONE,
    Requested.QUARANTINE: Disposition.QUARANTINE,
    Requested.REJECT: Disposition.REJECT,
}

_NOTHING: Final = Verdict(action=Disposition.NONE, reason="no DMARC policy applies")


def decide(case: Case, policies: Policies, trace: Trace) -> Decision:
    """Decide by the policy of the case's author domain; each rule that was asked leaves a step in ``trace``."""
    return decide_by(case, policies.for_author(case.results.dmarc.author_domain), trace)


def decide_by(case: Case, policy: DomainPolicy, trace: Trace) -> Decision:
    """Decide by this policy, whatever the author domain is."""
    for rule in RULES:
        answer = rule.ask(case, policy)
        if isinstance(answer, Verdict):
            trace.add(RuleStep(rule.name, decided=True, reason=answer.reason))
            return _decision(rule.name, answer, case, policy)
        trace.add(RuleStep(rule.name, decided=False, reason=answer.why))
    trace.add(RuleStep(NO_POLICY, decided=True, reason=_NOTHING.reason))
    return _decision(NO_POLICY, _NOTHING, case, policy)


def _decision(rule: str, verdict: Verdict, case: Case, policy: DomainPolicy) -> Decision:
    done = verdict.action if policy.mode is Mode.ENFORCE else Disposition.NONE
    override, comment = _override(verdict, done, case.results.dmarc)
    to_field = done is Disposition.QUARANTINE and policy.quarantine.how is QuarantineHow.HEADER
    return Decision(
        disposition=done,
        would=verdict.action,
        rule=rule,
        policy=policy.source,
        reason=verdict.reason,
        override=override,
        comment=comment,
        reply=_reply(done, verdict, case, policy),
        quarantine_field=policy.quarantine.field if to_field else None,
    )


def _override(verdict: Verdict, done: Disposition, dmarc: DmarcResult) -> tuple[Override | None, str]:
    """Tell why ``done`` is not what the owner published (standards F.1.7); None if it is."""
    if dmarc.value is DmarcValue.PASS or dmarc.requested is None:
        return None, ""
    asked = _ASKED[dmarc.requested]
    comments = []
    override = None
    if verdict.action is not asked:
        override = verdict.override
        comments.append(verdict.comment or verdict.reason)
    if done is not verdict.action:
        override = Override.LOCAL_POLICY
        comments.append("monitor mode")
    if override is None and dmarc.published not in {None, dmarc.requested}:
        # t=y lowered the policy by one level, and that is what was done (RFC 9989 4.7).
        override = Override.POLICY_TEST_MODE
        comments.append("t=y")
    return override, "; ".join(comments)


def _reply(done: Disposition, verdict: Verdict, case: Case, policy: DomainPolicy) -> Reply | None:
    codes = verdict.ground.value
    match done:
        case Disposition.REJECT:
            return Reply(550, codes.reject, fill(_template(verdict.ground, policy), case, verdict.reason))
        case Disposition.TEMPFAIL:
            return Reply(451, codes.tempfail, fill(policy.reply.temporary, case, verdict.reason))
        case Disposition.NONE | Disposition.QUARANTINE:
            return None
        case _:
            assert_never(done)


def _template(ground: Ground, policy: DomainPolicy) -> str:
    match ground:
        case Ground.DMARC | Ground.DKIM_KEY | Ground.DMARC_BY_SPF:
            return policy.reply.dmarc
        case Ground.FROM_FIELD:
            return policy.reply.from_field
        case Ground.SPF:
            return policy.reply.spf
        case _:
            assert_never(ground)
