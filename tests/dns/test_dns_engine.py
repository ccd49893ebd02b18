"""What the engine survives: forks, closing, faults, no descriptors (issue 2 point 1 and "Bad input")."""

import errno
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from assay.answers import Absent, Found, RRType, Unavailable
from assay.dns.attempt import Attempt
from assay.dns.client import DnsClient
from assay.dns.engine import Engine
from support.dnsserver import DnsServer, Exchange, Reply, dead, first_then, plain, slow

ZONE = 'a.test. 60 TXT "hello"'
HELLO = Found((b"hello",), 60)
CLOSED = Unavailable("the DNS client is closed", ours=True)


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are all that is needed


def dns_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "assay-dns"]


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer(ZONE, {b"dead.test": dead}) as running:
        yield running


@contextmanager
def closing(client: DnsClient) -> Iterator[DnsClient]:
    try:
        yield client
    finally:
        client.close()


def test_nothing_starts_before_the_first_question(server: DnsServer) -> None:
    before = descriptors()
    client = DnsClient([server.nameserver])
    assert client.for_message().resolve(b"not..askable", RRType.TXT) == Absent(nxdomain=True)
    assert (descriptors(), dns_threads(), client.queries_sent) == (before, [], 0)
    client.close()


def test_closing_leaves_no_thread_and_no_descriptor(server: DnsServer) -> None:
    before = descriptors()
    client = DnsClient([server.nameserver])
    message = client.for_message()
    assert message.resolve(b"a.test", RRType.TXT) == HELLO
    message.prefetch(b"dead.test", RRType.TXT)
    server.wait_until_asked(b"dead.test")
    client.close()
    client.close()
    assert (descriptors(), dns_threads()) == (before, [])
    assert message.resolve(b"a.test", RRType.TXT) == HELLO  # told already
    assert message.resolve(b"b.test", RRType.TXT) == CLOSED
    assert client.queries_sent == len(server.seen) == 2


def test_whoever_waits_when_the_client_closes_is_answered() -> None:
    asked = threading.Semaphore(0)

    def note(_: Exchange) -> list[Reply]:
        asked.release()
        return []

    with DnsServer(ZONE, everything=note) as server, ThreadPoolExecutor(5) as pool:
        client = DnsClient([server.nameserver], timeout=60)
        waiting = [pool.submit(client.for_message().resolve, b"%d.test" % number, RRType.TXT) for number in range(5)]
        for _ in waiting:
            assert asked.acquire(timeout=10)
        client.close()
        assert [future.result(timeout=10) for future in waiting] == [CLOSED] * 5


