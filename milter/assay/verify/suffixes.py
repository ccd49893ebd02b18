"""Public suffixes: what DMARC asks of a list of them, and the organizational domain that it gives (standards C.5).

The list itself is a file, so it is a parameter here; :mod:`assay.config.suffixes` reads it once, before the fork.
"""

from typing import Protocol

from assay.domain import Domain
from assay.limits import MAX_SUFFIX_LABELS


class PublicSuffixes(Protocol):
    """A list of the names under which others register theirs, such as publicsuffix.org keeps. Thread-safe."""

    def is_public_suffix(self, domain: Domain) -> bool:
        """Whether the list says so of this very name."""
        ...


class NoSuffixes:
    """A list that holds nothing: single labels alone count as public suffixes then."""

    def is_public_suffix(self, domain: Domain) -> bool:  # noqa: ARG002 - as the protocol has it
        """Know of none."""
        return False


def is_public_suffix(domain: Domain, suffixes: PublicSuffixes) -> bool:
    """Whether others register names below ``domain``: it is a single label, or the list says so.

    A name of more than ``MAX_SUFFIX_LABELS`` is none, here and in :func:`organization_of` alike.
    """
    dots = domain.name.count(".")
    return dots == 0 or (dots < MAX_SUFFIX_LABELS and suffixes.is_public_suffix(domain))


def organization_of(domain: Domain, suffixes: PublicSuffixes) -> Domain:
    """Return the organizational domain after RFC 7489 3.2: one label more than the public suffix.

    A public suffix itself is its own organizational domain; RFC 7489 leaves that open.
    """
    labels = len(domain.labels)
    count = min(labels, MAX_SUFFIX_LABELS)
    # The longest suffix counts (RFC 7489 3.2, step 3); at the latest it is the top-level domain.
    while not is_public_suffix(domain.suffix(count), suffixes):
        count -= 1
    return domain.suffix(min(count + 1, labels))
