"""What a rule answers: a verdict, or why it has nothing to say."""

from dataclasses import dataclass
from enum import Enum, unique
from typing import Final

from assay.policy.model import Disposition, Override


@dataclass(frozen=True, slots=True)
class Codes:
    """Enhanced status codes of a refusal (with 550) and of a deferral (with 451)."""

    reject: str
    tempfail: str


@unique
class Ground(Enum):
    """What a verdict rests on; its reply follows from it (RFC 7372, standards A.4 and C.6.6)."""

    DMARC = Codes("5.7.26", "4.7.1")
    # The key of a DKIM signature could not be fetched, so DMARC stays open (RFC 7372 has no code; RFC 6376 6.1.2).
    DKIM_KEY = Codes("5.7.26", "4.7.5")
    # SPF could not be evaluated, so DMARC stays open.
    DMARC_BY_SPF = Codes("5.7.26", "4.7.24")
    FROM_FIELD = Codes("5.7.1", "4.7.1")
    SPF = Codes("5.7.23", "4.7.24")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A rule decides.

    Attributes:
        action: what enforce mode does.
        reason: one sentence in printable ASCII.
        override: the reason type if ``action`` turns out to differ from what the owner asked for.
        comment: goes with ``override`` into the report; empty: ``reason``.
    """

    action: Disposition
    reason: str
    ground: Ground = Ground.DMARC
    override: Override = Override.LOCAL_POLICY
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Skip:
    """A rule has nothing to say about this case."""

    why: str


NOT_FAILED: Final = Skip("DMARC did not fail")
