"""The answers of a judgement, given again: how a message is judged a second time without the DNS."""

from collections.abc import Iterable

from assay.answers import Answer, RRType, Unavailable
from assay.trace import Query


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
