"""What a policy can decide: dispositions, override reasons, replies, decisions."""

from dataclasses import dataclass
from enum import StrEnum


class Disposition(StrEnum):
    """What we do with the message; DNS never names one, only a mapped ``Requested`` (architecture 5)."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"
    TEMPFAIL = "tempfail"


class Override(StrEnum):
    """Why the disposition differs from what the owner asked for (RFC 9990 reason types)."""

    LOCAL_POLICY = "local_policy"
    MAILING_LIST = "mailing_list"
    TRUSTED_FORWARDER = "trusted_forwarder"
    POLICY_TEST_MODE = "policy_test_mode"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Reply:
    """An SMTP reply; ``text`` may hold anything, the sink cleans it."""

    code: int
    enhanced: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do with the message, and which rule says so.

    Attributes:
        disposition: what is done. In monitor mode always ``none``.
        would: what enforce mode would have done; equal to ``disposition`` in enforce mode.
        rule: the name of the rule that decided.
        reason: one sentence.
        override: set exactly where ``would`` or ``disposition`` differs from what the owner asked for.
        reply: for reject and tempfail, None otherwise.
    """

    disposition: Disposition
    would: Disposition
    rule: str
    reason: str
    override: Override | None = None
    reply: Reply | None = None
