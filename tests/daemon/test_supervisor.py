"""The supervisor when things go wrong around it: it goes on, and so do the workers that serve."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.ports import free_port
from support.process import Process, leave_descriptors, wait_until
from support.service_manager import NotifySocket

SCRIPT = Path(__file__).parent.parent / "support" / "own_supervisor.py"


class SupervisorAlone(Process):
    """See :mod:`support.own_supervisor`."""

    def __init__(self, directory: Path, settings: str = "", *, workers: int = 1, prefix: tuple[str, ...] = ()) -> None:
        (directory / "policies").mkdir()
        (directory / "policies" / "default.toml").write_text("")
        self._directory = directory
        self.socket = f"inet:{free_port()}@127.0.0.1"
        self.write_config(settings, workers=workers)
        self.trouble()
        super().__init__([*prefix, sys.executable, str(SCRIPT), str(self.config)], log=directory / "log")

    @property
    def config(self) -> Path:
        return self._directory / "assay.toml"

    def write_config(self, settings: str = "", *, workers: int = 1) -> None:
        self.config.write_text(f'socket = "{self.socket}"\nworkers = {workers}\n{settings}\n')

    def trouble(self, *words: str) -> None:
        new = self._directory / "trouble.new"
        new.write_text("\n".join(words))
        new.rename(self._directory / "trouble")

    def workers(self) -> list[int]:
        """Every worker that the log named so far, the oldest first."""
        return [int(found) for found in re.findall(r'"worker started" pid=(\d+)', self.output())]

    def living(self) -> set[int]:
        """Every child, whatever it does."""
        return {int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()}

    def wait_for_workers(self, count: int = 1) -> list[int]:
        return self.wait_for(lambda: self.workers() if len(self.workers()) == count else None, f"{count} workers")


def test_a_machine_with_one_core_for_us_gets_one_worker(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    bound = f"import os, sys; os.sched_setaffinity(0, {{{core}}}); os.execv(sys.argv[1], sys.argv[1:])"
    with SupervisorAlone(tmp_path, workers=0, prefix=(sys.executable, "-c", bound)) as alone:
        alone.wait_for_workers()
        assert re.findall(r"event=listening .*workers=(\d+)", alone.output()) == ["1"]


def test_a_worker_that_must_not_choose_a_core_says_so_and_serves(tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    with SupervisorAlone(tmp_path, workers=cores) as alone:
        first = alone.wait_for_workers(cores)[0]
        alone.trouble("pin")
        os.kill(first, signal.SIGKILL)
        last = alone.wait_for_workers(cores + 1)[-1]
        assert "cannot be pinned" in alone.output()
        assert os.sched_getaffinity(last) == os.sched_getaffinity(alone.pid)


def test_daemons_with_one_worker_each_take_turns_at_the_cores(tmp_path: Path) -> None:
    cores = sorted(os.sched_getaffinity(0))
    with SupervisorAlone(tmp_path) as alone:
        (pid,) = alone.wait_for_workers()
        assert os.sched_getaffinity(pid) == {cores[alone.pid % len(cores)]}


def test_a_system_without_processes_is_waited_for(tmp_path: Path) -> None:
    with SupervisorAlone(tmp_path) as alone:
        (first,) = alone.wait_for_workers()
        alone.trouble("fork")
        os.kill(first, signal.SIGKILL)
        alone.wait_for_output("retry_in=1.0")
        assert 'reason="[Errno 11]' in alone.output()
        alone.trouble()
        (_, second) = alone.wait_for_workers(2)
        assert alone.living() == {second}


def test_a_system_without_descriptors_is_waited_for(tmp_path: Path) -> None:
    with SupervisorAlone(tmp_path) as alone:
        (first,) = alone.wait_for_workers()
        before = leave_descriptors(alone.pid, 3)
        os.kill(first, signal.SIGKILL)
        alone.wait_for_output("retry_in=1.0")
        leave_descriptors(alone.pid, before)
        alone.wait_for_workers(2)


@pytest.mark.parametrize("trouble", ["fork", "die", "hang", "load"])
def test_a_reload_that_fails_leaves_the_old_workers_serving(tmp_path: Path, trouble: str) -> None:
    with SupervisorAlone(tmp_path) as alone:
        before = alone.wait_for_workers()
        alone.write_config(workers=2)
        alone.trouble(trouble)
        alone.signal(signal.SIGHUP)
        alone.wait_for_output("reload failed")
        assert alone.living() == set(before)
        assert "worker finished" not in alone.output()
        alone.trouble()
        alone.signal(signal.SIGHUP)
        alone.wait_for_output("event=reloaded workers=2")
        after = alone.wait_for_workers(3)
        wait_until(lambda: alone.living() == set(after[1:]), "the end of the old worker")


def test_of_a_generation_that_starts_in_part_nothing_stays(tmp_path: Path) -> None:
    with SupervisorAlone(tmp_path) as alone:
        (old,) = alone.wait_for_workers()
        descriptors = len(os.listdir(f"/proc/{alone.pid}/fd"))  # noqa: PTH208 - only counted
        # the listening socket and two socket pairs: the third worker of the new generation finds no descriptor
        leave_descriptors(alone.pid, descriptors + 3)
        alone.write_config(workers=9)
        alone.signal(signal.SIGHUP)
        alone.wait_for_output("reload failed")
        assert len(alone.workers()) > 1
        wait_until(lambda: alone.living() == {old}, "the end of the new workers")


def test_a_reload_that_fails_leaves_the_log_as_it_was(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "d", nameserver="127.0.0.1:53")
    with daemon:
        good = daemon.config.read_text().replace("workers = 1", "workers = 9") + '[log]\nlevel = "error"\n'
        daemon.config.write_text(good)
        descriptors = len(os.listdir(f"/proc/{daemon.pid}/fd"))  # noqa: PTH208 - only counted
        before = leave_descriptors(daemon.pid, descriptors + 3)
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_output("reload failed")
        daemon.config.write_text("nonsense = 1")
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_output("reload refused")
        leave_descriptors(daemon.pid, before)
        daemon.config.write_text(good)
        said = daemon.output()
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: len(_children(daemon.pid)) == 9, "the workers of the new configuration")
    assert "event=reloaded" not in daemon.output().removeprefix(said)


def test_a_worker_that_dies_before_it_serves_is_replaced_with_growing_delay(tmp_path: Path) -> None:
    alone = SupervisorAlone(tmp_path)
    alone.trouble("die")
    with alone:
        alone.wait_for_output("retry_in=1.0")
        assert "exit=3" in alone.output()
        alone.trouble()
        alone.wait_for_workers()


def test_a_reload_before_anything_serves_is_not_told_as_ready(tmp_path: Path) -> None:
    notify = NotifySocket(str(tmp_path / "n"))
    alone = SupervisorAlone(tmp_path)
    alone.environment |= notify.environment
    alone.trouble("die")
    with alone:
        alone.wait_for_output("worker died before it served")
        alone.write_config("nonsense = 1")
        alone.signal(signal.SIGHUP)
        alone.wait_for_output("reload refused")
        alone.wait_for_output("retry_in=1.0")
        assert notify.words() == []
        alone.trouble()
        alone.wait_for(lambda: notify.words() == ["READY"], "the word that it serves")
    notify.close()


def test_a_reload_names_every_key_that_needs_a_restart(tmp_path: Path) -> None:
    with SupervisorAlone(tmp_path) as alone:
        alone.wait_for_workers()
        alone.socket = f"inet:{free_port()}@127.0.0.1"
        alone.write_config('socket_mode = "0600"\nsocket_group = "somebody"')
        alone.signal(signal.SIGHUP)
        alone.wait_for_output("event=reloaded")
        named = re.findall(r"needs a restart.* key=(\w+)", alone.output())
        assert named == ["socket", "socket_mode", "socket_group"]


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_during_the_stop_changes_nothing(tmp_path: Path, second: signal.Signals) -> None:
    alone = SupervisorAlone(tmp_path, "stop_timeout = 1")
    alone.trouble("deaf")
    with alone:
        alone.wait_for_workers()
        alone.signal(signal.SIGTERM)
        alone.wait_for_output("event=stopping")
        alone.signal(second)
        assert alone.wait() == 0
        assert alone.output().splitlines()[-1].startswith("event=stopped")


def test_a_parent_that_ignores_the_death_of_children_does_no_harm(tmp_path: Path) -> None:
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    with SupervisorAlone(tmp_path, prefix=(sys.executable, "-c", ignoring)) as alone:
        (first,) = alone.wait_for_workers()
        os.kill(first, signal.SIGKILL)
        alone.wait_for_workers(2)


def test_a_stopped_worker_does_not_keep_the_supervisor_from_stopping(tmp_path: Path) -> None:
    with SupervisorAlone(tmp_path, "stop_timeout = 0.5") as alone:
        (pid,) = alone.wait_for_workers()
        os.kill(pid, signal.SIGSTOP)
        alone.signal(signal.SIGTERM)
        assert alone.wait() == 0
        assert not Path(f"/proc/{pid}").exists()


def test_run_with_closed_standard_descriptors_logs_to_nobody_and_serves(tmp_path: Path) -> None:
    # Closed, they would be the numbers of the listening socket and of connections, and get the log.
    with SupervisorAlone(tmp_path) as alone:
        alone.stop()
    shell = f'exec "{sys.executable}" -m assay run --config "{alone.config}" <&- >&- 2>&-'
    daemon = subprocess.Popen(["/bin/sh", "-c", shell])
    try:
        wait_until(lambda: _children(daemon.pid), "a worker")
        for pid in (daemon.pid, *_children(daemon.pid)):
            assert {str(Path(f"/proc/{pid}/fd/{number}").readlink()) for number in range(3)} == {"/dev/null"}
    finally:
        daemon.terminate()
    assert daemon.wait() == 0


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_where_no_process_is_left_for_the_metrics_they_come_back_later(tmp_path: Path) -> None:
    port = free_port()
    with SupervisorAlone(tmp_path, f'metrics.address = "127.0.0.1:{port}"') as alone:
        alone.wait_for_output("metrics are shown")
        [found] = re.findall(r'"metrics are shown".* pid=(\d+)', alone.output())
        alone.trouble("fork")
        os.kill(int(found), signal.SIGKILL)
        alone.wait_for_output("no process or descriptor is left for the metrics")
        alone.trouble()
        alone.wait_for(lambda: alone.output().count("metrics are shown") == 2, "the metrics")
        assert len(alone.workers()) == 1
