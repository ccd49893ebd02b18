"""From a verdict to a decision: mode, override reason, reply, way of quarantine."""

from dataclasses import dataclass, replace

import pytest

from assay.domain import Domain
from assay.policy.domain_policy import (
    DmarcActions,
    DomainPolicy,
    IndirectSigns,
    Quarantine,
    QuarantineHow,
    ReplyTexts,
    SpfActions,
    Trusted,
)
from assay.policy.engine import decide, decide_by
from assay.policy.model import Case, Decision, Disposition, Mode, Override, Reply
from assay.policy.policies import Policies
from assay.results import FromProblem
from assay.trace import Trace
from support.policy_cases import DEFAULT, arc, case, dkim, dmarc, spf

MONITOR = replace(DEFAULT, mode=Mode.MONITOR)
LISTED = frozenset({Domain.parse("lists.example")})
INDIRECT = case(dmarc("fail", "reject"), dkim_results=[dkim("pass", "lists.example")], signs=("List-Id",))
FORGED = case(dmarc("fail", "reject"))


def _judge(one: Case, policy: DomainPolicy) -> Decision:
    return decide_by(one, policy, Trace())


@dataclass(frozen=True, kw_only=True)
class OverrideCase:
    id: str
    case: Case
    override: Override | None
    comment: str = ""
    policy: DomainPolicy = DEFAULT
    section: str = "F.1.7"


LENIENT = replace(DEFAULT, dmarc=DmarcActions(on_reject=Disposition.QUARANTINE))
LISTS = replace(DEFAULT, trusted=Trusted(lists=LISTED))
FORWARDERS = replace(DEFAULT, trusted=Trusted(forwarders=LISTED))
FAILED_FOR = "DMARC failed for author.example, whose owner asks for"

OVERRIDES = [
    OverrideCase(id="what the owner asks for needs no reason", case=FORGED, override=None),
    OverrideCase(id="a pass needs none", case=case(dmarc("pass", "reject")), override=None),
    OverrideCase(
        id="a pass in monitor mode needs none", case=case(dmarc("pass", "reject")), override=None, policy=MONITOR
    ),
    OverrideCase(
        id="a pass under t=y needs none", case=case(dmarc("pass", "none", published="quarantine")), override=None
    ),
    OverrideCase(id="without a record there is nobody to tell", case=case(dmarc()), override=None, policy=MONITOR),
    OverrideCase(
        id="an indirect flow",
        case=INDIRECT,
        override=Override.LOCAL_POLICY,
        comment="RFC 9989 7.4",
    ),
    OverrideCase(
        id="an indirect flow in monitor mode",
        case=INDIRECT,
        policy=MONITOR,
        override=Override.LOCAL_POLICY,
        comment="RFC 9989 7.4; monitor mode",
    ),
    OverrideCase(
        id="monitor mode", case=FORGED, policy=MONITOR, override=Override.LOCAL_POLICY, comment="monitor mode"
    ),
    OverrideCase(
        id="monitor mode with p=none changes nothing", case=case(dmarc("fail", "none")), policy=MONITOR, override=None
    ),
    OverrideCase(
        id="t=y lowered reject to quarantine",
        case=case(dmarc("fail", "quarantine", published="reject")),
        override=Override.POLICY_TEST_MODE,
        comment="t=y",
    ),
    OverrideCase(
        id="t=y lowered quarantine to none, in monitor mode too",
        case=case(dmarc("fail", "none", published="quarantine")),
        policy=MONITOR,
        override=Override.POLICY_TEST_MODE,
        comment="t=y",
    ),
    OverrideCase(
        id="t=y, and monitor mode did the rest",
        case=case(dmarc("fail", "quarantine", published="reject")),
        policy=MONITOR,
        override=Override.LOCAL_POLICY,
        comment="monitor mode",
    ),
    OverrideCase(
        id="what was published is not known",
        case=case(replace(dmarc("fail", "reject"), published=None)),
        override=None,
    ),
    OverrideCase(
        id="a mailing list",
        case=INDIRECT,
        policy=LISTS,
        override=Override.MAILING_LIST,
        comment="DMARC did not pass, but dkim authenticates the mailing list lists.example",
    ),
    OverrideCase(
        id="a mailing list in monitor mode is the same reason",
        case=INDIRECT,
        policy=replace(LISTS, mode=Mode.MONITOR),
        override=Override.MAILING_LIST,
        comment="DMARC did not pass, but dkim authenticates the mailing list lists.example",
    ),
    OverrideCase(
        id="a mailing list where the owner asks for none",
        case=case(dmarc("fail", "none"), dkim_results=[dkim("pass", "lists.example")]),
        policy=LISTS,
        override=None,
    ),
    OverrideCase(
        id="a forwarder",
        case=INDIRECT,
        policy=FORWARDERS,
        override=Override.TRUSTED_FORWARDER,
        comment="DMARC did not pass, but dkim authenticates the forwarder lists.example",
    ),
    OverrideCase(
        id="a milder key",
        case=FORGED,
        policy=LENIENT,
        override=Override.LOCAL_POLICY,
        comment=f"{FAILED_FOR} reject",
    ),
    OverrideCase(
        id="a stricter key",
        case=case(dmarc("fail", "none")),
        policy=replace(DEFAULT, dmarc=DmarcActions(on_none=Disposition.REJECT)),
        override=Override.LOCAL_POLICY,
        comment=f"{FAILED_FOR} none",
    ),
    OverrideCase(
        id="a deferral",
        case=case(dmarc("temperror", "reject")),
        override=Override.LOCAL_POLICY,
        comment="the DNS failed, and the policy record asks for reject",
    ),
]


