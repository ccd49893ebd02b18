"""DMARC for one author domain: which record applies, and what it asks for (standards C.1.8, C.3, C.4)."""

import pytest

from assay.answers import Absent, Answer
from assay.results import (
    DkimResult,
    DkimValue,
    DmarcValue,
    FromProblem,
    Requested,
    SpfIdentity,
    SpfResult,
    SpfValue,
)
from support.dict_resolver import NODATA, NXDOMAIN, SERVFAIL, found
from support.dmarc_world import Case, dkim, evaluate, policy, spf

NONE, PASS, FAIL = DmarcValue.NONE, DmarcValue.PASS, DmarcValue.FAIL
TEMPERROR, PERMERROR = DmarcValue.TEMPERROR, DmarcValue.PERMERROR
P_NONE, QUARANTINE, REJECT = Requested.NONE, Requested.QUARANTINE, Requested.REJECT
PLAIN = {"example.com": policy("p=reject")}

LONG = "a.b.c.d.e.f.g.h.i.j.k.example.com"
BANK = {"bank.example": policy("p=reject; psd=y"), "giant.bank.example": policy("p=quarantine")}

WORKED = [
    Case(
        id="a signer below the author domain is aligned through the organizational domain",
        section="C.4 row 1",
        policies={"example.com": policy("p=reject"), "signing.example.com": policy("p=none")},
        dkim=(dkim("signing.example.com"),),
        value=PASS,
        requested=REJECT,
        policy_domain="example.com",
        organization="example.com",
        aligned=("dkim signing.example.com",),
        asks=["example.com", "com", "signing.example.com"],
    ),
    Case(
        id="a long author domain costs eight queries and takes the organization's policy",
        section="C.4 row 2",
        author=LONG,
        policies={"example.com": policy("p=reject; sp=quarantine")},
        spf=spf("example.com"),
        value=PASS,
        requested=QUARANTINE,
        policy_domain="example.com",
        organization="example.com",
        aligned=("spf example.com",),
        asks=[
            LONG,
            "g.h.i.j.k.example.com",
            "h.i.j.k.example.com",
            "i.j.k.example.com",
            "j.k.example.com",
            "k.example.com",
            "example.com",
            "com",
        ],
    ),
    Case(
        id="below a public suffix a sibling's name is not aligned, the own is",
        section="C.4 row 3",
        author="giant.bank.example",
        policies=BANK,
        spf=spf("mail.giant.bank.example"),
        dkim=(dkim("mail.mega.bank.example"),),
        value=PASS,
        requested=QUARANTINE,
        policy_domain="giant.bank.example",
        organization="giant.bank.example",
        aligned=("spf mail.giant.bank.example",),
        asks=["giant.bank.example", "bank.example", "mail.giant.bank.example"],
    ),
    Case(
        id="below a public suffix a sibling's signature alone fails, without a walk from it",
        section="C.4 row 3",
        author="giant.bank.example",
        policies=BANK,
        dkim=(dkim("mail.mega.bank.example"),),
        value=FAIL,
        requested=QUARANTINE,
        policy_domain="giant.bank.example",
        organization="giant.bank.example",
        asks=["giant.bank.example", "bank.example"],
    ),
    Case(
        id="a record between the author domain and the organization is not used",
        section="C.4 row 4",
        author="a.b.example.com",
        policies={"b.example.com": policy("p=none"), "example.com": policy("p=reject")},
        value=FAIL,
        requested=REJECT,
        policy_domain="example.com",
        organization="example.com",
        asks=["a.b.example.com", "b.example.com", "example.com", "com"],
    ),
    Case(
        id="psd=n makes the nearer record the organization's",
        section="C.4 row 5",
        author="a.b.example.com",
        policies={"b.example.com": policy("p=quarantine; psd=n"), "example.com": policy("p=reject")},
        value=FAIL,
        requested=QUARANTINE,
        policy_domain="b.example.com",
        organization="b.example.com",
        asks=["a.b.example.com", "b.example.com"],
    ),
    Case(
        id="an organization without a record is under the policy of its public suffix",
        section="C.4 row 6",
        author="x.shop.example",
        policies={"example": policy("p=reject; np=reject; psd=y")},
        value=FAIL,
        requested=REJECT,
        policy_domain="example",
        organization="shop.example",
        asks=["x.shop.example", "shop.example", "example"],
    ),
    Case(
        id="the jump to seven labels passes over a record of eight",
        section="C.4 row 7",
        author="mail.a.b.c.d.e.f.g.example.com",
        policies={"b.c.d.e.f.g.example.com": policy("p=none; psd=n"), "example.com": policy("p=reject")},
        value=FAIL,
        requested=REJECT,
        policy_domain="example.com",
        organization="example.com",
        asks=[
            "mail.a.b.c.d.e.f.g.example.com",
            "c.d.e.f.g.example.com",
            "d.e.f.g.example.com",
            "e.f.g.example.com",
            "f.g.example.com",
            "g.example.com",
            "example.com",
            "com",
        ],
    ),
    Case(
        id="two records at the author domain are none, and the organization's applies",
        section="C.4 row 8, C.1.6",
        author="a.example.com",
        policies={"a.example.com": found(b"v=DMARC1; p=none", b"v=DMARC1; p=none"), "example.com": policy("p=reject")},
        value=FAIL,
        requested=REJECT,
        policy_domain="example.com",
        organization="example.com",
        asks=["a.example.com", "example.com", "com"],
    ),
]