def test_a_client_made_before_a_fork_works_on_both_sides(server: DnsServer) -> None:
    client = DnsClient([server.nameserver])
    child = os.fork()
    if not child:
        answer = client.for_message().resolve(b"a.test", RRType.TXT)
        client.close()
        os._exit(0 if answer == HELLO else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with closing(client):
        assert client.for_message().resolve(b"a.test", RRType.TXT) == HELLO
    assert server.asked(b"a.test") == 2


def test_a_fault_in_the_engine_makes_its_question_unavailable_and_no_other(server: DnsServer) -> None:
    faults: list[BaseException] = []
    numbers = iter((1, ZeroDivisionError(), 2))

    def next_id() -> int:
        number = next(numbers)
        if isinstance(number, Exception):
            raise number
        return number

    with closing(DnsClient([server.nameserver], random_id=next_id, faults=faults.append)) as client:
        message = client.for_message()
        assert message.resolve(b"a.test", RRType.TXT) == HELLO
        assert message.resolve(b"b.test", RRType.TXT) == Unavailable("internal fault: ZeroDivisionError()", ours=True)
        assert message.resolve(b"c.test", RRType.TXT) == Absent(nxdomain=True)
    assert [type(fault) for fault in faults] == [ZeroDivisionError]


def test_a_fault_is_survived_without_a_hook_and_with_one_that_fails(server: DnsServer) -> None:
    def fail(_: object = None) -> int:
        raise ValueError

    def report_badly(_: BaseException) -> None:
        fail()

    hooks: list[dict[str, Any]] = [{}, {"faults": report_badly}]
    for options in hooks:
        numbers = iter([fail, lambda: 7])

        def next_id(numbers: Iterator[Callable[[], int]] = numbers) -> int:
            return next(numbers)()

        with closing(DnsClient([server.nameserver], random_id=next_id, **options)) as client:
            assert client.for_message().resolve(b"b.test", RRType.TXT) == Unavailable(
                "internal fault: ValueError()", ours=True
            )
            assert client.for_message().resolve(b"b.test", RRType.TXT) == Absent(nxdomain=True)


def test_a_fault_of_the_loop_itself_answers_everybody_and_it_goes_on(
    server: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults: list[BaseException] = []
    turn = Engine._turn

    def fail_once(engine: Engine) -> None:
        turn(engine)
        if not faults and engine._tasks:
            raise ValueError

    monkeypatch.setattr(Engine, "_turn", fail_once)
    with closing(DnsClient([server.nameserver], faults=faults.append)) as client:
        assert client.for_message().resolve(b"dead.test", RRType.TXT) == Unavailable(
            "internal fault: ValueError()", ours=True
        )
        assert client.for_message().resolve(b"a.test", RRType.TXT) == HELLO
    assert [type(fault) for fault in faults] == [ValueError]


def test_a_fault_while_an_answer_is_kept_still_hands_it_out(server: DnsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    faults: list[BaseException] = []
    with closing(DnsClient([server.nameserver], faults=faults.append)) as client:
        with monkeypatch.context() as patch:
            patch.setattr(client._cache, "put", lambda *_: 1 / 0)
            assert client.for_message().resolve(b"a.test", RRType.TXT) == HELLO
        assert client.for_message().resolve(b"b.test", RRType.TXT) == Absent(nxdomain=True)
    assert [type(fault) for fault in faults] == [ZeroDivisionError]


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(number) for number in descriptors())
    taken = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
        while True:  # fill the gaps below
            taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)


def test_no_descriptor_for_the_engine_is_unavailable_and_the_next_question_works(server: DnsServer) -> None:
    with closing(DnsClient([server.nameserver])) as client:
        with no_descriptors_left():
            answer = client.for_message().resolve(b"a.test", RRType.TXT)
        assert isinstance(answer, Unavailable)
        assert "Too many open files" in answer.why
        before = descriptors()
        assert client.for_message().resolve(b"a.test", RRType.TXT) == HELLO
        assert before < descriptors()


def test_no_thread_for_the_engine_is_unavailable_and_leaves_no_descriptor(
    server: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    before = descriptors()
    with closing(DnsClient([server.nameserver])) as client:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", fail)
            answer = client.for_message().resolve(b"a.test", RRType.TXT)
        assert answer == Unavailable("the DNS client cannot start: can't start new thread", ours=True)
        assert descriptors() == before
        assert client.for_message().resolve(b"a.test", RRType.TXT) == HELLO


def test_no_descriptor_for_a_socket_is_unavailable_and_the_next_question_works(server: DnsServer) -> None:
    with closing(DnsClient([server.nameserver])) as client:
        assert client.for_message().resolve(b"a.test", RRType.TXT) == HELLO
        with no_descriptors_left():
            answer = client.for_message().resolve(b"b.test", RRType.TXT)
        assert isinstance(answer, Unavailable)
        assert "Too many open files" in answer.why
        assert client.for_message().resolve(b"b.test", RRType.TXT) == Absent(nxdomain=True)


def test_a_query_that_the_system_does_not_let_out_leaves_no_descriptor(
    server: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(errno.EPERM, "Operation not permitted")  # as a packet filter does

    with closing(DnsClient([server.nameserver])) as client:
        assert client.for_message().resolve(b"a.test", RRType.TXT) == HELLO
        before = descriptors()
        with monkeypatch.context() as patch:
            patch.setattr("socket.socket.send", refuse)
            answer = client.for_message().resolve(b"b.test", RRType.TXT)
        assert isinstance(answer, Unavailable)
        assert "not permitted" in answer.why
        assert descriptors() == before


def test_no_descriptor_for_a_repetition_leaves_the_first_attempt_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with DnsServer(ZONE, everything=slow(0.3)) as server, closing(DnsClient([server.nameserver], 0.8)) as client:
        answer = client.for_message()
        answer.prefetch(b"a.test", RRType.TXT)
        server.wait_until_asked(b"a.test")
        monkeypatch.setattr("assay.dns.attempt.socket.socket", _no_socket)
        assert answer.resolve(b"a.test", RRType.TXT) == HELLO
        assert len(server.seen) == 1


def _no_socket(*_: object) -> None:
    raise OSError(errno.EMFILE, "Too many open files")


def test_no_descriptor_for_tcp_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(exchange: Exchange) -> list[Reply]:
        monkeypatch.setattr("assay.dns.attempt.socket.socket", _no_socket)
        packet = exchange.plain()
        return [(0, packet[:2] + bytes((packet[2] | 2,)) + packet[3:])]

    with DnsServer(ZONE, everything=cut) as server, closing(DnsClient([server.nameserver])) as client:
        answer = client.for_message().resolve(b"a.test", RRType.TXT)
    assert isinstance(answer, Unavailable)
    assert "Too many open files" in answer.why


def test_questions_beyond_the_bound_of_sockets_wait_for_one() -> None:
    under_way: list[float] = []
    most = 0

    def note(exchange: Exchange) -> list[Reply]:
        nonlocal most
        under_way.append(time.monotonic() + 0.05)
        most = max(most, sum(end > time.monotonic() for end in under_way))
        return [(0.05, exchange.plain())]

    with (
        DnsServer(ZONE, everything=note) as server,
        closing(DnsClient([server.nameserver], max_sockets=3)) as client,
    ):
        message = client.for_message()
        for number in range(20):
            message.prefetch(b"%d.test" % number, RRType.TXT)
        assert {message.resolve(b"%d.test" % number, RRType.TXT) for number in range(20)} == {Absent(nxdomain=True)}
        assert len(server.seen) == 20
    assert most <= 4


def test_a_question_that_waits_for_a_socket_is_unavailable_in_time() -> None:
    with (
        DnsServer(ZONE, everything=dead) as server,
        closing(DnsClient([server.nameserver], timeout=0.3, max_sockets=1)) as client,
    ):
        message = client.for_message()
        message.prefetch(b"a.test", RRType.TXT)
        message.prefetch(b"b.test", RRType.TXT)
        assert message.resolve(b"b.test", RRType.TXT) == Unavailable("no answer within 0.3 s", ours=True)


def test_a_question_that_waited_for_a_socket_is_repeated_like_any_other() -> None:
    behaviours = {b"a.test": slow(0.1), b"b.test": slow(0.1), b"c.test": first_then(dead, plain)}
    ahead = [0.0]
    with (
        DnsServer(ZONE, behaviours) as server,
        closing(
            DnsClient([server.nameserver], 1.0, max_sockets=2, clock=lambda: time.monotonic() + ahead[0])
        ) as client,
    ):
        message = client.for_message()
        for name in behaviours:
            message.prefetch(name, RRType.TXT)
        assert message.resolve(b"c.test", RRType.TXT) == Absent(nxdomain=True)
        assert server.asked(b"c.test") == 2
        ahead[0] += 60  # past its deadline, which comes to nothing now
        assert client.for_message().resolve(b"d.test", RRType.TXT) == Absent(nxdomain=True)


def test_questions_handed_in_while_the_engine_ends_are_answered(
    server: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take_nothing(engine: Engine) -> None:
        while not engine._closing:
            time.sleep(0.001)

    monkeypatch.setattr(Engine, "_turn", take_nothing)
    client = DnsClient([server.nameserver])
    message = client.for_message()
    message.prefetch(b"a.test", RRType.TXT)
    client.close()
    assert message.resolve(b"a.test", RRType.TXT) == CLOSED


def test_an_event_without_a_packet_is_nothing(server: DnsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    receive = Attempt.receive
    calls: list[Attempt] = []

    def too_early(attempt: Attempt) -> bytes | None:
        calls.append(attempt)
        if len(calls) == 1:
            raise BlockingIOError
        return receive(attempt)

    monkeypatch.setattr(Attempt, "receive", too_early)
    with closing(DnsClient([server.nameserver])) as client:
        assert client.for_message().resolve(b"a.test", RRType.TXT) == HELLO
    assert len(calls) == 2


def test_many_threads_and_names_at_once(server: DnsServer) -> None:
    with closing(DnsClient([server.nameserver])) as client, ThreadPoolExecutor(16) as pool:

        def message(number: int) -> set[object]:
            resolver = client.for_message()
            names = [b"n%d.test" % ((number * 7 + step) % 50) for step in range(20)]
            for name in names:
                resolver.prefetch(name, RRType.TXT)
            return {resolver.resolve(name, RRType.TXT) for name in names}

        assert list(pool.map(message, range(100))) == [{Absent(nxdomain=True)}] * 100
        assert len(server.seen) == 50  # each name once, for all messages


def test_the_sources_name_no_logger_and_no_milter() -> None:
    folder = Path(DnsClient.__init__.__code__.co_filename).parent
    for path in folder.glob("*.py"):
        assert "import logging" not in path.read_text()
        assert "Milter" not in path.read_text()
