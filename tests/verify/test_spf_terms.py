"""SPF records and their terms, one after the other (RFC 7208 4.5, 4.6, 5, 6)."""

import pytest

from assay.limits import MAX_SPF_RECORD_OCTETS
from assay.trace import SpfTerm, Trace
from assay.verify.spf import verify_spf
from support.spf_cases import (
    ADDRESS,
    CLIENT,
    DEAD,
    FAIL,
    NONE,
    OTHER,
    PASS,
    PERMERROR,
    SOFTFAIL,
    TEMPERROR,
    Case,
    check,
    facts,
    record,
)
from support.suite_zone import SuiteResolver, zone

RECORDS = [
    Case(
        id="v=spf10 is no SPF record",
        section="RFC 7208 4.5",
        zone=record("v=spf10 +all"),
        value=NONE,
    ),
    Case(
        id="v=spf1 and a line feed is no SPF record",
        section="RFC 7208 4.5",
        zone={"example.com": [{"TXT": "v=spf1\n"}, {"TXT": "v=spf1 -all"}]},
        value=FAIL,
    ),
    Case(
        id="two records are a permerror",
        section="RFC 7208 4.5",
        zone={"example.com": [{"TXT": "v=spf1 +all"}, {"TXT": "v=spf1 -all"}]},
        value=PERMERROR,
        reason="example.com has 2 SPF records",
    ),
    Case(
        id="an unrelated TXT record beside it does not count",
        section="RFC 7208 4.5",
        zone={"example.com": [{"TXT": "v=spf2.0/pra -all"}, {"TXT": "v=spf1 -all"}]},
        value=FAIL,
    ),
    Case(
        id="no answer for the record is a temperror",
        section="RFC 7208 4.4",
        zone={"example.com": DEAD},
        value=TEMPERROR,
    ),
    Case(
        id="a record over the local limit is a permerror",
        section="standards H.1 E6",
        zone=record("v=spf1 " + "ip4:192.0.2.1 " * (MAX_SPF_RECORD_OCTETS // 14)),
        value=PERMERROR,
        reason="longer than",
    ),
    Case(
        id="an error behind the matching term is a permerror all the same",
        section="RFC 7208 4.6",
        zone=record("v=spf1 ip4:192.0.2.1 all moo:"),
        value=PERMERROR,
        reason='unknown mechanism "moo:"',
    ),
    Case(
        id="REDIRECT is redirect",
        section="RFC 7208 4.6.1",
        zone=record("v=spf1 REDIRECT=other.example.com", other=[{"TXT": "v=spf1 -all"}]),
        value=FAIL,
        reason="in the record of other.example.com",
    ),
    Case(
        id="an unknown modifier is ignored however often it stands there",
        section="RFC 7208 6",
        zone=record("v=spf1 x=1 X=2 op=a default=b x= -all"),
        value=FAIL,
    ),
    Case(
        id="a redirect is not counted before it is reached",
        section="RFC 7208 4.6.4",
        zone=record("v=spf1" + " a:o.example.com" * 9 + " a:me.example.com redirect=x.example", o=OTHER, me=ADDRESS),
        value=PASS,
    ),
    Case(
        id="a redirect without a record is a permerror",
        section="RFC 7208 6.1",
        zone=record("v=spf1 redirect=x.example.com"),
        value=PERMERROR,
        reason="redirects to x.example.com, which has none",
    ),
    Case(
        id="an include of one label is a permerror without a look-up",
        section="RFC 7208 5.2",
        zone=record("v=spf1 include:%{d1} +all") | {"com": [{"TXT": "v=spf1 +all"}]},
        value=PERMERROR,
        asked=("TXT example.com",),
    ),
    Case(
        id="a term that includes its own domain is not reached when one before it matches",
        section="RFC 7208 4.6.2",
        zone=record("v=spf1 ip4:192.0.2.1 include:example.com -all"),
        value=PASS,
    ),
    Case(
        id="a target of an over-long label is asked of nobody and does not match",
        section="RFC 7208 4.8",
        zone=record(f"v=spf1 a:{'x' * 64}.example.com a:b..example.com ~all"),
        value=SOFTFAIL,
        asked=("TXT example.com",),
    ),
    Case(
        id="a domain of one macro that expands to nothing does not match",
        section="RFC 7208 4.8",
        zone=record("v=spf1 exists:%{h} -all"),
        helo=b"",
        value=FAIL,
        asked=("TXT example.com",),
    ),
    Case(
        id="a percent sign in an included name is no macro of the term without domain",
        section="RFC 7208 5.3",
        zone=record("v=spf1 include:%%{l}.example.com -all")
        | {"%{l}.example.com": [{"TXT": "v=spf1 a -all"}, {"A": CLIENT}]},
        value=PASS,
    ),
]


@pytest.mark.parametrize("case", RECORDS, ids=lambda case: f"{case.id} [{case.section}]")
def test_case(case: Case) -> None:
    check(case)


def test_every_term_that_is_looked_at_is_a_step() -> None:
    data = record(
        "v=spf1 a:o.example.com include:i.example.com exists:%{l} redirect=r.example.com",
        o=OTHER,
        i=[{"TXT": "v=spf1 -mx:nohost.example.com ~all"}],
        r=[{"TXT": "v=spf1 include:bad.example.com"}],
        bad=[{"TXT": "v=spf1 include:worse.example.com"}],
        worse=[{"TXT": "v=spf1 a:b"}],
    )
    trace = Trace()

    verify_spf(facts("<ü@example.com>".encode(), b"h.example", CLIENT), SuiteResolver(zone(data)), 0.0, trace)

    broken = 'in the record of worse.example.com: no domain name: "b"'
    assert [(step.domain, step.term, step.outcome) for step in trace if isinstance(step, SpfTerm)] == [
        ("example.com", "a:o.example.com", "no match"),
        ("i.example.com", "-mx:nohost.example.com", "no match"),
        ("i.example.com", "~all", "softfail"),
        ("example.com", "include:i.example.com", "no match"),
        ("example.com", "exists:%{l}", "no match: %{l} is not ASCII"),
        ("example.com", "redirect=r.example.com", "followed to r.example.com"),
        ("bad.example.com", "include:worse.example.com", f"permerror: {broken}"),
        ("r.example.com", "include:bad.example.com", f"permerror: {broken}"),
    ]


def test_a_temperror_is_a_step() -> None:
    resolver, trace = SuiteResolver(zone({"example.com": [{"TXT": "v=spf1 mx"}, "TIMEOUT"]})), Trace()

    verify_spf(facts(b"<u@example.com>", b"", CLIENT), resolver, 0.0, trace)

    assert next(iter(trace)) == SpfTerm("example.com", "mx", "temperror: look-up of MX example.com failed: timeout")


def test_a_redirect_that_is_not_followed_is_a_step() -> None:
    trace = Trace()

    verify_spf(
        facts("<ü@example.com>".encode(), b"", CLIENT),
        SuiteResolver(zone(record("v=spf1 redirect=%{l}.example.com"))),
        0.0,
        trace,
    )

    assert next(iter(trace)) == SpfTerm("example.com", "redirect=%{l}.example.com", "not followed: %{l} is not ASCII")
