"""Each rule of RFC 7208 that until here only the public suite held, as a claim of our own (standards A.2, A.3).

The suite lies beside the project and is skipped where it is missing; what a record means must not depend on that.
"""

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import pytest

from assay.domain import Domain
from assay.results import SpfValue
from assay.trace import Trace
from assay.verify.spf import check_host
from assay.verify.spf_query import HostCheck
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
V4, V6, OTHER = "192.0.2.1", "2001:db8::cb01", "198.51.100.9"
REVERSE_V4 = "1.2.0.192.in-addr.arpa"
NIBBLES = "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"
TEN_TERMS = " ".join(f"a:{number}.example" for number in range(10))
Zone = dict[str, list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A record of example.com, and what it says of the client.

    Attributes:
        names: the rest of the DNS.
        asked: queries that must be among those made.
        unasked: queries that must not.
    """

    id: str
    section: str
    record: str
    value: SpfValue
    names: Zone = field(default_factory=dict)
    client: str = V4
    local: bytes = b"user"
    asked: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()


def including(inner: str, value: SpfValue, says: str) -> Case:
    return Case(
        id=f"an include whose record says {says}",
        section="standards A.2 include; RFC 7208 5.2",
        record="v=spf1 include:inner.example -all",
        names={"inner.example": [{"TXT": inner}]},
        value=value,
    )


def reverse(name: str, target: str, value: SpfValue, how: str) -> Case:
    return Case(
        id=f"ptr: a confirmed name that is {how} the target",
        section="standards A.2 ptr; RFC 7208 5.5",
        record=f"v=spf1 ptr:{target} -all",
        names={REVERSE_V4: [{"PTR": name}], name: [{"A": V4}]},
        value=value,
    )


CASES = [
    # The algorithm
    Case(
        id="a domain that does not exist has no record",
        section="standards A.2.1; RFC 7208 4.3",
        record="",
        value=NONE,
    ),
    Case(
        id="the strings of a TXT record are joined without a separator",
        section="standards A.2.3; RFC 7208 3.3",
        record="",
        names={"example.com": [{"TXT": ["v=spf1 ip4:192.0", ".2.1 -all"]}]},
        value=PASS,
    ),
    Case(
        id="an octet outside of ASCII spoils the record",
        section="standards A.2.3; RFC 7208 3.1",
        record="v=spf1 ip4:192.0.2.1 x=\xe9",
        value=PERMERROR,
    ),
    Case(
        id="the version is compared in any case",
        section="standards A.2.4; RFC 7208 4.5",
        record="V=sPf1 +all",
        value=PASS,
    ),
    Case(id="+ is pass", section="standards A.2.6; RFC 7208 4.6.2", record="v=spf1 +ip4:192.0.2.1 -all", value=PASS),
    Case(id="- is fail", section="standards A.2.6; RFC 7208 4.6.2", record="v=spf1 -ip4:192.0.2.1 +all", value=FAIL),
    Case(
        id="~ is softfail",
        section="standards A.2.6; RFC 7208 4.6.2",
        record="v=spf1 ~ip4:192.0.2.1 +all",
        value=SOFTFAIL,
    ),
    Case(
        id="? is neutral", section="standards A.2.6; RFC 7208 4.6.2", record="v=spf1 ?ip4:192.0.2.1 +all", value=NEUTRAL
    ),
    Case(
        id="the first match ends the evaluation",
        section="standards A.2.6; RFC 7208 4.6.2",
        record="v=spf1 ip4:192.0.2.1 -ip4:192.0.2.0/24 a:never.example -all",
        value=PASS,
        unasked=("A never.example",),
    ),
    Case(
        id="no match and no redirect is neutral",
        section="standards A.2.7; RFC 7208 4.7",
        record="v=spf1 ip4:198.51.100.9",
        value=NEUTRAL,
    ),
    Case(
        id="a redirect is followed where nothing matched",
        section="standards A.2.7; RFC 7208 6.1",
        record="v=spf1 redirect=other.example ip4:198.51.100.9",
        names={"other.example": [{"TXT": "v=spf1 ip4:192.0.2.1 -all"}]},
        value=PASS,
    ),
    Case(
        id="a redirect is not looked at where the record has all, wherever it stands",
        section="standards A.2.7; RFC 7208 5.1, 6.1",
        record="v=spf1 redirect=other.example ?all",
        names={"other.example": [{"TXT": "v=spf1 +all"}]},
        value=NEUTRAL,
        unasked=("TXT other.example",),
    ),
    Case(
        id="what stands behind all is not evaluated",
        section="standards A.2.7; RFC 7208 5.1",
        record="v=spf1 -all a:never.example",
        names={"never.example": [{"A": V4}]},
        value=FAIL,
        unasked=("A never.example",),
    ),
    Case(
        id="what stands behind all must keep the grammar",
        section="standards A.2.7; RFC 7208 4.6",
        record="v=spf1 +all ip4:nowhere",
        value=PERMERROR,
    ),
    Case(
        id="redirect twice",
        section="standards A.2.8; RFC 7208 6",
        record="v=spf1 +all redirect=a.example redirect=a.example",
        value=PERMERROR,
    ),
    Case(
        id="exp twice",
        section="standards A.2.8; RFC 7208 6",
        record="v=spf1 +all exp=a.example exp=a.example",
        value=PERMERROR,
    ),
    Case(
        id="an unknown mechanism",
        section="standards A.2.8; RFC 7208 4.6.1",
        record="v=spf1 whatever:example.com +all",
        value=PERMERROR,
    ),
    # Mechanisms
    including("v=spf1 +all", PASS, "pass matches"),
    including("v=spf1 -all", FAIL, "fail does not match"),
    including("v=spf1 ~all", FAIL, "softfail does not match"),
    including("v=spf1 ?all", FAIL, "neutral does not match"),
    including("v=spf1 whatever", PERMERROR, "permerror is one"),
    including("no record of SPF", PERMERROR, "nothing is a permerror"),
    Case(
        id="an include that cannot be looked up is a temperror",
        section="standards A.2 include; RFC 7208 5.2",
        record="v=spf1 include:inner.example +all",
        names={"inner.example": ["TIMEOUT"]},
        value=TEMPERROR,
    ),
    Case(
        id="a asks for the address type of the client",
        section="standards A.2 a; RFC 7208 5.3",
        record="v=spf1 a:host.example -all",
        names={"host.example": [{"A": V4}, {"AAAA": V6}]},
        client=V6,
        value=PASS,
        asked=("AAAA host.example",),
        unasked=("A host.example",),
    ),
    Case(
        id="exists asks for A whatever the client, and any answer matches",
        section="standards A.2 exists; RFC 7208 5.7",
        record="v=spf1 exists:there.example -all",
        names={"there.example": [{"A": "203.0.113.77"}]},
        client=V6,
        value=PASS,
        asked=("A there.example",),
    ),
    Case(
        id="mx without MX records does not fall back to the address of the name",
        section="standards A.2 mx; RFC 7208 5.4",
        record="v=spf1 mx -all",
        names={"example.com": [{"A": V4}]},
        value=FAIL,
        unasked=("A example.com",),
    ),
    reverse("example.com", "example.com", PASS, "the same as"),
    reverse("mail.example.com", "example.com", PASS, "a subdomain of"),
    reverse("example.com", "mail.example.com", FAIL, "a parent of"),
    reverse("badexample.com", "example.com", FAIL, "no more than spelled like"),
    Case(
        id="ptr: a name that does not lead back to the client",
        section="standards A.2 ptr; RFC 7208 5.5",
        record="v=spf1 ptr -all",
        names={REVERSE_V4: [{"PTR": "example.com"}], "example.com": [{"A": OTHER}]},
        value=FAIL,
    ),
    Case(
        id="a name that does not exist is an empty answer of a, mx and exists",
        section="standards A.2 errors; RFC 7208 5",
        record="v=spf1 a:none.example exists:none.example ip4:192.0.2.1 -all",
        value=PASS,
        asked=("A none.example",),
    ),
    Case(
        id="ip4 never holds an IPv6 client, nor ip6 an IPv4 client",
        section="standards A.1.6; RFC 7208 5.6",
        record="v=spf1 ip4:0.0.0.0/0 -all",
        client=V6,
        value=FAIL,
    ),
    # Macros
    Case(
        id="%{i} of IPv6 is 32 nibbles with dots",
        section="standards A.2 macros; RFC 7208 7.3",
        record="v=spf1 exists:%{ir}.%{v}.example -all",
        names={f"{NIBBLES}.ip6.example": [{"A": "127.0.0.2"}]},
        client=V6,
        value=PASS,
    ),
    Case(
        id="%{p} of a client without a confirmed name is unknown",
        section="standards A.2 macros; RFC 7208 7.3",
        record="v=spf1 exists:%{p}.example -all",
        names={"unknown.example": [{"A": "127.0.0.2"}]},
        value=PASS,
    ),
    Case(
        id="a macro is split, reversed and cut from the left",
        section="standards A.2 macros; RFC 7208 7.3, 7.4",
        record="v=spf1 exists:%{l1r+-}.%{d2}.example -all",
        local=b"strong-bad+tag",
        names={"strong.example.com.example": [{"A": "127.0.0.2"}]},
        value=PASS,
    ),
    Case(
        id="% in front of anything else",
        section="standards A.2 macros; RFC 7208 7.1",
        record="v=spf1 exists:%x.example.com +all",
        value=PERMERROR,
    ),
    # Limits
    Case(
        id="the record itself, ip4, ip6, all and exp do not count among the ten terms",
        section="standards A.3; RFC 7208 4.6.4",
        record=f"v=spf1 {TEN_TERMS} ip4:{OTHER} ip6:{V6} -all exp=x.example",
        names={f"{number}.example": [{"A": OTHER}] for number in range(10)} | {"x.example": [{"TXT": "Because."}]},
        value=FAIL,
        asked=("A 9.example", "TXT x.example"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.id} [{case.section}]")
def test_a_record_means(case: Case) -> None:
    own = [{"TXT": case.record}] if case.record else []
    names = {name: [*(own if name == "example.com" else []), *records] for name, records in case.names.items()}
    resolver = SuiteResolver(zone({"example.com": own} | names if own else names))
    check = HostCheck(
        client=ip_address(case.client),
        domain=Domain.parse("example.com"),
        local=case.local,
        helo=b"mail.example.net",
        receiver="mx.receiver.example",
        now=0.0,
        explain=True,
    )

    outcome = check_host(check, resolver, Trace())

    assert (outcome.value, outcome.reason) == (case.value, outcome.reason)
    queries = {f"{rrtype} {name.decode()}" for name, rrtype in resolver.queries}
    assert queries >= set(case.asked)
    assert queries.isdisjoint(case.unasked)
