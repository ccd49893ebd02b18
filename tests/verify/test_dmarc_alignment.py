"""DMARC for one author domain: which identifiers are aligned, and what it costs to know (standards C.4)."""

import pytest

from assay.domain import Domain
from assay.limits import MAX_IDENTIFIERS
from assay.results import (
    DkimValue,
    DmarcValue,
    Identifier,
    Method,
    Requested,
    SpfIdentity,
    SpfValue,
)
from assay.trace import AlignmentStep, DmarcDone, WalkStep
from support.dmarc_world import NO_SPF, Case, dkim, evaluate, policy, spf

NONE, PASS, FAIL = DmarcValue.NONE, DmarcValue.PASS, DmarcValue.FAIL
TEMPERROR, PERMERROR = DmarcValue.TEMPERROR, DmarcValue.PERMERROR
P_NONE, QUARANTINE, REJECT = Requested.NONE, Requested.QUARANTINE, Requested.REJECT
DKIM_ERROR = DkimValue.TEMPERROR
STRICT = {"example.com": policy("p=reject; adkim=s; aspf=s")}
PLAIN = {"example.com": policy("p=reject")}
ALIGNMENT = [
    Case(
        id=name,
        section=section,
        policies=policies,
        spf=the_spf,
        dkim=signatures,
        value=PASS if aligned else FAIL,
        requested=REJECT,
        policy_domain="example.com",
        organization=organization,
        aligned=aligned,
        asks=asks,
    )
    for name, section, policies, the_spf, signatures, aligned, organization, asks in [
        (
            "the author domain itself is aligned without a walk",
            "C.4.3",
            PLAIN,
            spf("example.com"),
            (dkim("example.com"),),
            ("spf example.com", "dkim example.com"),
            None,
            ["example.com"],
        ),
        (
            "the author domain itself is aligned in strict mode",
            "C.4.2",
            STRICT,
            NO_SPF,
            (dkim("example.com"),),
            ("dkim example.com",),
            None,
            ["example.com"],
        ),
        (
            "a subdomain is not aligned in strict mode, and nothing is walked",
            "C.4.2",
            STRICT,
            spf("mail.example.com"),
            (dkim("mail.example.com"),),
            (),
            None,
            ["example.com"],
        ),
        (
            "aspf does not concern DKIM",
            "C.4.2",
            {"example.com": policy("p=reject; aspf=s")},
            spf("mail.example.com"),
            (dkim("mail.example.com"),),
            ("dkim mail.example.com",),
            "example.com",
            ["example.com", "com", "mail.example.com"],
        ),
        (
            "adkim does not concern SPF",
            "C.4.2",
            {"example.com": policy("p=reject; adkim=s")},
            spf("mail.example.com"),
            (dkim("mail.example.com"),),
            ("spf mail.example.com",),
            "example.com",
            ["example.com", "com", "mail.example.com"],
        ),
        (
            "nothing outside of the top-level domain is walked for",
            "C.4.2",
            PLAIN,
            spf("atk.example"),
            (dkim("example.org"), dkim("example.com.atk.example"), dkim("xcom")),
            (),
            None,
            ["example.com"],
        ),
        (
            "nothing outside of the organizational domain is walked from",
            "C.4.2",
            PLAIN,
            spf("atk.com"),
            (dkim("badexample.com"),),
            (),
            "example.com",
            ["example.com", "com"],
        ),
        (
            "a subdomain with psd=n is an organization of its own",
            "C.4.2",
            PLAIN | {"shop.example.com": policy("p=none; psd=n")},
            NO_SPF,
            (dkim("a.shop.example.com"),),
            (),
            "example.com",
            ["example.com", "com", "a.shop.example.com", "shop.example.com"],
        ),
        (
            "psd=n at the author domain saves the walk above it",
            "C.3",
            {"example.com": policy("p=reject; psd=n")},
            NO_SPF,
            (dkim("mail.example.com"),),
            ("dkim mail.example.com",),
            "example.com",
            ["example.com", "mail.example.com"],
        ),
        (
            "one domain of both methods is walked once",
            "C.4.2",
            PLAIN,
            spf("mail.example.com"),
            (dkim("mail.example.com"), dkim("mail.example.com")),
            ("spf mail.example.com", "dkim mail.example.com"),
            "example.com",
            ["example.com", "com", "mail.example.com"],
        ),
        (
            "equality settles its method, and the other method is still looked at",
            "C.3",
            PLAIN,
            spf("bounce.example.com"),
            (dkim("news.example.com"), dkim("example.com")),
            ("spf bounce.example.com", "dkim example.com"),
            "example.com",
            ["example.com", "com", "bounce.example.com"],
        ),
        (
            "an aligned identifier settles its method",
            "C.4.4",
            PLAIN,
            NO_SPF,
            (dkim("a.example.com"), dkim("b.example.com")),
            ("dkim a.example.com",),
            "example.com",
            ["example.com", "com", "a.example.com"],
        ),
    ]
] + [
    Case(
        id="siblings below one organization are aligned, each by its own walk",
        section="C.4.2",
        author="www.example.com",
        policies=PLAIN,
        dkim=(dkim("mail.example.com"),),
        value=PASS,
        requested=REJECT,
        policy_domain="example.com",
        organization="example.com",
        aligned=("dkim mail.example.com",),
        asks=["www.example.com", "example.com", "com", "mail.example.com"],
    ),
    Case(
        id="the null sender is aligned by its HELO domain",
        section="C.4.1",
        policies=PLAIN,
        spf=spf("mx.example.com", identity=SpfIdentity.HELO),
        value=PASS,
        requested=REJECT,
        policy_domain="example.com",
        organization="example.com",
        aligned=("spf mx.example.com",),
    ),
    Case(
        id="p=none does not change the verdict",
        section="C.4.4",
        policies={"example.com": policy("p=none")},
        value=FAIL,
        requested=P_NONE,
        policy_domain="example.com",
        asks=["example.com"],
    ),
    *(
        Case(
            id=f"SPF {value} proves nothing",
            section="C.4.1",
            policies=PLAIN,
            spf=spf("example.com", value),
            value=FAIL,
            requested=REJECT,
            policy_domain="example.com",
        )
        for value in SpfValue
        if value not in {SpfValue.PASS, SpfValue.TEMPERROR}
    ),
    *(
        Case(
            id=f"DKIM {value} proves nothing",
            section="C.4.1",
            policies=PLAIN,
            dkim=(dkim("example.com", value),),
            value=FAIL,
            requested=REJECT,
            policy_domain="example.com",
        )
        for value in DkimValue
        if value not in {DkimValue.PASS, DkimValue.TEMPERROR}
    ),
]


