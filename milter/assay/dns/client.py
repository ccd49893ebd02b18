"""The DNS client of one worker: cache, single flight, and the engine behind them."""

import secrets
import time
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Final, assert_never

from assay.answers import Absent, Answer, Found, RRType, Unavailable
from assay.dns.cache import CACHE_OCTETS, Key, TtlCache
from assay.dns.counts import NOT_COUNTED, DnsCounts, DnsEvent, Outcome
from assay.dns.engine import Engine, EngineSettings
from assay.dns.lookup import Lookup
from assay.dns.message import MessageResolver
from assay.dns.names import fold
from assay.dns.nameservers import Nameserver, system_nameservers
from assay.limits import DNS_BUDGET, DNS_MAX_QUERIES, DNS_TIMEOUT, NEGATIVE_TTL

MAX_SOCKETS: Final = 256
"""Sockets of one worker: leaves most of the usual limit of 1,024 descriptors to the connections of the MTA."""

_CLOSED: Final = Unavailable("the DNS client is closed", ours=True)


def _random_id() -> int:
    return secrets.randbits(16)


def _ignore(_: BaseException) -> None:
    """Take no note of a fault: the question's answer tells of it already."""


class DnsClient:
    """Asks recursive name servers, for all messages of one worker process. Thread-safe.

    Nothing starts (no thread, no descriptor) before the first question, so it may be made before a fork, as long as
    only one side of the fork asks.
    """

    def __init__(  # noqa: PLR0913 - the first three are configuration, the others are there to be replaced in tests
        self,
        nameservers: Sequence[Nameserver] = (),
        timeout: float = DNS_TIMEOUT,
        negative_ttl: float = NEGATIVE_TTL,
        *,
        clock: Callable[[], float] = time.monotonic,
        random_id: Callable[[], int] = _random_id,
        faults: Callable[[BaseException], None] = _ignore,
        counts: DnsCounts = NOT_COUNTED,
        cache_octets: int = CACHE_OCTETS,
        max_sockets: int = MAX_SOCKETS,
    ) -> None:
        """Make a client.

        Args:
            nameservers: in order of preference; none: those of the machine's resolv.conf.
            timeout: seconds per question, over all tries, name servers and aliases.
            negative_ttl: seconds to keep a definite absence; 0: only within the message that asked. An alias on the
                way to it with a smaller TTL shortens that.
            clock: seconds that never run backwards.
            random_id: returns an unpredictable number from 0 to 65535.
            faults: told, in the thread of the engine, of exceptions there; the question concerned is Unavailable.
            counts: told of what happens.
            cache_octets: memory for answers, about.
            max_sockets: sockets at the same time.

        Raises:
            NameserverError: resolv.conf is there and cannot be read.
        """
        self._settings = EngineSettings(
            nameservers=tuple(nameservers) or system_nameservers(),
            timeout=timeout,
            clock=clock,
            random_id=random_id,
            faults=faults,
            max_sockets=max_sockets,
            count=counts.dns_event,
        )
        self._counts = counts
        self._negative_ttl = negative_ttl
        self._lock = Lock()  # of the cache and of what is under way; never held across a system call
        self._starting = Lock()  # of the engine's life; the engine itself never takes it
        self._cache = TtlCache(clock, cache_octets)
        self._under_way: dict[Key, Lookup] = {}
        self._engine: Engine | None = None
        self._closed = False

    @property
    def queries_sent(self) -> int:
        """Queries sent to name servers so far, repetitions, TCP and followed aliases included."""
        engine = self._engine
        return 0 if engine is None else engine.queries_sent

    @property
    def nameservers(self) -> tuple[Nameserver, ...]:
        """The name servers in use."""
        return self._settings.nameservers

    def for_message(self, budget_seconds: float = DNS_BUDGET, max_queries: int = DNS_MAX_QUERIES) -> MessageResolver:
        """Return a resolver for one message, with a budget of its own."""
        return MessageResolver(
            self,
            budget_seconds=budget_seconds,
            max_queries=max_queries,
            clock=self._settings.clock,
            count=self._settings.count,
        )

    def start(self, wire_name: bytes, rrtype: RRType) -> Answer | Lookup:
        """Answer from the cache, or join or start the one lookup for this name and type; never blocks.

        Args:
            wire_name: from :func:`assay.dns.names.to_wire`.
            rrtype: the type asked for.
        """
        key = (fold(wire_name), rrtype)
        with self._lock:
            known = self._cache.get(key) or self._under_way.get(key)
            if known is None:
                lookup = Lookup(wire_name, rrtype, self._settings.clock() + self._settings.timeout)
                self._under_way[key] = lookup
        if known is not None:
            self._counts.dns_event(DnsEvent.JOINED if isinstance(known, Lookup) else DnsEvent.HIT)
            return known
        self._counts.dns_event(DnsEvent.MISS)
        try:
            with self._starting:
                refused = self._submit(lookup)
        except BaseException:  # such as for want of memory: who asks this later must not wait for it in vain
            self._settled(lookup, Unavailable("the question could not be asked", ours=True), 0)
            raise
        if refused is not None:
            self._settled(lookup, refused, 0)
        return lookup

    def close(self) -> None:
        """Stop the thread and close all sockets.

        Whoever waits gets Unavailable, and so does every later question whose answer is not in the cache.
        """
        with self._starting:
            if self._engine is not None and not self._closed:
                self._engine.close()
            self._closed = True

    def _submit(self, lookup: Lookup) -> Unavailable | None:
        """Hand the question to the engine, which starts with the first one; return why that cannot be."""
        if self._closed:
            return _CLOSED
        if self._engine is None:
            try:
                self._engine = Engine(self._settings, self._settled)
            except (OSError, RuntimeError) as error:
                return Unavailable(f"the DNS client cannot start: {error}", ours=True)
        self._engine.submit(lookup)
        return None

    def _settled(self, lookup: Lookup, answer: Answer, ttl: int) -> None:
        """Keep the answer as long as is right and hand it out; mostly in the thread of the engine."""
        key = (fold(lookup.name), lookup.rrtype)
        try:
            with self._lock:
                self._under_way.pop(key, None)
                match answer:
                    case Found():
                        outcome = Outcome.FOUND
                        self._cache.put(key, answer, ttl)
                    case Absent():
                        outcome = Outcome.ABSENT
                        self._cache.put(key, answer, min(self._negative_ttl, ttl))
                    case Unavailable():
                        outcome = Outcome.UNAVAILABLE
                    case _:
                        assert_never(answer)
        finally:
            lookup.finish(answer)
        self._counts.dns_lookup(outcome, self._settings.clock() - lookup.deadline + self._settings.timeout)
