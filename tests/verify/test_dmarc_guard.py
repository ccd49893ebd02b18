"""A public suffix that publishes a policy record without psd (standards C.5 "Guard idea", H.5 D5)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.answers import Answer
from assay.domain import Domain
from assay.results import DmarcValue, Requested
from assay.trace import OrganizationStep
from assay.verify.options import DmarcOptions
from support.dict_resolver import SERVFAIL
from support.dmarc_world import Case, Suffixes, dkim, evaluate, policy, spf

PASS, FAIL, TEMPERROR = DmarcValue.PASS, DmarcValue.FAIL, DmarcValue.TEMPERROR
REJECT, QUARANTINE = Requested.REJECT, Requested.QUARANTINE

LISTED = DmarcOptions(suffixes=Suffixes("com", "co.example", "free.host.example"))
OFF = replace(LISTED, public_suffix_guard=False)

CASES = [
    Case(
        id="a top-level domain does not align those who register names below it, and its policy applies",
        section="C.5, H.5 D5",
        author="victim.example",
        policies={"example": policy("p=reject")},
        dkim=(dkim("attacker.example"),),
        value=FAIL,
        requested=REJECT,
        policy_domain="example",
        organization="victim.example",
        asks=["victim.example", "example"],
    ),
    Case(
        id="neither does a public suffix of the list",
        section="C.5, H.5 D5",
        author="victim.co.example",
        policies={"co.example": policy("p=quarantine")},
        spf=spf("attacker.co.example"),
        value=FAIL,
        requested=QUARANTINE,
        policy_domain="co.example",
        organization="victim.co.example",
        options=LISTED,
    ),
    Case(
        id="where a top-level domain publishes, the list still knows the suffix below it",
        section="C.5, H.5 D5",
        author="victim.co.example",
        policies={"example": policy("p=reject")},
        dkim=(dkim("attacker.co.example"),),
        value=FAIL,
        requested=REJECT,
        policy_domain="example",
        organization="victim.co.example",
        options=LISTED,
    ),
    Case(
        id="psd=u is no psd tag",
        section="C.5, C.1.7",
        author="victim.co.example",
        policies={"co.example": policy("p=reject; psd=u")},
        dkim=(dkim("attacker.co.example"),),
        value=FAIL,
        requested=REJECT,
        policy_domain="co.example",
        organization="victim.co.example",
        options=LISTED,
    ),
    Case(
        id="names of one registrant are aligned as ever",
        section="C.5",
        author="news.shop.co.example",
        policies={"co.example": policy("p=reject")},
        dkim=(dkim("mail.shop.co.example"),),
        value=PASS,
        requested=REJECT,
        policy_domain="co.example",
        organization="shop.co.example",
        aligned=("dkim mail.shop.co.example",),
        options=LISTED,
    ),
    Case(
        id="the policy record stays the one of the walk, though the registrant has one",
        section="C.3, C.5",
        author="news.shop.co.example",
        policies={"co.example": policy("p=reject"), "shop.co.example": policy("p=none")},
        dkim=(dkim("mail.shop.co.example"),),
        value=PASS,
        requested=REJECT,
        policy_domain="co.example",
        organization="shop.co.example",
        aligned=("dkim mail.shop.co.example",),
        options=LISTED,
    ),
    Case(
        id="the author domain is aligned with itself without any of this",
        section="C.4.3",
        author="shop.co.example",
        policies={"co.example": policy("p=reject")},
        spf=spf("shop.co.example"),
        value=PASS,
        requested=REJECT,
        policy_domain="co.example",
        organization="shop.co.example",
        aligned=("spf shop.co.example",),
        options=LISTED,
    ),
    Case(
        id="who registers a name is not aligned with the suffix as the author domain",
        section="C.5",
        author="co.example",
        policies={"co.example": policy("p=reject")},
        dkim=(dkim("attacker.co.example"),),
        value=FAIL,
        requested=REJECT,
        policy_domain="co.example",
        organization="co.example",
        options=LISTED,
    ),
    Case(
        id="nor the suffix with the name that somebody registered",
        section="C.5",
        author="victim.co.example",
        policies={"co.example": policy("p=reject")},
        dkim=(dkim("co.example"),),
        value=FAIL,
        requested=REJECT,
        policy_domain="co.example",
        organization="victim.co.example",
        options=LISTED,
    ),
    Case(
        id="psd=n at a listed suffix is its owner's word, and counts",
        section="C.3, C.5",
        author="a.co.example",
        policies={"co.example": policy("p=reject; psd=n")},
        dkim=(dkim("b.co.example"),),
        value=PASS,
        requested=REJECT,
        policy_domain="co.example",
        organization="co.example",
        aligned=("dkim b.co.example",),
        options=LISTED,
    ),
    Case(
        id="psd=y above a listed suffix is its owner's word, and counts",
        section="C.3, C.5",
        author="a.co.example",
        policies={"example": policy("p=reject; psd=y")},
        dkim=(dkim("b.co.example"),),
        value=PASS,
        requested=REJECT,
        policy_domain="example",
        organization="co.example",
        aligned=("dkim b.co.example",),
        options=LISTED,
    ),
    Case(
        id="though that name publishes without psd",
        section="C.3, C.5",
        author="a.co.example",
        policies={"example": policy("p=reject; psd=y"), "co.example": policy("p=quarantine; sp=none")},
        dkim=(dkim("b.co.example"),),
        value=PASS,
        requested=Requested.NONE,
        policy_domain="co.example",
        organization="co.example",
        aligned=("dkim b.co.example",),
        options=LISTED,
    ),
    Case(
        id="an organization that is no suffix aligns what is below it, a listed name included",
        section="C.5",
        author="a.free.host.example",
        policies={"host.example": policy("p=reject")},
        dkim=(dkim("b.free.host.example"),),
        value=PASS,
        requested=REJECT,
        policy_domain="host.example",
        organization="host.example",
        aligned=("dkim b.free.host.example",),
        options=LISTED,
    ),
    Case(
        id="nor does a record at that listed name change it",
        section="C.3, C.5",
        author="a.free.host.example",
        policies={"host.example": policy("p=reject"), "free.host.example": policy("p=none")},
        dkim=(dkim("b.free.host.example"),),
        value=PASS,
        requested=REJECT,
        policy_domain="host.example",
        organization="host.example",
        aligned=("dkim b.free.host.example",),
        options=LISTED,
    ),
    Case(
        id="a failed query at a suffix may hide psd=n, and no more",
        section="C.5, C.7.1",
        author="a.co.example",
        policies={"a.co.example": policy("p=reject"), "co.example": SERVFAIL},
        dkim=(dkim("b.co.example"),),
        value=TEMPERROR,
        requested=REJECT,
        policy_domain="a.co.example",
        organization=None,
        options=LISTED,
    ),
    Case(
        id="the guard can be switched off",
        section="C.5",
        author="victim.co.example",
        policies={"co.example": policy("p=reject")},
        dkim=(dkim("attacker.co.example"),),
        value=PASS,
        requested=REJECT,
        policy_domain="co.example",
        organization="co.example",
        aligned=("dkim attacker.co.example",),
        options=OFF,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.section}: {case.id}")
def test_guard(case: Case) -> None:
    evaluation = case.evaluate()
    assert case.outcome(evaluation) == case.expected()


def test_the_trace_says_once_for_each_domain_what_the_guard_did() -> None:
    evaluation = evaluate(
        "victim.co.example",
        {"co.example": policy("p=reject")},
        dkim=[dkim("attacker.co.example"), dkim("mail.attacker.co.example")],
        options=LISTED,
    )
    steps = [step for step in evaluation.trace if isinstance(step, OrganizationStep)]
    assert [(step.domain.name, step.organizational_domain.name) for step in steps] == [
        ("victim.co.example", "victim.co.example")
    ]
    assert steps[0].reason.startswith("co.example is a public suffix")


class _Unasked:
    """A list that must not be needed."""

    def is_public_suffix(self, domain: Domain) -> bool:
        raise AssertionError(domain)


@pytest.mark.parametrize("tag", ["psd=y", "psd=n"])
def test_where_a_psd_tag_ends_the_walk_the_list_is_not_asked(tag: str) -> None:
    evaluation = evaluate(
        "a.shop.example",
        {"shop.example": policy(f"p=reject; {tag}")},
        dkim=[dkim("b.a.shop.example")],
        options=DmarcOptions(suffixes=_Unasked()),
    )
    assert evaluation.result.value is PASS


def test_a_listed_name_of_more_labels_than_any_suffix_widens_nothing() -> None:
    author = "a.b.c.d.e.f.g.shop.example"
    options = DmarcOptions(suffixes=Suffixes(author))
    result = evaluate(author, {author: policy("p=reject")}, dkim=[dkim("shop.example")], options=options).result
    assert result.value is FAIL
    assert result.organizational_domain == Domain.parse(author)


def test_a_name_that_walks_jump_over_is_nobodys_organization_by_the_list_alone() -> None:
    author = "shop.b.c.d.e.f.g.example"
    signer = f"mail.{author}"
    policies = {author: policy("p=reject; psd=n"), "example": policy("p=none")}
    options = DmarcOptions(suffixes=Suffixes("b.c.d.e.f.g.example"))
    for each in options, replace(options, public_suffix_guard=False):
        # The signer's walk does not see that record, so that its organizational domain is another one.
        assert evaluate(author, policies, dkim=[dkim(signer)], options=each).result.value is FAIL


def test_a_name_that_walks_jump_over_stays_apart_from_records_between_the_suffixes() -> None:
    """C.5: the guard says "itself" of such a name, and no longer record of its walk may say otherwise."""
    author = "mail.shop.b.c.d.e.f.g.example"
    policies = {"example": policy("p=reject"), "g.example": policy("p=none")}
    options = DmarcOptions(suffixes=Suffixes("b.c.d.e.f.g.example"))

    result = evaluate(author, policies, dkim=[dkim("other.g.example")], options=options).result

    assert (result.value, result.organizational_domain) == (FAIL, Domain.parse(author))


# Walks of all lengths: a jump of eight labels, and names of more labels than the list knows.
LABELS = st.lists(st.sampled_from("ab"), max_size=3) | st.lists(st.just("a"), min_size=6, max_size=9)
NAMES = LABELS.map(lambda labels: ".".join([*labels, "c"]))
TAGS = st.sampled_from(["p=none", "p=reject", "p=reject; adkim=s", "p=none; psd=n", "p=reject; sp=none; psd=y"])
ANSWERS: st.SearchStrategy[Answer] = st.one_of(TAGS.map(policy), st.just(SERVFAIL))


@given(
    author=NAMES,
    signers=st.lists(NAMES, max_size=3),
    policies=st.dictionaries(NAMES, ANSWERS, max_size=6),
    listed=st.frozensets(NAMES, max_size=4),
)
def test_the_guard_takes_alignments_away_and_does_nothing_else(
    author: str, signers: list[str], policies: dict[str, Answer], listed: frozenset[str]
) -> None:
    on = DmarcOptions(suffixes=Suffixes(*listed))
    signatures = [dkim(name) for name in signers]
    guarded = evaluate(author, policies, dkim=signatures, options=on).result
    plain = evaluate(author, policies, dkim=signatures, options=replace(on, public_suffix_guard=False)).result
    assert (guarded.policy_domain, guarded.requested) == (plain.policy_domain, plain.requested)
    if guarded.value is PASS:
        assert plain.value is PASS
    if plain.value not in {PASS, TEMPERROR}:
        assert guarded.value is plain.value
