"""The client against a real server on loopback: every sentence of issue 2 point 4 (docs/library-traps.md N1 to N7)."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from ipaddress import IPv4Address
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from assay.answers import Absent, Answer, Found, Mx, RRType, Unavailable
from assay.dns.client import DnsClient
from assay.dns.nameservers import Nameserver
from support.dnsserver import DnsServer, Exchange, Reply, rcode, slow

ZONE = r"""
a.test.        60 TXT   "hello " "world"
zero.test.      0 TXT   "now"
mx.test.       60 MX    10 Mail.test.
mail.test.     60 A     192.0.2.1
mail.test.     60 AAAA  2001:db8::1
ptr.test.      60 PTR   mail.test.
UPPER.Test.    60 TXT   "upper"
www.test.      20 CNAME a.test.
far.test.      60 CNAME www.test.
zeroalias.test. 0 CNAME a.test.
lost.test.     20 CNAME nowhere.test.
lostsoon.test.  5 CNAME nowhere.test.
nodata.test.   60 CNAME mail.test.
loop.test.     60 CNAME pool.test.
pool.test.     60 CNAME loop.test.
"""

NXDOMAIN = Absent(nxdomain=True)
NODATA = Absent(nxdomain=False)
HELLO = Found((b"hello world",), 60)


class Clock:
    """The monotonic clock, put forward as the test likes."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer(ZONE) as running:
        yield running


@pytest.fixture
def connect(clock: Clock) -> Iterator[Callable[..., DnsClient]]:
    """Make clients that are closed at the end."""
    with ExitStack() as stack:

        def make(*servers: DnsServer | Nameserver, **options: Any) -> DnsClient:
            nameservers = [server.nameserver if isinstance(server, DnsServer) else server for server in servers]
            client = DnsClient(nameservers, **{"clock": clock, **options})
            stack.callback(client.close)
            return client

        yield make


Connect = Callable[..., DnsClient]


def ask(client: DnsClient, name: bytes, rrtype: RRType = RRType.TXT) -> Answer:
    """Ask as a message of its own."""
    return client.for_message().resolve(name, rrtype)


@pytest.mark.parametrize(
    ("name", "rrtype", "answer"),
    [
        pytest.param(b"a.test", RRType.TXT, HELLO, id="TXT, strings joined"),
        pytest.param(b"A.TEST", RRType.TXT, HELLO, id="a name in upper case"),
        pytest.param(b"upper.test", RRType.TXT, Found((b"upper",), 60), id="an owner in upper case"),
        pytest.param(b"mx.test", RRType.MX, Found((Mx(10, b"Mail.test"),), 60), id="MX"),
        pytest.param(b"mail.test", RRType.A, Found((IPv4Address("192.0.2.1"),), 60), id="A"),
        pytest.param(b"ptr.test", RRType.PTR, Found((b"mail.test",), 60), id="PTR"),
        pytest.param(b"none.test", RRType.TXT, NXDOMAIN, id="NXDOMAIN"),
        pytest.param(b"mail.test", RRType.TXT, NODATA, id="NODATA"),
        pytest.param(b"test", RRType.TXT, NODATA, id="an empty non-terminal"),
        pytest.param(b"www.test", RRType.TXT, Found((b"hello world",), 20), id="an alias, smallest TTL"),
        pytest.param(b"far.test", RRType.TXT, Found((b"hello world",), 20), id="two aliases, smallest TTL"),
        pytest.param(b"lost.test", RRType.TXT, Absent(nxdomain=True, alias=True), id="an alias to NXDOMAIN"),
        pytest.param(b"nodata.test", RRType.TXT, Absent(nxdomain=False, alias=True), id="an alias to NODATA"),
    ],
)
def test_the_answers_of_the_dns_are_told_apart(
    connect: Connect, server: DnsServer, name: bytes, rrtype: RRType, answer: Answer
) -> None:
    assert ask(connect(server), name, rrtype) == answer


