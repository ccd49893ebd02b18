"""The parent of the workers: opens the socket, forks, replaces what dies, reloads and stops without losing a message.

It has no threads and no resolver, so that a fork copies nothing but memory. It waits in ``sigtimedwait``: no signal
handler runs between two lines. Nothing that can fail (a file, a fork, a worker that does not come up) ends it: what
serves goes on serving.
"""

import gc
import math
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Final, NoReturn

from assay.daemon.back_off import BackOff
from assay.daemon.changes import log_changes
from assay.daemon.counting import SupervisorCounts
from assay.daemon.endpoint import Endpoint
from assay.daemon.listener import ListenError, address_of, listening
from assay.daemon.notify import Notifier
from assay.daemon.probe import check_reachable
from assay.daemon.setup import Setup
from assay.daemon.status import StatusLine
from assay.daemon.watchdog import Watchdog
from assay.daemon.worker_process import WorkerProcess
from assay.errors import ConfigurationError
from assay.log import get_logger
from assay.metrics.families import ReloadOutcome, WorkerEnd
from assay.metrics.table import Counters, Table

log = get_logger()

STOP_SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT})
RELOAD_SIGNALS: Final = frozenset({signal.SIGHUP, signal.SIGUSR1})
SIGNALS: Final = STOP_SIGNALS | RELOAD_SIGNALS | {signal.SIGCHLD}

AFTER_STOP_TIMEOUT: Final = 30.0
"""Seconds that the service manager should grant beyond ``stop_timeout``, for what comes after it."""

RESTART_KEYS: Final = ("socket", "socket_mode", "socket_group")
"""Keys of the listening socket, which stays as it was opened."""

Serve = Callable[[Setup, socket.socket, socket.socket, Counters], NoReturn]
"""Runs a worker in the child: what was loaded, the listening socket, the control socket, what it counts with."""


@contextmanager
def signals_held() -> Iterator[None]:
    """Keep our signals from their default actions: one that comes early waits, one that comes too late is dropped.

    Without it a reload right after the start, or a second SIGTERM, would kill the supervisor.
    """
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    # Where our parent ignores it, so do we, and the kernel would bury our workers behind our back.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        while signal.sigtimedwait(SIGNALS, 0):
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


