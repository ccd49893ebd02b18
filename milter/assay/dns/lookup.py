"""One question under way, shared by everybody who asks it at the same time."""

from threading import Event

from assay.answers import Answer, RRType


class Lookup:
    """A question that was sent or is about to be.

    Attributes:
        name: the wire name, letters as first asked.
        rrtype: the type asked for.
        deadline: when it is given up, in seconds of the client's clock.
    """

    __slots__ = ("_answer", "_done", "deadline", "name", "rrtype")

    def __init__(self, name: bytes, rrtype: RRType, deadline: float) -> None:
        self.name = name
        self.rrtype = rrtype
        self.deadline = deadline
        self._done = Event()
        self._answer: Answer | None = None

    def wait(self, seconds: float) -> Answer | None:
        """Wait at most so many seconds; None if there is no answer by then."""
        self._done.wait(seconds)
        return self._answer

    def finish(self, answer: Answer) -> None:
        """Give the answer to everybody who waits."""
        self._answer = answer
        self._done.set()
