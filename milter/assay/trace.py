"""The steps of a judgement, in order, as values: what ``assay check`` prints and ``--json`` writes."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from assay.answers import Answer, RRType
from assay.domain import Domain
from assay.results import ArcResult, DkimResult, DmarcResult, Identifier, SpfResult


@dataclass(frozen=True, slots=True)
class Query:
    """The DNS was asked, or its answer taken from what the message already knew."""

    name: bytes
    rrtype: RRType
    answer: Answer


@dataclass(frozen=True, slots=True)
class SpfTerm:
    """SPF looked at one term of the record of ``domain``."""

    domain: str
    term: str
    outcome: str


@dataclass(frozen=True, slots=True)
class SpfDone:
    """SPF has its result."""

    result: SpfResult


@dataclass(frozen=True, slots=True)
class DkimDone:
    """One DKIM signature, counted from the top (0), has its result."""

    index: int
    result: DkimResult


@dataclass(frozen=True, slots=True)
class ArcStep:
    """One check of the ARC chain: ``field`` is ``AMS`` or ``AS``."""

    instance: int
    field: str
    passed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class ArcDone:
    """The ARC chain has its result."""

    result: ArcResult


@dataclass(frozen=True, slots=True)
class WalkStep:
    """The tree walk from ``start`` looked for a policy record at ``name`` (RFC 9989 4.10)."""

    start: Domain
    name: Domain
    outcome: str


@dataclass(frozen=True, slots=True)
class LookupStep:
    """For an author domain a policy record was looked for at ``name``, without a walk (RFC 7489 6.6.3)."""

    author_domain: Domain
    name: Domain
    outcome: str


@dataclass(frozen=True, slots=True)
class OrganizationStep:
    """The list of public suffixes told the organizational domain of ``domain``."""

    domain: Domain
    organizational_domain: Domain
    reason: str


@dataclass(frozen=True, slots=True)
class AlignmentStep:
    """An identifier was compared with the author domain."""

    identifier: Identifier
    author_domain: Domain
    aligned: bool
    reason: str


@dataclass(frozen=True, slots=True)
class DmarcDone:
    """DMARC has its result."""

    result: DmarcResult


@dataclass(frozen=True, slots=True)
class RuleStep:
    """A rule of the policy was asked."""

    rule: str
    decided: bool
    reason: str


@dataclass(frozen=True, slots=True)
class ShadowDone:
    """DMARC was evaluated the other way too, after the decision and without a part in it.

    Attributes:
        result: of the other way.
        steps: on the way to it, without the queries.
    """

    result: DmarcResult
    steps: "tuple[Step, ...]"


Step = (
    Query
    | SpfTerm
    | SpfDone
    | DkimDone
    | ArcStep
    | ArcDone
    | WalkStep
    | LookupStep
    | OrganizationStep
    | AlignmentStep
    | DmarcDone
    | RuleStep
    | ShadowDone
)


@dataclass(slots=True)
class Trace:
    """Collects steps while a message is judged; one per message, used by one thread."""

    steps: list[Step] = field(default_factory=list)

    def add(self, step: Step) -> None:
        """Append a step."""
        self.steps.append(step)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)