@pytest.mark.parametrize("code", ["SERVFAIL", "REFUSED", "NOTIMP", "FORMERR", "YXDOMAIN", "NOTAUTH"])
def test_every_other_response_code_is_unavailable(connect: Connect, code: str) -> None:
    with DnsServer(ZONE, everything=rcode(code)) as server:
        answer = ask(connect(server), b"a.test")
    assert isinstance(answer, Unavailable)


def kept_for(clock: Clock, client: DnsClient, server: DnsServer, name: bytes, seconds: float) -> None:
    """Check that the answer is kept for that long and not a moment longer; each question is a message."""
    ask(client, name)
    before = len(server.seen)
    if seconds:
        clock.ahead += seconds - 1  # the test itself takes less than the second that is left
        ask(client, name)
        assert len(server.seen) == before
        clock.ahead += 1
    ask(client, name)
    assert len(server.seen) > before


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        pytest.param(b"a.test", 60, id="the TTL of the records"),
        pytest.param(b"zero.test", 0, id="TTL 0"),
        pytest.param(b"far.test", 20, id="the smallest TTL of a chain"),
        pytest.param(b"zeroalias.test", 0, id="an alias with TTL 0"),
        pytest.param(b"none.test", 30, id="NXDOMAIN: negative_ttl"),
        pytest.param(b"test", 30, id="NODATA: negative_ttl"),
        pytest.param(b"lostsoon.test", 5, id="an alias to nowhere: not longer than the alias"),
        pytest.param(b"lost.test", 20, id="an alias to nowhere with a TTL below negative_ttl"),
        pytest.param(b"loop.test", 0, id="a failure is not kept at all"),
    ],
)
def test_ttls_are_honoured_exactly(
    connect: Connect, server: DnsServer, clock: Clock, name: bytes, seconds: float
) -> None:
    kept_for(clock, connect(server, negative_ttl=30), server, name, seconds)


def test_with_a_negative_ttl_of_0_absence_is_not_kept(connect: Connect, server: DnsServer, clock: Clock) -> None:
    client = connect(server, negative_ttl=0)
    kept_for(clock, client, server, b"none.test", 0)
    kept_for(clock, client, server, b"test", 0)


@pytest.mark.parametrize("name", [b"zero.test", b"none.test", b"loop.test"])
def test_within_a_message_every_answer_is_kept(connect: Connect, server: DnsServer, clock: Clock, name: bytes) -> None:
    message = connect(server, negative_ttl=0).for_message()
    first = message.resolve(name, RRType.TXT)
    clock.ahead += 3600
    assert message.resolve(name.upper(), RRType.TXT) is first
    assert server.asked(name) == 1


def test_one_query_is_in_flight_per_name_and_type(connect: Connect) -> None:
    with DnsServer(ZONE, everything=slow(0.3)) as server, ThreadPoolExecutor(20) as pool:
        client = connect(server)
        answers = list(pool.map(lambda number: ask(client, b"a.test" if number % 2 else b"A.test"), range(20)))
        assert answers == [HELLO] * 20
        assert server.asked(b"a.test") == 1
        assert client.queries_sent == 1


def test_other_types_of_a_name_are_other_queries(connect: Connect, server: DnsServer) -> None:
    message = connect(server).for_message()
    for rrtype in RRType:
        message.prefetch(b"mail.test", rrtype)
    assert message.resolve(b"mail.test", RRType.AAAA) != NODATA
    assert message.resolve(b"mail.test", RRType.MX) == NODATA
    assert message.queries == 5


@pytest.mark.parametrize(
    "name", [b"", b"a..test", b".a.test", b"a.test.", b"a\0b.test", b"x" * 64, b"abc." * 63 + b"de"]
)
def test_names_that_cannot_be_asked_send_nothing(connect: Connect, server: DnsServer, name: bytes) -> None:
    client = connect(server)
    assert ask(client, name) == NXDOMAIN
    assert (client.queries_sent, server.seen) == (0, [])


