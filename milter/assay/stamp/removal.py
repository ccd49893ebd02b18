"""Which incoming header fields must go, so that nobody takes them for ours (RFC 8601 5, standards E.3).

The reader to think of is not ours but the laxest one downstream: a filter rule that looks for a text, a script that
cuts at the first ";". So a field stays only if its beginning is plain by the grammar and names somebody else in every
reading that we know of; when in doubt it goes, which RFC 8601 5 allows for any field from outside.
"""

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from assay.domain import Domain
from assay.errors import DomainError
from assay.facts import HeaderField
from assay.limits import MAX_AUTHSERV_ID_OCTETS, MAX_ODD_AUTHSERV_ID_OCTETS
from assay.message.header import unfold
from assay.message.lexer import RESULT_WORD, LexError, Token, TokenKind, tokenize

_NAME: Final = b"authentication-results"
_KEPT_IDS: Final = 256  # of at most MAX_AUTHSERV_ID_OCTETS each: our own, and those of the hosts that mail comes by
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
# How nearly every field begins; what it matches reads the same token by token.
_PLAIN_BEGINNING: Final = re.compile(rb"[ \t]*+([A-Za-z0-9._-]++)[ \t]*+(?:1[ \t]*+)?;")


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
    may write. Of ids that are no plain name only the first :data:`~assay.limits.MAX_ODD_AUTHSERV_ID_OCTETS` octets of
    a message are read.

    Args:
        headers: as received, the topmost first.
        own_ids: our authserv-ids; A-labels or U-labels, any case.
        own_fields: names of fields that only we write.

    Returns:
        From the bottom of the header to its top. In this order the indexes hold both for an MTA that renumbers at each
        deletion and for one that does not (standards G.5.4, CVE-2022-48521).
    """
    ours = frozenset(filter(None, map(_normal, own_ids)))
    reader = _Reader(ours)
    private = _names(own_fields)
    seen: dict[bytes, int] = {}
    removals: list[Removal] = []
    for field in headers:
        # White space before the colon is not part of the name (RFC 5322 4.5.8); Postfix drops it, others may not.
        name = field.key.strip()
        if name != _NAME and name not in private:
            continue
        spelling = field.name.lower()
        index = seen[spelling] = seen.get(spelling, 0) + 1
        if name in private or reader.is_doubtful(field.value):
            removals.append(Removal(field.name.decode("ascii"), index))
    return tuple(reversed(removals))


def claiming_names(own_fields: Collection[str] = ()) -> frozenset[bytes]:
    """Return the names, in lower case, of fields that may claim to be ours; ``own_fields`` as above."""
    return frozenset((_NAME, *_names(own_fields)))


def _names(own_fields: Collection[str]) -> set[bytes]:
    return {name.strip().lower().encode("ascii", "replace") for name in own_fields}


@dataclass(slots=True)
class _Reader:
    """Reads the beginnings of the Authentication-Results fields of one message.

    Attributes:
        ours: our authserv-ids, as :func:`_normal` gives them.
        left: octets of odd beginnings that may still be read.
    """

    ours: frozenset[str]
    left: int = MAX_ODD_AUTHSERV_ID_OCTETS

    def is_doubtful(self, value: bytes) -> bool:
        """Whether anybody could take this field for ours, or it is too odd to tell."""
        if _CONTROL.search(unfold(value)):
            # Bare CR and LF start a new line for some; what follows a NUL a milter never sees (standards G.5.6).
            return True
        beginning = value[:MAX_AUTHSERV_ID_OCTETS]
        authserv_id = self._authserv_id(beginning)
        if not authserv_id:
            return True
        # What a reader without a grammar takes for the id, and what we take for it.
        surface = unfold(beginning.partition(b";")[0] + b" " + authserv_id).decode("utf-8", "surrogateescape")
        if "=?" in surface or not surface.replace("\t", " ").isprintable():
            # Encoded words, which some readers decode first; invisible characters; octets that are no UTF-8.
            return True
        name = _normal(authserv_id.decode())
        if name in self.ours or not name.isascii():
            return True
        return any(_mentions(unicodedata.normalize("NFKC", surface).casefold(), own) for own in self.ours)

    def _authserv_id(self, beginning: bytes) -> bytes:
        """Read the id; empty for what cannot be read, and for what is odd where too much was odd before it."""
        plain = _PLAIN_BEGINNING.match(beginning)
        if plain:
            return plain[1]
        self.left -= len(beginning)
        return b"" if self.left < 0 else _read_authserv_id(beginning)


@lru_cache(maxsize=_KEPT_IDS)
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


def _read_authserv_id(value: bytes) -> bytes:
    """Read ``[CFWS] authserv-id [CFWS version] [CFWS] ";"`` (RFC 8601 2.2).

    Stricter than :func:`assay.message.auth_results.parse_auth_results`: a field that is cut off before the ";" and one
    of another version than 1 are nobody's.

    Returns:
        The id without quotes and quoted-pairs; empty for anything else.
    """
    head: list[Token] = []
    try:
        for token in tokenize(value, RESULT_WORD):
            if token.text == b";":
                break
            head.append(token)
        else:
            return b""
    except LexError:
        return b""
    if head[1:] and head[-1].spaced and head[-1].text == b"1":
        head.pop()
    if len(head) == 1 and head[0].kind is TokenKind.QUOTED:
        return head[0].unquoted()
    if any(token.kind is not TokenKind.WORD and token.text != b"." for token in head):
        return b""
    if any(token.spaced for token in head[1:]):
        return b""
    return b"".join(token.text for token in head)
