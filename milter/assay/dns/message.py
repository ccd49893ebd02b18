"""The resolver of one message: what it asked, what it was told, and how much it may ask."""

from collections.abc import Callable
from threading import Lock
from typing import Protocol

from assay.answers import Absent, Answer, Found, RRType, Unavailable
from assay.dns.counts import NOT_COUNTED, DnsEvent
from assay.dns.names import to_wire


class Pending(Protocol):
    """An answer that will come."""

    def wait(self, seconds: float) -> Answer | None:
        """Wait at most so many seconds; None if there is no answer by then. May be called again, by any thread."""
        ...


class Source(Protocol):
    """Where answers come from; :class:`assay.dns.client.DnsClient` is one."""

    def start(self, wire_name: bytes, rrtype: RRType) -> Answer | Pending:
        """Answer, or start to look for the answer; never blocks."""
        ...


class MessageResolver:
    """The :class:`assay.answers.Resolver` of one message. Thread-safe.

    The same name and type gets the same answer for the whole message, also one with TTL 0 and an Unavailable. The
    budget counts names and types, wherever their answers come from, and the seconds during which somebody was blocked
    in :meth:`resolve`, so that what a message may ask does not depend on what others asked before it. Once it is used
    up, every question whose answer the message does not have yet is Unavailable at once.
    """

    def __init__(
        self,
        source: Source,
        *,
        budget_seconds: float,
        max_queries: int,
        clock: Callable[[], float],
        count: Callable[[DnsEvent], None] = NOT_COUNTED.dns_event,
    ) -> None:
        """Make a resolver.

        Args:
            source: the client of the worker.
            budget_seconds: of waiting.
            max_queries: different questions.
            clock: seconds that never run backwards.
            count: told of each question that stays open since the budget is used up.
        """
        self._source = source
        self._budget = budget_seconds
        self._max_queries = max_queries
        self._clock = clock
        self._count = count
        self._lock = Lock()
        self._started: dict[tuple[bytes, RRType], Answer | Pending] = {}
        self._answers: dict[tuple[bytes, RRType], Answer] = {}
        self._blocked = 0
        self._blocked_since = 0.0
        self._waited = 0.0

    @property
    def queries(self) -> int:
        """How many different questions the message asked, prefetched ones included."""
        return len(self._started)

    def resolve(self, name: bytes, rrtype: RRType) -> Answer:
        """Answer, waiting for it within the client's time per question and what is left of the budget."""
        key = (name.lower(), rrtype)
        found = self._find(name, key)
        if not isinstance(found, Found | Absent | Unavailable):
            found = self._wait(found)
        with self._lock:
            # another thread may have been told first, and then that holds
            return self._answers.setdefault(key, found)

    def prefetch(self, name: bytes, rrtype: RRType) -> Answer | None:
        """Start the query, within the budget, and return at once; the answer if it is here."""
        found = self._find(name, (name.lower(), rrtype))
        return found if isinstance(found, Found | Absent | Unavailable) else found.wait(0)

    def _find(self, name: bytes, key: tuple[bytes, RRType]) -> Answer | Pending:
        """Give the answer that was given, or find or start the question."""
        with self._lock:
            given = self._answers.get(key)
            return self._start(name, key) if given is None else given

    def _start(self, name: bytes, key: tuple[bytes, RRType]) -> Answer | Pending:
        """Find or start the question; with the lock held."""
        started = self._started.get(key)
        if started is not None:
            return started
        wire_name = to_wire(name)
        if wire_name is None:
            return Absent(nxdomain=True)
        if len(self._started) >= self._max_queries:
            self._count(DnsEvent.OVER_BUDGET)
            return Unavailable(f"budget of {self._max_queries} DNS queries for this message used up")
        if self._left() <= 0:
            return self._out_of_time()
        started = self._started[key] = self._source.start(wire_name, key[1])
        return started

    def _wait(self, pending: Pending) -> Answer:
        """Wait for an answer and count the seconds once, however many threads wait at the same time."""
        with self._lock:
            left = max(0.0, self._left())
            if not self._blocked:
                self._blocked_since = self._clock()
            self._blocked += 1
        try:
            answer = pending.wait(left)
        finally:
            with self._lock:
                self._blocked -= 1
                if not self._blocked:
                    self._waited += self._clock() - self._blocked_since
        return self._out_of_time() if answer is None else answer

    def _left(self) -> float:
        """Return the seconds left of the budget; with the lock held."""
        running = self._clock() - self._blocked_since if self._blocked else 0.0
        return self._budget - self._waited - running

    def _out_of_time(self) -> Unavailable:
        self._count(DnsEvent.OVER_BUDGET)
        return Unavailable(f"budget of {self._budget:g} s for the DNS of this message used up")