DISCOVERY = [
    Case(
        id="without a record DMARC does not apply, whatever is authenticated",
        section="C.3",
        policies={},
        spf=spf("example.com"),
        dkim=(dkim("example.com"),),
        value=NONE,
        organization="example.com",
        asks=["example.com", "com"],
    ),
    Case(
        id="a public suffix as author domain is under its own p",
        section="C.3, H.2 F13",
        author="bank.example",
        policies={"bank.example": policy("p=reject; sp=none; psd=y"), "example": policy("p=none")},
        dkim=(dkim("giant.bank.example"),),
        value=FAIL,
        requested=REJECT,
        policy_domain="bank.example",
        organization="bank.example",
        asks=["bank.example", "giant.bank.example"],
    ),
    Case(
        id="the public suffix's policy is not used where the organization has its own",
        section="C.3",
        author="x.shop.example",
        policies={"shop.example": policy("p=none"), "example": policy("p=reject; psd=y")},
        value=FAIL,
        requested=P_NONE,
        policy_domain="shop.example",
        organization="shop.example",
    ),
    Case(
        id="below a public suffix a record that is nearer than the organization is not used",
        section="C.3",
        author="x.y.shop.example",
        policies={"y.shop.example": policy("p=none"), "example": policy("p=reject; psd=y")},
        value=FAIL,
        requested=REJECT,
        policy_domain="example",
        organization="shop.example",
    ),
    Case(
        id="an organization that the jump passed over is under the policy of its public suffix",
        section="C.3",
        author="x.y.h.g.f.e.d.c.b.example",
        policies={"g.f.e.d.c.b.example": policy("p=reject; psd=y"), "h.g.f.e.d.c.b.example": policy("p=none")},
        value=FAIL,
        requested=REJECT,
        policy_domain="g.f.e.d.c.b.example",
        organization="h.g.f.e.d.c.b.example",
        asks=["x.y.h.g.f.e.d.c.b.example", "g.f.e.d.c.b.example"],
    ),
    Case(
        id="NXDOMAIN of the record's name says nothing about the author domain",
        section="C.3",
        author="x.example.com",
        policies={"x.example.com": NXDOMAIN, "example.com": policy("p=none; sp=quarantine; np=reject; psd=n")},
        addresses={"x.example.com": NODATA},
        value=FAIL,
        requested=QUARANTINE,
        policy_domain="example.com",
        organization="example.com",
        asks_existence=["x.example.com"],
    ),
]


def subdomain(tags: str, *, exists: Answer, requested: Requested, asked: bool, **more: Requested) -> dict[str, object]:
    return {
        "author": "x.example.com",
        "policies": {"example.com": policy(f"{tags}; psd=n")},
        "addresses": {"x.example.com": exists},
        "value": FAIL,
        "requested": requested,
        "policy_domain": "example.com",
        "organization": "example.com",
        "asks_existence": ["x.example.com"] if asked else [],
        **more,
    }


