"""Reading Authentication-Results (RFC 8601 2.2, standards E.1, E.3, E.5, H.4 R1)."""

from dataclasses import dataclass
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.limits import MAX_AUTH_RESULTS_OCTETS
from assay.message.auth_results import AuthResultsField, ResInfo, parse_auth_results
from support.ar_parser import parse as parse_strictly
from support.steps import steps


def info(
    method: str, result: str, *properties: tuple[str, str, str], version: int = 1, reason: str | None = None
) -> ResInfo:
    return ResInfo(method, version, result, reason, properties)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    id: str
    section: str
    value: bytes
    results: tuple[ResInfo, ...]
    authserv_id: str = "mx.example"
    version: int = 1


CASES = [
    Case(id="no result", section="RFC 8601 2.2", value=b" mx.example; none", results=()),
    Case(
        id="no result, a version, comments", section="RFC 8601 2.2", value=b"mx.example(a)1(b);(c)NONE(d)", results=()
    ),
    Case(
        id="the field that we emit",
        section="standards E.5",
        value=b" mx.example;\r\n\tspf=pass smtp.mailfrom=bounce.sender.example;\r\n"
        b"\tdkim=pass (2048-bit rsa key) header.d=sender.example header.i=@sender.example\r\n"
        b"\t header.s=s2026 header.a=rsa-sha256 header.b=Zm9vYmFy;\r\n"
        b"\tdmarc=pass (p=reject sp=quarantine) header.from=sender.example;\r\n"
        b"\tarc=none smtp.remote-ip=192.0.2.25",
        results=(
            info("spf", "pass", ("smtp", "mailfrom", "bounce.sender.example")),
            info(
                "dkim",
                "pass",
                ("header", "d", "sender.example"),
                ("header", "i", "@sender.example"),
                ("header", "s", "s2026"),
                ("header", "a", "rsa-sha256"),
                ("header", "b", "Zm9vYmFy"),
            ),
            info("dmarc", "pass", ("header", "from", "sender.example")),
            info("arc", "none", ("smtp", "remote-ip", "192.0.2.25")),
        ),
    ),
    Case(
        id="comments between all parts",
        section="standards E.1",
        value=b" (q) mx.example (r) 1 ; dkim (x) / 1 (y) = (z) fail policy (a) . (b) expired (c) = (d) 1362471462",
        results=(info("dkim", "fail", ("policy", "expired", "1362471462")),),
    ),
    Case(
        id="the version of a method",
        section="RFC 8601 2.2",
        value=b"mx.example; dkim/2=pass; spf/1=fail",
        results=(info("dkim", "pass", version=2), info("spf", "fail")),
    ),
    Case(
        id="the version of the field",
        section="RFC 8601 2.5",
        value=b"mx.example 2; spf=pass",
        results=(info("spf", "pass"),),
        version=2,
    ),
    Case(
        id="a reason, quoted, with a semicolon and an escaped quote",
        section="RFC 8601 2.2",
        value=b'mx.example; dkim=fail reason="a; dmarc=pass \\"b\\"" header.d=c.example',
        results=(info("dkim", "fail", ("header", "d", "c.example"), reason='a; dmarc=pass "b"'),),
    ),
    Case(
        id="a reason that is a token",
        section="RFC 8601 2.2",
        value=b"mx.example; dkim=fail (c) reason (c) = (c) expired",
        results=(info("dkim", "fail", reason="expired"),),
    ),
    Case(
        id="addresses as values",
        section="RFC 8601 2.2 pvalue",
        value=b"mx.example; spf=pass smtp.mailfrom=prvs=1=a/b.c@d.example smtp.rcptto=@e.example"
        b' header.from="a b"@f.example; dkim=pass header.i="@g.example"',
        results=(
            info(
                "spf",
                "pass",
                ("smtp", "mailfrom", "prvs=1=a/b.c@d.example"),
                ("smtp", "rcptto", "@e.example"),
                ("header", "from", '"a b"@f.example'),
            ),
            info("dkim", "pass", ("header", "i", "@g.example")),
        ),
    ),
    Case(
        id="names in any case",
        section="RFC 8601 2.2",
        value=b"MX.Example; DKIM=Pass Header.D=A.Example",
        results=(info("dkim", "pass", ("header", "d", "A.Example")),),
        authserv_id="MX.Example",
    ),
    Case(
        id="a quoted id with a space",
        section="RFC 8601 2.2",
        value=b'"mx \\"1\\"" ; spf=none',
        results=(info("spf", "none"),),
        authserv_id='mx "1"',
    ),
    Case(
        id="octets that are no UTF-8 are seen to be none",
        section="auth_results.py",
        value=b'mx\xff.example; spf=none reason="\xfc" smtp.helo=\xe4',
        results=(info("spf", "none", ("smtp", "helo", "\ufffd"), reason="\ufffd"),),
        authserv_id="mx\ufffd.example",
    ),
    Case(
        id="base64 and an IPv6 address unquoted",
        section="auth_results.py, first liberty",
        value=b"mx.example; dkim=pass header.b=ab/c+d==; arc=none smtp.remote-ip=2001:db8::1",
        results=(
            info("dkim", "pass", ("header", "b", "ab/c+d==")),
            info("arc", "none", ("smtp", "remote-ip", "2001:db8::1")),
        ),
    ),
    Case(
        id="a missing value",
        section="auth_results.py, second liberty",
        value=b"mx.example; spf=none smtp.mailfrom=; dkim=none",
        results=(info("spf", "none", ("smtp", "mailfrom", "")), info("dkim", "none")),
    ),
    Case(
        id="a property without ptype, and a comment as the only separator",
        section="auth_results.py, third liberty",
        value=b"mx.example 1; dmarc=pass (p=none pct=100) action=none header.from=a.example;"
        b" dkim=none (message not signed)header.d=none; compauth=pass reason=109; arc=none (0 spf=[1,1])",
        results=(
            info("dmarc", "pass", ("", "action", "none"), ("header", "from", "a.example")),
            info("dkim", "none", ("header", "d", "none")),
            info("compauth", "pass", reason="109"),
            info("arc", "none"),
        ),
    ),
    Case(
        id="a semicolon at the end",
        section="auth_results.py, fourth liberty",
        value=b"mx.example; spf=pass ; ",
        results=(info("spf", "pass"),),
    ),
    Case(
        id="a second reason, and one after a property, are properties",
        section="auth_results.py",
        value=b"mx.example; spf=pass reason=a reason=b; dkim=pass header.d=c reason=d",
        results=(
            info("spf", "pass", ("", "reason", "b"), reason="a"),
            info("dkim", "pass", ("header", "d", "c"), ("", "reason", "d")),
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_field(case: Case) -> None:
    assert parse_auth_results(case.value) == AuthResultsField(case.authserv_id, case.version, case.results)


UNREADABLE = {
    "nothing": b"",
    "no id": b"; spf=pass",
    "an empty quoted id": b'""; spf=pass',
    "only an id": b"mx.example",
    "an id and a semicolon": b"mx.example;",
    "no id, but a result": b"spf=pass; dkim=pass",
    "two ids": b"mx.example mx.example; spf=pass",
    "an id with a slash": b"mx.example/1; spf=pass",
    "an id with something glued to its quotes": b'"mx.example".x; spf=pass',
    "an id in brackets": b"[192.0.2.1]; spf=pass",
    "a version that is no number": b"mx.example 1a; spf=pass",
    "a version of ten digits": b"mx.example 1234567890; spf=pass",
    "two versions": b"mx.example 1 1; spf=pass",
    "none and a result": b"mx.example; none; spf=pass",
    "an empty result in the middle": b"mx.example; spf=pass;; dkim=pass",
    "two semicolons at the end": b"mx.example; spf=pass;;",
    "a method without a result": b"mx.example; spf",
    "a method with an empty result": b"mx.example; spf=",
    "a quoted method": b'mx.example; "spf"=pass',
    "a quoted result": b'mx.example; spf="pass"',
    "a result that is no keyword": b"mx.example; spf=pa+ss",
    "a method version that is no number": b"mx.example; spf/x=pass",
    "a ptype alone": b"mx.example; spf=pass smtp",
    "a property without a value": b"mx.example; spf=pass smtp.mailfrom",
    "a property without a name": b"mx.example; spf=pass smtp.=a",
    "a result with something glued to it": b"mx.example; spf=pass.x",
    "an open quote": b'mx.example; spf=pass reason="a',
    "an open comment": b"mx.example; spf=pass (a",
    "NUL": b"mx.example; spf=pass\0",
    "a bare LF": b"mx.example;\n spf=pass",
}


@pytest.mark.parametrize("value", UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable_fields_say_nothing(value: bytes) -> None:
    assert parse_auth_results(value) is None


def test_a_field_that_is_too_long_is_not_read() -> None:
    value = b"mx.example; spf=pass"
    assert parse_auth_results(value.ljust(MAX_AUTH_RESULTS_OCTETS)) is not None
    assert parse_auth_results(value.ljust(MAX_AUTH_RESULTS_OCTETS + 1)) is None


pieces = st.sampled_from(
    [b"mx.example", b";", b"spf", b"=", b"pass", b" ", b"(c)", b".", b"/", b"1", b'"q"', b"none", b"smtp", b"@", b"\0"]
)
values = st.one_of(st.binary(max_size=60), st.lists(pieces, max_size=16).map(b"".join))


@given(values)
def test_any_octets_are_a_field_or_none(value: bytes) -> None:
    field = parse_auth_results(value)
    assert field is None or field.authserv_id


keywords = st.from_regex(r"\A[a-z0-9](?:[a-z0-9-]{0,4}[a-z0-9])?\Z")
cfws = st.sampled_from([" ", " (c)", "(a(b))", "\r\n\t", " (\\)) "])
gaps = st.one_of(st.just(""), cfws)
tokens = st.from_regex(r"\A[A-Za-z0-9!#$%&'*+^_`{|}~.-]{1,8}\Z")
quoted = st.text('ab ;=@."\\(', max_size=8)


@st.composite
def fields(draw: st.DrawFn) -> tuple[str, tuple[ResInfo, ...]]:
    """Draw a field by the grammar, and what it says."""
    text, results = "mx.example", []
    for _ in range(draw(st.integers(1, 3))):
        method, result = draw(keywords), draw(keywords)
        gap = [draw(gaps) for _ in range(6)]
        text += f"{gap[0]};{gap[1]}{method}{gap[2]}={gap[3]}{result}"
        properties = []
        for _ in range(draw(st.integers(0, 3))):
            ptype = draw(st.sampled_from(["header", "smtp", "policy", "body"]))
            name, value = draw(keywords), draw(st.one_of(tokens, quoted))
            if value.isalnum() and draw(st.booleans()):
                value += "@d.example"
                written = value
            elif not value or any(octet in ' ;=@"\\(' for octet in value):
                written = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
            else:
                written = value
            text += f"{draw(cfws)}{ptype}{gap[4]}.{gap[5]}{name}={written}"
            properties.append((ptype, name, value))
        results.append(info(method, result, *properties))
    return text, tuple(results)


@given(fields())
def test_every_field_by_the_grammar_is_read(drawn: tuple[str, tuple[ResInfo, ...]]) -> None:
    text, results = drawn
    assert parse_auth_results(text.encode()) == AuthResultsField("mx.example", 1, results)


@given(fields())
def test_the_strict_reader_of_the_tests_agrees(drawn: tuple[str, tuple[ResInfo, ...]]) -> None:
    text, results = drawn
    strict = parse_strictly(text)
    assert [(one.method, one.result, one.reason, one.properties) for one in strict.results] == [
        (one.method, one.result, one.reason, one.properties) for one in results
    ]


@pytest.mark.parametrize("unit", [b"(", b'"', b"; a=b", b" c.d=e", b"=", b".", b"()", b"\\", b";"], ids=repr)
def test_work_grows_with_the_length_only(unit: bytes) -> None:
    few, many = (steps(partial(parse_auth_results, b"x; a=b" + unit * count)) for count in (300, 3000))
    assert many <= 10 * few + 100
