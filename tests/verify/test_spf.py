"""SPF through its front door: identities, limits, DNS, and what an attacker tries (RFC 7208, 8616; standards H.1)."""

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import pytest
import spf

from assay.answers import Answer, RRType
from assay.domain import Domain
from assay.facts import Client, Envelope, MessageFacts
from assay.limits import MAX_SPF_REASON, MAX_SPF_RECORD_OCTETS
from assay.results import SpfIdentity, SpfResult, SpfValue
from assay.trace import SpfDone, SpfTerm, Trace
from assay.verify.spf import check_host, verify_spf
from assay.verify.spf_query import HostCheck, SpfQuery
from support.suite_zone import SuiteResolver, zone

PASS, FAIL, SOFTFAIL, NEUTRAL, NONE, TEMPERROR, PERMERROR = (
    SpfValue.PASS,
    SpfValue.FAIL,
    SpfValue.SOFTFAIL,
    SpfValue.NEUTRAL,
    SpfValue.NONE,
    SpfValue.TEMPERROR,
    SpfValue.PERMERROR,
)
CLIENT = "192.0.2.1"
REVERSE = "1.2.0.192.in-addr.arpa"
Zone = dict[str, list[Any]]


def facts(mail_from: bytes, helo: bytes, client: str | None) -> MessageFacts:
    return MessageFacts(
        client=Client(address=None if client is None else ip_address(client)),
        envelope=Envelope(helo=helo, mail_from=mail_from),
        headers=(),
        receiver="mx.receiver.example",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One check.

    Attributes:
        asked: every query in order, where the claim is about queries; None where it is not.
        reason: part of the reason.
    """

    id: str
    section: str
    zone: Zone = field(default_factory=dict)
    value: SpfValue
    mail_from: bytes = b"<user@example.com>"
    helo: bytes = b"mail.example.net"
    client: str | None = CLIENT
    identity: SpfIdentity = SpfIdentity.MAILFROM
    domain: str | None = "example.com"
    asked: tuple[str, ...] | None = None
    reason: str = ""


def record(text: str, **names: list[Any]) -> Zone:
    """Zone data in which example.com has the record; the other names are its subdomains."""
    return {"example.com": [{"TXT": text}]} | {f"{label}.example.com": rrs for label, rrs in names.items()}


ADDRESS: list[Any] = [{"A": CLIENT}]
OTHER: list[Any] = [{"A": "198.51.100.9"}]
DEAD: list[Any] = ["TIMEOUT"]
ALLOWED = record("v=spf1 ip4:192.0.2.0/24 -all")

IDENTITIES = [
    Case(
        id="the MAIL FROM identity is checked and matches",
        section="RFC 7208 2.4",
        zone=ALLOWED,
        value=PASS,
        asked=("TXT example.com",),
        reason='matched "ip4:192.0.2.0/24" in the record of example.com',
    ),
    Case(
        id="the domain is compared in lower case and without the final dot",
        section="standards H.1 E12",
        zone=ALLOWED,
        mail_from=b"<user@EXAMPLE.Com>",
        value=PASS,
    ),
    Case(
        id="a null sender whose HELO passes is a pass of HELO",
        section="RFC 7208 2.4",
        zone={"mail.example.net": [{"TXT": "v=spf1 ip4:192.0.2.1 -all"}]},
        mail_from=b"<>",
        value=PASS,
        identity=SpfIdentity.HELO,
        domain="mail.example.net",
    ),
    Case(
        id="a null sender is postmaster at the HELO name",
        section="RFC 7208 2.4",
        zone={
            "mail.example.net": [{"TXT": "v=spf1 exists:%{l}.at.%{o} -all"}],
            "postmaster.at.mail.example.net": ADDRESS,
        },
        mail_from=b"<>",
        value=PASS,
        identity=SpfIdentity.HELO,
        domain="mail.example.net",
    ),
    Case(
        id="a null sender whose HELO has no record is none",
        section="RFC 7208 4.5",
        mail_from=b"<>",
        value=NONE,
        identity=SpfIdentity.HELO,
        domain="mail.example.net",
        reason="mail.example.net has no SPF record",
    ),
    Case(
        id="a null sender with an address literal as HELO is none without a look-up",
        section="RFC 7208 2.3",
        mail_from=b"<>",
        helo=b"[192.0.2.1]",
        value=NONE,
        identity=SpfIdentity.HELO,
        domain=None,
        asked=(),
        reason="HELO names no domain",
    ),
    Case(
        id="a null sender with a HELO of one label is none without a look-up",
        section="RFC 7208 4.3",
        mail_from=b"<>",
        helo=b"localhost",
        value=NONE,
        identity=SpfIdentity.HELO,
        domain=None,
        asked=(),
    ),
    Case(
        id="a null sender without HELO is none without a look-up",
        section="RFC 7208 2.4",
        mail_from=b"<>",
        helo=b"",
        value=NONE,
        identity=SpfIdentity.HELO,
        domain=None,
        asked=(),
    ),
    Case(
        id="a HELO with a record does not speak for MAIL FROM of another domain",
        section="standards H.1 E1",
        zone={"mail.example.net": [{"TXT": "v=spf1 +all"}]},
        value=NONE,
        asked=("TXT example.com",),
    ),
    Case(
        id="a subdomain that does not exist takes no record from its parent",
        section="standards H.1 E2",
        zone=record("v=spf1 +all"),
        mail_from=b"<any@nonexist.example.com>",
        value=NONE,
        domain="nonexist.example.com",
        asked=("TXT nonexist.example.com",),
    ),
    Case(
        id="an unclosed comment as local part is unusable, not null",
        section="standards H.1 E3",
        zone={"mail.example.net": [{"TXT": "v=spf1 +all"}]} | record("v=spf1 +all"),
        mail_from=b"<(any@example.com>",
        value=NONE,
        domain=None,
        asked=(),
        reason="MAIL FROM is unusable",
    ),
    *(
        Case(
            id=f"a domain with specials is never asked for: {path.decode()}",
            section="standards H.1 E4",
            zone={"a.atk.example": [{"TXT": "v=spf1 +all"}], "atk.example": [{"TXT": "v=spf1 +all"}]},
            mail_from=path,
            value=NONE,
            domain=None,
            asked=(),
        )
        for path in (
            b"<any@brand.example(a.atk.example>",
            b"<x@brand.example'@a.atk.example>",
            b"<@brand.example,@b:'x@atk.example(>",
            b"<any@brand.example; dkim=pass header.d=brand.example>",
        )
    ),
    Case(
        id="a source route is stripped",
        section="standards H.1 E5",
        zone=ALLOWED,
        mail_from=b"<@relay.example.net,@b.example.net:user@example.com>",
        value=PASS,
        asked=("TXT example.com",),
    ),
    Case(
        id="an address literal as MAIL FROM domain is none without a look-up",
        section="RFC 7208 4.3",
        mail_from=b"<user@[192.0.2.1]>",
        value=NONE,
        domain=None,
        asked=(),
    ),
    Case(
        id="a MAIL FROM domain of one label is none without a look-up",
        section="RFC 7208 4.3",
        mail_from=b"<user@localhost>",
        value=NONE,
        domain=None,
        asked=(),
        reason="MAIL FROM has a domain of one label",
    ),
    Case(
        id="a MAIL FROM domain over 253 octets is none without a look-up",
        section="RFC 7208 4.3",
        mail_from=b"<user@" + b"a." * 130 + b"example>",
        value=NONE,
        domain=None,
        asked=(),
    ),
    Case(
        id="a MAIL FROM without a domain is none without a look-up",
        section="RFC 7208 4.3",
        mail_from=b"<postmaster>",
        value=NONE,
        domain=None,
        asked=(),
    ),
    Case(
        id="a U-label domain is asked for as A-labels",
        section="RFC 8616 4",
        zone={"xn--bcher-kva.example": [{"TXT": "v=spf1 exists:%{s}.at -all"}], "u@xn--bcher-kva.example.at": ADDRESS},
        mail_from="<u@Bücher.example>".encode(),
        value=PASS,
        domain="xn--bcher-kva.example",
    ),
    Case(
        id="a client without address is none without a look-up",
        section="RFC 7208 4.1",
        zone=ALLOWED,
        client=None,
        value=NONE,
        asked=(),
        reason="local submission",
    ),
    Case(
        id="an IPv4-mapped client is an IPv4 client",
        section="RFC 7208 5",
        zone=record("v=spf1 -ip6:::/0 a -all") | {"example.com": [{"TXT": "v=spf1 -ip6:::/0 a -all"}, {"A": CLIENT}]},
        client="::ffff:192.0.2.1",
        value=PASS,
        asked=("TXT example.com", "A example.com"),
    ),
]

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

MACROS = [
    Case(
        id="a local part that is not ASCII matches no term with %{l}, %{s} or %{L}",
        section="RFC 8616 4",
        zone=record("v=spf1 exists:%{l}.example.com include:%{s}.x.example.com a:%{L}.y.example.com ?all"),
        mail_from="<ü@example.com>".encode(),
        value=NEUTRAL,
        asked=("TXT example.com",),
    ),
    Case(
        id="a redirect by a local part that is not ASCII is not followed",
        section="RFC 8616 4",
        zone=record("v=spf1 redirect=%{l}.example.com"),
        mail_from="<ü@example.com>".encode(),
        value=NEUTRAL,
        asked=("TXT example.com",),
    ),
    Case(
        id="a HELO that is not ASCII matches no term with %{h}",
        section="RFC 8616 4",
        zone=record("v=spf1 exists:%{h} -all"),
        helo=b"m\xfcller.example",
        value=FAIL,
        asked=("TXT example.com",),
    ),
    Case(
        id="dots in a local part are labels, and two of them make no name",
        section="standards H.1 E7",
        zone=record("v=spf1 exists:%{l}.x.example.com -all"),
        mail_from=b'<"a..b"@example.com>',
        value=FAIL,
        asked=("TXT example.com",),
    ),
    Case(
        id="the quotes of a local part do not belong to it",
        section="RFC 5321 4.1.2",
        zone=record("v=spf1 exists:%{l}.x.example.com -all") | {'a b"c.x.example.com': ADDRESS},
        mail_from=b'<"a b\\"c"@example.com>',
        value=PASS,
    ),
    Case(
        id="an over-long label from a local part makes no name",
        section="standards H.1 E7",
        zone=record("v=spf1 exists:%{l}.x.example.com -all"),
        mail_from=b"<" + b"a" * 64 + b"@example.com>",
        value=FAIL,
        asked=("TXT example.com",),
    ),
    Case(
        id="a percent sign in a local part is no macro",
        section="standards H.1 E7",
        zone=record("v=spf1 exists:%{l}.x.example.com -all") | {"%{d}.x.example.com": ADDRESS},
        mail_from=b"<%{d}@example.com>",
        value=PASS,
    ),
    Case(
        id="a name over 253 octets loses labels from the left",
        section="RFC 7208 7.3",
        zone=record("v=spf1 exists:" + "%{d}." * 24 + "example.com -all") | {".".join(["example.com"] * 21): ADDRESS},
        value=PASS,
    ),
    Case(
        id="%{p} is the domain itself before a subdomain before any other name",
        section="RFC 7208 7.3",
        zone=record("v=spf1 exists:%{p}.is.example.com -all", a=ADDRESS)
        | {
            "example.com": [{"TXT": "v=spf1 exists:%{p}.is.example.com -all"}, {"A": CLIENT}],
            "other.example": ADDRESS,
            REVERSE: [{"PTR": "other.example"}, {"PTR": "a.example.com"}, {"PTR": "EXAMPLE.com"}],
            "example.com.is.example.com": ADDRESS,
        },
        value=PASS,
    ),
    Case(
        id="a macro with an upper-case R reverses",
        section="RFC 7208 7.1",
        zone=record("v=spf1 exists:%{d1R}.x.example.com -all") | {"example.x.example.com": ADDRESS},
        value=PASS,
    ),
]

CASES = [*IDENTITIES, *RECORDS, *LIMITS, *DNS, *MACROS]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.id} [{case.section}]")
def test_case(case: Case) -> None:
    resolver, trace = SuiteResolver(zone(case.zone)), Trace()

    result = verify_spf(facts(case.mail_from, case.helo, case.client), resolver, 0.0, trace)

    assert (result.value, result.reason) == (case.value, result.reason)
    assert case.reason in result.reason
    assert result.identity is case.identity
    assert (None if result.domain is None else result.domain.name) == case.domain
    if case.asked is not None:
        assert [f"{rrtype} {name.decode()}" for name, rrtype in resolver.queries] == list(case.asked)
    assert list(trace)[-1] == SpfDone(result)


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


def test_a_reason_is_printable_and_bounded() -> None:
    data = record("v=spf1 exists:%{l}.example.com -all") | {"x\x07\x1b[2J.example.com": DEAD}
    result = check_host(ask(local=b"x\x07\x1b[2J"), SuiteResolver(zone(data)), Trace())
    assert result.reason == "look-up of A x[2J.example.com failed: timeout"

    long = "v=spf1 ip4:192.0.2.0/24 " + "x" * 5000
    result = check_host(ask(), SuiteResolver(zone(record(long))), Trace())
    assert result.reason.startswith('in the record of example.com: unknown mechanism "xxx')
    assert len(result.reason) <= MAX_SPF_REASON


def test_the_reason_of_a_long_term_is_capped() -> None:
    term = "exists:" + "x" * 300 + ".%{i}.example.com"
    result = check_host(ask(), SuiteResolver(zone(record(f"v=spf1 ?{term} -{term} -all"))), Trace())
    assert result == check_host(ask(), SuiteResolver(zone(record("v=spf1 -all"))), Trace())


def ask(*, local: bytes = b"user", explain: bool = False, now: float = 0.0) -> HostCheck:
    return HostCheck(
        client=ip_address(CLIENT),
        domain=Domain.parse("example.com"),
        local=local,
        helo=b"mail.example.net",
        receiver="mx.receiver.example",
        now=now,
        explain=explain,
    )


@pytest.mark.parametrize(
    ("why", "text", "local", "explanation"),
    [
        ("%{c} and %{r} are client and receiver", "%{c} %{r}", b"u", "192.0.2.1 mx.receiver.example"),
        ("%{t} is the time handed in", "%{t}", b"u", "981173106"),
        ("text keeps its final dot and its length", "x" * 300 + ".", b"u", ("x" * 300 + ".")[:250]),
        ("control characters make it void", "a\x1b[31mc", b"u", None),
        ("control characters of the local part are left out", "by %{l}", b"a\x1b[31mc", "by a[31mc"),
        ("a local part that is not ASCII makes it void", "by %{l}", b"\xc3\xbc", None),
        ("a macro of no meaning makes it void", "%{x}", b"u", None),
        ("an empty text is none", "", b"u", None),
    ],
)
def test_explanation(why: str, text: str, local: bytes, explanation: str | None) -> None:
    data = record("v=spf1 exp=why.example.com -all", why=[{"TXT": text}])
    outcome = check_host(ask(local=local, explain=True, now=981173106.9), SuiteResolver(zone(data)), Trace())
    assert (outcome.value, outcome.explanation) == (FAIL, explanation), why


def test_a_softfail_has_no_explanation() -> None:
    resolver = SuiteResolver(zone(record("v=spf1 exp=why.example.com ~all", why=[{"TXT": "Because."}])))
    assert check_host(ask(explain=True), resolver, Trace()).explanation is None
    assert len(resolver.queries) == 1


def test_a_fail_without_exp_has_no_explanation() -> None:
    resolver = SuiteResolver(zone(record("v=spf1 -all")))
    assert check_host(ask(explain=True), resolver, Trace()).explanation is None


def test_no_clock_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def clock() -> float:
        raise AssertionError("SPF read the wall clock")

    monkeypatch.setattr(spf.time, "time", clock)
    monkeypatch.setattr(spf, "DNSLookup", clock)
    result = verify_spf(facts(b"<u@example.com>", b"", CLIENT), SuiteResolver(zone(ALLOWED)), 0.0, Trace())
    assert result.value is PASS


def test_the_state_of_pyspf_is_whole() -> None:
    """Our initialiser stands in for pyspf's; what a new version adds must be added there."""
    theirs = vars(spf.query(i=CLIENT, s="user@example.com", h="mail.example.net", receiver="mx.receiver.example"))
    ours = vars(SpfQuery(ask(), SuiteResolver({}), Trace()))
    assert set(theirs) <= set(ours)
    same = set(theirs) - {"t", "timeout", "default_modifier"}
    assert {key: ours[key] for key in same} == {key: theirs[key] for key in same}


class Broken:
    """A resolver with a fault of ours."""

    def resolve(self, name: bytes, rrtype: RRType) -> Answer:
        raise IndexError(name, rrtype)

    def prefetch(self, name: bytes, rrtype: RRType) -> None:
        raise IndexError(name, rrtype)


def test_a_fault_of_the_resolver_is_ours_and_passes_through_pyspf() -> None:
    with pytest.raises(IndexError):
        verify_spf(facts(b"<u@example.com>", b"", CLIENT), Broken(), 0.0, Trace())


def test_a_fault_in_looking_ahead_is_ours_too(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = SuiteResolver(zone(record("v=spf1 include:a.test include:b.test")))
    monkeypatch.setattr(resolver, "prefetch", Broken().prefetch)
    with pytest.raises(IndexError):
        verify_spf(facts(b"<u@example.com>", b"", CLIENT), resolver, 0.0, Trace())


def test_a_lack_of_memory_says_nothing_about_the_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    def lack(*_: object) -> object:
        raise MemoryError

    monkeypatch.setattr(SpfQuery, "check0", lack)
    with pytest.raises(MemoryError):
        verify_spf(facts(b"<u@example.com>", b"", CLIENT), SuiteResolver({}), 0.0, Trace())


def test_an_exception_of_pyspf_is_a_permerror_never_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def leak(*_: object) -> object:
        raise IndexError("list index out of range")

    monkeypatch.setattr(SpfQuery, "check0", leak)
    result = verify_spf(facts(b"<u@example.com>", b"", CLIENT), SuiteResolver({}), 0.0, Trace())
    assert result == SpfResult(
        value=PERMERROR,
        identity=SpfIdentity.MAILFROM,
        domain=Domain.parse("example.com"),
        reason="pyspf failed with IndexError",
    )
