"""Which incoming header fields must go, so that nobody takes them for ours (RFC 8601 5, standards E.3).

The reader to think of is not ours but the laxest one downstream: a filter rule that looks for a text, a script that
cuts at the first ";". So a field stays only if its beginning is plain by the grammar and names somebody else in every
reading that we know of; when in doubt it goes, which RFC 8601 5 allows for any field from outside.
"""

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from assay.domain import Domain
from assay.errors import DomainError
from assay.facts import HeaderField

MAX_HEAD: Final = 2048
"""Characters up to the first ";" of the results; a longer head is not read and its field removed."""

_NAME: Final = b"authentication-results"
_FOLD: Final = re.compile(rb"\r?\n(?=[ \t])")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
# Token characters of RFC 2045 5.1, and everything beyond ASCII (RFC 8601 2.2 with RFC 6532).
_TOKEN: Final = re.compile(r"[^\x00-\x20\x7f()<>@,;:\\\"/\[\]?=]+")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_COMMENT_PART: Final = re.compile(r"[()]|\\.|[^()\\]+")


@dataclass(frozen=True, slots=True)
class Removal:
    """A header field to delete.

    Attributes:
        name: as the MTA gave it.
        index: counts from 1 among the fields of this name, in any case, as filters see them (standards G.5.3).
    """

    name: str
    index: int


def forged_fields(
    headers: Sequence[HeaderField], own_ids: Collection[str], own_fields: Collection[str] = ()
) -> tuple[Removal, ...]:
    """Find the fields that claim to be ours.

    These are: every Authentication-Results field whose authserv-id is one of ours however it is written, whose
    authserv-id cannot be read, whose version is not 1 or that holds control characters; and every field that only we
    may write.

    Args:
        headers: as received, the topmost first.
        own_ids: our authserv-ids; A-labels or U-labels, any case.
        own_fields: names of fields that only we write.

    Returns:
        From the bottom of the header to its top. In this order the indexes hold both for an MTA that renumbers at each
        deletion and for one that does not (standards G.5.4, CVE-2022-48521).
    """
    ours = frozenset(filter(None, map(_normal, own_ids)))
    private = {name.strip().lower().encode("ascii", "replace") for name in own_fields}
    seen: dict[bytes, int] = {}
    removals: list[Removal] = []
    for field in headers:
        spelling = field.name.lower()
        index = seen[spelling] = seen.get(spelling, 0) + 1
        # White space before the colon is not part of the name (RFC 5322 4.5.8); Postfix drops it, others may not.
        name = spelling.strip()
        if name in private or (name == _NAME and _is_doubtful(field.value, ours)):
            removals.append(Removal(field.name.decode("ascii"), index))
    return tuple(reversed(removals))


def _is_doubtful(value: bytes, ours: frozenset[str]) -> bool:
    """Whether anybody could take this field for ours, or it is too odd to tell."""
    line = _FOLD.sub(b"", value)
    if _CONTROL.search(line):
        # Bare CR and LF may start a new line for somebody; a milter never sees what follows a NUL (standards G.5.6).
        return True
    text = line.decode("utf-8", "surrogateescape")[: MAX_HEAD + 1]
    head = _read_head(text)
    if head is None:
        return True
    authserv_id, end = head
    surface = text[:end] + " " + authserv_id
    if "=?" in surface or not surface.replace("\t", " ").isprintable():
        # Encoded words, which some readers decode first; invisible characters; octets that are no UTF-8.
        return True
    name = _normal(authserv_id)
    if name in ours or not name.isascii():
        return True
    return any(_mentions(unicodedata.normalize("NFKC", surface).casefold(), own) for own in ours)


def _normal(authserv_id: str) -> str:
    """Return an id in the form in which two that look the same are equal; empty for one without any letter."""
    text = authserv_id.strip().strip(".")
    try:
        return Domain.parse(text).name
    except DomainError:
        return unicodedata.normalize("NFKC", text).casefold()


def _mentions(text: str, own: str) -> bool:
    """Whether our id stands in ``text`` as a word, also as the beginning of a longer name where it has a dot itself."""
    longer = "" if "." in own else r"\.?"
    return re.search(rf"(?<![\w.-]){re.escape(own)}(?!{longer}[\w-])", text) is not None


def _read_head(text: str) -> tuple[str, int] | None:
    """Read ``[CFWS] authserv-id [CFWS version] [CFWS] ";"`` (RFC 8601 2.2).

    Returns:
        The id without quotes and quoted-pairs, and where the ";" is; None for anything else, for a version other than 1
        and for a head beyond :data:`MAX_HEAD`.
    """
    start = _skip_cfws(text, 0)
    if match := _QUOTED.match(text, start):
        authserv_id = re.sub(r"\\(.)", r"\1", match[1])
    elif match := _TOKEN.match(text, start):
        authserv_id = match[0]
    else:
        return None
    end = _skip_cfws(text, match.end())
    if end > match.end() and text.startswith("1", end):
        end = _skip_cfws(text, end + 1)
    return (authserv_id, end) if text.startswith(";", end) and end <= MAX_HEAD else None


def _skip_cfws(text: str, position: int) -> int:
    """Return where white space and comments end; the end of the text for a comment that nothing closes."""
    depth = 0
    while position < len(text):
        if depth == 0:
            if text[position] in " \t":
                position += 1
                continue
            if text[position] != "(":
                return position
        match = _COMMENT_PART.match(text, position)
        if match is None:  # a backslash at the very end
            return len(text)
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        position = match.end()
    return position
