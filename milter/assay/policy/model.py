"""What a policy decides about, and what it can decide: cases, dispositions, override reasons, replies, decisions."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from assay.facts import Client
from assay.results import AuthResults


class Mode(StrEnum):
    """Whether decisions are carried out, or only stamped and logged."""

    MONITOR = "monitor"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One message, as far as a policy looks at it.

    Attributes:
        indirect_signs: the names of the header fields that lists and resenders write (List-Id, List-Post,
            Resent-From, Resent-Sender), as far as the message carries them. ARC sets are seen in ``results.arc``.
        dns_is_gone: a look-up failed on our side, which says nothing about any domain's own name servers.
    """

    results: AuthResults
    client: Client
    indirect_signs: tuple[str, ...] = ()
    dns_is_gone: bool = False


class Disposition(StrEnum):
    """What we do with the message; DNS never names one, only a mapped ``Requested`` (docs/architecture.md)."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"
    TEMPFAIL = "tempfail"


class Exempt(StrEnum):
    """Why a message is not judged."""

    NETWORK = "network"
    AUTHENTICATED = "authenticated"


class Unruled(StrEnum):
    """Stands in for the rule of a message for which no rule was asked."""

    EXEMPT = "exempt"
    HEADER_TOO_LARGE = "header-too-large"
    INTERNAL_ERROR = "internal-error"


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


INTERNAL_ERROR: Final = Reply(451, "4.3.0", "internal error, please try again later")
"""For a fault of our own: always deferred, whatever the policy says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do with the message, and which rule says so.

    Attributes:
        disposition: what is done. In monitor mode always ``none``.
        would: what enforce mode would have done; equal to ``disposition`` in enforce mode.
        rule: the name of the rule that decided.
        policy: the policy file whose keys held, as in ``example.com.toml``; empty where no policy was asked.
        reason: one sentence, printable ASCII, made of our own words, domains and addresses.
        override: set exactly where the owner of a policy record asked for something else than ``disposition``, before
            t=y lowered it (RFC 9990's policy_override_reason). None where no record applies, and for a DMARC pass.
        comment: what the report says next to ``override``; empty without one.
        reply: for reject and tempfail, None otherwise.
        quarantine_field: the header field to write instead of holding the message; None: hold it. Only with the
            disposition ``quarantine``.
    """

    disposition: Disposition
    would: Disposition
    rule: str
    reason: str
    override: Override | None = None
    comment: str = ""
    policy: str = ""
    reply: Reply | None = None
    quarantine_field: str | None = None
