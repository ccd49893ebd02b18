"""SPF: how much it asks, and what becomes of no answer (RFC 7208 4.4, 4.6.4; standards H.1)."""

import pytest

from assay.answers import RRType
from assay.trace import Trace
from assay.verify.spf import verify_spf
from support.spf_cases import (
    ADDRESS,
    CLIENT,
    DEAD,
    FAIL,
    OTHER,
    PASS,
    PERMERROR,
    REVERSE,
    TEMPERROR,
    Case,
    check,
    facts,
    record,
)
from support.suite_zone import SuiteResolver, zone

LIMITS = [
    Case(
        id="ten terms that need look-ups are fine",
        section="RFC 7208 4.6.4",
        zone=record("v=spf1" + " a:o.example.com" * 9 + " a:me.example.com -all", o=OTHER, me=ADDRESS),
        value=PASS,
    ),
    Case(
        id="the eleventh term that needs look-ups is a permerror",
        section="RFC 7208 4.6.4",
        zone=record("v=spf1" + " a:o.example.com" * 10 + " a:me.example.com -all", o=OTHER, me=ADDRESS),
        value=PERMERROR,
        reason="more than 10 terms",
    ),
    Case(
        id="terms are counted over includes and redirects",
        section="RFC 7208 4.6.4",
        zone=record(
            "v=spf1 include:i.example.com redirect=r.example.com",
            i=[{"TXT": "v=spf1" + " a:o.example.com" * 4}],
            r=[{"TXT": "v=spf1" + " a:o.example.com" * 5}],
            o=OTHER,
        ),
        value=PERMERROR,
    ),
    Case(
        id="%{p} counts like ptr",
        section="RFC 7208 4.6.4",
        zone=record("v=spf1" + " a:%{p}.no.example.com" * 5 + " a:me.example.com +all", me=ADDRESS)
        | {"unknown.no.example.com": OTHER, REVERSE: [{"PTR": "host.example.org"}]},
        value=PERMERROR,
    ),
    Case(
        id="an include loop is a permerror",
        section="standards H.1 E6",
        zone=record("v=spf1 include:i.example.com", i=[{"TXT": "v=spf1 include:example.com"}]),
        value=PERMERROR,
    ),
    Case(
        id="two void terms are fine",
        section="RFC 7208 4.6.4",
        zone=record("v=spf1 a:x.example.com exists:y.example.com ip4:192.0.2.1 -all"),
        value=PASS,
    ),
    Case(
        id="the third void term is a permerror, NXDOMAIN and NODATA alike",
        section="RFC 7208 4.6.4",
        zone=record("v=spf1 a:x.example.com mx:y.example.com exists:z.example.com +all", y=ADDRESS),
        value=PERMERROR,
        reason="more than 2 terms with void DNS look-ups",
    ),
    Case(
        id="an mx whose hosts have no address of the client's family is one void term",
        section="RFC 7208 4.6.4",
        zone={
            "example.com": [{"TXT": "v=spf1 mx ip6:2001:db8::/32 -all"}]
            + [{"MX": [10, f"mx{n}.example.com"]} for n in range(4)]
        }
        | {f"mx{n}.example.com": OTHER for n in range(4)},
        client="2001:db8::1",
        value=PASS,
    ),
    Case(
        id="eleven MX records are a permerror before any address is asked for",
        section="RFC 7208 4.6.4",
        zone={"example.com": [{"TXT": "v=spf1 mx +all"}] + [{"MX": [n, "me.example.com"]} for n in range(11)]},
        value=PERMERROR,
        asked=("TXT example.com", "MX example.com"),
    ),
    Case(
        id="MX hosts are asked by preference, and no further than the match",
        section="RFC 7208 5.4",
        zone={
            "example.com": [
                {"TXT": "v=spf1 mx -all"},
                {"MX": [30, "dead.example.com"]},
                {"MX": [20, "me.example.com"]},
                {"MX": [10, "o.example.com"]},
                {"MX": [0, "."]},
            ],
            "o.example.com": OTHER,
            "me.example.com": ADDRESS,
            "dead.example.com": DEAD,
        },
        value=PASS,
        asked=("TXT example.com", "MX example.com", "A o.example.com", "A me.example.com"),
    ),
    Case(
        id="the eleventh name of the client is not looked at",
        section="RFC 7208 4.6.4",
        zone=record("v=spf1 ptr -all", me=ADDRESS)
        | {REVERSE: [{"PTR": f"p{n}.example.org"} for n in range(10)] + [{"PTR": "me.example.com"}]},
        value=FAIL,
        asked=("TXT example.com", f"PTR {REVERSE}", *(f"A p{n}.example.org" for n in range(10))),
    ),
]


