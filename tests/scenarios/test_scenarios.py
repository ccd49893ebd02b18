"""Every scenario, three times: through the core alone, through real libmilter, and through a real Postfix."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from ipaddress import ip_address

import pytest

from support.conversation import ZoneDaemon
from support.postfix import Postfix
from support.scenario import Case, load_all
from support.scenario_check import check
from support.scenario_drivers import Core, Letter, Libmilter, RealPostfix
from support.scenario_message import message_of
from support.scenario_world import World, worlds

CASES = load_all()
LAX = {"smtpd_forbid_bare_newline": "no", "smtpd_forbid_unauth_pipelining": "no"}
"""Later releases of Postfix stop by themselves what a test here hands in, and the daemon must be safe behind both."""
every_scenario = pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])


@pytest.fixture(scope="module")
def now() -> float:
    """One instant for all: signatures are made at it, and the core's clock shows it."""
    return time.time()


@pytest.fixture(scope="module")
def world_of(now: float) -> Callable[[str], World]:
    """The world of a configuration."""
    return worlds(CASES, now).__getitem__


@pytest.fixture(scope="module")
def letter_of(now: float) -> Callable[[Case], Letter]:
    """The message of a case: the same octets for every driver."""

    @cache
    def make(number: int) -> Letter:
        scenario = CASES[number].scenario
        return Letter.of(scenario, message_of(scenario, now), now)

    return lambda case: make(case.number)


@pytest.fixture(scope="module")
def core_of(
    world_of: Callable[[str], World], tmp_path_factory: pytest.TempPathFactory, now: float
) -> Callable[[str], Core]:
    return cache(lambda config: Core(world_of(config), tmp_path_factory.mktemp("core"), now))


@pytest.fixture(scope="module")
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture(scope="module")
def daemon_of(
    world_of: Callable[[str], World], stack: ExitStack, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], ZoneDaemon]:
    return cache(lambda config: stack.enter_context(world_of(config).daemon(tmp_path_factory.mktemp("daemon"))))


@pytest.fixture(scope="module")
def libmilter_of(daemon_of: Callable[[str], ZoneDaemon]) -> Callable[[str], Libmilter]:
    return cache(lambda config: Libmilter(daemon_of(config)))


@pytest.fixture(scope="module")
def postfix_of(daemon_of: Callable[[str], ZoneDaemon], stack: ExitStack) -> Callable[[str], RealPostfix]:
    def start(config: str) -> RealPostfix:
        daemon = daemon_of(config)
        daemon.wait_for_output("event=listening")
        assert isinstance(daemon.address, tuple)
        return RealPostfix(daemon, stack.enter_context(Postfix("inet:{}:{}".format(*daemon.address), LAX)))

    return cache(start)


@every_scenario
def test_core(case: Case, core_of: Callable[[str], Core], letter_of: Callable[[Case], Letter]) -> None:
    check(case.scenario, core_of(case.scenario.config).run(letter_of(case)))


@every_scenario
def test_libmilter(case: Case, libmilter_of: Callable[[str], Libmilter], letter_of: Callable[[Case], Letter]) -> None:
    check(case.scenario, libmilter_of(case.scenario.config).run(letter_of(case)))


@pytest.mark.real
@every_scenario
def test_postfix(case: Case, postfix_of: Callable[[str], RealPostfix], letter_of: Callable[[Case], Letter]) -> None:
    postfix = postfix_of(case.scenario.config)
    refused = case.scenario.postfix
    if refused is None:
        check(case.scenario, postfix.run(letter_of(case)))
        return
    answer = postfix.send(letter_of(case), "user@dest.example")
    assert answer is not None, "Postfix takes it"
    assert answer[0] == refused.at
    assert answer[1].startswith(refused.refuses)


@pytest.mark.real
def test_a_smuggled_message_is_judged_on_its_own_envelope(postfix_of: Callable[[str], RealPostfix]) -> None:
    """Standards H.1 E9: an MTA that takes a bare LF for a line end finds a second message inside of the first."""
    smuggled = (
        b"From: x@atk.example\r\n\r\nthe first\n.\r\n"
        b"MAIL FROM:<ceo@smuggled.brand.example>\r\nRCPT TO:<smuggled@dest.example>\r\nDATA\r\n"
        b"From: ceo@smuggled.brand.example\r\n\r\nthe second\r\n"
    )
    letter = Letter(
        address=ip_address("198.51.100.66"),
        helo=b"client.example",
        mail_from=b"<x@atk.example>",
        authenticated=None,
        smtputf8=False,
        message=smuggled,
        headers=(),
        body=b"",
    )
    postfix = postfix_of("")
    with postfix.connect() as client:
        assert postfix.converse(client, letter, "outer@dest.example") is None
        inner = [client.getreply() for _ in ("MAIL", "RCPT", "DATA", ".")]

    assert [code for code, _ in inner] == [250, 250, 354, 550]
    assert inner[-1][1].startswith(b"5.7.26 ")
