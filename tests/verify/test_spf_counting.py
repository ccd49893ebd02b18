"""What counts among the look-ups of SPF and what does not, whose name ``%{p}`` is, and who explains what."""

from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any

import pytest

from assay.domain import Domain
from assay.results import SpfValue
from assay.trace import SpfTerm, Trace
from assay.verify.spf import SpfOutcome, check_host
from assay.verify.spf_query import HostCheck
from support.suite_zone import SuiteResolver, zone

PASS, FAIL, NEUTRAL, NONE = SpfValue.PASS, SpfValue.FAIL, SpfValue.NEUTRAL, SpfValue.NONE
CLIENT = "192.0.2.1"
REVERSE = "1.2.0.192.in-addr.arpa"
OURS: list[Any] = [{"A": CLIENT}]
OTHER: list[Any] = [{"A": "198.51.100.9"}]
DEAD: list[Any] = ["TIMEOUT"]
Zone = dict[str, list[Any]]
ASKED = HostCheck(
    client=ip_address(CLIENT),
    domain=Domain.parse("example.com"),
    local=b"user",
    helo=b"mail.example.net",
    receiver="mx.receiver.example",
    now=0.0,
    explain=True,
)


def check(text: str, names: Zone, *, local: bytes = b"user", trace: Trace | None = None) -> SpfOutcome:
    """Evaluate a record of example.com."""
    return check_host(
        replace(ASKED, local=local), SuiteResolver(zone({"example.com": [{"TXT": text}]} | names)), trace or Trace()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a record comes to."""

    id: str
    section: str
    record: str
    names: Zone
    value: SpfValue


CASES = [
    Case(
        id="ten are counted for five terms with %{p}",
        section="RFC 7208 4.6.4",
        record="v=spf1" + " a:%{p}.at.example.com" * 5 + " ip4:192.0.2.1 -all",
        names={"unknown.at.example.com": OTHER, REVERSE: [{"PTR": "host.example.org"}]},
        value=PASS,
    ),
    Case(
        id="no other macro counts",
        section="RFC 7208 4.6.4",
        record="v=spf1" + " a:%{l}.%{d}" * 9 + " a:me.%{d} -all",
        names={"user.example.com": OTHER, "me.example.com": OURS},
        value=PASS,
    ),
    Case(
        id="ten MX names are asked for",
        section="RFC 7208 4.6.4",
        record="v=spf1 mx:mx.example.com -all",
        names={"mx.example.com": [{"MX": [n, f"m{n}.example.com"]} for n in range(10)], "m9.example.com": OURS},
        value=PASS,
    ),
    Case(
        id="a name of the client that cannot be looked up is not validated",
        section="RFC 7208 5.5",
        record="v=spf1 ptr -all",
        names={REVERSE: [{"PTR": "dead.example.com"}], "dead.example.com": DEAD},
        value=FAIL,
    ),
    Case(
        id="%{p} is a name below the domain before any other name",
        section="RFC 7208 7.3",
        record="v=spf1 exists:%{p}.is.example.com -all",
        names={
            REVERSE: [{"PTR": "other.example"}, {"PTR": "A.Example.com"}],
            "other.example": OURS,
            "a.example.com": OURS,
            "a.example.com.is.example.com": OTHER,
        },
        value=PASS,
    ),
    Case(
        id="%{p} is any validated name where none is below the domain",
        section="RFC 7208 7.3",
        record="v=spf1 exists:%{p}.is.example.com -all",
        names={
            REVERSE: [{"PTR": "gone.example.com"}, {"PTR": "other.example"}],
            "other.example": OURS,
            "other.example.is.example.com": OTHER,
        },
        value=PASS,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.id} [{case.section}]")
def test_case(case: Case) -> None:
    outcome = check(case.record, case.names)

    assert outcome.value is case.value, outcome.reason


EXPLAINING = "v=spf1 -all exp=why.example.com"
TEN_TERMS = "v=spf1" + " a:other.example.com" * 10

NOT_EXPLAINED = [
    pytest.param(FAIL, EXPLAINING, DEAD, id="the name of the text cannot be looked up"),
    pytest.param(FAIL, EXPLAINING, [{"TXT": "Füße"}], id="the text is not ASCII"),
    pytest.param(
        FAIL,
        f"{TEN_TERMS} -all exp=%{{p}}.example.com",
        [{"TXT": "Because."}],
        id="the name of the text asks for one more than ten look-ups",
    ),
    pytest.param(NEUTRAL, "v=spf1 redirect=%{l}.example.com exp=why.example.com", [], id="a redirect is not followed"),
    pytest.param(NEUTRAL, "v=spf1 exp=why.example.com", [{"TXT": "Because."}], id="no term matches"),
    pytest.param(NONE, "other text", [], id="there is no record"),
]


@pytest.mark.parametrize(("value", "text", "why"), NOT_EXPLAINED)
def test_without_an_explanation_the_result_stands(value: SpfValue, text: str, why: list[Any]) -> None:
    """RFC 7208 6.2: trouble with exp= changes no result; and only a fail has an explanation."""
    names: Zone = {"why.example.com": why, "unknown.example.com": why, "other.example.com": OTHER}

    outcome = check(text, names, local="ü".encode())

    assert (outcome.value, outcome.explanation) == (value, None)


def test_macros_of_an_explanation_are_not_counted() -> None:
    """RFC 7208 4.6.4 limits what is evaluated; the text of a fail is not."""
    names: Zone = {"why.example.com": [{"TXT": "%{p} it was"}], "other.example.com": OTHER}

    outcome = check(f"{TEN_TERMS} -all exp=why.example.com", names)

    assert (outcome.value, outcome.explanation) == (FAIL, "unknown it was")


def test_a_record_that_is_included_explains_nothing() -> None:
    """RFC 7208 6.2: its exp= is not even looked up."""
    included = [{"TXT": "v=spf1 -all exp=why.example.com"}]
    data = zone({"example.com": [{"TXT": "v=spf1 include:i.example.com -all"}], "i.example.com": included})
    resolver = SuiteResolver(data)

    assert check_host(ASKED, resolver, Trace()).value is FAIL
    assert len(resolver.queries) == 2


def test_networks_are_steps_like_every_term() -> None:
    trace = Trace()

    check("v=spf1 ip6:2001:db8::/32 ip4:198.51.100.0/24 ~ip4:192.0.2.0/24 -all", {}, trace=trace)

    assert list(trace) == [
        SpfTerm("example.com", "ip6:2001:db8::/32", "no match"),
        SpfTerm("example.com", "ip4:198.51.100.0/24", "no match"),
        SpfTerm("example.com", "~ip4:192.0.2.0/24", "softfail"),
    ]
