"""What the DNS client tells of: each event once, whoever asks."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from threading import Lock

import pytest

from assay.answers import RRType
from assay.dns.client import DnsClient
from assay.dns.counts import DnsEvent, Outcome
from assay.dns.message import MessageResolver
from support.dnsserver import DnsServer, dead, first_then, plain, rcode, slow, truncated

ZONE = """
a.test. 60 TXT "here"
zero.test. 0 TXT "now"
alias.test. 60 CNAME a.test.
"""

FOUND_ONCE = {"miss": 1, "udp": 1, "found": 1}


class Counts:
    """Counts of everything, and how long the lookups took."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.seconds: list[float] = []
        self._lock = Lock()

    def dns_event(self, event: DnsEvent) -> None:
        with self._lock:
            self.counts[event.value] += 1

    def dns_lookup(self, outcome: Outcome, seconds: float) -> None:
        with self._lock:
            self.counts[outcome.value] += 1
            self.seconds.append(seconds)


@contextmanager
def _client(server: DnsServer, timeout: float = 60.0) -> Iterator[tuple[DnsClient, Counts]]:
    counts = Counts()
    with closing(DnsClient([server.nameserver], timeout=timeout, counts=counts)) as client:
        yield client, counts


def _twice(resolver: Callable[[], MessageResolver], name: bytes) -> None:
    for _ in range(2):
        resolver().resolve(name, RRType.TXT)


CASES = [
    pytest.param(b"a.test", FOUND_ONCE | {"hit": 1}, id="an answer that is kept"),
    pytest.param(b"zero.test", {"miss": 2, "udp": 2, "found": 2}, id="an answer that may not be kept"),
    pytest.param(b"no.test", {"miss": 1, "udp": 1, "absent": 1, "hit": 1}, id="an absence that is kept"),
    pytest.param(b"broken.test", {"miss": 2, "udp": 2, "unavailable": 2}, id="a name server that cannot tell"),
    pytest.param(b"alias.test", FOUND_ONCE | {"hit": 1}, id="an alias whose target came with it"),
    pytest.param(b"large.test", {"miss": 1, "udp": 1, "tcp": 1, "absent": 1, "hit": 1}, id="one asked over TCP"),
    pytest.param(b"a..test", {}, id="a name that cannot be asked"),
]


@pytest.mark.parametrize(("name", "expected"), CASES)
def test_two_messages_that_ask_one_after_the_other(name: bytes, expected: dict[str, int]) -> None:
    special = {b"broken.test": rcode("SERVFAIL"), b"large.test": truncated}
    with DnsServer(ZONE, special) as server, _client(server) as (client, counts):
        _twice(client.for_message, name)
    assert counts.counts == expected


def test_messages_that_ask_at_the_same_time_share_one_lookup() -> None:
    with (
        DnsServer(ZONE, {b"a.test": slow(0.3)}) as server,
        _client(server) as (client, counts),
        ThreadPoolExecutor(5) as pool,
    ):
        list(pool.map(lambda _: client.for_message().resolve(b"a.test", RRType.TXT), range(5)))
    assert counts.counts["miss"] == counts.counts["found"] == counts.counts["udp"] == 1
    assert counts.counts["miss"] + counts.counts["joined"] + counts.counts["hit"] == 5


def test_a_message_that_asks_again_asks_nobody() -> None:
    with DnsServer(ZONE) as server, _client(server) as (client, counts):
        resolver = client.for_message()
        _twice(lambda: resolver, b"a.test")
    assert counts.counts == FOUND_ONCE


def test_a_question_that_nobody_answers_is_asked_again_and_times_out() -> None:
    with DnsServer(ZONE, {b"a.test": dead}) as server, _client(server, timeout=0.4) as (client, counts):
        client.for_message().resolve(b"a.test", RRType.TXT)
    assert counts.counts == {"miss": 1, "udp": 3, "timeout": 1, "unavailable": 1}
    [seconds] = counts.seconds
    assert seconds >= 0.4


def test_a_repetition_that_is_answered_is_no_time_out() -> None:
    with (
        DnsServer(ZONE, {b"a.test": first_then(dead, plain)}) as server,
        _client(server, timeout=2.0) as (client, counts),
    ):
        client.for_message().resolve(b"a.test", RRType.TXT)
    assert counts.counts == {"miss": 1, "udp": 2, "found": 1}


def test_what_a_message_may_not_ask_any_more_is_over_budget() -> None:
    with DnsServer(ZONE) as server, _client(server) as (client, counts):
        resolver = client.for_message(max_queries=1)
        for name in (b"a.test", b"zero.test", b"zero.test"):
            resolver.resolve(name, RRType.TXT)
    assert counts.counts == FOUND_ONCE | {"over-budget": 1}


def test_what_a_message_may_not_wait_for_any_more_is_over_budget() -> None:
    with DnsServer(ZONE, {b"a.test": dead}) as server, _client(server) as (client, counts):
        resolver = client.for_message(budget_seconds=0.1)
        for name in (b"a.test", b"zero.test"):
            resolver.resolve(name, RRType.TXT)
        assert counts.counts["over-budget"] == 2
        assert counts.counts["miss"] == 1
