"""Whether the name servers said anything to anybody: tells a domain whose DNS is dead from a resolver that is gone."""

import math


class Voice:
    """When answers came; seconds are those of the client's clock.

    Args:
        gap: seconds of silence after which who speaks is said to begin anew.
    """

    def __init__(self, gap: float) -> None:
        self._gap = gap
        self._last = self._since = -math.inf

    def hear(self, now: float) -> None:
        """Note an answer to whatever question, usable or not."""
        if now - self._last > self._gap:
            self._since = now
        self._last = now

    def was_silent(self, begun: float, deadline: float) -> bool:
        """Whether a question asked in between could not be answered: all were silent, or began to speak too late."""
        return self._last < begun or self._since > deadline - self._gap