@pytest.mark.parametrize("one", OVERRIDES, ids=lambda one: one.id)
def test_override_reason(one: OverrideCase) -> None:
    decision = _judge(one.case, one.policy)
    assert (decision.override, decision.comment) == (one.override, one.comment)


@pytest.mark.parametrize(
    "one",
    [FORGED, INDIRECT, case(dmarc("temperror", "reject")), case(dmarc("permerror", problem=FromProblem.MISSING))],
)
def test_monitor_mode_does_nothing_and_says_what_it_would_do(one: Case) -> None:
    enforced, monitored = _judge(one, DEFAULT), _judge(one, MONITOR)
    assert monitored.disposition is Disposition.NONE
    assert monitored.reply is None
    assert monitored.would is enforced.disposition is not Disposition.NONE
    assert (monitored.rule, monitored.reason) == (enforced.rule, enforced.reason)


def test_the_reply_of_a_rejection_says_whose_policy_it_is() -> None:
    assert _judge(FORGED, DEFAULT).reply == Reply(550, "5.7.26", "rejected by DMARC policy of author.example")


def test_the_reply_of_an_unusable_from_says_why() -> None:
    decision = _judge(case(dmarc("permerror", author=None, problem=FromProblem.REPEATED)), DEFAULT)
    assert decision.reply == Reply(550, "5.7.1", "rejected: more than one From field")


def test_the_reply_of_spf_names_the_domain_that_was_checked() -> None:
    policy = replace(DEFAULT, spf=replace(DEFAULT.spf, on_fail=Disposition.REJECT))
    decision = _judge(case(dmarc(), spf_result=spf("fail", "bounce.example")), policy)
    assert decision.reply == Reply(550, "5.7.23", "rejected: SPF of bounce.example does not authorize the client")


def test_the_reply_of_a_deferral_asks_to_try_again() -> None:
    decision = _judge(case(dmarc("temperror", "reject")), DEFAULT)
    text = "please try again later: the DNS failed, and the policy record asks for reject"
    assert decision.reply == Reply(451, "4.7.1", text)


def test_the_texts_are_the_policy_s() -> None:
    policy = replace(DEFAULT, reply=ReplyTexts(dmarc="no {policy_domain} {{}}"))
    decision = _judge(case(dmarc("fail", "reject", policy="example")), policy)
    assert decision.reply is not None
    assert decision.reply.text == "no example {}"


@pytest.mark.parametrize(
    ("how", "mode", "field"),
    [
        (QuarantineHow.HOLD, Mode.ENFORCE, None),
        (QuarantineHow.HEADER, Mode.ENFORCE, "X-Held"),
        (QuarantineHow.HEADER, Mode.MONITOR, None),
    ],
)
def test_a_quarantine_says_how(how: QuarantineHow, mode: Mode, field: str | None) -> None:
    policy = DomainPolicy(mode=mode, quarantine=Quarantine(how=how, field="X-Held"))
    assert _judge(INDIRECT, policy).quarantine_field == field


def test_a_rejection_writes_no_quarantine_field() -> None:
    policy = replace(DEFAULT, quarantine=Quarantine(how=QuarantineHow.HEADER))
    assert _judge(FORGED, policy).quarantine_field is None


def test_the_policy_is_that_of_the_author_domain() -> None:
    policies = Policies(default=DEFAULT, domains={Domain.parse("author.example"): MONITOR})
    assert decide(FORGED, policies, Trace()).disposition is Disposition.NONE
    assert decide(case(dmarc("fail", "reject", author="other.example")), policies, Trace()).disposition == "reject"


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (INDIRECT, f"{FAILED_FOR} reject, in an indirect flow (List-Id, authenticated by lists.example)"),
        (case(dmarc("fail", "reject"), signs=("List-Id",), arc_result=arc("fail")), f"{FAILED_FOR} reject"),
        (case(dmarc("fail")), f"{FAILED_FOR} none"),
        (case(dmarc("temperror")), "the DNS failed: the policy record could not be fetched"),
        (case(dmarc("temperror", "none")), "the DNS failed, and the policy record asks for none"),
        (
            case(dmarc(), spf_result=spf("fail", "bounce.example")),
            "SPF of bounce.example does not authorize the client",
        ),
        (
            case(dmarc(), spf_result=spf("temperror", "bounce.example")),
            "SPF of bounce.example could not be evaluated: the DNS failed",
        ),
    ],
)
def test_the_reason_says_what_was_seen(one: Case, reason: str) -> None:
    policy = replace(DEFAULT, spf=SpfActions(on_fail=Disposition.REJECT, on_temperror=Disposition.TEMPFAIL))
    assert _judge(one, policy).reason == reason


def test_the_reason_of_a_flow_names_the_signs_that_sufficed() -> None:
    signed = replace(DEFAULT, indirect=IndirectSigns(require_identifier=False))
    resent = case(dmarc("fail", "reject"), signs=("Resent-From",), arc_result=arc("fail"))
    assert _judge(resent, signed).reason.endswith("in an indirect flow (Resent-From and ARC set)")
    neither = replace(DEFAULT, indirect=IndirectSigns(require_sign=False, require_identifier=False))
    assert _judge(FORGED, neither).reason.endswith("in an indirect flow (no sign needed)")


def test_the_decision_names_the_policy_file() -> None:
    policies = Policies(default=DEFAULT, domains={Domain.parse("example"): replace(DEFAULT, source="example.toml")})
    assert decide(FORGED, policies, Trace()).policy == "example.toml"


def test_every_rule_that_was_asked_leaves_a_step() -> None:
    trace = Trace()
    decide_by(case(dmarc()), DEFAULT, trace)
    assert [step.rule for step in trace if step.decided] == ["no-policy"]  # type: ignore[union-attr]
    assert [step.rule for step in trace][:3] == ["dmarc-pass", "trusted-network", "from-unusable"]  # type: ignore[union-attr]
