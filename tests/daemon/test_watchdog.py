"""The watchdog of systemd is fed while messages get their verdicts, and only then."""

import errno
import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from assay.config.socket import SocketAddress
from assay.daemon.listener import ListenError, address_of
from assay.daemon.notify import Notifier
from assay.daemon.probe import check_reachable
from assay.daemon.setup import load_setup
from assay.daemon.watchdog import RETRY, Watchdog
from support.conversation import ZoneDaemon, send, stamped
from support.process import leave_descriptors, wait_until
from support.service_manager import NotifySocket


class Watched:
    """A daemon that a service manager watches, which wants to be told something within two seconds."""

    def __init__(self, directory: Path, settings: str = "", *, workers: int = 1) -> None:
        self.daemon = ZoneDaemon(directory, settings=settings, workers=workers)
        self.notify = NotifySocket(str(directory / "n"))
        self.daemon.environment |= {**self.notify.environment, "WATCHDOG_USEC": "2000000"}
        self.lie = directory / "lie"

    def __enter__(self) -> Self:
        self.daemon.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.daemon.stop()
        self.notify.close()

    def fed(self) -> int:
        return self.notify.words().count("WATCHDOG")

    def wait_until_fed(self, times: int = 2) -> None:
        """Wait until it was fed some times more. Only the second is by a probe that began after this call."""
        before = self.fed()
        self.daemon.wait_for(lambda: self.fed() >= before + times, "food for the watchdog")

    def workers(self) -> list[int]:
        return [int(found) for found in re.findall(r'"worker started" pid=(\d+)', self.daemon.output())]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with Watched(tmp_path / "d", '[log]\nlevel = "debug"') as started:
        yield started


def test_it_is_fed_again_and_again_after_ready(watched: Watched) -> None:
    watched.wait_until_fed(3)
    assert watched.notify.words()[:2] == ["READY", "WATCHDOG"]


def test_a_probe_is_no_mail(watched: Watched) -> None:
    # long enough for a worker to be killed that gives no sign of life
    watched.wait_until_fed(6)
    assert watched.daemon.lines('event="probe of the watchdog"', "level=debug")
    assert not watched.daemon.lines("event=message")
    assert not watched.daemon.lines("level=error")


def test_a_worker_that_hangs_is_killed_and_another_one_feeds_it(watched: Watched) -> None:
    (first,) = wait_until(watched.workers, "a worker")
    watched.wait_until_fed()
    os.kill(first, signal.SIGSTOP)
    watched.daemon.wait_for(lambda: watched.daemon.lines("worker does not answer", f"pid={first}"), "its end")
    watched.daemon.wait_for(lambda: len(watched.workers()) == 2, "another worker")
    watched.wait_until_fed()
    assert watched.daemon.lines("probe of the watchdog was not answered in time")


def test_a_worker_that_hangs_is_found_beside_one_that_answers_the_probes(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "d", workers=2)
    with watched:
        watched.daemon.wait_for(lambda: len(watched.workers()) == 2, "two workers")
        second = watched.workers()[1]
        os.kill(second, signal.SIGSTOP)
        watched.daemon.wait_for(lambda: watched.daemon.lines("worker does not answer", f"pid={second}"), "its end")
        watched.daemon.wait_for(lambda: len(watched.workers()) == 3, "another worker")
        watched.wait_until_fed()


def test_a_worker_that_answers_wrong_feeds_nobody(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "d")
    watched.lie.touch()
    with watched:
        watched.daemon.wait_for(lambda: len(watched.daemon.lines("answered wrong")) > 2, "complaints")
        assert watched.daemon.lines("answered wrong", 'due="held: True', "dkim=permerror", 'came="held: False')
        assert watched.fed() == 0
        watched.lie.unlink()
        os.kill(watched.workers()[0], signal.SIGKILL)
        watched.wait_until_fed()


def test_a_reload_between_probes_is_judged_by_the_new_configuration(watched: Watched) -> None:
    watched.wait_until_fed()
    for name in ("one.example", "two.example"):
        watched.daemon.write_config(f'authserv_id = "{name}"')
        watched.daemon.signal(signal.SIGHUP)
        watched.daemon.wait_for_output("event=reloaded")
        watched.wait_until_fed()
    assert not watched.daemon.lines("level=error")
    words = [word for word in watched.notify.words() if word != "WATCHDOG"]
    assert words == ["READY", "RELOADING", "READY", "RELOADING", "READY"]