class Supervisor:
    """Owns the listening socket, the workers and the table of what they count.

    Attributes:
        table: what all processes counted so far.

    Args:
        setup: to begin with.
        reload: reads everything again.
        serve: what a worker does.
        adopted: told of each configuration that holds from now on for this process too.
        inherited: the listening socket, where it was opened for us; None: it is opened as configured.
        notifier: to the service manager.
        watchdog: of the service manager.
    """

    def __init__(  # noqa: PLR0913 - what it owns, each by name
        self,
        setup: Setup,
        *,
        reload: Callable[[], Setup],
        serve: Serve,
        adopted: Callable[[Setup], None] = lambda _: None,
        inherited: socket.socket | None = None,
        notifier: Notifier | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        self._setup = setup
        self._inherited = inherited
        self._notifier = notifier or Notifier()
        self._watchdog = watchdog or Watchdog(self._notifier)
        self._ready = False
        self._opened = setup.config
        self._reload = reload
        self._serve = serve
        self._adopted = adopted
        self.table = Table()
        self._counts = SupervisorCounts(self.table.supervisor)
        self._endpoint = Endpoint(self.table)
        self._status = StatusLine(self._notifier, self.table)
        self._workers: dict[int, WorkerProcess] = {}
        self._back_off = BackOff()

    def run(self) -> int:
        """Serve until told to stop; return the exit code.

        Raises:
            ListenError: the listening socket or that of the metrics cannot be opened, or the watchdog cannot reach
                the first.
        """
        with signals_held():
            with self._listening() as listener:
                self._endpoint.open(self._setup.config.metrics.address)
                address = address_of(listener)
                log.info(
                    "listening",
                    socket=address.libmilter,
                    postfix=address.postfix,
                    workers=self._setup.config.workers,
                    opened_by="systemd" if listener is self._inherited else None,
                )
                if self._watchdog.watched:
                    check_reachable(address)
                while self._tend(listener):
                    pass
            return self._drain_all()

    def _listening(self) -> AbstractContextManager[socket.socket]:
        """Return the socket that was opened for us, which is only closed at the end, or open our own."""
        config = self._setup.config
        return self._inherited or listening(config.socket, mode=config.socket_mode, group=config.socket_group)

    def _tend(self, listener: socket.socket) -> bool:
        """Start what is missing, wait for one event, act on it; False once it is time to stop."""
        self._start_missing(listener)
        self._count_workers()
        if not self._ready and len(self._serving()) >= self._setup.config.workers:
            self._ready = True
            self._notifier.ready(self._status_text())
        if self._ready:
            self._watch(listener)
            self._status.tend(*self._strength())
        event = signal.sigtimedwait(SIGNALS, min(self._patience(), self._endpoint.tend()))
        self._bury()
        if event is None:
            return True
        if event.si_signo in RELOAD_SIGNALS:
            self._renew(listener)
        return event.si_signo not in STOP_SIGNALS

    def _status_text(self) -> str:
        return self._status.text(*self._strength())

    def _strength(self) -> tuple[int, int]:
        """Return how many workers serve and how many should."""
        return len(self._serving()), self._setup.config.workers

    def _count_workers(self) -> None:
        serving = len(self._serving())
        draining = len(self._workers) - serving
        self._counts.workers(serving=serving, draining=draining, configured=self._setup.config.workers)

    def _serving(self) -> list[WorkerProcess]:
        return [worker for worker in self._workers.values() if not worker.draining]

    def _patience(self) -> float:
        """Return for how long nothing needs to be done: no worker may be replaced, no probe is due; at most an hour."""
        until_respawn = math.inf
        if len(self._serving()) < self._setup.config.workers:
            until_respawn = self._back_off.left()
        until_told = min(self._watchdog.patience(), self._status.patience()) if self._ready else math.inf
        return min(3600.0, until_respawn, until_told)

    def _watch(self, listener: socket.socket) -> None:
        """Send a probe if one is due; then ask each worker for a sign of life, since the kernel chooses who gets it."""

        def alone() -> None:
            listener.close()
            self._endpoint.leave()
            for worker in self._workers.values():
                worker.control.close()

        if not self._watchdog.tend(self._setup, address_of(listener), alone):
            return
        for worker in self._serving():
            silent = worker.silent_for(time.monotonic())
            if silent >= 2 * self._watchdog.interval:
                log.error("worker does not answer, it is killed", pid=worker.pid, silent=round(silent, 1))
                worker.kill()

    def _start_missing(self, listener: socket.socket) -> None:
        while len(self._serving()) < self._setup.config.workers and not self._back_off.left():
            if self._start(self._setup, listener) is None:
                log.error("no worker could be started", retry_in=self._back_off.failed())

    def _start(self, setup: Setup, listener: socket.socket) -> WorkerProcess | None:
        """Fork a worker and wait until it serves; None, with a log line that says why, if that fails."""
        try:
            worker = self._fork(setup, listener)
        except OSError as error:
            log.error("no process or descriptor is left for a worker", reason=error)  # noqa: TRY400 - the reason says it
            self._counts.worker_ended(WorkerEnd.NEVER_SERVED)
            return None
        if worker.wait_until_it_serves():
            log.info("worker started", pid=worker.pid)
            self._counts.worker_started()
            return worker
        del self._workers[worker.pid]
        worker.control.close()
        _, status = os.waitpid(worker.pid, 0)
        self.table.give_back(worker.counters)
        self._counts.worker_ended(WorkerEnd.NEVER_SERVED)
        log.error("worker died before it served", pid=worker.pid, exit=os.waitstatus_to_exitcode(status))
        return None

    def _fork(self, setup: Setup, listener: socket.socket) -> WorkerProcess:
        core = self._free_core() if setup.config.pin_workers else None
        ours, theirs = socket.socketpair()
        counters = self.table.take()
        with theirs:
            # what exists now is shared for good: the collector must not touch, and so copy, its pages in the children
            gc.freeze()
            try:
                pid = os.fork()
            except OSError:
                ours.close()
                self.table.give_back(counters)
                raise
            if pid == 0:
                self._become_worker(setup, listener, (ours, theirs), core, counters)
        worker = self._workers[pid] = WorkerProcess(
            pid=pid, control=ours, started=time.monotonic(), core=core, counters=counters
        )
        return worker

    def _free_core(self) -> int:
        """Return the core with the fewest workers among those that this process may use.

        Not always the lowest: several daemons with few workers each should not meet on one core.
        """
        cores = sorted(os.sched_getaffinity(0))
        first = os.getpid() % len(cores)
        cores = cores[first:] + cores[:first]
        taken = [worker.core for worker in self._serving()]
        return min(cores, key=taken.count)

    def _become_worker(
        self,
        setup: Setup,
        listener: socket.socket,
        control: tuple[socket.socket, socket.socket],
        core: int | None,
        counters: Counters,
    ) -> NoReturn:
        """Run in the child, and never return into the supervisor's code."""
        ours, theirs = control
        try:
            if core is not None:
                # The threads of a Python process take turns. On one core whose turn it is costs no wake-up of another:
                # a quarter of the CPU of small messages, and half as many of them again (docs/performance.md).
                try:
                    os.sched_setaffinity(0, {core})
                except OSError as error:  # a core that was taken offline, or a sandbox that forbids it
                    log.warning("worker runs on any core, it cannot be pinned", core=core, reason=error)
            # A terminal's interrupt goes to its whole process group; libmilter would abort open messages on it.
            os.setpgid(0, 0)
            ours.close()
            self._endpoint.leave()
            for worker in self._workers.values():
                worker.control.close()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            self._serve(setup, listener, theirs, counters)
        except BaseException:
            log.exception("worker failed")
        finally:
            os._exit(1)

    def _bury(self) -> None:
        """Collect every worker that has ended; one that was not told to ends with a log line and a delay."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            outcome = self._watchdog.buried(pid, status)
            if outcome is not None:
                self._counts.probed(outcome)
                continue
            worker = self._workers.pop(pid, None)
            if worker is None:
                self._endpoint.buried(pid, status)
                continue
            worker.control.close()
            self.table.give_back(worker.counters)
            finished = worker.draining and status == 0
            self._counts.worker_ended(WorkerEnd.FINISHED if finished else WorkerEnd.DIED)
            if finished:
                log.info("worker finished", pid=pid)
                continue
            delay = None if worker.draining else self._back_off.failed(lived=time.monotonic() - worker.started)
            log.error("worker died", pid=pid, exit=os.waitstatus_to_exitcode(status), restart_in=delay)

    def _renew(self, listener: socket.socket) -> None:
        """Read everything again, and tell the service manager of the beginning and the end of it, if we serve."""
        if self._ready:
            self._notifier.reloading()
        self._watchdog.begin_anew()
        outcome = self._reload_all(listener)
        self._counts.reloaded(outcome)
        self._status.note = "" if outcome is ReloadOutcome.DONE else f"the last reload was {outcome}, see the log"
        self._watchdog.begin_anew()
        if self._ready:
            self._notifier.ready(self._status_text())

    def _reload_all(self, listener: socket.socket) -> ReloadOutcome:
        """Read everything again; all of it holds from here on for new connections, or none of it."""
        try:
            setup = self._reload()
        except ConfigurationError as error:
            for problem in error.problems:
                log.warning("reload refused, the old configuration stays", place=problem.place, problem=problem.text)
            return ReloadOutcome.REFUSED
        except Exception:
            log.exception("reload failed, the old configuration stays")
            return ReloadOutcome.FAILED
        for key in RESTART_KEYS:
            if getattr(setup.config, key) != getattr(self._opened, key):
                log.warning("this key needs a restart, its old value stays", key=key)
        old = self._serving()
        # the new ones first: there is no moment in which nobody accepts
        if not self._start_generation(setup, listener):
            log.error("reload failed, its workers do not start: the old ones go on")
            return ReloadOutcome.FAILED
        before, self._setup = self._setup, setup
        self._adopted(setup)
        self._back_off = BackOff()
        for worker in old:
            worker.drain()
        try:
            self._endpoint.open(setup.config.metrics.address)
        except ListenError as error:
            log.warning("the metrics stay where they were", reason=error)
        log_changes(before, setup)
        log.info("reloaded", workers=setup.config.workers)
        return ReloadOutcome.DONE

    def _start_generation(self, setup: Setup, listener: socket.socket) -> bool:
        """Start all workers of a new configuration, or leave none of them."""
        started: list[WorkerProcess] = []
        for _ in range(setup.config.workers):
            worker = self._start(setup, listener)
            if worker is None:
                for other in started:
                    other.drain()
                return False
            started.append(worker)
        return True

    def _drain_all(self) -> int:
        """Let the workers finish, for at most ``stop_timeout`` seconds; return the exit code."""
        log.info("stopping", workers=len(self._workers))
        self._notifier.stopping(self._setup.config.stop_timeout + AFTER_STOP_TIMEOUT)
        self._watchdog.stop()
        for worker in self._workers.values():
            worker.drain()
        deadline = time.monotonic() + self._setup.config.stop_timeout
        while self._workers and (left := deadline - time.monotonic()) > 0:
            self._count_workers()
            signal.sigtimedwait({signal.SIGCHLD}, left)
            self._bury()
        for pid, worker in self._workers.items():
            log.error("worker did not finish in time, its open messages are deferred", pid=pid)
            self._counts.worker_ended(WorkerEnd.KILLED)
            worker.kill()
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
        self._endpoint.close()
        log.info("stopped")
        return 0
