"""One message's resolver: one answer per question, budgets, prefetch (issue 2 point 4; standards A.3, H.1, H.5)."""

import threading
from collections.abc import Callable

import pytest

from assay.answers import Absent, Answer, Found, RRType, Unavailable
from assay.dns.message import MessageResolver, Pending
from assay.dns.names import from_wire

HELLO = Found((b"hello",), 0)
OUT_OF_TIME = Unavailable("budget of 20 s for the DNS of this message used up")
OUT_OF_QUERIES = Unavailable("budget of 3 DNS queries for this message used up")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Later:
    """An answer that takes so many seconds of the fake clock."""

    def __init__(self, clock: Clock, seconds: float, answer: Answer) -> None:
        self._clock = clock
        self._at = clock.now + seconds
        self._answer = answer

    def wait(self, seconds: float) -> Answer | None:
        if self._at <= self._clock.now + seconds:
            self._clock.now = max(self._clock.now, self._at)
            return self._answer
        self._clock.now += seconds
        return None


class FakeSource:
    """Gives what ``answers`` makes of each name, and remembers what was started."""

    def __init__(self, answers: Callable[[bytes], Answer | Pending]) -> None:
        self._answers = answers
        self.started: list[tuple[bytes, RRType]] = []

    def start(self, wire_name: bytes, rrtype: RRType) -> Answer | Pending:
        name = from_wire(wire_name)
        assert name is not None
        self.started.append((name, rrtype))
        return self._answers(name)


def message(source: FakeSource, clock: Clock | None = None, max_queries: int = 3) -> MessageResolver:
    return MessageResolver(source, budget_seconds=20, max_queries=max_queries, clock=clock or Clock())


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(HELLO, id="TTL 0"),
        pytest.param(Absent(nxdomain=True), id="NXDOMAIN"),
        pytest.param(Absent(nxdomain=False), id="NODATA"),
        pytest.param(Unavailable("timeout"), id="a failure"),
    ],
)
def test_a_message_gets_one_answer_to_one_question(answer: Answer) -> None:
    answers = iter([answer, Found((b"changed",), 1)])
    source = FakeSource(lambda _: next(answers))
    resolver = message(source)
    assert resolver.resolve(b"a.test", RRType.TXT) == answer
    assert resolver.resolve(b"A.TEST", RRType.TXT) == answer
    assert source.started == [(b"a.test", RRType.TXT)]


def test_another_type_is_another_question() -> None:
    source = FakeSource(lambda _: HELLO)
    resolver = message(source)
    resolver.resolve(b"a.test", RRType.TXT)
    resolver.resolve(b"a.test", RRType.A)
    assert resolver.queries == len(source.started) == 2


@pytest.mark.parametrize("name", [b"", b"a..test", b"a.test.", b"x" * 64 + b".test", b"a\0.test", b"ab." * 85])
def test_a_name_that_cannot_be_asked_does_not_exist_and_costs_nothing(name: bytes) -> None:
    source = FakeSource(lambda _: HELLO)
    resolver = message(source)
    resolver.prefetch(name, RRType.TXT)
    assert resolver.resolve(name, RRType.TXT) == Absent(nxdomain=True)
    assert source.started == []
    assert resolver.queries == 0


def test_questions_beyond_the_budget_are_unavailable_at_once() -> None:
    source = FakeSource(lambda _: HELLO)
    resolver = message(source)
    resolver.prefetch(b"1.test", RRType.TXT)
    assert [resolver.resolve(b"%d.test" % number, RRType.TXT) for number in range(5)] == [
        *[HELLO] * 3,
        *[OUT_OF_QUERIES] * 2,
    ]
    assert len(source.started) == resolver.queries == 3
    # what it was told stays told
    assert resolver.resolve(b"0.test", RRType.TXT) == HELLO
    assert resolver.resolve(b"3.test", RRType.TXT) == OUT_OF_QUERIES


def test_a_prefetch_beyond_the_budget_does_nothing() -> None:
    source = FakeSource(lambda _: HELLO)
    resolver = message(source)
    for number in range(5):
        resolver.prefetch(b"%d.test" % number, RRType.TXT)
    assert len(source.started) == resolver.queries == 3


def test_seconds_are_counted_while_somebody_is_blocked_only() -> None:
    clock = Clock()
    resolver = message(FakeSource(lambda _: Later(clock, 4, HELLO)), clock, max_queries=100)
    for number in range(4):
        assert resolver.resolve(b"%d.test" % number, RRType.TXT) == HELLO
        clock.now += 3600  # the client is slow to send its data
    assert clock.now == 4 * 3604
    assert resolver.resolve(b"5.test", RRType.TXT) == HELLO  # 20 of 20 seconds
    assert resolver.resolve(b"6.test", RRType.TXT) == OUT_OF_TIME


