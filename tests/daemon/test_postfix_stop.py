"""Stopping, dying and reloading under real mail: every message is delivered, held or deferred, and none is lost."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.mail import Delivered, arrived, message, wait_for
from support.postfix import Postfix
from support.process import wait_until
from support.world import OWN, STRANGER

pytestmark = pytest.mark.real

RECIPIENTS = ["user@dest.example"]


@pytest.fixture(params=["inet", "unix"])
def daemon(request: pytest.FixtureRequest, nameserver: str, open_directory: Callable[[], Path]) -> Daemon:
    """Not started."""
    return Daemon(open_directory(), nameserver=nameserver, unix=request.param == "unix")


@pytest.fixture
def postfix(daemon: Daemon) -> Iterator[Postfix]:
    with Postfix(daemon.postfix_socket) as instance:
        yield instance


def send(postfix: Postfix, token: str) -> int:
    """Send a genuine message; answer the code that decided."""
    return postfix.send(message(token), mail_from="a@genuine.example", address=OWN).verdict.code


def gone(daemon: Daemon) -> bool:
    """The daemon said that it stops: it accepts nothing any more."""
    return "event=stopping" in daemon.output()


def test_without_the_daemon_senders_are_asked_to_come_back(daemon: Daemon, postfix: Postfix) -> None:
    before = postfix.send(message("before"), mail_from="a@genuine.example", address=OWN).verdict
    with daemon:
        during = send(postfix, "during")
    after = postfix.send(message("after"), mail_from="a@genuine.example", address=OWN).verdict

    assert (before.code, during, after.code) == (451, 250, 451)
    assert before.text.startswith("4.7.1 ")
    assert after.command.startswith("MAIL FROM")
    assert wait_for(postfix, "during").methods()["dmarc"] == "pass"
    assert arrived(postfix, "before") == arrived(postfix, "after") == []


def test_a_daemon_that_is_stopped_starts_again(daemon: Daemon, postfix: Postfix) -> None:
    for token in ("one", "two"):
        with daemon:
            assert send(postfix, token) == 250

    assert wait_for(postfix, "two").methods()["dmarc"] == "pass"


def test_a_stop_in_the_middle_of_a_message_finishes_that_message(daemon: Daemon, postfix: Postfix) -> None:
    whole = message("middle", body="first half\r\nsecond half")
    half = whole.index(b"second")
    with daemon, postfix.connect(address=OWN) as client:
        client.mail("a@genuine.example")
        client.rcpt(RECIPIENTS[0])
        client.docmd("DATA")
        # Postfix hands a message to its milters at the end of data, but the daemon has its envelope.
        client.send(whole[:half])
        daemon.signal(signal.SIGTERM)
        wait_until(lambda: gone(daemon), "the daemon to stop accepting")
        refused = send(postfix, "late")
        client.send(whole[half:] + b".\r\n")
        code, text = client.getreply()
        # The connection lives as long as the client wants; the daemon waits for the message, not for that.
        client.quit()
        status = daemon.wait()

    assert (code, refused, status) == (250, 451, 0), text
    delivered = wait_for(postfix, "middle")
    assert delivered.methods()["dmarc"] == "pass"
    assert delivered.body.startswith(b"first half\nsecond half\n")


def test_a_reload_in_the_middle_of_a_message_finishes_it_and_judges_the_next_by_the_new_rules(
    daemon: Daemon, postfix: Postfix
) -> None:
    with daemon, postfix.connect(address=STRANGER) as client:
        client.mail("a@genuine.example")
        client.rcpt(RECIPIENTS[0])
        client.docmd("DATA")
        daemon.config.write_text(daemon.config.read_text("utf-8").replace("enforce", "monitor"), "utf-8")
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_output("event=reloaded")
        client.send(message("old") + b".\r\n")
        old, _ = client.getreply()
        new = postfix.send(message("new"), mail_from="a@genuine.example", address=STRANGER).verdict.code

    assert (old, new) == (550, 250)
    assert wait_for(postfix, "new").methods()["dmarc"] == "fail"
    assert arrived(postfix, "old") == []


def test_a_worker_that_dies_is_replaced_and_its_message_is_deferred(daemon: Daemon, postfix: Postfix) -> None:
    with daemon, postfix.connect(address=OWN) as client:
        client.mail("a@genuine.example")
        client.rcpt(RECIPIENTS[0])
        client.docmd("DATA")
        for worker in workers(daemon):
            os.kill(worker, signal.SIGKILL)
        client.send(message("orphan") + b".\r\n")
        code, _ = client.getreply()
        daemon.wait_for(lambda: daemon.output().count('event="worker started"') == 2, "another worker")
        again = send(postfix, "next")

    assert (code, again) == (451, 250)
    assert arrived(postfix, "orphan") == []
    assert wait_for(postfix, "next").methods()["dmarc"] == "pass"


def test_nothing_is_lost_while_it_reloads_and_stops(daemon: Daemon, postfix: Postfix) -> None:
    """Four clients send one message after another, while the daemon reloads, is stopped and is started again."""
    forged = [f"forged{number}" for number in range(20)]
    genuine = [f"genuine{number}" for number in range(40)]

    def offer(token: str) -> bool:
        """What the sender of real mail does: it comes back until its message is accepted."""
        author, address = ("a@careful.example", STRANGER) if token in forged else ("a@genuine.example", OWN)

        def accepted() -> bool:
            verdict = postfix.send(message(token, author), mail_from=author, address=address).verdict
            assert verdict.code in {250, 451}, verdict
            return verdict.code == 250

        return wait_until(accepted, f"{token} to be accepted")

    def answered() -> int:
        return sum(offered.done() for offered in offers)

    tokens = [*genuine, *forged]
    tokens[::3], tokens[1::3], tokens[2::3] = forged, genuine[:20], genuine[20:]
    with ThreadPoolExecutor(4) as pool, daemon:
        offers = [pool.submit(offer, token) for token in tokens]
        wait_until(lambda: answered() >= 10, "ten messages")
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: answered() >= 20, "twenty messages")
        daemon.stop()
        daemon.start()
        assert all(offered.result() for offered in offers)

    wait_until(lambda: len(postfix.delivered()) >= len(genuine), "every genuine message")
    delivered = [Delivered(raw) for raw in postfix.delivered()]
    assert sorted(dict(each.fields)["Subject"] for each in delivered) == sorted(genuine)
    assert {each.methods()["dmarc"] for each in delivered} == {"pass"}
    assert len(postfix.held()) == len(postfix.queue()) == len(forged)


def workers(daemon: Daemon) -> list[int]:
    """The process ids of the daemon's children."""
    return [int(pid) for pid in Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text("ascii").split()]
