"""Servers that lie, fail, truncate or keep silent, and the way on from each (issue 2 point 4; RFC 5452, 6891, 7766)."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import dns.message
import dns.rrset
import pytest

from assay.answers import Absent, Answer, Found, RRType, Unavailable
from assay.dns.chain import MAX_LINKS
from assay.dns.client import DnsClient
from assay.dns.engine import SUSPECT_SECONDS
from assay.dns.nameservers import Nameserver
from support.dnsserver import (
    Behaviour,
    DnsServer,
    Exchange,
    Reply,
    alias_only,
    dead,
    first_then,
    forged_first,
    over_tcp,
    plain,
    raw,
    rcode,
    slow,
    truncated,
    without_edns_only,
    wrong_owner,
)
from support.ports import free_port

BIG = " ".join(f'"{"x" * 250}"' for _ in range(200))
ZONE = f"""
a.test.     60 TXT   "hello"
www.test.   20 CNAME a.test.
far.test.   60 CNAME www.test.
big.test.   60 TXT   {BIG}
loop.test.  60 CNAME pool.test.
pool.test.  60 CNAME loop.test.
0.test.     60 CNAME 1.test.
""" + "".join(f"{n}.test. 60 CNAME {n + 1}.test.\n" for n in range(1, MAX_LINKS + 3))

HELLO = Found((b"hello",), 60)


@contextmanager
def client_of(*servers: DnsServer | Nameserver, timeout: float = 5.0, **options: Any) -> Iterator[DnsClient]:
    nameservers = [server.nameserver if isinstance(server, DnsServer) else server for server in servers]
    client = DnsClient(nameservers, timeout, **options)
    try:
        yield client
    finally:
        client.close()


def ask(client: DnsClient, name: bytes = b"a.test", rrtype: RRType = RRType.TXT) -> Answer:
    """Ask as a message of its own."""
    return client.for_message().resolve(name, rrtype)


def answer_of(behaviour: Behaviour, name: bytes = b"a.test", timeout: float = 5.0) -> Answer:
    """Ask a server that behaves so for every name."""
    with DnsServer(ZONE, everything=behaviour) as server, client_of(server, timeout=timeout) as client:
        return ask(client, name)


def unused() -> Nameserver:
    """Give a port on which nobody listens."""
    return Nameserver(address=DnsServer().nameserver.address, port=free_port())


# Answers that are not to be believed


def test_forged_packets_are_ignored_and_the_true_answer_is_awaited() -> None:
    assert answer_of(forged_first) == HELLO


def test_only_forged_packets_are_no_answer() -> None:
    answer = answer_of(lambda exchange: forged_first(exchange)[:-1], timeout=0.4)
    assert answer == Unavailable("no answer within 0.4 s", ours=True)


def test_a_packet_from_another_address_is_not_received() -> None:
    def from_elsewhere(exchange: Exchange) -> list[Reply]:
        lie = dns.message.make_response(exchange.query)
        lie.answer.append(dns.rrset.from_text("a.test.", 60, "IN", "TXT", '"forged"'))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(lie.to_wire(), ("127.0.0.1", exchange.seen.port))
        return [(0.1, exchange.plain())]

    assert answer_of(from_elsewhere) == HELLO


def test_an_answer_with_another_owner_is_a_failure() -> None:
    answer = answer_of(wrong_owner("victim.test."))
    assert isinstance(answer, Unavailable)
    assert answer.why.endswith("the answer holds records of another owner or type")


def test_records_of_other_names_are_not_kept() -> None:
    def poison(exchange: Exchange) -> list[Reply]:
        for section in (exchange.answer.answer, exchange.answer.authority, exchange.answer.additional):
            section.append(dns.rrset.from_text("victim.test.", 60, "IN", "TXT", '"forged"'))
        return [(0, exchange.plain())]

    with DnsServer(ZONE, {b"a.test": poison}) as server, client_of(server) as client:
        assert ask(client) == HELLO
        assert ask(client, b"victim.test") == Absent(nxdomain=True)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda packet: packet[:-3], id="cut off"),
        pytest.param(lambda packet: packet[:6] + b"\xff\xff" + packet[8:], id="more records counted than sent"),
        pytest.param(lambda packet: packet.replace(b"\xc0\x0c", b"\xc0\xff"), id="a pointer forwards"),
    ],
)
def test_a_malformed_answer_is_a_failure(change: Callable[[bytes], bytes]) -> None:
    answer = answer_of(raw(change))
    assert isinstance(answer, Unavailable)
    assert "malformed" in answer.why


# Aliases


def test_the_target_of_an_alias_that_is_not_in_the_answer_is_asked_for() -> None:
    with DnsServer(ZONE, {b"far.test": alias_only, b"www.test": alias_only}) as server, client_of(server) as client:
        assert ask(client, b"far.test") == Found((b"hello",), 20)
        assert [seen.name for seen in server.seen] == [b"far.test", b"www.test", b"a.test"]
        assert client.queries_sent == 3


def test_an_alias_answered_alone_for_ever_ends_at_the_bound() -> None:
    with DnsServer(ZONE, everything=alias_only) as server, client_of(server) as client:
        answer = ask(client, b"0.test")
        assert isinstance(answer, Unavailable)
        assert answer.why.endswith(f"more than {MAX_LINKS} CNAME records in a chain")
        assert len(server.seen) == MAX_LINKS + 1


@pytest.mark.parametrize("behaviour", [plain, alias_only])
def test_a_loop_is_unavailable(behaviour: Behaviour) -> None:
    answer = answer_of(behaviour, b"loop.test")
    assert isinstance(answer, Unavailable)
    assert answer.why.endswith("a CNAME loop")


def test_the_time_for_a_question_holds_for_all_its_aliases() -> None:
    with (
        DnsServer(ZONE, {b"far.test": alias_only, b"www.test": dead}) as server,
        client_of(server, timeout=0.4) as client,
    ):
        assert ask(client, b"far.test") == Unavailable("no answer within 0.4 s")
        assert server.asked(b"www.test") > 1  # repeated like any other query


# Truncation and TCP


@pytest.mark.parametrize("name", [b"a.test", b"big.test"])
def test_a_truncated_answer_is_asked_for_over_tcp(name: bytes) -> None:
    with DnsServer(ZONE, {b"a.test": truncated}) as server, client_of(server) as client:
        answer = ask(client, name)
        assert answer == (HELLO if name == b"a.test" else Found((b"x" * 250 * 200,), 60))
        assert [seen.stream for seen in server.seen] == [False, True]
        assert len({seen.ident for seen in server.seen}) == 2


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        pytest.param(over_tcp(lambda _: [(0, b"")]), "closed before the answer", id="closed"),
        pytest.param(over_tcp(lambda exchange: [(0, b"x" + exchange.plain())]), "another question", id="another id"),
        pytest.param(over_tcp(lambda _: [(0, b"\0")]), "another question", id="one octet"),
        pytest.param(
            over_tcp(lambda exchange: [(0, exchange.plain()[:2] + b"\x83" + exchange.plain()[3:])]),
            "truncated",
            id="truncated again",
        ),
        pytest.param(over_tcp(dead), "no answer within", id="silent"),
    ],
)
def test_tcp_that_fails_is_a_failure(behaviour: Behaviour, why: str) -> None:
    answer = answer_of(behaviour, timeout=0.5)
    assert isinstance(answer, Unavailable)
    assert why in answer.why


def test_tcp_that_is_refused_is_a_failure() -> None:
    with DnsServer(ZONE, everything=truncated, tcp=False) as server, client_of(server) as client:
        answer = ask(client)
    assert isinstance(answer, Unavailable)
    assert "refused" in answer.why


def test_a_stream_that_arrives_in_pieces_is_put_together() -> None:
    def in_pieces(stop: threading.Event, listener: socket.socket) -> None:
        peer, _ = listener.accept()
        with peer:
            query = dns.message.from_wire(peer.recv(4096)[2:])
            response = dns.message.make_response(query)
            response.answer.append(dns.rrset.from_text("a.test.", 60, "IN", "TXT", '"hello"'))
            packet = response.to_wire()
            for octet in len(packet).to_bytes(2) + packet:
                peer.sendall(bytes((octet,)))
                stop.wait(0.001)
            stop.wait(10)

    stop = threading.Event()
    with DnsServer(ZONE, everything=truncated) as server, client_of(server) as client:
        # take the server's TCP port over
        server._selector.unregister(server._tcp)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(in_pieces, stop, server._tcp)
            assert ask(client) == HELLO
            stop.set()


def test_a_slow_stream_is_not_started_anew() -> None:
    with (
        DnsServer(ZONE, everything=over_tcp(slow(0.6))) as server,
        client_of(server, timeout=1.0) as client,
    ):
        assert ask(client) == HELLO
        assert [seen.stream for seen in server.seen] == [False, True]


# EDNS


@pytest.mark.parametrize("code", ["FORMERR", "NOTIMP", "BADVERS"])
def test_a_server_that_does_not_know_edns_is_asked_without(code: str) -> None:
    with DnsServer(ZONE, everything=without_edns_only(code)) as server, client_of(server) as client:
        assert ask(client) == HELLO
        assert [seen.edns for seen in server.seen] == [True, False]


def test_a_repetition_stays_without_edns() -> None:
    behaviour = first_then(without_edns_only("FORMERR"), first_then(dead, plain))
    with DnsServer(ZONE, everything=behaviour) as server, client_of(server, timeout=0.8) as client:
        assert ask(client) == HELLO
        assert [seen.edns for seen in server.seen] == [True, False, False]


# Several name servers


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(rcode("SERVFAIL"), id="SERVFAIL"),
        pytest.param(rcode("REFUSED"), id="REFUSED"),
        pytest.param(wrong_owner("b.test."), id="another owner"),
        pytest.param(raw(lambda packet: packet[:-1]), id="malformed"),
        pytest.param(over_tcp(lambda _: [(0, b"")]), id="TCP closed"),
    ],
)
def test_the_next_server_is_asked_at_once_after_a_failure(behaviour: Behaviour) -> None:
    with (
        DnsServer(ZONE, everything=behaviour) as first,
        DnsServer(ZONE) as second,
        client_of(first, second, timeout=60) as client,  # the schedule would ask it after 12 s
    ):
        assert ask(client) == HELLO
        assert second.asked(b"a.test") == 1


def test_a_port_where_nobody_listens_is_passed_over_at_once() -> None:
    with DnsServer(ZONE) as server, client_of(unused(), server, timeout=60) as client:
        assert ask(client) == HELLO


def test_a_silent_server_is_passed_over_on_schedule_and_asked_last_for_a_while() -> None:
    ahead = [0.0]
    with (
        DnsServer(ZONE, everything=dead) as first,
        DnsServer(ZONE) as second,
        client_of(first, second, timeout=1.0, clock=lambda: time.monotonic() + ahead[0]) as client,
    ):
        assert ask(client) == HELLO
        assert (first.asked(b"a.test"), second.asked(b"a.test")) == (1, 1)
        assert ask(client, b"b.test") == Absent(nxdomain=True)
        assert (first.asked(b"b.test"), second.asked(b"b.test")) == (0, 1)
        ahead[0] += SUSPECT_SECONDS
        assert ask(client, b"c.test") == Absent(nxdomain=True)
        assert (first.asked(b"c.test"), second.asked(b"c.test")) == (1, 1)


def test_a_server_that_answers_again_is_trusted_again() -> None:
    with (
        DnsServer(ZONE, everything=first_then(dead, plain)) as first,
        DnsServer(ZONE, {b"b.test": rcode("SERVFAIL")}) as second,
        client_of(first, second, timeout=1.0) as client,
    ):
        ask(client)
        ask(client, b"b.test")
        ask(client, b"c.test")
        assert (first.asked(b"c.test"), second.asked(b"c.test")) == (1, 0)


@pytest.mark.parametrize(
    ("behaviours", "why"),
    [
        pytest.param((rcode("SERVFAIL"), rcode("REFUSED")), "REFUSED", id="every server fails"),
        pytest.param((dead,), "no answer within 0.4 s", id="one server, silent"),
        pytest.param((dead, dead, dead), "no answer within 0.4 s", id="three servers, silent"),
        pytest.param((dead, rcode("SERVFAIL")), "SERVFAIL", id="one silent, one fails"),
    ],
)
def test_no_usable_answer_is_unavailable_and_never_absent(behaviours: tuple[Behaviour, ...], why: str) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(DnsServer(ZONE, everything=behaviour)) for behaviour in behaviours]
        client = stack.enter_context(client_of(*servers, timeout=0.4))
        answer = ask(client, b"none.test")
        assert isinstance(answer, Unavailable)
        assert why in answer.why


def test_a_failure_costs_one_query() -> None:
    with DnsServer(ZONE, everything=rcode("SERVFAIL")) as server, client_of(server) as client:
        ask(client)
        assert len(server.seen) == client.queries_sent == 1


def test_a_failure_of_the_second_server_leaves_the_first_its_time() -> None:
    with (
        DnsServer(ZONE, everything=slow(0.5)) as first,
        DnsServer(ZONE, everything=rcode("SERVFAIL")) as second,
        client_of(first, second, timeout=1.0) as client,
    ):
        assert ask(client) == HELLO
        assert second.asked(b"a.test") == 1


def test_a_server_that_is_asked_early_gets_its_full_turn() -> None:
    def fail_late(exchange: Exchange) -> list[Reply]:
        return [(0.1, reply) for _, reply in rcode("SERVFAIL")(exchange)]

    with (
        DnsServer(ZONE, everything=fail_late) as first,
        DnsServer(ZONE, everything=slow(0.15)) as second,
        DnsServer(ZONE) as third,
        client_of(first, second, third, timeout=0.8) as client,  # turns at 0, 0.2 and 0.4 s
    ):
        assert ask(client) == HELLO
        assert (second.asked(b"a.test"), third.asked(b"a.test")) == (1, 0)


def test_a_lost_query_is_repeated_from_another_port() -> None:
    with DnsServer(ZONE, everything=first_then(dead, plain)) as server, client_of(server, timeout=0.8) as client:
        assert ask(client) == HELLO
        assert len({seen.port for seen in server.seen}) == len({seen.ident for seen in server.seen}) == 2


def test_an_answer_after_4_seconds_counts_even_after_a_hundred_fast_ones() -> None:
    """Four seconds of real time, spent once for all of them."""
    names = [b"slow%d.test" % number for number in range(5)]
    with (
        DnsServer(ZONE, dict.fromkeys(names, slow(4.0))) as one,
        DnsServer(ZONE, dict.fromkeys(names, slow(4.0))) as first,
        DnsServer(ZONE, dict.fromkeys(names, dead)) as second,
        DnsServer(ZONE, everything=dead) as silent,
        client_of(one) as alone,
        client_of(first, second) as pair,
        client_of(first, unused()) as half,
        client_of(silent) as nobody,
        ThreadPoolExecutor(20) as pool,
    ):
        for client in (alone, pair, half):
            message = client.for_message(max_queries=200)
            for number in range(100):
                assert message.resolve(b"fast%d.test" % number, RRType.TXT) == Absent(nxdomain=True)
        waiting = [pool.submit(ask, client, name) for client in (alone, pair, half) for name in names]
        never = pool.submit(ask, nobody)
        assert {future.result() for future in waiting} == {Absent(nxdomain=True)}
        assert never.result() == Unavailable("no answer within 5 s", ours=True)
        assert one.asked(names[0]) > 1  # repeated, and the first socket was still listened to
