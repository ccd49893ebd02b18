"""How often the two ways to find the organizational domain differ: for the log line, and for whoever counts."""

from dataclasses import dataclass, field
from threading import Lock

from assay.daemon.judge import Judgement


def differs(judgement: Judgement) -> bool | None:
    """Whether the other way says something else of the message; None where it was not evaluated both ways."""
    results, shadow = judgement.results, judgement.shadow
    if results is None or shadow is None:
        return None
    return (shadow.value, shadow.requested) != (results.dmarc.value, results.dmarc.requested)


@dataclass(slots=True)
class ShadowTally:
    """Compares the verdicts of a worker's messages with those of the other way; thread-safe.

    Attributes:
        compared: messages that were evaluated both ways.
        different: those of them whose result or request was not the same.
    """

    compared: int = field(init=False, default=0)
    different: int = field(init=False, default=0)
    _lock: Lock = field(init=False, default_factory=Lock)

    def count(self, judgement: Judgement) -> dict[str, object]:
        """Count one message; return what its log line says: nothing where both ways say the same."""
        different, shadow = differs(judgement), judgement.shadow
        if different is None or shadow is None:
            return {}
        with self._lock:
            self.compared += 1
            self.different += different
            counts = {"shadow_different": self.different, "shadow_compared": self.compared}
        if not different:
            return {}
        return {
            "shadow_dmarc": shadow.value,
            "shadow_requested": shadow.requested,
            "shadow_reason": shadow.reason,
            **counts,
        }
