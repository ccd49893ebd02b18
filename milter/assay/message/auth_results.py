"""Reading Authentication-Results, and the payload of ARC-Authentication-Results (RFC 8601 2.2, standards E.1, E.5).

The grammar is read with comments and folds wherever it allows them. Four liberties, each because large senders of
such fields write them, and none of which can turn one result into another:

* a value may hold ``/``, ``=``, ``:`` and other separators unquoted (``header.b=ab/c=``,
  ``smtp.remote-ip=2001:db8::1``); it ends at white space, a comment or ``;``
* a value may be missing at the end of a result (``smtp.mailfrom=;``, for the null sender)
* a property may lack its ptype (``action=none``)
* one ``;`` may stand at the very end
"""

import re
from dataclasses import dataclass

from assay.limits import MAX_AUTH_RESULTS_OCTETS
from assay.message.lexer import RESULT_WORD, LexError, Token, TokenKind, tokenize

_KEYWORD = re.compile(rb"[A-Za-z0-9_-]++")
_VERSION = re.compile(r"[0-9]{1,9}")  # bounded: int() of a long text costs the square of its length


@dataclass(frozen=True, slots=True)
class ResInfo:
    """One result of one method.

    Attributes:
        method: in lower case.
        version: of the method; 1 where absent.
        result: in lower case; any word, also an unregistered one.
        reason: unquoted; None without.
        properties: (ptype, property, value) in order. Types and names are in lower case; ptype is empty where it was
            missing. A value is unquoted, unless it is an address, which stays as it stands.

    Reason and values are read as UTF-8, an octet that is none as U+FFFD.
    """

    method: str
    version: int
    result: str
    reason: str | None
    properties: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class AuthResultsField:
    """A whole field.

    Attributes:
        authserv_id: unquoted, case kept, read as UTF-8.
        version: of the field; 1 where absent. Results of another version mean nothing to us (RFC 8601 2.5).
        results: empty for the explicit ``none``.
    """

    authserv_id: str
    version: int
    results: tuple[ResInfo, ...]


class _Unreadable(Exception):  # noqa: N818 - control flow inside of this file, never seen outside
    """The field does not follow the grammar."""


def parse_auth_results(value: bytes) -> AuthResultsField | None:
    """Read a whole field.

    Args:
        value: of an Authentication-Results field, or of an ARC-Authentication-Results field after its ``i=N;``;
            folds as CRLF and white space.

    Returns:
        The field; None where it does not follow the grammar, or is longer than
        :data:`~assay.limits.MAX_AUTH_RESULTS_OCTETS`.
    """
    if len(value) > MAX_AUTH_RESULTS_OCTETS:
        return None
    parts: list[list[Token]] = [[]]
    try:
        for token in tokenize(value, RESULT_WORD):
            if token.text == b";":
                parts.append([])
            else:
                parts[-1].append(token)
        head, *infos = parts
        authserv_id, version = _read_head(head)
        return AuthResultsField(authserv_id.decode(errors="replace"), version, _read_results(infos))
    except (LexError, _Unreadable):
        return None


def _read_head(tokens: list[Token]) -> tuple[bytes, int]:
    """Read ``authserv-id [version]``, which must be all that is there."""
    reader = _Reader(tokens)
    run = reader.run()
    quoted = len(run) == 1 and run[0].kind is TokenKind.QUOTED
    if not quoted and not all(token.kind is TokenKind.WORD or token.text == b"." for token in run):
        raise _Unreadable
    authserv_id = _meaning(run)
    version = 1 if reader.done else reader.number()
    if not authserv_id or not reader.done:
        raise _Unreadable
    return authserv_id, version


def _read_results(infos: list[list[Token]]) -> tuple[ResInfo, ...]:
    if not infos:
        raise _Unreadable
    if len(infos) > 1 and not infos[-1]:
        infos.pop()
    if len(infos) == 1 and [token.text.lower() for token in infos[0]] == [b"none"]:
        return ()
    return tuple(_read_result(_Reader(info)) for info in infos)


def _read_result(reader: "_Reader") -> ResInfo:
    method = reader.keyword()
    version = reader.number() if reader.take(b"/") else 1
    reader.expect(b"=")
    result = reader.keyword()
    reason: str | None = None
    properties: list[tuple[str, str, str]] = []
    while not reader.done:
        ptype, name = "", reader.keyword()
        if reader.take(b"."):
            ptype, name = name, reader.keyword()
        reader.expect(b"=")
        value = _meaning(reader.run()).decode(errors="replace")
        if (ptype, name) == ("", "reason") and reason is None and not properties:
            reason = value
        else:
            properties.append((ptype, name, value))
    return ResInfo(method, version, result, reason, tuple(properties))


def _meaning(run: list[Token]) -> bytes:
    """Return what a run of tokens means: a quoted string alone without its quotes, anything else as it stands."""
    return run[0].unquoted() if len(run) == 1 else b"".join(token.text for token in run)


class _Reader:
    """The tokens between two semicolons, and how far the reading came."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._position = 0

    @property
    def done(self) -> bool:
        """Whether every token was taken."""
        return self._position == len(self._tokens)

    def take(self, separator: bytes) -> bool:
        """Take the separator if it comes next."""
        if self.done or self._tokens[self._position].text != separator:
            return False
        self._position += 1
        return True

    def expect(self, separator: bytes) -> None:
        """Take the separator."""
        if not self.take(separator):
            raise _Unreadable

    def keyword(self) -> str:
        """Take a keyword (RFC 5321 4.1.2; underscores are met) and return it in lower case."""
        word = b"" if self.done else self._tokens[self._position].text
        if _KEYWORD.fullmatch(word) is None:
            raise _Unreadable
        self._position += 1
        return word.decode("ascii").lower()

    def number(self) -> int:
        """Take a version."""
        word = self.keyword()
        if _VERSION.fullmatch(word) is None:
            raise _Unreadable
        return int(word)

    def run(self) -> list[Token]:
        """Take a token and all that follow it with nothing between; nothing at the end of the part."""
        start = self._position
        while not self.done and (self._position == start or not self._tokens[self._position].spaced):
            self._position += 1
        return self._tokens[start : self._position]