def test_a_reload_that_is_refused_shows_in_the_status(watched: Watched) -> None:
    watched.wait_until_fed()
    watched.daemon.write_config("workerz = 1")
    watched.daemon.signal(signal.SIGHUP)
    watched.daemon.wait_for(lambda: watched.notify.words().count("READY") == 2, "the end of the reload")
    last = [each["STATUS"] for each in watched.notify.told if "READY" in each][-1]
    assert last.endswith("workers 1; the last reload was refused, see the log")
    watched.daemon.write_config("")
    watched.daemon.signal(signal.SIGHUP)
    watched.daemon.wait_for(lambda: watched.notify.words().count("READY") == 3, "the end of the reload")
    last = [each["STATUS"] for each in watched.notify.told if "READY" in each][-1]
    assert last.endswith("; workers 1")


def test_real_mail_is_served_meanwhile(watched: Watched) -> None:
    with watched.daemon.session() as client:
        watched.wait_until_fed()
        assert "dmarc=pass" in stamped(send(client))
        watched.wait_until_fed()
    assert len(watched.daemon.lines("event=message")) == 1


def test_a_supervisor_without_a_descriptor_left_feeds_it_all_the_same(watched: Watched) -> None:
    watched.wait_until_fed()
    used = {int(entry.name) for entry in Path(f"/proc/{watched.daemon.pid}/fd").iterdir()}
    leave_descriptors(watched.daemon.pid, min(set(range(len(used) + 1)) - used))
    watched.wait_until_fed()


def test_a_stop_waits_for_no_probe(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "d", "stop_timeout = 0.2")
    with watched:
        (worker,) = wait_until(watched.workers, "a worker")
        os.kill(worker, signal.SIGSTOP)
        watched.daemon.wait_for(lambda: len(children(watched.daemon.pid)) == 2, "a probe that hangs")
        assert watched.daemon.stop() == 0


def test_a_system_without_processes_is_asked_again_soon(
    tmp_path: Path, unix_socket: SocketAddress, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fork() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "fork", fork)
    (tmp_path / "d").mkdir()
    with Notifier(str(tmp_path / "n")) as notifier:
        watchdog = Watchdog(notifier, 60)
        assert watchdog.tend(load_setup(ZoneDaemon(tmp_path / "d").config), unix_socket, lambda: None)
        assert 0 < watchdog.patience() <= RETRY
    assert "no process is left for a probe" in "".join(capfd.readouterr())


@pytest.fixture
def unix_socket(tmp_path: Path) -> Iterator[SocketAddress]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "s"))
        yield address_of(listener)


def test_a_socket_that_the_watchdog_can_reach_is_taken(unix_socket: SocketAddress) -> None:
    check_reachable(unix_socket)


def test_a_socket_that_the_sandbox_hides_is_refused_with_a_remedy(unix_socket: SocketAddress) -> None:
    Path(unix_socket.path).unlink()
    with pytest.raises(ListenError, match=r"would find no socket at .*choose another directory"):
        check_reachable(unix_socket)


def test_a_socket_that_is_forbidden_to_us_is_refused_with_a_remedy(
    unix_socket: SocketAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # nothing is forbidden to root, who may run this test
    with pytest.raises(ListenError, match=r"cannot connect to unix:.*write SocketUser=assay"):
        check_reachable(unix_socket)


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@pytest.mark.parametrize(
    ("variables", "watched"),
    [
        pytest.param({}, False, id="nobody asks"),
        pytest.param({"WATCHDOG_USEC": "30000000"}, True, id="systemd asks"),
        pytest.param({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, True, id="it asks us"),
        pytest.param({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, False, id="it asks another process"),
        pytest.param({"WATCHDOG_USEC": "0"}, False, id="no time"),
        pytest.param({"WATCHDOG_USEC": "soon"}, False, id="no number"),
    ],
)
def test_it_is_fed_where_systemd_asks_this_process(tmp_path: Path, variables: dict[str, str], *, watched: bool) -> None:
    with Notifier(str(tmp_path / "n")) as notifier:
        assert Watchdog.of(variables, notifier).watched is watched
    assert not Watchdog.of(variables, Notifier()).watched
