"""What the standards say of results that decide nothing by themselves, under any policy (standards A.4, B.5, G.3)."""

from dataclasses import replace

import pytest

from assay.policy.domain_policy import DmarcActions, DomainPolicy, SpfActions
from assay.policy.engine import decide_by
from assay.policy.model import Decision, Disposition
from assay.results import DkimResult, DmarcResult, SpfResult
from assay.trace import Trace
from support.policy_cases import DEFAULT, case, dkim, dmarc, spf

STRICT = replace(
    DEFAULT,
    dmarc=DmarcActions(on_quarantine=Disposition.REJECT, on_permerror=Disposition.REJECT),
    spf=SpfActions(on_fail=Disposition.REJECT, on_temperror=Disposition.TEMPFAIL),
)
POLICIES = [pytest.param(DEFAULT, id="the built-in policy"), pytest.param(STRICT, id="a strict policy")]
EVERY_DMARC = [
    pytest.param(dmarc(value, requested), id=f"DMARC {value}, p={requested}")
    for value, requested in (
        ("none", None),
        ("pass", "reject"),
        ("fail", "none"),
        ("fail", "quarantine"),
        ("fail", "reject"),
        ("temperror", None),
        ("temperror", "reject"),
        ("permerror", None),
    )
]


def decision(
    result: DmarcResult, policy: DomainPolicy, spf_result: SpfResult | None = None, *signatures: DkimResult
) -> Decision:
    return decide_by(case(result, spf_result=spf_result, dkim_results=signatures), policy, Trace())


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("result", EVERY_DMARC)
def test_spf_neutral_is_treated_as_none_is(result: DmarcResult, policy: DomainPolicy) -> None:
    """Standards A.4; RFC 7208 8.2: exactly alike."""
    assert decision(result, policy, spf("neutral")) == decision(result, policy, spf("none"))


@pytest.mark.parametrize("value", ["none", "neutral", "pass", "softfail", "permerror"])
def test_only_spf_fail_and_temperror_can_decide_by_themselves(value: str) -> None:
    """Standards A.4; RFC 7208 8: not softfail, and by our choice not permerror either."""
    decided = decision(dmarc(), STRICT, spf(value))

    assert (decided.disposition, decided.rule) == (Disposition.NONE, "no-policy")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("value", ["fail", "policy", "neutral", "permerror", "temperror"])
@pytest.mark.parametrize("result", EVERY_DMARC)
def test_a_bad_signature_is_worth_as_much_as_none(result: DmarcResult, value: str, policy: DomainPolicy) -> None:
    """Standards B.5.2; RFC 6376 6.1: what it does to alignment DMARC has seen; nothing is refused for it alone."""
    without, with_it = decision(result, policy), decision(result, policy, None, dkim(value, "other.example"))

    assert with_it == without


@pytest.mark.parametrize("value", ["fail", "policy", "neutral", "permerror"])
def test_a_failure_for_good_is_never_answered_with_a_code_for_later(value: str) -> None:
    """Standards B.5.2; RFC 6376 6.3: a cryptographic failure is no reason for a 4xx."""
    decided = decision(dmarc("fail", "reject"), DEFAULT, None, dkim(value))

    assert decided.reply is not None
    assert decided.reply.code == 550


def test_a_message_is_never_thrown_away_in_silence() -> None:
    """Standards G.3.4: no policy can name a disposition that nobody hears of."""
    assert {str(each) for each in Disposition} == {"none", "quarantine", "reject", "tempfail"}