ALIAS = Absent(nxdomain=True, alias=True)
POLICY = [
    Case(id=name, section=section, **subdomain(tags, exists=exists, requested=requested, asked=asked))  # type: ignore[arg-type] # a table of keywords
    for name, section, tags, exists, requested, asked in [
        ("a subdomain takes p without sp and np", "C.1.7", "p=reject", NXDOMAIN, REJECT, False),
        ("an existing subdomain takes sp", "C.1.7", "p=none; sp=reject", NODATA, REJECT, False),
        ("a missing subdomain takes sp without np", "C.1.7", "p=none; sp=reject", NXDOMAIN, REJECT, False),
        ("a missing subdomain takes np", "C.3, H.2 F12", "p=none; sp=none; np=reject", NXDOMAIN, REJECT, True),
        ("np can be weaker than sp", "C.3", "p=reject; sp=reject; np=none", NXDOMAIN, P_NONE, True),
        ("NODATA is existence", "C.3", "p=none; sp=quarantine; np=reject", NODATA, QUARANTINE, True),
        ("an alias to nowhere is existence", "C.3", "p=none; np=reject", ALIAS, P_NONE, True),
        ("an address is existence", "C.3", "p=none; np=reject", found(b"x"), P_NONE, True),
        ("where existence is unknown a stricter np counts", "C.3", "p=none; np=reject", SERVFAIL, REJECT, True),
        ("where existence is unknown a stricter sp counts", "C.3", "p=reject; np=none", SERVFAIL, REJECT, True),
        ("np that says the same as sp asks nothing", "C.3", "p=none; sp=reject; np=reject", NXDOMAIN, REJECT, False),
        ("np that says the same as p asks nothing", "C.3", "p=reject; np=reject", NXDOMAIN, REJECT, False),
        ("t=y lowers reject", "C.1.7", "p=reject; t=y", NODATA, QUARANTINE, False),
        ("t=y lowers quarantine", "C.1.7", "p=quarantine; t=y", NODATA, P_NONE, False),
        ("t=y leaves none", "C.1.7", "p=none; t=y", NODATA, P_NONE, False),
        ("t=y lowers np", "C.1.7", "p=none; np=reject; t=y", NXDOMAIN, QUARANTINE, True),
        ("pct=0 lowers nothing", "C.1.7", "p=reject; pct=0", NODATA, REJECT, False),
    ]
] + [
    Case(
        id="sp and np do not concern the domain that publishes them, and its existence is not asked",
        section="C.3",
        policies={"example.com": policy("p=none; sp=reject; np=reject; psd=n")},
        addresses={"example.com": NXDOMAIN},
        value=FAIL,
        requested=P_NONE,
        policy_domain="example.com",
        organization="example.com",
    ),
    Case(
        id="sp of a record at the author domain itself does not concern it, although it is a subdomain",
        section="C.1.7",
        author="x.example.com",
        policies={"x.example.com": policy("p=quarantine; sp=reject"), "example.com": policy("p=none; sp=none")},
        value=FAIL,
        requested=QUARANTINE,
        policy_domain="x.example.com",
        asks=["x.example.com"],
    ),
]

