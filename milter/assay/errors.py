"""The errors that a person sees; each message names the place and the remedy."""

from collections.abc import Sequence
from dataclasses import dataclass


class AssayError(Exception):
    """Base of every error that assay raises on purpose."""


class DomainError(AssayError):
    """The text is not a domain name; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault in a configuration or policy file.

    Attributes:
        place: where it is, as ``file: table.key`` or ``file:line``.
        text: what is wrong and what would be right.
    """

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


class ConfigurationError(AssayError):
    """The configuration or a policy file cannot be used; carries every problem found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
