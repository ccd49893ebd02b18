"""One question under way, shared by everybody who asks it at the same time."""

import math
from collections import deque
from threading import TIMEOUT_MAX, Lock

from assay.answers import Answer, RRType
from assay.dns.attempt import Attempt  # noqa: TC001 - a conditional import would be one more branch
from assay.dns.chain import Chain


class Lookup:
    """A question that was sent or is about to be.

    Attributes:
        name: the wire name, letters as first asked.
        rrtype: the type asked for.
        deadline: when it is given up, in seconds of the client's clock.
    """

    __slots__ = ("_answer", "_gate", "deadline", "name", "rrtype")

    def __init__(self, name: bytes, rrtype: RRType, deadline: float) -> None:
        self.name = name
        self.rrtype = rrtype
        self.deadline = deadline
        self._answer: Answer | None = None
        self._gate = Lock()  # held until there is an answer; half the price of an Event
        self._gate.acquire()

    def wait(self, seconds: float) -> Answer | None:
        """Wait at most so many seconds; None if there is no answer by then."""
        if self._answer is None and self._gate.acquire(timeout=min(max(0.0, seconds), TIMEOUT_MAX)):
            self._gate.release()  # for the next who waits
        return self._answer

    def finish(self, answer: Answer) -> None:
        """Give the answer to everybody who waits. Once."""
        self._answer = answer
        self._gate.release()


class Task:
    """A lookup as the engine works on it; nobody else touches it.

    Attributes:
        lookup: who waits for it.
        chain: the name asked and the aliases followed so far.
        done: it has its answer.
        plan: name servers (their indices) still to be asked for the end of the chain, in order.
        failed: name servers that gave no usable answer for it.
        heard: a name server said something about it, usable or not.
        unsent: the system had no descriptor or no memory left to ask with.
        held_back: it waited for one of our own sockets, and no name server has said anything since.
        without_edns: name servers that do not know EDNS.
        why: what the last that failed said.
        attempts: those to which an answer may still come.
        next_at: when the next of the plan is asked, if nobody has answered.
        timer_at: when the engine looks at it next, if nothing happens.
    """

    __slots__ = (
        "attempts",
        "chain",
        "done",
        "failed",
        "heard",
        "held_back",
        "lookup",
        "next_at",
        "plan",
        "queued",
        "timer_at",
        "unsent",
        "why",
        "without_edns",
    )

    def __init__(self, lookup: Lookup) -> None:
        self.lookup = lookup
        self.chain = Chain((lookup.name,))
        self.done = self.heard = self.unsent = self.held_back = False
        self.why = ""
        self.next_at = lookup.deadline
        self.timer_at = math.inf
        self.attempts: list[Attempt] = []
        self.plan: deque[int] = deque()
        self.failed: set[int] = set()
        self.without_edns: set[int] = set()
