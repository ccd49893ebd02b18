"""SPF through its front door: identities, reasons, and faults that are none of the sender's (RFC 7208 2, 8616)."""

import pytest
import spf

from assay.answers import Answer, RRType
from assay.domain import Domain
from assay.limits import MAX_SPF_REASON
from assay.results import SpfIdentity, SpfResult
from assay.trace import Trace
from assay.verify.spf import check_host, verify_spf
from assay.verify.spf_query import SpfQuery
from support.spf_cases import (
    ADDRESS,
    ALLOWED,
    CLIENT,
    DEAD,
    NONE,
    PASS,
    PERMERROR,
    Case,
    ask,
    check,
    facts,
    record,
)
from support.suite_zone import SuiteResolver, zone

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


@pytest.mark.parametrize("case", IDENTITIES, ids=lambda case: f"{case.id} [{case.section}]")
def test_case(case: Case) -> None:
    check(case)


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
