"""A worker as the supervisor sees it: a process, and the socket pair over which the two speak in single octets."""

import os
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from assay.metrics.table import Counters

READY: Final = b"r"
"""From a worker, once: connections are accepted."""

DRAIN: Final = b"d"
"""To a worker: finish what is open and exit. The end of the stream means the same: the supervisor died."""

PING: Final = b"p"
"""To a worker: say that you still run; the answer is the same octet."""

START_TIMEOUT: Final = 30.0
"""Seconds after which a worker that does not serve yet is killed; it takes less than one (measured)."""


@dataclass(slots=True)
class WorkerProcess:
    """A living worker process.

    Attributes:
        control: our end; closing it tells the worker to drain, whatever state we are in.
        started: monotonic seconds.
        core: the one that it runs on; None: any.
        counters: its row of the table.
        draining: it was told to; its end is expected.
        asked: monotonic seconds of a ping that was not answered yet; None: it owes no answer.
    """

    pid: int
    control: socket.socket
    started: float
    core: int | None
    counters: Counters
    draining: bool = False
    asked: float | None = None

    def wait_until_it_serves(self) -> bool:
        """Wait for its word; False if it died, or is killed now because it hangs."""
        self.control.settimeout(START_TIMEOUT)
        with suppress(OSError):
            if self.control.recv(1):
                self.control.settimeout(0)
                return True
        self.kill()
        return False

    def drain(self) -> None:
        """Tell it to finish and exit."""
        self.draining = True
        with suppress(OSError):
            self.control.sendall(DRAIN)

    def silent_for(self, now: float) -> float:
        """Take its answer if there is one, and ping it again.

        Args:
            now: monotonic seconds.

        Returns:
            Seconds for which an answer has been due; 0 if it answered.
        """
        with suppress(OSError):
            if self.control.recv(1) == PING:
                self.asked = None
        if self.asked is not None:
            return now - self.asked
        with suppress(OSError):
            self.control.send(PING)
        self.asked = now
        return 0.0

    def kill(self) -> None:
        """End it at once; its open messages are deferred by the MTA."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
