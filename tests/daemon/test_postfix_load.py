"""Fifty senders at once, a real Postfix, two workers: whatever happens to them, no message is lost or comes twice."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.postfix import Postfix
from support.process import descriptors, wait_until
from support.service_manager import ActivatedDaemon
from support.smtp_load import Load

pytestmark = pytest.mark.real

SETTINGS = {
    # Postfix would let in half as many clients from one address as it lets in at all.
    "smtpd_client_connection_count_limit": "0",
}


@pytest.fixture(scope="module", params=["inet", "unix"])
def site(
    request: pytest.FixtureRequest, nameserver: str, open_directory: Callable[[], Path]
) -> Iterator[tuple[Daemon, Postfix]]:
    """A daemon that was not started, and the Postfix before it."""
    daemon = Daemon(open_directory(), nameserver=nameserver, unix=request.param == "unix", workers=2)
    with Postfix(daemon.postfix_socket, SETTINGS) as postfix:
        yield daemon, postfix


@pytest.fixture
def postfix(site: tuple[Daemon, Postfix]) -> Postfix:
    return site[1]


@pytest.fixture(params=["inet", "unix"])
def activated(
    request: pytest.FixtureRequest, nameserver: str, open_directory: Callable[[], Path]
) -> Iterator[ActivatedDaemon]:
    """Started with a socket that a service manager holds."""
    daemon = ActivatedDaemon(open_directory(), nameserver=nameserver, unix=request.param == "unix", workers=2)
    try:
        with daemon:
            yield daemon
    finally:
        daemon.close()


@pytest.fixture
def daemon(site: tuple[Daemon, Postfix]) -> Iterator[Daemon]:
    """Started, with a log of its own."""
    site[0].log.unlink(missing_ok=True)
    with site[0] as running:
        running.wait_for(lambda: len(running.workers()) == 2, "two workers")
        yield running


def test_reloads_defer_nothing(daemon: Daemon, postfix: Postfix) -> None:
    with Load(postfix) as load:
        load.wait_for_more(100)
        for count in range(1, 5):
            daemon.signal(signal.SIGHUP)
            daemon.wait_for(lambda: daemon.output().count("event=reloaded") == count, "a reload")  # noqa: B023 - awaited here
            load.wait_for_more(50)

    assert load.deferred() == []
    assert daemon.output().count("level=error") == 0
    each_came_as_often_as_it_was_accepted(load, postfix)


def test_restarts_and_reloads_with_a_socket_of_systemd_defer_nothing(activated: ActivatedDaemon) -> None:
    with Postfix(activated.postfix_socket, SETTINGS) as postfix:
        with Load(postfix) as load:
            load.wait_for_more(100)
            for _ in range(3):
                activated.restart()
                load.wait_for_more(100)
            activated.signal(signal.SIGHUP)
            activated.wait_for_output("event=reloaded")
            load.wait_for_more(100)

        assert load.deferred() == []
        assert activated.output().count("level=error") == 0
        each_came_as_often_as_it_was_accepted(load, postfix)
    cycle = ["READY", "STOPPING"]
    assert activated.notify.words() == [*cycle, *cycle, *cycle, "READY", "RELOADING", "READY"]


def test_the_death_of_a_worker_loses_nothing(daemon: Daemon, postfix: Postfix) -> None:
    with Load(postfix) as load:
        load.wait_for_more(100)
        os.kill(max(daemon.workers(), key=descriptors), signal.SIGKILL)
        load.wait_for_deferred(1)
        daemon.wait_for(lambda: len(daemon.workers()) == 3, "another worker")
        load.wait_for_more(200)

    assert daemon.output().count("level=error") == daemon.output().count('"worker died"') == 1
    each_came_as_often_as_it_was_accepted(load, postfix)


def test_a_stop_defers_only_who_comes_after_it(daemon: Daemon, postfix: Postfix) -> None:
    with Load(postfix) as load:
        load.wait_for_more(100)
        assert daemon.stop() == 0
        load.wait_for_deferred(50)
        daemon.start()
        load.wait_for_more(200)

    # The connection of an SMTP client is one to us. Who has one when we are told to stop is served until it ends; who
    # connects later hears so as soon as Postfix answers for its milters, and that is never in the middle of a message.
    assert {reply.command for reply in load.deferred()} == {"MAIL FROM"}
    assert daemon.output().count("level=error") == 0
    each_came_as_often_as_it_was_accepted(load, postfix)


def each_came_as_often_as_it_was_accepted(load: Load, postfix: Postfix) -> None:
    """Which is once for a genuine message and never for a forged one, and nothing waits in a queue."""
    for offer in load.offers():
        # Only the last answer is final, and it is the right one.
        assert [code for code in offer.codes if code != 451] == [550 if offer.forged else 250], offer
    accepted = Counter(offer.token for offer in load.offers() if not offer.forged)
    assert len(accepted) > 100
    # a look at the queue may miss a message that moves within it
    wait_until(lambda: postfix.queue() == [] and len(load.delivered()) >= accepted.total(), "an empty queue")
    delivered = load.delivered()
    assert Counter(dict(each.fields)["Subject"] for each in delivered) == accepted
    assert {each.methods()["dmarc"] for each in delivered} == {"pass"}
