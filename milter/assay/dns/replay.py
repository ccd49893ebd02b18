"""Answers kept and given again: how a message is judged a second time without the DNS."""

from collections.abc import Iterable
from threading import Lock

from assay.answers import Answer, Resolver, RRType, Unavailable
from assay.trace import Query


class Recorder:
    """A resolver that passes questions on and keeps the first answer to each. Thread-safe."""

    def __init__(self, resolver: Resolver) -> None:
        """Record what ``resolver`` answers."""
        self._resolver = resolver
        self._lock = Lock()
        self._answers: dict[tuple[bytes, RRType], Query] = {}

    @property
    def answers(self) -> tuple[Query, ...]:
        """What was resolved, each name and type once, in the order of the first answers."""
        with self._lock:
            return tuple(self._answers.values())

    def resolve(self, name: bytes, rrtype: RRType) -> Answer:
        """Pass the question on and keep its answer."""
        answer = self._resolver.resolve(name, rrtype)
        with self._lock:
            self._answers.setdefault((name.lower(), rrtype), Query(name, rrtype, answer))
        return answer

    def prefetch(self, name: bytes, rrtype: RRType) -> None:
        """Pass it on; there is no answer to keep yet."""
        self._resolver.prefetch(name, rrtype)


class Replayer:
    """A resolver that knows only what was recorded."""

    def __init__(self, answers: Iterable[Query]) -> None:
        """Answer from ``answers``; of several for one name and type the first counts."""
        self._answers: dict[tuple[bytes, RRType], Answer] = {}
        for query in answers:
            self._answers.setdefault((query.name.lower(), query.rrtype), query.answer)

    def resolve(self, name: bytes, rrtype: RRType) -> Answer:
        """Give the recorded answer; a question that was not recorded is Unavailable, never Absent."""
        return self._answers.get((name.lower(), rrtype), Unavailable("not recorded"))

    def prefetch(self, name: bytes, rrtype: RRType) -> None:
        """Do nothing: all answers are here."""
