"""The list of public suffixes, as the package publicsuffixlist ships it: nothing is downloaded.

Read once, before the fork, so that all workers share it. It is as old as the installed package.
"""

from pathlib import Path
from typing import Final

from publicsuffixlist import PSLFILE, PublicSuffixList

from assay.domain import Domain
from assay.errors import ConfigurationError, Problem

SHIPPED: Final = Path(PSLFILE)


class SuffixList:
    """All of the list, the domains of registries and those of companies (its ICANN and its private section)."""

    def __init__(self, suffixes: PublicSuffixList) -> None:
        self._list = suffixes

    def is_public_suffix(self, domain: Domain) -> bool:
        """Whether ``domain`` is one, wildcards and exceptions applied; a top-level domain always is."""
        return self._list.is_public(domain.name)


def read_suffixes(path: Path = SHIPPED) -> SuffixList:
    """Read the list.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        with path.open("rb") as lines:
            return SuffixList(PublicSuffixList(lines))
    except (OSError, UnicodeError) as error:
        problem = Problem(place=str(path), text=f"the list of public suffixes cannot be read: {error}")
        raise ConfigurationError([problem]) from error