def test_every_legal_octet_is_asked_literally(connect: Connect, server: DnsServer) -> None:
    names = [b"x" + bytes((octet,)) + b"Y.test" for octet in range(1, 256) if octet != ord(".")]
    message = connect(server).for_message(max_queries=300)
    for name in names:
        message.prefetch(name, RRType.TXT)
    assert {message.resolve(name, RRType.TXT) for name in names} == {NXDOMAIN}
    # Names that differ in case alone are one question.
    assert {seen.name.lower() for seen in server.seen} == {name.lower() for name in names}
    assert {seen.name for seen in server.seen} <= set(names)


def test_the_longest_name_is_asked(connect: Connect, server: DnsServer) -> None:
    name = b".".join([b"a" * 63, b"b" * 63, b"c" * 63, b"d" * 61])
    assert ask(connect(server), name) == NXDOMAIN
    assert server.seen[0].name == name


def test_search_domains_are_never_tried(
    connect: Connect, server: DnsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "resolv.conf").write_text("search test\nnameserver 127.0.0.1\noptions ndots:5\n")
    monkeypatch.setenv("LOCALDOMAIN", "test")
    assert ask(connect(server), b"a") == NXDOMAIN
    assert [seen.name for seen in server.seen] == [b"a"]


def test_ports_and_ids_are_random(connect: Connect, server: DnsServer) -> None:
    message = connect(server).for_message(max_queries=300)
    for number in range(300):
        message.resolve(b"n%d.test" % number, RRType.TXT)
    for values in ([seen.port for seen in server.seen], [seen.ident for seen in server.seen]):
        assert len(set(values)) > 280
        steps = {after - before for before, after in pairwise(values)}
        assert len(steps) > 250  # neither counted up nor strided


def test_queries_carry_edns_with_a_payload_of_1232(connect: Connect) -> None:
    payloads = []

    def note(exchange: Exchange) -> list[Reply]:
        payloads.append((exchange.query.edns, exchange.query.payload))
        return [(0, exchange.plain())]

    with DnsServer(ZONE, everything=note) as server:
        ask(connect(server), b"a.test")
    assert payloads == [(0, 1232)]


def test_a_prefetch_starts_at_once_and_does_not_block(connect: Connect) -> None:
    with DnsServer(ZONE, everything=slow(0.2)) as server:
        message = connect(server).for_message()
        assert message.prefetch(b"a.test", RRType.TXT) is None
        message.prefetch(b"mail.test", RRType.A)
        message.prefetch(b"far.test", RRType.TXT)
        assert message.resolve(b"a.test", RRType.TXT) == HELLO
        assert isinstance(message.resolve(b"mail.test", RRType.A), Found)
        assert len(server.seen) == 3


def test_the_budget_of_a_message_ends_its_waiting(connect: Connect) -> None:
    with DnsServer(ZONE, everything=slow(30)) as server:
        message = connect(server).for_message(budget_seconds=0.2)
        answers = [message.resolve(b"n%d.test" % number, RRType.TXT) for number in range(50)]
    assert set(answers) == {Unavailable("budget of 0.2 s for the DNS of this message used up")}
    assert len(server.seen) == 1


def test_dead_names_do_not_delay_others(connect: Connect) -> None:
    with DnsServer(ZONE, {b"dead%d.test" % number: slow(60) for number in range(20)}) as server:
        message = connect(server).for_message()
        for number in range(20):
            message.prefetch(b"dead%d.test" % number, RRType.TXT)
        assert message.resolve(b"a.test", RRType.TXT) == HELLO
        assert server.asked(b"dead0.test") == 1  # answered before anything was repeated


def test_without_name_servers_those_of_the_machine_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    configured = (Nameserver(address=IPv4Address("127.0.0.9")),)
    monkeypatch.setattr("assay.dns.client.system_nameservers", lambda: configured)
    assert DnsClient().nameservers == configured


def test_ipv6_name_servers_are_asked(connect: Connect) -> None:
    with DnsServer(ZONE, host="::1") as server:
        assert ask(connect(server), b"a.test") == HELLO
