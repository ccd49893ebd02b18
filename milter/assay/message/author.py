"""The author domains of a message: the From field, read by its whole grammar (RFC 5322 3.4, RFC 6854, standards C.2).

What a mail reader shows and what we judge must be the same mailbox. So nothing is searched for in the text; the field
is a mailbox list to its last token, or it is unusable. Departures from the grammar, each with its reason:

* Raw octets from 0x80 in a display name or a comment are taken as text, with and without SMTPUTF8: old mailers write
  them, and no such octet can end a token. In an address they need SMTPUTF8 and must be UTF-8; everything else there is
  unparsable (standards H.2 F11). One exception: where a backslash follows such an octet, a reader that guesses the
  charset (Shift_JIS, Big5) may see one character where we see an escape, and the two would disagree where the quotes
  end. Without SMTPUTF8, which settles the charset, that is unparsable.
* Dots may stand anywhere in a local part (``a..b@``, ``a.@``): large providers have issued such addresses, and the
  domain is clear.
* A source route (RFC 5322 4.4, obsolete) is unparsable: no mailer has written one for decades, and readers disagree
  which of its domains they show (F6).
* A mailbox without a domain (``root``) is internal mail only where it is made of letters, digits, ``.``, ``_``, ``+``
  and ``-``: a quoted string or an encoded word there may show a whole address to the reader.
* Display names that should have been quoted are common, and held mail for whoever writes them. They are taken where no
  reader can find another domain in the field, wherever it sees a name end: an address as the name of an address of
  the same domain (``a@b.example <a@b.example>``), plain words before a comma that a named address follows
  (``Doe, John <j@b.example>``), brackets around plain words (``[Shop] Orders <o@b.example>``), and separators inside
  of an encoded word, which RFC 2047 5 (3) forbids (``=?utf-8?Q?Doe,_John?= <j@b.example>``).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, pairwise
from typing import assert_never

from assay.domain import Domain
from assay.errors import DomainError
from assay.facts import HeaderField
from assay.limits import MAX_AUTHOR_DOMAINS, MAX_FROM_MAILBOXES, MAX_FROM_OCTETS, MAX_FROM_TOKENS
from assay.message.lexer import ATOM, LexError, Token, TokenKind, tokenize
from assay.message.literal import is_address_literal
from assay.results import FromProblem

_BARE_NAME = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9._+-]*+")
_CACHED_FIELDS = 32  # of at most MAX_FROM_OCTETS each
_SPLIT_CHARACTER = re.compile(rb"[\x80-\xff]\\")

# A whole encoded word, with separators in its text that hide no address; else an atom.
_WORD = re.compile(rb"=\?[A-Za-z0-9*_-]++\?[BbQq]\?[A-Za-z0-9!#$%&'*+\-/=^_`{|}~,:;.\[\]]*+\?=|" + ATOM.pattern)
_NAME_IN_BRACKETS = re.compile(rb"\[[A-Za-z0-9 !#$%&'*+\-/=^_`{|}~.]*+\]")


@dataclass(frozen=True, slots=True)
class Author:
    """What the From field says.

    Attributes:
        domains: the distinct domains, in the order of their first mailbox. Empty with ``problem`` None: the field is
            sound, but no mailbox has a domain that DMARC could know (standards C.2.3: internal mail is not held).
        problem: why the field is unusable; ``domains`` is then empty.
    """

    domains: tuple[Domain, ...]
    problem: FromProblem | None


class _Unparsable(Exception):  # noqa: N818 - control flow inside of this file, never seen outside
    """The field is no mailbox list."""


def parse_author(headers: Sequence[HeaderField], *, smtputf8: bool = False) -> Author:
    """Read the author domains of a message.

    A field counts as From whatever the case of its name and the white space around it (H.2 F2). Groups are flattened
    (F9). Encoded words are never decoded (F5). Where some mailboxes have a usable domain and others none
    (``root@localhost, ceo@brand.example``), the field is unparsable: no genuine mail mixes the two.

    Args:
        headers: every field of the message.
        smtputf8: the envelope announced internationalised mail (RFC 6531 3.4).

    Returns:
        The author; for any octets whatever, and in time linear in their number.
    """
    fields = [field.value for field in headers if field.key.strip() == b"from"]
    if len(fields) != 1:
        return Author((), FromProblem.REPEATED if fields else FromProblem.MISSING)
    if len(fields[0]) > MAX_FROM_OCTETS:
        return Author((), FromProblem.UNPARSABLE)
    return _read(fields[0], smtputf8)


@lru_cache(maxsize=_CACHED_FIELDS)
def _read(value: bytes, smtputf8: bool) -> Author:  # noqa: FBT001 - a cache is faster without keywords
    """Read a From field; it is needed at the end of the headers and again at the end of the message."""
    try:
        mailboxes = _MailboxList(value, smtputf8=smtputf8).read()
        domains = _distinct(mailboxes)
    except _Unparsable:
        return Author((), FromProblem.UNPARSABLE)
    if not mailboxes:
        return Author((), FromProblem.EMPTY_GROUP)
    if len(domains) > MAX_AUTHOR_DOMAINS:
        return Author((), FromProblem.TOO_MANY)
    return Author(domains, None)


def _distinct(mailboxes: list[Domain | None]) -> tuple[Domain, ...]:
    domains = tuple(dict.fromkeys(domain for domain in mailboxes if domain is not None))
    if domains and None in mailboxes:
        raise _Unparsable
    return domains


class _MailboxList:
    """One From field while it is read: its tokens, and how far the reading came."""

    def __init__(self, value: bytes, *, smtputf8: bool) -> None:
        self._smtputf8 = smtputf8
        self._position = 0
        if _SPLIT_CHARACTER.search(value):
            self._check_charset(value)
        try:
            self._tokens = tuple(islice(tokenize(value, _WORD), MAX_FROM_TOKENS + 1))
        except LexError:
            raise _Unparsable from None
        if len(self._tokens) > MAX_FROM_TOKENS:
            raise _Unparsable

    def read(self) -> list[Domain | None]:
        """Return the domain of each mailbox, None for one that has no usable domain; empty only for empty groups.

        Raises:
            _Unparsable: it is no mailbox list, address list or group list.
        """
        mailboxes: list[Domain | None] = []
        in_group = False
        group_seen = False
        pieces: list[tuple[Token, ...]] = []  # words before a comma: internal mailboxes, or the start of a name
        while self._position < len(self._tokens):
            if self._take(b","):  # empty elements: RFC 5322 4.4, obs-mbox-list
                continue
            if in_group and self._take(b";"):
                in_group = False
                group_seen = True
                mailboxes += _internal(pieces)
                self._end_of_element(in_group=False)
                continue
            words = self._words()
            if any(token.kind is TokenKind.QUOTED for token in words) and not all(map(_is_of_local_part, words)):
                # a reader for which the name ends at the bracket or separator takes the quoted string for an address
                raise _Unparsable
            if not in_group and words and self._take(b":"):
                in_group = True
                mailboxes += _internal(pieces)
                continue
            if self._peek() == b"," and _is_plain(words):
                pieces.append(words)
                continue
            named = bool(words) and self._peek() == b"<"
            mailboxes.append(self._mailbox(words))
            if named and mailboxes[-1] is not None:
                pieces.clear()
            mailboxes += _internal(pieces)
            self._end_of_element(in_group=in_group)
        mailboxes += _internal(pieces)
        if in_group or not (mailboxes or group_seen) or len(mailboxes) > MAX_FROM_MAILBOXES:
            raise _Unparsable
        return mailboxes

    def _peek(self) -> bytes:
        """Return the separator that comes next; empty at the end and before any other token."""
        if self._position < len(self._tokens):
            token = self._tokens[self._position]
            if token.kind is TokenKind.SEPARATOR:
                return token.text
        return b""

    def _take(self, separator: bytes) -> bool:
        if self._peek() != separator:
            return False
        self._position += 1
        return True

    def _end_of_element(self, *, in_group: bool) -> None:
        """Check that the element that was just read is followed by another one or by an end."""
        ended = self._position == len(self._tokens) or self._peek() == b"," or (in_group and self._peek() == b";")
        if not ended:
            raise _Unparsable

    def _words(self) -> tuple[Token, ...]:
        """Take words, quoted strings, dots and names in brackets: a display name, or a local part."""
        start = self._position
        while self._position < len(self._tokens) and _is_of_name(self._tokens[self._position]):
            self._position += 1
        return self._tokens[start : self._position]

    def _mailbox(self, words: tuple[Token, ...]) -> Domain | None:
        name: Domain | None = None
        if self._peek() != b"<":
            name = self._address(words)
            if name is None or self._peek() != b"<":
                return name
        # the words before the bracket were the display name, and are of no further interest, unless it is an address
        self._position += 1
        domain = self._address(self._words())
        if not self._take(b">") or name not in (None, domain):
            raise _Unparsable
        return domain

    def _address(self, local: tuple[Token, ...]) -> Domain | None:
        """Read the rest of an addr-spec (RFC 5322 3.4.1) whose local part was taken."""
        if self._take(b"@"):
            self._check_local_part(local)
            return self._domain()
        _check_bare(local)
        return None

    def _check_local_part(self, local: tuple[Token, ...]) -> None:
        if all(token.text == b"." for token in local) or _adjacent_words(local):
            raise _Unparsable
        if not all(_is_of_local_part(token) for token in local):
            raise _Unparsable
        self._check_charset(b"".join(token.text for token in local))

    def _check_charset(self, text: bytes) -> None:
        if not text.isascii() and not (self._smtputf8 and _is_utf8(text)):
            raise _Unparsable

    def _domain(self) -> Domain | None:
        if self._position < len(self._tokens) and self._tokens[self._position].kind is TokenKind.LITERAL:
            literal = self._tokens[self._position].text
            self._position += 1
            if not is_address_literal(literal[1:-1].strip()):
                raise _Unparsable
            return None
        labels = self._words()
        if _adjacent_words(labels):
            raise _Unparsable
        text = b"".join(token.text for token in labels)
        self._check_charset(text)
        try:
            domain = Domain.parse(text)
        except DomainError:
            raise _Unparsable from None
        return domain if len(domain.labels) > 1 else None


def _internal(pieces: list[tuple[Token, ...]]) -> list[None]:
    """Take the pieces, each as a mailbox without a domain."""
    for words in pieces:
        _check_bare(words)
    mailboxes: list[None] = [None] * len(pieces)
    pieces.clear()
    return mailboxes


def _check_bare(words: tuple[Token, ...]) -> None:
    """Refuse what is no mailbox without a domain."""
    if _BARE_NAME.fullmatch(b"".join(token.text for token in words)) is None or _adjacent_words(words):
        raise _Unparsable


def _is_of_name(token: Token) -> bool:
    match token.kind:
        case TokenKind.WORD | TokenKind.QUOTED:
            return True
        case TokenKind.LITERAL:
            return _NAME_IN_BRACKETS.fullmatch(token.text) is not None
        case TokenKind.SEPARATOR:
            return token.text == b"."
        case _:
            assert_never(token.kind)


def _is_of_local_part(token: Token) -> bool:
    return token.text == b"." or token.kind is TokenKind.QUOTED or ATOM.fullmatch(token.text) is not None


def _is_plain(words: tuple[Token, ...]) -> bool:
    """Whether these words show what they are: a quoted string or an encoded word may show an address (F5)."""
    return bool(words) and all(
        token.kind is not TokenKind.QUOTED and not token.text.startswith(b"=?") for token in words
    )


def _adjacent_words(tokens: tuple[Token, ...]) -> bool:
    """Whether two words follow each other without a dot: right in a display name, never in an address."""
    return any(first.text != b"." and second.text != b"." for first, second in pairwise(tokens))


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
