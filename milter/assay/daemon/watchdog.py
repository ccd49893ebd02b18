"""Feeds the watchdog of systemd: each time that a probe came through with the verdict that is due, and only then.

A probe runs in a short-lived child, so that nothing that hangs there, and nothing that it leaves behind, is ours.
"""

import math
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, NoReturn

from assay.config.socket import SocketAddress
from assay.daemon.milter_client import ConversationError
from assay.daemon.notify import Notifier
from assay.daemon.probe import ProbeError, probe
from assay.daemon.setup import Setup
from assay.log import get_logger
from assay.metrics.families import ProbeOutcome

log = get_logger()

PROBES: Final = 4
"""In the time that systemd grants. So a few may fail, such as one whose worker dies, before it takes us for dead."""

RETRY: Final = 1.0
"""Seconds after a probe that failed, and after a reload, at most."""

_GOOD, _WRONG, _UNANSWERED = range(3)  # exit codes of a probe


class Watchdog:
    """When a probe is due, and the one that is under way.

    Args:
        notifier: to systemd.
        timeout: seconds within which systemd wants to be told; None: it does not want to know.
    """

    def __init__(self, notifier: Notifier, timeout: float | None = None) -> None:
        self._notifier = notifier
        self._interval = math.inf if timeout is None else timeout / PROBES
        self._pid: int | None = None
        self._due = 0.0

    @classmethod
    def of(cls, environment: Mapping[str, str], notifier: Notifier) -> "Watchdog":
        """Watch as the environment asks (sd_watchdog_enabled(3))."""
        microseconds = environment.get("WATCHDOG_USEC", "")
        meant = environment.get("WATCHDOG_PID", "") in {"", str(os.getpid())}
        if not (notifier.listened_to and meant and microseconds.isdigit() and int(microseconds)):
            return cls(notifier)
        return cls(notifier, int(microseconds) / 1e6)

    @property
    def watched(self) -> bool:
        """Whether anybody wants to know."""
        return self._interval != math.inf

    @property
    def interval(self) -> float:
        """Seconds between two probes, and the most that one may take."""
        return self._interval

    def patience(self) -> float:
        """Return the seconds until a probe is due; while one is under way its end is waited for."""
        if not self.watched or self._pid is not None:
            return math.inf
        return max(0.0, self._due - time.monotonic())

    def tend(self, setup: Setup, address: SocketAddress, alone: Callable[[], None]) -> bool:
        """Start a probe if one is due; say whether it was.

        Args:
            setup: of the workers that serve.
            address: of the listening socket.
            alone: called in the child, to let go of what belongs to the supervisor.
        """
        if self.patience() > 0:
            return False
        self._due = time.monotonic() + self._interval
        try:
            pid = os.fork()
        except OSError as error:
            log.warning("no process is left for a probe of the watchdog", reason=error)
            self._again_soon()
            return True
        if pid == 0:
            self._become_probe(setup, address, alone)
        self._pid = pid
        return True

    def _become_probe(self, setup: Setup, address: SocketAddress, alone: Callable[[], None]) -> NoReturn:
        """Run in the child, and never return into the supervisor's code."""
        code = _UNANSWERED
        try:
            # nobody has to watch over us: it ends us
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
            signal.setitimer(signal.ITIMER_REAL, self._interval)
            alone()
            probe(setup, address, timeout=self._interval)
            code = _GOOD
        except ProbeError as error:
            code = _WRONG
            log.error("a probe of the watchdog was answered wrong", due=error.due, came=error.came)  # noqa: TRY400 - all is said
        except (ConversationError, OSError) as error:
            log.error("a probe of the watchdog was not answered", reason=error)  # noqa: TRY400 - the reason says it
        except BaseException:
            log.exception("a probe of the watchdog failed")
        finally:
            os._exit(code)

    def buried(self, pid: int, status: int) -> ProbeOutcome | None:
        """Take the end of a child; feed the watchdog where it says that all is well.

        Returns:
            What became of the probe; None: the child was none.
        """
        if pid != self._pid:
            return None
        self._pid = None
        code = os.waitstatus_to_exitcode(status)
        if code == _GOOD:
            self._notifier.alive()
            return ProbeOutcome.GOOD
        if code == -signal.SIGALRM:
            log.error("a probe of the watchdog was not answered in time", seconds=self._interval)
        self._again_soon()
        return ProbeOutcome.WRONG if code == _WRONG else ProbeOutcome.UNANSWERED

    def begin_anew(self) -> None:
        """Forget the probe that is under way: who answers it may have another configuration by then."""
        self.stop()
        self._again_soon()

    def stop(self) -> None:
        """End the probe that is under way."""
        if self._pid is None:
            return
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        self._pid = None

    def _again_soon(self) -> None:
        self._due = time.monotonic() + min(RETRY, self._interval)
