"""DMARC for several author domains in one From field (standards C.2.3)."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.answers import Answer
from assay.domain import Domain
from assay.results import DkimValue, DmarcResult, DmarcValue, Requested
from support.dict_resolver import SERVFAIL
from support.dmarc_world import Evaluation, dkim, evaluate, policy

PASS, FAIL, TEMPERROR, PERMERROR = DmarcValue.PASS, DmarcValue.FAIL, DmarcValue.TEMPERROR, DmarcValue.PERMERROR
P_NONE, QUARANTINE, REJECT = Requested.NONE, Requested.QUARANTINE, Requested.REJECT

# A domain is named for what comes of it alone: each has its own record and its own signature.
POLICIES: dict[str, Answer] = {
    "pass.example": policy("p=reject"),
    "pass-too.example": policy("p=none"),
    "fail-none.example": policy("p=none"),
    "fail-quarantine.example": policy("p=quarantine"),
    "fail-reject.example": policy("p=reject"),
    "broken.example": policy("p=bogus"),
    "dead.example": SERVFAIL,
    "doubt-none.example": policy("p=none"),
    "doubt-quarantine.example": policy("p=quarantine"),
    "doubt-reject.example": policy("p=reject"),
}
DOMAINS = [*POLICIES, "nothing.example", "nothing-too.example"]


def judge(authors: list[str]) -> Evaluation:
    signatures = [dkim(name) for name in ("pass.example", "pass-too.example", "nothing.example")]
    doubts = [dkim(name, DkimValue.TEMPERROR) for name in POLICIES if name.startswith("doubt")]
    return evaluate(authors, POLICIES, dkim=[*signatures, *doubts])


@dataclass(frozen=True, kw_only=True)
class Case:
    """What several domains come to, and which of them the result names."""

    id: str
    authors: str
    value: DmarcValue
    author_domain: str
    requested: Requested | None


CASES = [
    Case(
        id="all pass: pass, in the name of the first",
        authors="pass-too pass",
        value=PASS,
        author_domain="pass-too",
        requested=P_NONE,
    ),
    Case(
        id="one fails: fail, in its name",
        authors="pass fail-quarantine",
        value=FAIL,
        author_domain="fail-quarantine",
        requested=QUARANTINE,
    ),
    Case(
        id="several fail: the strictest policy counts",
        authors="fail-none fail-reject fail-quarantine",
        value=FAIL,
        author_domain="fail-reject",
        requested=REJECT,
    ),
    Case(
        id="a domain that fails stands before one without a record",
        authors="nothing fail-none",
        value=FAIL,
        author_domain="fail-none",
        requested=P_NONE,
    ),
    Case(
        id="a pass does not cover a domain without a record",
        authors="pass nothing",
        value=FAIL,
        author_domain="nothing",
        requested=P_NONE,
    ),
    Case(
        id="none has a record: permerror, never none",
        authors="nothing nothing-too",
        value=PERMERROR,
        author_domain="nothing",
        requested=None,
    ),
    Case(
        id="a pass does not cover an unusable record",
        authors="pass broken",
        value=PERMERROR,
        author_domain="broken",
        requested=None,
    ),
    Case(
        id="p=none does not cover an unusable record",
        authors="fail-none broken",
        value=PERMERROR,
        author_domain="broken",
        requested=None,
    ),
    Case(
        id="an unusable record does not cover quarantine",
        authors="broken fail-quarantine",
        value=FAIL,
        author_domain="fail-quarantine",
        requested=QUARANTINE,
    ),
    Case(
        id="an unusable record and no record: permerror",
        authors="nothing broken",
        value=PERMERROR,
        author_domain="broken",
        requested=None,
    ),
    Case(
        id="dead DNS does not cover an unusable record",
        authors="dead broken",
        value=PERMERROR,
        author_domain="broken",
        requested=None,
    ),
    Case(
        id="dead DNS beside a pass: temperror",
        authors="pass dead",
        value=TEMPERROR,
        author_domain="dead",
        requested=None,
    ),
    Case(
        id="dead DNS does not lower what another domain asks for",
        authors="dead fail-quarantine",
        value=TEMPERROR,
        author_domain="fail-quarantine",
        requested=QUARANTINE,
    ),
    Case(
        id="dead DNS does not lift a certain reject",
        authors="dead fail-reject",
        value=FAIL,
        author_domain="fail-reject",
        requested=REJECT,
    ),
    Case(
        id="doubt about reject beside a failing p=none: temperror in the name of reject",
        authors="fail-none doubt-reject",
        value=TEMPERROR,
        author_domain="doubt-reject",
        requested=REJECT,
    ),
    Case(
        id="doubt about reject does not lift a certain reject",
        authors="doubt-reject fail-reject",
        value=FAIL,
        author_domain="fail-reject",
        requested=REJECT,
    ),
    Case(
        id="among doubts one with a policy record is named before one without",
        authors="dead doubt-none",
        value=TEMPERROR,
        author_domain="doubt-none",
        requested=P_NONE,
    ),
    Case(
        id="an unusable record does not lower doubt about reject",
        authors="broken doubt-reject",
        value=TEMPERROR,
        author_domain="doubt-reject",
        requested=REJECT,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_several_author_domains(case: Case) -> None:
    authors = [f"{name}.example" for name in case.authors.split()]
    result = judge(authors).result
    assert (result.value, result.requested) == (case.value, case.requested), result.reason
    assert result.author_domain == Domain.parse(f"{case.author_domain}.example")
    assert bool(result.aligned) == (result.value is PASS)
    assert result.reason


def test_a_failure_of_one_domain_is_told_with_all_that_did_not_pass() -> None:
    assert judge(["fail-none.example", "pass.example", "fail-reject.example"]).result.reason == (
        "of several author domains these did not pass: fail-none.example, fail-reject.example"
    )


def test_reports_see_what_the_strictest_domain_published() -> None:
    policies = {"a.example": policy("p=reject; t=y"), "b.example": policy("p=none")}
    assert evaluate("b.example a.example", policies).result.published is REJECT
    assert judge(["pass.example", "nothing.example"]).result.published is P_NONE


def test_the_domains_share_their_queries() -> None:
    evaluation = evaluate("a.example.com b.example.com", {"example.com": policy("p=reject")})
    assert evaluation.asks == ["a.example.com", "example.com", "com", "b.example.com"]


def severity(result: DmarcResult) -> int:
    """Order results by what the shipped policy makes of them at its strictest."""
    asks = result.requested in {QUARANTINE, REJECT}
    if result.value is FAIL and asks:
        return 4 if result.requested is REJECT else 2
    if result.value is TEMPERROR and asks:
        return 3
    return 1 if result.value is PERMERROR else 0


@given(st.lists(st.sampled_from(DOMAINS), min_size=2, max_size=5, unique=True))
def test_company_never_makes_a_domain_better_off(authors: list[str]) -> None:
    together = judge(authors).result
    alone = [judge([name]).result for name in authors]
    assert severity(together) >= max(severity(result) for result in alone)
    assert (together.value is PASS) == all(result.value is PASS for result in alone)
    assert together.value is not DmarcValue.NONE
    assert together.value is not FAIL or together.requested is not None
    assert str(together.author_domain) in authors
    assert severity(together) == severity(judge(authors[::-1]).result), "the order in From means nothing"