RUA = "rua=mailto:r@example.com"
UNUSABLE = [
    Case(
        id=name,
        section="C.1.8, H.5 D7",
        author="x.example.com",
        policies={"example.com": policy(f"{tags}; psd=n")},
        dkim=(dkim("x.example.com"),) if passes else (),
        value=value,
        requested=requested,
        policy_domain="example.com",
        organization="example.com",
        aligned=("dkim x.example.com",) if value is PASS else (),
    )
    for name, tags, passes, value, requested in [
        ("a bad p with a usable rua is p=none", f"p=bogus; {RUA}", False, FAIL, P_NONE),
        ("a bad p with a usable rua lets mail pass", f"p=bogus; {RUA}", True, PASS, P_NONE),
        ("none stands for sp too", f"p=bogus; sp=reject; {RUA}", False, FAIL, P_NONE),
        ("none stands for np too, and existence is not asked", f"p=bogus; np=reject; {RUA}", False, FAIL, P_NONE),
        ("a bad sp with a usable rua is p=none", f"p=reject; sp=bogus; {RUA}", False, FAIL, P_NONE),
        ("a bad np with a usable rua is p=none", f"p=reject; np=bogus; {RUA}", False, FAIL, P_NONE),
        ("a repeated tag with a usable rua is p=none", f"p=reject; p=reject; {RUA}", False, FAIL, P_NONE),
        ("an absent p with a usable rua is p=none", f"sp=reject; {RUA}", False, FAIL, P_NONE),
        ("one good URI among bad ones is a usable rua", "p=x; rua=bad,mailto:r@example.com", False, FAIL, P_NONE),
        ("a bad p without rua is permerror", "p=bogus", False, PERMERROR, None),
        ("a bad p without rua is permerror, whatever is authenticated", "p=bogus", True, PERMERROR, None),
        ("a bad p with a bad rua is permerror", "p=bogus; rua=r@example.com", False, PERMERROR, None),
        ("a bad sp without rua is permerror", "p=reject; sp=bogus", False, PERMERROR, None),
        ("a bad np without rua is permerror", "p=reject; np=bogus", False, PERMERROR, None),
        ("a repeated tag without rua is permerror", "p=reject; adkim=s; adkim=s", False, PERMERROR, None),
        ("a bad sp makes permerror of an absent p", "sp=bogus", False, PERMERROR, None),
        ("an absent p without rua is no DMARC", "sp=reject", False, NONE, None),
        ("an absent p without rua is no DMARC, whatever is authenticated", "sp=reject", True, NONE, None),
        ("ruf does not stand in for rua", "sp=reject; ruf=mailto:r@example.com", False, NONE, None),
    ]
] + [
    Case(
        id="a bad sp voids the record at the author domain too",
        section="C.1.8",
        policies={"example.com": policy("p=reject; sp=bogus")},
        dkim=(dkim("mail.example.com"),),
        value=PERMERROR,
        policy_domain="example.com",
        asks=["example.com"],
    ),
]


@pytest.mark.parametrize(
    "case", [*WORKED, *DISCOVERY, *POLICY, *UNUSABLE], ids=lambda case: f"{case.id} ({case.section})"
)
def test_the_policy_of_one_author_domain(case: Case) -> None:
    assert case.outcome(case.evaluate()) == case.expected()


@pytest.mark.parametrize(
    ("tags", "published", "requested"),
    [
        ("p=reject; t=y", REJECT, QUARANTINE),
        ("p=quarantine; t=y", QUARANTINE, P_NONE),
        ("p=none; t=y", P_NONE, P_NONE),
        ("p=reject; t=n", REJECT, REJECT),
        (f"p=bogus; t=y; {RUA}", P_NONE, P_NONE),
    ],
)
def test_reports_see_what_was_published_and_not_what_t_made_of_it(
    tags: str, published: Requested, requested: Requested
) -> None:
    result = evaluate("example.com", {"example.com": policy(tags)}).result
    assert (result.published, result.requested) == (published, requested)


@pytest.mark.parametrize("problem", FromProblem)
def test_an_unusable_from_is_permerror_and_asks_nothing(problem: FromProblem) -> None:
    evaluation = evaluate("", {}, dkim=[dkim("example.com")], problem=problem)
    assert evaluation.result.value is PERMERROR
    assert evaluation.result.from_problem is problem
    assert evaluation.result.author_domain is None
    assert problem.value in evaluation.result.reason
    assert evaluation.resolver.asked == []


def test_a_from_of_internal_mail_only_is_none_and_asks_nothing() -> None:
    evaluation = evaluate("", {}, dkim=[dkim("example.com")])
    assert evaluation.result.value is NONE
    assert evaluation.result.author_domain is None
    assert evaluation.resolver.asked == []


def test_results_without_a_domain_prove_nothing_and_doubt_nothing() -> None:
    nothing = [DkimResult(value=value, reason="") for value in (DkimValue.PASS, DkimValue.TEMPERROR)]
    for value in (SpfValue.PASS, SpfValue.TEMPERROR):
        no_domain = SpfResult(value=value, identity=SpfIdentity.MAILFROM, domain=None, reason="")
        assert evaluate("example.com", PLAIN, spf=no_domain, dkim=nothing).result.value is FAIL
