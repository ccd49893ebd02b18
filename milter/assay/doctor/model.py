"""What the doctor says: kinds of findings, each with an id that stays, and findings of them."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is; the exit code speaks of what is a warning or worse."""

    ERROR = "error"
    """Mail is lost, deferred or let in unjudged, now or as soon as something happens."""
    WARNING = "warning"
    """It works, and will bite."""
    NOTICE = "notice"
    """To be known; nothing is broken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong on this machine.

    Attributes:
        id: of its kind.
        what: what is wrong, with the place: a file and key, a path, an address.
        remedy: what to type: a command, or a line and where it goes.
    """

    id: str
    severity: Severity
    what: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of finding; ``docs/doctor.md`` lists them all.

    Attributes:
        id: kebab case; never given another meaning.
        meaning: what it does to mail, for somebody who reads the id for the first time.
        remedy: what to do, in general.
    """

    id: str
    severity: Severity
    meaning: str
    remedy: str

    def found(self, what: str, remedy: str) -> Finding:
        """Make a finding of this kind."""
        return Finding(id=self.id, severity=self.severity, what=what, remedy=remedy)


def error(identifier: str, meaning: str, remedy: str) -> Kind:
    """Declare a kind of severity error."""
    return Kind(id=identifier, severity=Severity.ERROR, meaning=meaning, remedy=remedy)


def warning(identifier: str, meaning: str, remedy: str) -> Kind:
    """Declare a kind of severity warning."""
    return Kind(id=identifier, severity=Severity.WARNING, meaning=meaning, remedy=remedy)


def notice(identifier: str, meaning: str, remedy: str) -> Kind:
    """Declare a kind of severity notice."""
    return Kind(id=identifier, severity=Severity.NOTICE, meaning=meaning, remedy=remedy)
