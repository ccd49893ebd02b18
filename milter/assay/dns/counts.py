"""What the DNS client tells whoever counts: one event at a time, of a closed set."""

from enum import StrEnum
from typing import Final, Protocol


class DnsEvent(StrEnum):
    """What can happen to a question of a message, in the order in which it happens."""

    HIT = "hit"
    """The cache has the answer."""

    JOINED = "joined"
    """Another message is asking the same already."""

    MISS = "miss"
    """Name servers are asked."""

    UDP = "udp"
    """A query was sent; one question may need several."""

    TCP = "tcp"
    """A query was sent over TCP, since the answer is too large for UDP."""

    TIMEOUT = "timeout"
    """Nobody answered the question in time."""

    OVER_BUDGET = "over-budget"
    """A message may not ask, or not wait, any more."""


class Outcome(StrEnum):
    """What came out of asking name servers."""

    FOUND = "found"
    ABSENT = "absent"
    UNAVAILABLE = "unavailable"


class DnsCounts(Protocol):
    """Counts; called from many threads, and never to block or to raise."""

    def dns_event(self, event: DnsEvent) -> None:
        """Count an event."""
        ...

    def dns_lookup(self, outcome: Outcome, seconds: float) -> None:
        """Count a question that name servers were asked, and how long it took."""
        ...


class _NotCounted:
    """Counts nothing."""

    def dns_event(self, event: DnsEvent) -> None:
        """Do nothing."""

    def dns_lookup(self, outcome: Outcome, seconds: float) -> None:
        """Do nothing."""


NOT_COUNTED: Final[DnsCounts] = _NotCounted()
"""For commands, which nobody watches."""
