"""All policies of a directory, and which one holds for an author domain."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from assay.domain import Domain
from assay.policy.domain_policy import DomainPolicy
from assay.policy.expectation import Expectation
from assay.policy.model import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedExpectation:
    """An ``[[expect]]`` table and where it stands.

    Attributes:
        file: the policy file.
        index: counted from 0.
        domain: whose file it is; None for default.toml.
    """

    file: Path
    index: int
    domain: Domain | None
    expectation: Expectation


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The policies in force, merged once when they were loaded.

    Attributes:
        default: for messages with no author domain, and for every domain without a file of its own or of a parent.
        domains: the files by their domain.
        expectations: of all files, in the order of their names.
        quarantine_fields: the names of every header field that a policy may write, to be removed from incoming mail.
            All of them, whatever the message's own policy: who reads the field later does not know that policy.
    """

    default: DomainPolicy
    domains: Mapping[Domain, DomainPolicy] = field(default_factory=dict)
    expectations: tuple[PlacedExpectation, ...] = ()
    quarantine_fields: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        every = (self.default, *self.domains.values())
        object.__setattr__(self, "quarantine_fields", frozenset(policy.quarantine.field for policy in every))

    @classmethod
    def built_in(cls, mode: Mode) -> "Policies":
        """Return what holds where no file says anything."""
        return cls(default=DomainPolicy(mode=mode))

    def for_author(self, domain: Domain | None) -> DomainPolicy:
        """Return the policy of the author domain's own file, else of its nearest parent's, else the default."""
        if domain is None:
            return self.default
        for count in range(len(domain.labels), 0, -1):
            policy = self.domains.get(domain.suffix(count))
            if policy is not None:
                return policy
        return self.default

    def describe(self) -> str:
        """Say in one line what is in force, for ``assay config`` and the log at start."""
        names = ", ".join(sorted(str(domain) for domain in self.domains)) or "none"
        return (
            f"mode {self.default.mode}, default from {self.default.source}; domains with a file: {names}; "
            f"expectations: {len(self.expectations)}"
        )
