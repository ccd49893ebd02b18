"""Answers kept as long as their TTL allows, and not a moment longer."""

from collections.abc import Callable
from typing import Final

from assay.answers import Absent, Answer, Found, Mx, Record, RRType, Unavailable

Key = tuple[bytes, RRType]
"""A wire name with its case folded, and the type."""

CACHE_OCTETS: Final = 16 * 1024 * 1024
"""Memory that one worker's answers may take, about: 30,000 answers of usual size. A bound on their number alone would
let 64 KiB TXT records fill the memory."""

_ENTRY_OCTETS: Final = 400
"""What an entry takes besides its name and records: the dictionary's slot and the objects (CPython 3.11)."""

_RECORD_OCTETS: Final = 100


class TtlCache:
    """A bounded dictionary of answers. Not thread-safe: its owner holds a lock.

    Attributes:
        octets: estimate of the memory in use, at most ``max_octets``.
    """

    def __init__(self, clock: Callable[[], float], max_octets: int = CACHE_OCTETS) -> None:
        """Make an empty cache.

        Args:
            clock: seconds that never run backwards.
            max_octets: when more would be needed, the oldest answers go.
        """
        self.octets = 0
        self._clock = clock
        self._max_octets = max_octets
        self._entries: dict[Key, tuple[Found | Absent, float, int]] = {}

    def get(self, key: Key) -> Found | Absent | None:
        """Return the answer if it is still good: for a TTL of n from the moment it came until n seconds later."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        answer, expires, _ = entry
        if self._clock() >= expires:
            self._remove(key)
            return None
        return answer

    def put(self, key: Key, answer: Answer, seconds: float) -> None:
        """Keep an answer; one that is unavailable, too large, or to be kept for no time at all is not kept."""
        if key in self._entries:
            self._remove(key)
        if isinstance(answer, Unavailable) or seconds <= 0:
            return
        size = _size(key, answer)
        if size > self._max_octets:
            return
        while self.octets + size > self._max_octets:
            self._remove(next(iter(self._entries)))
        self._entries[key] = (answer, self._clock() + seconds, size)
        self.octets += size

    def __len__(self) -> int:
        return len(self._entries)

    def _remove(self, key: Key) -> None:
        self.octets -= self._entries.pop(key)[2]


def _size(key: Key, answer: Found | Absent) -> int:
    size = _ENTRY_OCTETS + len(key[0])
    if isinstance(answer, Found):
        size += sum(_RECORD_OCTETS + _octets(record) for record in answer.records)
    return size


def _octets(record: Record) -> int:
    match record:
        case bytes():
            return len(record)
        case Mx():
            return len(record.exchange)
        case _:
            return 0
