"""A look-up that fails: on our side, or on the side of who owns the name."""

import errno
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from assay.answers import Answer, Found, RRType, Unavailable
from assay.dns.attempt import Attempt
from assay.dns.client import DnsClient
from assay.dns.engine import Engine
from assay.dns.nameservers import Nameserver, parse_nameserver
from assay.dns.voice import Voice
from support.dnsserver import Behaviour, DnsServer, dead, rcode, slow
from support.ports import free_port

ZONE = "a.test. 0 TXT hello"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as undo:
        yield undo


def client(stack: ExitStack, *servers: DnsServer | Nameserver) -> DnsClient:
    nameservers = [server.nameserver if isinstance(server, DnsServer) else server for server in servers]
    made = DnsClient(nameservers, timeout=0.4)
    stack.callback(made.close)
    return made


def ask(client: DnsClient, name: bytes) -> Answer:
    return client.for_message().resolve(name, RRType.TXT)


def fails(answer: Answer) -> bool:
    """Whose fault a failure is: True: ours."""
    assert isinstance(answer, Unavailable)
    return answer.ours


@pytest.mark.parametrize(
    ("answers", "silent"),
    [
        pytest.param([], True, id="never an answer"),
        pytest.param([90.0], True, id="none since the question was asked"),
        pytest.param([100.0], False, id="one at the same moment"),
        pytest.param([101.0], False, id="one soon after it"),
        pytest.param([104.5], True, id="the first after a silence, too late for a repetition"),
        pytest.param([101.0, 104.5], True, id="a word, a silence, and a word that comes too late"),
        pytest.param([103.8, 104.5], False, id="answers all along"),
    ],
)
def test_when_name_servers_count_as_silent(answers: list[float], silent: bool) -> None:  # noqa: FBT001 - a column
    voice = Voice(1.0)
    for moment in answers:
        voice.hear(moment)
    assert voice.was_silent(100.0, 105.0) is silent


@pytest.mark.parametrize(
    ("behaviour", "whose"),
    [
        pytest.param(dead, "ours", id="no answer from a name server that says nothing else either"),
        pytest.param(rcode("SERVFAIL"), "its owner's", id="SERVFAIL"),
        pytest.param(rcode("REFUSED"), "its owner's", id="REFUSED"),
        pytest.param(slow(0.2), "nobody's", id="a late answer is an answer"),
    ],
)
def test_what_a_name_server_does(stack: ExitStack, behaviour: Behaviour, whose: str) -> None:
    server = stack.enter_context(DnsServer(ZONE, everything=behaviour))
    answer = ask(client(stack, server), b"a.test")
    if whose == "nobody's":
        assert isinstance(answer, Found)
    else:
        assert fails(answer) is (whose == "ours")


def test_a_name_that_gets_no_answer_while_others_do_is_its_owners(stack: ExitStack) -> None:
    server = stack.enter_context(DnsServer(ZONE, {b"dead.test": dead}))
    asking = client(stack, server)
    message = asking.for_message()
    message.prefetch(b"dead.test", RRType.TXT)
    assert isinstance(ask(asking, b"a.test"), Found)
    assert not fails(message.resolve(b"dead.test", RRType.TXT))


def test_a_name_server_that_comes_back_when_it_is_too_late_for_a_name_is_ours(stack: ExitStack) -> None:
    server = stack.enter_context(DnsServer(ZONE, {b"dead.test": dead, b"a.test": slow(0.35)}))
    asking = client(stack, server)
    message = asking.for_message()
    message.prefetch(b"dead.test", RRType.TXT)
    message.prefetch(b"a.test", RRType.TXT)
    assert fails(message.resolve(b"dead.test", RRType.TXT))


def test_a_name_server_that_is_gone_is_ours(stack: ExitStack) -> None:
    assert fails(ask(client(stack, parse_nameserver(f"127.0.0.1:{free_port()}")), b"a.test"))


def test_one_of_two_name_servers_that_says_something_is_enough(stack: ExitStack) -> None:
    gone = parse_nameserver(f"127.0.0.1:{free_port()}")
    server = stack.enter_context(DnsServer(ZONE, everything=rcode("SERVFAIL")))
    assert not fails(ask(client(stack, gone, server), b"a.test"))


def test_once_the_name_server_is_back_its_failures_are_the_owners_again(stack: ExitStack) -> None:
    server = DnsServer(ZONE, {b"broken.test": rcode("SERVFAIL")})
    asking = client(stack, server)
    assert fails(ask(asking, b"a.test"))
    with server:
        assert isinstance(ask(asking, b"a.test"), Found)
        assert not fails(ask(asking, b"broken.test"))


def test_no_descriptor_to_ask_with_is_ours_though_others_are_answered(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = stack.enter_context(DnsServer(ZONE))
    asking = client(stack, server)
    assert isinstance(ask(asking, b"a.test"), Found)

    def no_descriptor(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Attempt, "send", no_descriptor)
    assert fails(ask(asking, b"a.test"))


def test_a_name_that_waited_for_a_socket_of_ours_is_ours_though_others_are_answered(stack: ExitStack) -> None:
    behaviours = {b"dead.test": dead, b"a.test": slow(0.2), b"author.test": dead}
    server = stack.enter_context(DnsServer(ZONE, behaviours))
    asking = DnsClient([server.nameserver], timeout=1.6, max_sockets=2)
    stack.callback(asking.close)
    stranger, message = asking.for_message(), asking.for_message()
    # the first takes a socket for good, the second as long as its answer takes
    stranger.prefetch(b"dead.test", RRType.TXT)
    stranger.prefetch(b"a.test", RRType.TXT)
    assert fails(message.resolve(b"author.test", RRType.TXT))
    assert isinstance(stranger.resolve(b"a.test", RRType.TXT), Found)
    assert not fails(stranger.resolve(b"dead.test", RRType.TXT))


def test_a_name_that_waited_for_a_socket_of_ours_and_is_refused_is_its_owners(stack: ExitStack) -> None:
    behaviours = {b"a.test": slow(0.1), b"broken.test": rcode("SERVFAIL")}
    server = stack.enter_context(DnsServer(ZONE, behaviours))
    asking = DnsClient([server.nameserver], timeout=0.8, max_sockets=1)
    stack.callback(asking.close)
    message = asking.for_message()
    message.prefetch(b"a.test", RRType.TXT)
    assert not fails(message.resolve(b"broken.test", RRType.TXT))


def test_a_client_that_cannot_start_is_ours(stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_descriptor(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Engine, "__init__", no_descriptor)
    assert fails(ask(client(stack, parse_nameserver("127.0.0.1:53")), b"a.test"))


def test_who_asks_again_does_not_wait_for_a_question_that_could_not_be_asked(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = stack.enter_context(DnsServer(ZONE))
    asking = client(stack, server)
    assert isinstance(ask(asking, b"a.test"), Found)

    def no_memory(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch, suppress(MemoryError):
        patch.setattr(Engine, "submit", no_memory)
        ask(asking, b"a.test")
    assert isinstance(ask(asking, b"a.test"), Found)
