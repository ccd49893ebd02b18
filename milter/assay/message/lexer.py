"""Tokens of structured header fields (RFC 5322 3.2): comments, folds and quoting are understood here, and only here.

The work is linear in the length of the text. Nesting of comments costs a counter, no recursion; every pattern is
possessive, so that no text makes the matcher go back.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from assay.errors import AssayError
from assay.message.header import unfold

ATOM = re.compile(rb"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\x80-\xff]++")
"""A run of atext (RFC 5322 3.2.3). Octets from 0x80 count, as in RFC 6532 3.2; what they mean is for the caller."""

RESULT_WORD = re.compile(rb"[A-Za-z0-9!#$%&'*+\-^_`{|}~\x80-\xff]++")
"""What stands between separators in Authentication-Results: an atom without ``/``, ``=`` and ``?`` (RFC 2045 5.1)."""

_BLANK = re.compile(rb"[ \t]++")
_QUOTED = re.compile(rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]++|\\[\t -\x7e\x80-\xff])*+"')
_LITERAL = re.compile(rb"\[[\t \x21-\x5a\x5e-\x7e]*+\]")
_COMMENT_TEXT = re.compile(rb"(?:[\t \x21-\x27\x2a-\x5b\x5d-\x7e\x80-\xff]++|\\[\t -\x7e\x80-\xff])++")
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_SEPARATORS = frozenset(b"<>:;@,./=?")


class LexError(AssayError):
    """The text is no sequence of tokens: something is left open, or an octet may not stand where it does."""


class TokenKind(StrEnum):
    """What a token is; comments and white space are none."""

    WORD = "word"
    QUOTED = "quoted-string"
    LITERAL = "domain-literal"
    SEPARATOR = "separator"


@dataclass(frozen=True, slots=True)
class Token:
    """One token.

    Attributes:
        text: as it stands, quotes and brackets included.
        spaced: a comment or white space stands directly before it.
    """

    kind: TokenKind
    text: bytes
    spaced: bool

    def unquoted(self) -> bytes:
        """Return what a quoted string means (RFC 5322 3.2.4), and any other token as it stands."""
        if self.kind is not TokenKind.QUOTED:
            return self.text
        return _QUOTED_PAIR.sub(rb"\1", self.text[1:-1])


def tokenize(value: bytes, word: re.Pattern[bytes] = ATOM) -> Iterator[Token]:
    """Read a field body token by token, lazily.

    Args:
        value: folds as CRLF and white space; they are unfolded first (RFC 5322 2.2.3).
        word: what a word is made of, :data:`ATOM` or :data:`RESULT_WORD`.

    Raises:
        LexError: at the first octet that no token can start with or hold: a control character (also inside of
            quotes and comments, standards H.2 F11), a CR or LF that is no fold, an open quote, comment or bracket.
    """
    text = unfold(value)
    position = 0
    spaced = False
    while position < len(text):
        if blank := _BLANK.match(text, position):
            position = blank.end()
            spaced = True
            continue
        if text[position] == ord("("):
            position = _after_comment(text, position)
            spaced = True
            continue
        token = _token_at(text, position, word, spaced=spaced)
        yield token
        position += len(token.text)
        spaced = False


def _token_at(text: bytes, position: int, word: re.Pattern[bytes], *, spaced: bool) -> Token:
    for kind, pattern in ((TokenKind.WORD, word), (TokenKind.QUOTED, _QUOTED), (TokenKind.LITERAL, _LITERAL)):
        if match := pattern.match(text, position):
            return Token(kind, match[0], spaced)
    if text[position] in _SEPARATORS:
        return Token(TokenKind.SEPARATOR, text[position : position + 1], spaced)
    raise LexError(f"no token starts at octet {position}")


def _after_comment(text: bytes, position: int) -> int:
    depth = 0
    while True:
        octet = text[position : position + 1]
        if octet == b"(":
            depth += 1
        elif octet == b")":
            depth -= 1
        else:
            raise LexError(f"a comment is open, or broken, at octet {position}")
        position += 1
        if not depth:
            return position
        if inner := _COMMENT_TEXT.match(text, position):
            position = inner.end()
