"""SPF macros, and the explanation that is made of them (RFC 7208 6.2, 7)."""

import pytest

from assay.trace import Trace
from assay.verify.spf import check_host
from support.spf_cases import (
    ADDRESS,
    CLIENT,
    FAIL,
    NEUTRAL,
    PASS,
    REVERSE,
    Case,
    ask,
    check,
    record,
)
from support.suite_zone import SuiteResolver, zone

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


@pytest.mark.parametrize("case", MACROS, ids=lambda case: f"{case.id} [{case.section}]")
def test_case(case: Case) -> None:
    check(case)


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
