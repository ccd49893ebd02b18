"""DMARC for one author domain: what a failed query does, and what it does not (standards C.7)."""

import pytest

from assay.answers import Answer
from assay.results import (
    DkimValue,
    DmarcValue,
    Requested,
    SpfIdentity,
    SpfValue,
)
from support.dict_resolver import SERVFAIL
from support.dmarc_world import NO_SPF, Case, dkim, policy, spf

NONE, PASS, FAIL = DmarcValue.NONE, DmarcValue.PASS, DmarcValue.FAIL
TEMPERROR, PERMERROR = DmarcValue.TEMPERROR, DmarcValue.PERMERROR
P_NONE, QUARANTINE, REJECT = Requested.NONE, Requested.QUARANTINE, Requested.REJECT
PLAIN = {"example.com": policy("p=reject")}
STRICT = {"example.com": policy("p=reject; adkim=s; aspf=s")}
NO_RECORDS: dict[str, Answer] = {}
SPF_ERROR, DKIM_ERROR = SpfValue.TEMPERROR, DkimValue.TEMPERROR
BELOW = {"a.example.com": SERVFAIL, "example.com": policy("p=reject; sp=quarantine; psd=n")}
TLD = {"example.com": policy("p=reject"), "com": SERVFAIL}
ERRORS = [
    Case(id=name, section=section, author=author, policies=policies, spf=the_spf, dkim=signatures, **expect)  # type: ignore[arg-type] # a table of keywords
    for name, section, author, policies, the_spf, signatures, expect in [
        (
            "no record could be fetched at all",
            "C.7.1",
            "example.com",
            {"example.com": SERVFAIL, "com": SERVFAIL},
            NO_SPF,
            (dkim("example.com"),),
            {"value": TEMPERROR, "asks": ["example.com", "com"]},
        ),
        (
            "an absent record below a failed query is no absence of DMARC",
            "C.7.1",
            "example.com",
            {"com": SERVFAIL},
            NO_SPF,
            (dkim("example.com"),),
            {"value": TEMPERROR},
        ),
        (
            "a failure at the author domain does not hide what the organization asks for",
            "C.7.1, H.5 D4",
            "a.example.com",
            BELOW,
            NO_SPF,
            (),
            {"value": TEMPERROR, "requested": QUARANTINE, "policy_domain": "example.com"},
        ),
        (
            "the author domain itself settles pass whatever the failed query hides",
            "C.7.1",
            "a.example.com",
            BELOW,
            NO_SPF,
            (dkim("a.example.com"),),
            {
                "value": PASS,
                "requested": QUARANTINE,
                "policy_domain": "example.com",
                "aligned": ("dkim a.example.com",),
            },
        ),
        (
            "a sibling does not settle pass: the hidden record could be strict",
            "C.7.1",
            "a.example.com",
            BELOW,
            NO_SPF,
            (dkim("b.example.com"),),
            {"value": TEMPERROR, "requested": QUARANTINE, "policy_domain": "example.com"},
        ),
        (
            "an unusable record above a failed query is no permerror",
            "C.7.1",
            "a.example.com",
            {"a.example.com": SERVFAIL, "example.com": policy("p=bogus; psd=n")},
            NO_SPF,
            (dkim("a.example.com"),),
            {"value": TEMPERROR, "policy_domain": "example.com"},
        ),
        (
            "a failure above the policy record does not touch equality",
            "C.7.1",
            "example.com",
            TLD,
            NO_SPF,
            (dkim("example.com"),),
            {
                "value": PASS,
                "requested": REJECT,
                "policy_domain": "example.com",
                "aligned": ("dkim example.com",),
                "asks": ["example.com"],
            },
        ),
        (
            "a failure above both domains changes nothing between them",
            "C.7.1",
            "example.com",
            TLD,
            NO_SPF,
            (dkim("mail.example.com"),),
            {
                "value": PASS,
                "requested": REJECT,
                "policy_domain": "example.com",
                "aligned": ("dkim mail.example.com",),
            },
        ),
        (
            "a failure that could make two domains one organization is temperror",
            "C.7.1",
            "example.com",
            TLD,
            NO_SPF,
            (dkim("other.com"),),
            {"value": TEMPERROR, "requested": REJECT, "policy_domain": "example.com"},
        ),
        (
            "a failure at an identifier below the organization is temperror",
            "C.7.1",
            "example.com",
            PLAIN | {"lame.example.com": SERVFAIL},
            spf("lame.example.com"),
            (),
            {"value": TEMPERROR, "requested": REJECT, "policy_domain": "example.com", "organization": "example.com"},
        ),
        (
            "a failure at one identifier does not touch another that is aligned",
            "C.7.1",
            "example.com",
            PLAIN | {"lame.example.com": SERVFAIL},
            spf("lame.example.com"),
            (dkim("a.lame.example.com"), dkim("mail.example.com")),
            {
                "value": PASS,
                "requested": REJECT,
                "policy_domain": "example.com",
                "organization": "example.com",
                "aligned": ("dkim mail.example.com",),
            },
        ),
        (
            "a signer outside of the organization cannot make temperror with a dead zone",
            "C.4.2, C.7.1",
            "example.com",
            PLAIN | {"atk.com": SERVFAIL, "x.atk.example": SERVFAIL},
            spf("x.atk.example"),
            (dkim("atk.com"),),
            {
                "value": FAIL,
                "requested": REJECT,
                "policy_domain": "example.com",
                "organization": "example.com",
                "asks": ["example.com", "com"],
            },
        ),
        (
            "SPF temperror of an aligned domain is temperror",
            "C.7.1",
            "example.com",
            PLAIN,
            spf("mail.example.com", SPF_ERROR),
            (),
            {"value": TEMPERROR, "requested": REJECT, "policy_domain": "example.com", "organization": "example.com"},
        ),
        (
            "SPF temperror of the null sender's HELO domain is temperror where that is aligned",
            "C.7.1",
            "example.com",
            PLAIN,
            spf("example.com", SPF_ERROR, SpfIdentity.HELO),
            (),
            {"value": TEMPERROR, "requested": REJECT, "policy_domain": "example.com", "asks": ["example.com"]},
        ),
        (
            "DKIM temperror of an aligned domain is temperror",
            "C.7.1",
            "example.com",
            PLAIN,
            NO_SPF,
            (dkim("example.com", DKIM_ERROR),),
            {"value": TEMPERROR, "requested": REJECT, "policy_domain": "example.com", "asks": ["example.com"]},
        ),
        (
            "DKIM temperror of a domain that may be aligned is temperror",
            "C.7.1",
            "example.com",
            PLAIN | {"lame.example.com": SERVFAIL},
            NO_SPF,
            (dkim("lame.example.com", DKIM_ERROR),),
            {"value": TEMPERROR, "requested": REJECT, "policy_domain": "example.com", "organization": "example.com"},
        ),
        (
            "temperror of domains that cannot be aligned leaves fail",
            "C.7.1",
            "example.com",
            PLAIN | {"atk.example": SERVFAIL, "shop.example.com": policy("p=none; psd=n")},
            spf("atk.example", SPF_ERROR),
            (dkim("atk.example", DKIM_ERROR), dkim("shop.example.com", DKIM_ERROR)),
            {"value": FAIL, "requested": REJECT, "policy_domain": "example.com", "organization": "example.com"},
        ),
        (
            "temperror of a subdomain in strict mode leaves fail",
            "C.7.1",
            "example.com",
            STRICT,
            spf("mail.example.com", SPF_ERROR),
            (dkim("mail.example.com", DKIM_ERROR),),
            {"value": FAIL, "requested": REJECT, "policy_domain": "example.com", "asks": ["example.com"]},
        ),
        (
            "temperror beside an aligned pass leaves pass",
            "C.7.1",
            "example.com",
            PLAIN,
            spf("example.com", SPF_ERROR),
            (dkim("example.com", DKIM_ERROR), dkim("example.com")),
            {"value": PASS, "requested": REJECT, "policy_domain": "example.com", "aligned": ("dkim example.com",)},
        ),
        (
            "temperror where no policy applies leaves none",
            "C.7.1",
            "example.com",
            NO_RECORDS,
            spf("example.com", SPF_ERROR),
            (dkim("example.com", DKIM_ERROR),),
            {"value": NONE, "organization": "example.com"},
        ),
    ]
]


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: f"{case.id} ({case.section})")
def test_a_failed_query(case: Case) -> None:
    assert case.outcome(case.evaluate()) == case.expected()
