"""The line of ``systemctl status``: how it goes, from the numbers that all processes share."""

import math
import time
from collections import deque
from typing import Final

from assay.daemon.notify import Notifier
from assay.metrics.table import Table
from assay.policy.model import Disposition

PERIOD: Final = 10.0
"""Seconds between two looks."""

MINUTE: Final = 60.0


class StatusLine:
    """Tells systemd what became of the messages of the last minute.

    Args:
        notifier: to systemd; where nobody listens nothing is counted.
        table: the numbers.
    """

    def __init__(self, notifier: Notifier, table: Table) -> None:
        self._notifier = notifier
        self._table = table
        self._looks: deque[tuple[float, dict[Disposition, int]]] = deque()
        self._due = 0.0
        self._told = ""
        self.note = ""

    def patience(self) -> float:
        """Return the seconds until the line may be another one."""
        return max(0.0, self._due - time.monotonic()) if self._notifier.listened_to else math.inf

    def tend(self, workers: int, configured: int) -> None:
        """Tell systemd, if it is time and there is something new.

        Args:
            workers: that serve.
            configured: that should.
        """
        if self.patience() > 0:
            return
        text = self.text(workers, configured)
        if text != self._told:
            self._notifier.status(text)
            self._told = text

    def text(self, workers: int, configured: int) -> str:
        """Make the line; args as for :meth:`tend`."""
        now = time.monotonic()
        self._due = now + PERIOD
        done = self._table.totals().dispositions
        self._looks.append((now, done))
        # the first one that is left is the last one of a minute ago, or that of the start
        while len(self._looks) > 1 and self._looks[1][0] <= now - MINUTE:
            self._looks.popleft()
        before = self._looks[0][1]
        last = {disposition: count - before[disposition] for disposition, count in done.items()}
        serving = f"workers {workers}" if workers == configured else f"workers {workers} of {configured}"
        return (
            f"{sum(last.values())} messages in the last minute: {last[Disposition.NONE]} accepted,"
            f" {last[Disposition.QUARANTINE]} quarantined, {last[Disposition.REJECT]} rejected,"
            f" {last[Disposition.TEMPFAIL]} deferred; {serving}{self.note and '; '}{self.note}"
        )