def test_a_wait_ends_with_the_budget() -> None:
    clock = Clock()
    source = FakeSource(lambda name: Later(clock, 15 if name == b"a.test" else 99, HELLO))
    resolver = message(source, clock, max_queries=100)
    assert resolver.resolve(b"a.test", RRType.TXT) == HELLO
    assert resolver.resolve(b"b.test", RRType.TXT) == OUT_OF_TIME
    assert clock.now == 20
    assert [resolver.resolve(b"%d.test" % number, RRType.TXT) for number in range(9)] == [OUT_OF_TIME] * 9
    resolver.prefetch(b"c.test", RRType.TXT)
    assert clock.now == 20
    assert len(source.started) == 2


def test_an_answer_that_is_here_already_is_given_after_the_budget() -> None:
    clock = Clock()
    seconds = {b"early.test": 1, b"dead.test": 99, b"never.test": 99}
    resolver = message(FakeSource(lambda name: Later(clock, seconds[name], HELLO)), clock)
    resolver.prefetch(b"early.test", RRType.TXT)
    resolver.prefetch(b"never.test", RRType.TXT)
    assert resolver.resolve(b"dead.test", RRType.TXT) == OUT_OF_TIME
    assert resolver.resolve(b"early.test", RRType.TXT) == HELLO
    assert resolver.resolve(b"never.test", RRType.TXT) == OUT_OF_TIME
    assert clock.now == 20


def test_a_prefetch_gives_the_answer_that_is_here_and_waits_for_no_other() -> None:
    clock = Clock()
    later = Later(clock, 5, HELLO)
    source = FakeSource({b"cached.test": HELLO, b"asked.test": later}.__getitem__)
    resolver = message(source, clock)
    assert resolver.prefetch(b"cached.test", RRType.TXT) == HELLO
    assert resolver.prefetch(b"no..name", RRType.TXT) == Absent(nxdomain=True)
    assert resolver.prefetch(b"asked.test", RRType.TXT) is None
    assert clock.now == 0
    clock.now = 6
    assert resolver.prefetch(b"asked.test", RRType.TXT) == HELLO
    assert resolver.resolve(b"asked.test", RRType.TXT) == HELLO
    assert resolver.prefetch(b"ASKED.test", RRType.TXT) == HELLO
    assert source.started == [(b"cached.test", RRType.TXT), (b"asked.test", RRType.TXT)]


def test_a_prefetch_starts_the_query_and_a_resolve_takes_its_answer() -> None:
    clock = Clock()
    source = FakeSource(lambda _: Later(clock, 4, HELLO))
    resolver = message(source, clock)
    resolver.prefetch(b"a.test", RRType.TXT)
    resolver.prefetch(b"A.test", RRType.TXT)
    assert (clock.now, source.started) == (0, [(b"a.test", RRType.TXT)])
    clock.now = 3
    assert resolver.resolve(b"a.test", RRType.TXT) == HELLO
    assert clock.now == 4
    assert len(source.started) == 1


class Gate:
    """An answer that comes when the test says so; ``waiting`` counts who is blocked."""

    def __init__(self) -> None:
        self.waiting = threading.Semaphore(0)
        self.open = threading.Event()

    def wait(self, seconds: float) -> Answer | None:
        self.waiting.release()
        assert self.open.wait(10)
        return HELLO if seconds > 0 else None


def test_seconds_that_two_threads_wait_at_once_count_once() -> None:
    clock = Clock()
    gate = Gate()
    resolver = message(FakeSource(lambda _: gate), clock, max_queries=100)
    threads = [threading.Thread(target=resolver.resolve, args=(b"%d.test" % number, RRType.TXT)) for number in range(3)]
    for thread in threads:
        thread.start()
        assert gate.waiting.acquire(timeout=10)
    clock.now = 12  # three threads, twelve seconds each
    gate.open.set()
    for thread in threads:
        thread.join()
    last = message(FakeSource(lambda _: Later(clock, 7, HELLO)), clock)
    assert resolver.queries == 3
    resolver._source = last._source
    assert resolver.resolve(b"next.test", RRType.TXT) == HELLO  # 12 + 7 are within 20


def test_a_thread_that_starts_to_wait_gets_what_is_left_while_another_waits() -> None:
    clock = Clock()
    gate = Gate()
    resolver = message(FakeSource(lambda _: gate), clock, max_queries=100)
    first = threading.Thread(target=resolver.resolve, args=(b"1.test", RRType.TXT))
    first.start()
    assert gate.waiting.acquire(timeout=10)
    clock.now = 20  # the first still waits, and nothing is left
    assert resolver.resolve(b"2.test", RRType.TXT) == OUT_OF_TIME
    gate.open.set()
    first.join()


def test_two_threads_are_told_the_same() -> None:
    gate = Gate()
    resolver = message(FakeSource(lambda _: gate))
    told: list[Answer] = []
    threads = [threading.Thread(target=lambda: told.append(resolver.resolve(b"a.test", RRType.TXT))) for _ in range(4)]
    for thread in threads:
        thread.start()
        assert gate.waiting.acquire(timeout=10)
    gate.open.set()
    for thread in threads:
        thread.join()
    assert len(told) == 4
    assert {id(answer) for answer in told} == {id(told[0])}
    assert resolver.queries == 1