@pytest.mark.parametrize("case", ALIGNMENT, ids=lambda case: f"{case.id} ({case.section})")
def test_the_alignment_of_identifiers(case: Case) -> None:
    assert case.outcome(case.evaluate()) == case.expected()


def test_at_most_ten_domains_are_walked_from() -> None:
    """C.4.5. What is known without a walk is outside of the count: it takes no place of a domain that needs one."""
    own = {f"s{number}.example.com": policy("p=none; psd=n") for number in range(MAX_IDENTIFIERS)}
    free = [dkim(f"s{number}.atk.com") for number in range(3 * MAX_IDENTIFIERS)]
    walked = [dkim(name) for name in own]
    late = dkim("late.example.com")
    assert evaluate("example.com", PLAIN | own, dkim=[*free, *walked[1:], late]).result.value is PASS
    full = evaluate("example.com", PLAIN | own, dkim=[*free, *walked, late])
    assert full.result.value is FAIL
    assert "late.example.com" not in full.asks
    again = evaluate("example.com", PLAIN | own, dkim=[*walked, late, dkim("example.com"), *walked])
    assert again.result.value is PASS, "equality needs no place"


def test_a_domain_that_was_walked_from_needs_no_second_place() -> None:
    own = {f"s{number}.example.com": policy("p=none; psd=n") for number in range(MAX_IDENTIFIERS - 1)}
    signatures = [*(dkim(name) for name in own), dkim("late.example.com"), dkim("both.example.com")]
    evaluation = evaluate("example.com", PLAIN | own, spf=spf("both.example.com"), dkim=signatures)
    both = Domain.parse("both.example.com")
    assert evaluation.result.aligned == (Identifier(Method.SPF, both), Identifier(Method.DKIM, both))
    assert "late.example.com" not in evaluation.asks


def test_the_steps_tell_the_way_to_the_result() -> None:
    evaluation = evaluate("example.com", PLAIN, spf=spf("atk.example"), dkim=[dkim("mail.example.com")])
    example, com, mail = (Domain.parse(name) for name in ("example.com", "com", "mail.example.com"))
    attacker = Identifier(Method.SPF, Domain.parse("atk.example"))
    assert list(evaluation.trace) == [
        WalkStep(example, example, "record, psd=u"),
        AlignmentStep(attacker, example, False, "it is outside of the organizational domain"),  # noqa: FBT003 - a field of the step
        WalkStep(example, com, "no record"),
        WalkStep(mail, mail, "no record"),
        WalkStep(mail, example, "record, psd=u"),
        WalkStep(mail, com, "no record"),
        AlignmentStep(Identifier(Method.DKIM, mail), example, True, "both have the same organizational domain"),  # noqa: FBT003 - a field of the step
        DmarcDone(evaluation.result),
    ]