DNS = [
    Case(
        id="a DNS error on one name of the client skips that name",
        section="RFC 7208 5.5",
        zone=record("v=spf1 ptr -all", me=ADDRESS, dead=DEAD)
        | {REVERSE: [{"PTR": "dead.example.com"}, {"PTR": "me.Example.com"}]},
        value=PASS,
    ),
    Case(
        id="a DNS error on the client's reverse name is no match",
        section="RFC 7208 5.5",
        zone=record("v=spf1 ptr -all") | {REVERSE: DEAD},
        value=FAIL,
    ),
    Case(
        id="the client's own names cannot use up the void look-ups",
        section="RFC 7208 4.6.4",
        zone=record("v=spf1 ptr a:void.example.com a:void-too.example.com ip4:192.0.2.1 -all")
        | {REVERSE: [{"PTR": f"p{n}.example.org"} for n in range(3)]},
        value=PASS,
    ),
    Case(
        id="the client's names are asked for once",
        section="RFC 7208 5.5",
        zone=record("v=spf1 ptr ptr:example.net ?exists:%{p}.no.example.com -all", me=OTHER)
        | {REVERSE: [{"PTR": "me.example.com"}]},
        value=FAIL,
        asked=("TXT example.com", f"PTR {REVERSE}", "A me.example.com", "A unknown.no.example.com"),
    ),
    *(
        Case(
            id=f"a DNS error of {term} is a temperror",
            section="RFC 7208 5",
            zone=record(f"v=spf1 {term} +all", dead=DEAD, mx=[{"MX": [0, "dead.example.com"]}]),
            value=TEMPERROR,
            reason="dead.example.com failed: timeout",
        )
        for term in (
            "a:dead.example.com",
            "mx:dead.example.com",
            "mx:mx.example.com",
            "exists:dead.example.com",
            "include:dead.example.com",
            "redirect=dead.example.com",
        )
        if not term.startswith("redirect")
    ),
    Case(
        id="a DNS error of the redirect is a temperror",
        section="RFC 7208 6.1",
        zone=record("v=spf1 redirect=dead.example.com", dead=DEAD),
        value=TEMPERROR,
    ),
    Case(
        id="a DNS error of a term that is not reached does not count",
        section="RFC 7208 4.6.2",
        zone=record("v=spf1 ip4:192.0.2.1 a:dead.example.com exists:%{p}.x -all", dead=DEAD) | {REVERSE: DEAD},
        value=PASS,
        asked=("TXT example.com",),
    ),
    Case(
        id="the explanation is not asked for",
        section="RFC 7208 6.2",
        zone=record("v=spf1 exp=why.example.com -all", why=[{"TXT": "Because."}]),
        value=FAIL,
        asked=("TXT example.com",),
    ),
    Case(
        id="a record behind an alias counts",
        section="RFC 7208 4.4",
        zone={"example.com": [{"CNAME": "alias.example.net"}], "alias.example.net": [{"TXT": "v=spf1 -all"}]},
        value=FAIL,
    ),
    Case(
        id="an IPv6 client is looked for among AAAA records and under ip6.arpa",
        section="RFC 7208 5.3",
        zone=record("v=spf1 a:six.example.com//64 -all", six=[{"A": CLIENT}, {"AAAA": "2001:db8::2"}]),
        client="2001:db8::1",
        value=PASS,
        asked=("TXT example.com", "AAAA six.example.com"),
    ),
]


@pytest.mark.parametrize("case", [*LIMITS, *DNS], ids=lambda case: f"{case.id} [{case.section}]")
def test_case(case: Case) -> None:
    check(case)


@pytest.mark.parametrize(
    ("text", "ahead"),
    [
        pytest.param(
            "include:a.test include:B.test ?include:c.test. -all", ["b.test", "c.test"], id="all but the first"
        ),
        pytest.param("a:x.test ip4:192.0.2.1 include:a.test -all", ["a.test"], id="what follows another term"),
        pytest.param(
            "include:a.test include:%{i}.test include:b.test", ["b.test"], id="no macros: they may never matter"
        ),
        pytest.param("include:a.test exists:b.test mx:c.test redirect=d.test", [], id="includes only"),
        pytest.param("ip4:192.0.2.0/24 include:a.test include:b.test", [], id="not what comes behind a match"),
        pytest.param(" ".join(f"include:{n}.test" for n in range(30)), [f"{n}.test" for n in range(1, 11)], id="ten"),
    ],
)
def test_included_records_are_looked_for_together(text: str, ahead: list[str]) -> None:
    """So that a message waits once for all of them (RFC 7208 4.6.4 bounds how many are asked for)."""
    resolver = SuiteResolver(zone(record(f"v=spf1 {text}")))
    verify_spf(facts(b"<u@example.com>", b"", CLIENT), resolver, 0.0, Trace())
    assert resolver.prefetched == [(name.encode(), RRType.TXT) for name in ahead]


def test_ten_records_are_looked_for_ahead_in_all() -> None:
    many = " ".join(f"include:{{}}{number}.example.com" for number in range(6))
    names = {"a0": [{"TXT": "v=spf1 " + many.format(*"bbbbbb")}], "b0": [{"TXT": "v=spf1 " + many.format(*"cccccc")}]}
    resolver = SuiteResolver(zone(record("v=spf1 " + many.format(*"aaaaaa"), **names)))
    verify_spf(facts(b"<u@example.com>", b"", CLIENT), resolver, 0.0, Trace())
    assert b" ".join(name[:2] for name, _ in resolver.prefetched) == b"a1 a2 a3 a4 a5 b1 b2 b3 b4 b5"
