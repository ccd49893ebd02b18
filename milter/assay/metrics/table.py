"""The numbers: a table in memory that the supervisor and all its children share.

Each process that counts has a row of its own, so that no two processes write to the same place and none needs a
lock of another. What is shown is the sum of all rows. A row is never cleared: when its worker is gone, however it
went, the next one takes the row over and goes on counting. So there is no moment in which a number is missing or
counted twice, and none ever falls. A cell is eight aligned octets, written at once: who is killed in the middle leaves
the old number or the new one.
"""

import mmap
import time
from bisect import bisect_left
from collections.abc import Iterable
from threading import Lock
from typing import Final

from assay.config.model import MAX_WORKERS
from assay.dns.counts import DnsEvent, Outcome
from assay.log import get_logger
from assay.metrics.families import (
    BOUNDS_NS,
    CELLS,
    DISPOSITIONS,
    DNS_CACHE,
    DNS_LOOKUP_SECONDS,
    DNS_LOOKUPS,
    DNS_OVER_BUDGET,
    DNS_QUERIES,
    DNS_TIMEOUTS,
    FAULTS,
    Family,
    FaultPlace,
)
from assay.policy.model import Disposition

log = get_logger()

ROWS: Final = 1 + 4 * MAX_WORKERS
"""The supervisor's, and four generations of workers: one that serves, one that comes, and two that still drain."""

_CELL_OCTETS: Final = 8
_LINE: Final = 8
"""Cells of a line of the processor's cache: processes should not write to the same one."""

_STRIDE: Final = -(-CELLS // _LINE) * _LINE

_EVENT_CELLS: Final = {
    **{event: DNS_CACHE.cells[event,] for event in (DnsEvent.HIT, DnsEvent.JOINED, DnsEvent.MISS)},
    **{event: DNS_QUERIES.cells[event,] for event in (DnsEvent.UDP, DnsEvent.TCP)},
    DnsEvent.TIMEOUT: DNS_TIMEOUTS.cell,
    DnsEvent.OVER_BUDGET: DNS_OVER_BUDGET.cell,
}
_OUTCOME_CELLS: Final = {outcome: DNS_LOOKUPS.cells[outcome,] for outcome in Outcome}
_SUM: Final = len(BOUNDS_NS) + 1
"""Where the sum of a histogram is, seen from its first cell: behind its classes and the one above all bounds."""

_LOOKUP_SECONDS: Final = DNS_LOOKUP_SECONDS.cell


class Counters:
    """The row of one process. Thread-safe."""

    def __init__(self, row: memoryview | None = None) -> None:
        """Count into a row.

        Args:
            row: unsigned numbers of eight octets, of a :class:`Table`. None: where nobody looks.
        """
        self._row = memoryview(bytearray(CELLS * _CELL_OCTETS)).cast("Q") if row is None else row
        self._lock = Lock()

    def add(self, cell: int, amount: int = 1) -> None:
        """Add to one cell."""
        with self._lock:
            self._row[cell] += amount

    def add_all(self, ones: Iterable[int], durations: Iterable[tuple[int, int]] = ()) -> None:
        """Change many cells under one lock.

        Args:
            ones: cells to which one is added.
            durations: first cells of histograms, and nanoseconds, not negative, to note in each.
        """
        row = self._row
        with self._lock:
            for cell in ones:
                row[cell] += 1
            for first, nanoseconds in durations:
                row[first + bisect_left(BOUNDS_NS, nanoseconds)] += 1
                row[first + _SUM] += nanoseconds

    def set(self, cell: int, value: int) -> None:
        """Set a gauge; only one process may, since gauges of all rows are added up, too."""
        self._row[cell] = value

    def dns_event(self, event: DnsEvent) -> None:
        """Count what the DNS client tells of."""
        cell = _EVENT_CELLS[event]
        with self._lock:
            self._row[cell] += 1

    def dns_lookup(self, outcome: Outcome, seconds: float) -> None:
        """Count a question that name servers were asked."""
        self.add_all((_OUTCOME_CELLS[outcome],), ((_LOOKUP_SECONDS, max(0, round(seconds * 1e9))),))

    def fault(self, place: FaultPlace) -> None:
        """Count a fault of ours."""
        self.add(FAULTS.cells[place,])


class Totals:
    """All rows added up, at one moment.

    Attributes:
        monotonic: when, in seconds of a clock that never runs backwards.
    """

    def __init__(self, cells: list[int]) -> None:
        self.monotonic = time.monotonic()
        self._cells = cells

    def of(self, family: Family, *labels: str) -> int:
        """Return the number of one series of a counter or gauge."""
        return self._cells[family.cells[labels]]

    def classes(self, family: Family, *labels: str) -> tuple[list[int], int]:
        """Return a histogram: how many are in each class, above all bounds last; and the sum in nanoseconds."""
        first = family.cells[labels]
        return self._cells[first : first + _SUM], self._cells[first + _SUM]

    @property
    def messages(self) -> int:
        """Messages that got an answer: each counts once, exempt ones and deferred ones too."""
        return sum(self._cells[cell] for cell in DISPOSITIONS.cells.values())

    @property
    def dispositions(self) -> dict[Disposition, int]:
        """The same messages by what was done."""
        done = dict.fromkeys(Disposition, 0)
        for (_, disposition, _), cell in DISPOSITIONS.cells.items():
            done[Disposition(disposition)] += self._cells[cell]
        return done


class Table:
    """All rows. Made before the first fork; only the process that made it hands out rows.

    Attributes:
        supervisor: the row of that process.
    """

    def __init__(self, rows: int = ROWS) -> None:
        """Make a table in shared memory, of which only the rows in use take any.

        Args:
            rows: processes that count at the same time, this one included.
        """
        # the first cell says how many rows were ever in use, for children that look at the table, too
        self._cells = memoryview(mmap.mmap(-1, (_LINE + rows * _STRIDE) * _CELL_OCTETS)).cast("Q")
        self._free = list(range(rows - 1, -1, -1))
        self._taken: dict[Counters, int] = {}
        self.supervisor = self.take()

    def take(self) -> Counters:
        """Hand out a row, for a process that is about to be forked.

        Returns:
            The counters on it. Without a free row, after several reloads within the life of one connection, those of
            memory that is not shared: that process's numbers are missing.
        """
        if not self._free:
            log.warning("no row of the metrics is free, this worker is not counted", rows=len(self._taken))
            return Counters()
        number = self._free.pop()
        self._cells[0] = max(self._cells[0], number + 1)
        counters = Counters(self._cells[_start(number) : _start(number + 1)])
        self._taken[counters] = number
        return counters

    def give_back(self, counters: Counters) -> None:
        """Take a row back, once its process is gone; what it counted stays."""
        number = self._taken.pop(counters, None)
        if number is not None:
            self._free.append(number)

    def totals(self) -> Totals:
        """Add up all rows; in any process."""
        rows = [self._cells[_start(number) : _start(number) + CELLS].tolist() for number in range(self._cells[0])]
        return Totals([sum(column) for column in zip(*rows, strict=True)])


def _start(row: int) -> int:
    return _LINE + row * _STRIDE
