"""The wall clock of a worker, which says when it jumps.

What a signature says of time (t=, x=) can only be compared with the wall clock; all else uses one that never jumps.
So a jump is worth a line in the log, above all a wrong one.
"""

import time
from typing import Final

from assay.clock import Clock
from assay.log import get_logger

log = get_logger()

NOTABLE: Final = 10.0
"""Seconds. Less is the daily work of a time daemon."""


class WallClock:
    """Seconds since 1970-01-01 00:00 UTC.

    Args:
        wall: of the system.
        steady: seconds that never jump.
    """

    def __init__(self, wall: Clock = time.time, steady: Clock = time.monotonic) -> None:
        self._wall = wall
        self._steady = steady
        self._offset = wall() - steady()

    def __call__(self) -> float:
        """Return the time, and log by how much it jumped since the last call."""
        now = self._wall()
        offset = now - self._steady()
        jump, self._offset = offset - self._offset, offset
        if abs(jump) >= NOTABLE:
            log.warning("the clock of the system jumped, or the machine slept", seconds=round(jump, 1))
        return now
