"""When a process that keeps dying is tried again."""

import time
from typing import Final

MAX_BACK_OFF: Final = 60.0
"""Seconds between two attempts."""

STABLE_AFTER: Final = 60.0
"""Seconds of life after which a death is a first death again."""


class BackOff:
    """At once the first time, then after 1, 2, 4 ... :data:`MAX_BACK_OFF` seconds."""

    def __init__(self) -> None:
        self._failures = 0
        self._due = 0.0

    def failed(self, *, lived: float = 0.0) -> float:
        """Count a failure, of a process that lived so many seconds; return the seconds until the next attempt."""
        self._failures = 1 if lived >= STABLE_AFTER else self._failures + 1
        delay = 0.0 if self._failures == 1 else min(MAX_BACK_OFF, 2.0 ** min(self._failures - 2, 10))
        self._due = time.monotonic() + delay
        return delay

    def left(self) -> float:
        """Return the seconds until the next attempt; 0 if its time has come."""
        return max(0.0, self._due - time.monotonic())
