"""``[[expect]]`` tables: what they state, and what a miss says."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from assay.domain import Domain
from assay.errors import ConfigurationError, Problem
from assay.policy.expect import run_expectations
from assay.policy.expectation import Expectation
from assay.policy.load import load_policies
from assay.policy.model import Mode
from assay.results import ArcValue, DmarcValue, Identifier, Method, Requested, SpfIdentity, SpfValue


def _run(directory: Path, **files: str) -> tuple[Problem, ...]:
    for name, text in files.items():
        (directory / f"{name.replace('_', '.')}.toml").write_text(text)
    return run_expectations(load_policies(directory, Mode.MONITOR))


def _expect(disposition: str, rule: str, *keys: str) -> str:
    return "\n".join(["[[expect]]", *keys, f'disposition = "{disposition}"', f'rule = "{rule}"', ""])


MET = [
    ("none", "no-policy", []),
    ("none", "no-policy", ['spf = "fail"', "indirect = true"]),
    ("none", "dmarc-pass", ['spf = "pass"', 'requested = "reject"']),
    ("none", "dmarc-pass", ['dkim = ["fail", { value = "pass", domain = "x.author.example" }]', 'requested = "none"']),
    ("none", "dmarc-pass", ['dkim = { value = "pass", domain = "example" }', 'requested = "none"']),
    ("reject", "dmarc-fail", ['dkim = { value = "pass", domain = "other.example" }', 'requested = "reject"']),
    ("none", "dmarc-pass", ['spf = "temperror"', 'dkim = "pass"', 'requested = "reject"']),
    ("tempfail", "dmarc-temperror", ['spf = "temperror"', 'dkim = "fail"', 'requested = "reject"']),
    ("reject", "dmarc-fail", ['spf = { value = "temperror", domain = "o.example" }', 'requested = "reject"']),
    ("none", "dmarc-temperror", ['dmarc = "temperror"']),
    ("none", "dmarc-permerror", ['dmarc = "permerror"', 'requested = "reject"']),
    ("none", "dmarc-pass", ['dmarc = "pass"']),
    (
        "quarantine",
        "dmarc-fail-indirect",
        ['arc = "fail"', 'dkim = { value = "pass", domain = "l.example" }', 'requested = "reject"'],
    ),
    (
        "reject",
        "dmarc-fail",
        ['arc = "none"', 'dkim = { value = "pass", domain = "l.example" }', 'requested = "reject"'],
    ),
    ("reject", "from-unusable", ['from_field = "no From field"', 'requested = "none"']),
    ("reject", "dmarc-fail", ['author = "other.example"', 'client = "2001:db8::1"', 'requested = "reject"']),
]


@pytest.mark.parametrize(("disposition", "rule", "keys"), MET, ids=[" ".join(row[2]) or "nothing" for row in MET])
def test_a_true_expectation_says_nothing(tmp_path: Path, disposition: str, rule: str, keys: list[str]) -> None:
    assert _run(tmp_path, default=_expect(disposition, rule, *keys)) == ()


def test_a_miss_says_what_was_expected_and_what_came(tmp_path: Path) -> None:
    good = _expect("none", "no-policy")
    bad = _expect("none", "dmarc-pass", 'requested = "reject"')
    assert _run(tmp_path, default=good + bad) == (
        Problem(
            place=f"{tmp_path}/default.toml: expect #2",
            text="expected none by the rule dmarc-pass, but it is reject by the rule dmarc-fail: "
            "DMARC failed for author.example, whose owner asks for reject",
        ),
    )


@pytest.mark.parametrize(("disposition", "rule"), [("none", "dmarc-fail"), ("reject", "dmarc-temperror")])
def test_both_the_disposition_and_the_rule_must_follow(tmp_path: Path, disposition: str, rule: str) -> None:
    (problem,) = _run(tmp_path, default=_expect(disposition, rule, 'requested = "reject"'))
    assert f"expected {disposition} by the rule {rule}" in problem.text


def test_an_expectation_speaks_of_enforce_mode(tmp_path: Path) -> None:
    text = 'mode = "monitor"\n' + _expect("reject", "dmarc-fail", 'requested = "reject"')
    assert _run(tmp_path, default=text) == ()


def test_a_domain_s_expectations_are_judged_by_its_own_policy(tmp_path: Path) -> None:
    wanted = _expect("quarantine", "dmarc-fail", 'requested = "reject"')
    assert _run(tmp_path, a_example='[dmarc]\non_reject = "quarantine"\n' + wanted) == ()


def test_default_s_expectations_are_judged_by_default(tmp_path: Path) -> None:
    wanted = _expect("reject", "dmarc-fail", 'author = "a.example"', 'requested = "reject"')
    assert _run(tmp_path, default=wanted, a_example='[dmarc]\non_reject = "none"') == ()


def test_a_subdomain_with_a_file_of_its_own_is_judged_by_that(tmp_path: Path) -> None:
    wanted = _expect("none", "dmarc-fail", 'author = "x.sub.a.example"', 'requested = "reject"')
    assert _run(tmp_path, a_example=wanted, sub_a_example='[dmarc]\non_reject = "none"') == ()


BAD = [
    ("author = 1", "author", "must be a domain name in quotes"),
    ('client = "192.0.2.0/24"', "client", "must be an IP address in quotes"),
    ("client = 1", "client", "must be an IP address in quotes"),
    ('spf = "hardfail"', "spf.value", 'did you mean "fail"?'),
    ('spf = { value = "pass", domian = "a.example" }', "spf.domian", 'unknown key; did you mean "domain"?'),
    ('dkim = ["pass", "pas"]', "dkim #2.value", 'did you mean "pass"?'),
    ("dkim = 1", "dkim #1", "must be a table"),
    ('arc = { value = "pass", sealers = [] }', "arc.sealers", "at least 1 item"),
    ('requested = "tempfail"', "requested", 'must be "none" or "quarantine" or "reject"'),
    ('indirect = ["List-Id"]', "indirect", "must be true or false"),
    ('from_field = "none"', "from_field", 'must be "no From field" or'),
    ("result = 1", "result", "unknown key"),
]


@pytest.mark.parametrize(("key", "place", "complaint"), BAD, ids=[row[0] for row in BAD])
def test_a_bad_expectation_is_refused_with_its_place(tmp_path: Path, key: str, place: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _run(tmp_path, default=_expect("none", "no-policy") + _expect("none", "no-policy", key))
    (problem,) = caught.value.problems
    assert problem.place == f"{tmp_path}/default.toml: expect #2.{place}"
    assert complaint in problem.text


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [("dmarc_fail", 'no such rule; did you mean "dmarc-fail"?'), ("xyz", "no such rule; the rules are dmarc-pass, ")],
)
def test_an_unknown_rule_is_refused(tmp_path: Path, rule: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _run(tmp_path, default=_expect("none", rule))
    (problem,) = caught.value.problems
    assert problem.text.startswith(complaint)


def test_an_expectation_must_say_what_follows(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _run(tmp_path, default='[[expect]]\nspf = "pass"\n')
    assert [str(problem) for problem in caught.value.problems] == [
        f"{tmp_path}/default.toml: expect #1.disposition: this key is missing",
        f"{tmp_path}/default.toml: expect #1.rule: this key is missing",
    ]


def test_an_expectation_about_a_foreign_author_domain_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _run(tmp_path, a_example=_expect("none", "no-policy", 'author = "b.example"'))
    assert str(caught.value) == (
        f"{tmp_path}/a.example.toml: expect #1.author: b.example is neither a.example nor a subdomain, "
        "so this file does not govern it"
    )


def test_an_unusable_from_has_no_author_domain_and_no_record() -> None:
    stated = Expectation.model_validate(
        {"from_field": "no From field", "requested": "reject", "disposition": "reject", "rule": "from-unusable"}
    )
    dmarc = stated.case(Domain("a.example")).results.dmarc
    assert (dmarc.value, dmarc.author_domain, dmarc.policy_domain) == (DmarcValue.PERMERROR, None, None)


def test_what_an_expectation_leaves_out_was_not_found() -> None:
    stated = Expectation.model_validate({"disposition": "none", "rule": "no-policy"})
    results = stated.case(Domain("a.example")).results
    assert (results.spf.value, results.spf.identity) == (SpfValue.NONE, SpfIdentity.MAILFROM)
    assert (results.dkim, results.arc.value, results.arc.sets) == ((), ArcValue.NONE, ())


def test_a_record_is_found_at_the_author_domain() -> None:
    stated = Expectation.model_validate({"requested": "reject", "disposition": "reject", "rule": "dmarc-fail"})
    dmarc = stated.case(Domain("a.example")).results.dmarc
    assert (dmarc.value, dmarc.author_domain, dmarc.policy_domain) == (DmarcValue.FAIL, *[Domain("a.example")] * 2)
    without = Expectation.model_validate({"disposition": "none", "rule": "no-policy"})
    assert without.case(Domain("a.example")).results.dmarc.policy_domain is None


def test_arc_sets_are_counted_from_1_and_aligned_identifiers_are_kept_for_a_pass() -> None:
    stated = Expectation.model_validate(
        {
            "spf": "pass",
            "requested": "reject",
            "arc": {"value": "pass", "sealers": ["s.example"] * 50},
            "disposition": "none",
            "rule": "dmarc-pass",
        }
    )
    results = stated.case(Domain("a.example")).results
    assert [one.instance for one in results.arc.sets] == list(range(1, 51))
    assert results.dmarc.aligned == (Identifier(Method.SPF, Domain("a.example")),)


def test_a_stated_failure_aligns_nothing_whoever_is_proved() -> None:
    stated = Expectation.model_validate(
        {"spf": "pass", "dmarc": "fail", "requested": "none", "disposition": "none", "rule": "dmarc-fail"}
    )
    dmarc = stated.case(Domain("a.example")).results.dmarc
    assert (dmarc.value, dmarc.aligned) == (DmarcValue.FAIL, ())


def test_each_signature_that_passes_is_an_aligned_identifier_of_its_method() -> None:
    stated = Expectation.model_validate(
        {"dkim": ["pass", "fail"], "requested": "reject", "disposition": "none", "rule": "dmarc-pass"}
    )
    results = stated.case(Domain("a.example")).results
    assert results.dmarc.aligned == (Identifier(Method.DKIM, Domain("a.example")),)
    assert results.dmarc.published is Requested.REJECT  # no t=y that could have lowered it
    assert [one.sdid for one in results.dkim] == [Domain("a.example")] * 2


def test_without_a_record_spf_alone_may_decide_for_the_author_domain(tmp_path: Path) -> None:
    (problem,) = _run(tmp_path, default='[spf]\non_fail = "reject"\n' + _expect("none", "no-policy", 'spf = "fail"'))
    assert problem.text == (
        "expected none by the rule no-policy, but it is reject by the rule spf-fail: "
        "SPF of author.example does not authorize the client"
    )


def test_an_indirect_flow_is_stated_by_the_field_of_a_list(tmp_path: Path) -> None:
    keys = ['dkim = { value = "pass", domain = "l.example" }', 'requested = "reject"', "indirect = true"]
    (problem,) = _run(tmp_path, default=_expect("none", "no-policy", *keys))
    assert problem.text.endswith("in an indirect flow (List-Id, authenticated by l.example)")


def test_more_sets_than_arc_allows_are_refused() -> None:
    with pytest.raises(ValidationError):
        Expectation.model_validate(
            {"arc": {"value": "pass", "sealers": ["s.example"] * 51}, "disposition": "none", "rule": "no-policy"}
        )
