"""The tags of a policy record as they are written, and the record with some of them changed."""

from collections.abc import Container, Mapping
from typing import Final

REMOVED_TAGS: Final = ("pct", "rf", "ri")
"""Of RFC 7489, which RFC 9989 removed."""


def written_tags(text: str) -> dict[str, str]:
    """Return the tags of a policy record, names in lower case; of a repeated tag the first."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            tags.setdefault(name.strip().lower(), value.strip())
    return tags


def without_tags(text: str, names: Container[str]) -> str:
    """Return the record without some of its tags, and otherwise as it is written."""
    return ";".join(part for part in text.split(";") if part.partition("=")[0].strip().lower() not in names)


def rewritten(text: str, changes: Mapping[str, str | None]) -> str:
    """Return the record with tags replaced, added or (None) taken out; those of RFC 7489 alone are taken out too.

    The policy tags stand where older receivers want them, right behind v=.
    """
    tags = written_tags(text) | dict.fromkeys(REMOVED_TAGS) | dict(changes)
    order = ("v", "p", "sp", "np", "t")
    names = [*(name for name in order if name in tags), *(name for name in tags if name not in order)]
    return "; ".join(f"{name}={tags[name]}" for name in names if tags[name] is not None)
