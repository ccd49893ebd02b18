"""A reader of Authentication-Results straight from the grammar of RFC 8601 2.2, for tests only.

It shares no code with assay or authres. It is strict: what the grammar does not allow raises :class:`GrammarError`.
"""

import re
from dataclasses import dataclass


class GrammarError(ValueError):
    """The value does not follow RFC 8601 2.2."""


@dataclass(frozen=True, slots=True)
class ResInfo:
    """One ``resinfo``: properties as (ptype, property, value), the value without quotes."""

    method: str
    result: str
    reason: str | None
    properties: tuple[tuple[str, str, str], ...]
    comments: tuple[str, ...]

    def properties_of(self, ptype: str) -> list[tuple[str, str]]:
        return [(name, value) for kind, name, value in self.properties if kind == ptype]


@dataclass(frozen=True, slots=True)
class Field:
    authserv_id: str
    results: tuple[ResInfo, ...]


_KEYWORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_DIGITS = re.compile(r"[0-9]+")
_TOKEN = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+")
_ATEXT = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+"
_DOT_ATOM = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*")
_DOMAIN = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*")
_PTYPES = {"header", "smtp", "policy", "body", "dns"}


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.comments: list[str] = []

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self, literal: str) -> None:
        if not self.text.startswith(literal, self.at):
            raise GrammarError(f"expected {literal!r} at {self.text[self.at : self.at + 30]!r}")
        self.at += len(literal)

    def match(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found[0]

    def need(self, pattern: re.Pattern[str], what: str) -> str:
        found = self.match(pattern)
        if found is None:
            raise GrammarError(f"expected {what} at {self.text[self.at : self.at + 30]!r}")
        return found

    def cfws(self) -> bool:
        start = self.at
        while True:
            char = self.peek()
            if char and char in " \t":
                self.at += 1
            elif char == "(":
                self.comments.append(self.comment())
            else:
                return self.at > start

    def comment(self) -> str:
        self.take("(")
        inside = ""
        while (char := self.peek()) != ")":
            if char == "":
                raise GrammarError("open comment")
            if char == "(":
                inside += f"({self.comment()})"
                continue
            if char == "\\":
                self.at += 1
                char = self.peek()
            if not "\x20" <= char <= "\x7e":
                raise GrammarError("no ctext")
            inside += char
            self.at += 1
        self.take(")")
        return inside

    def quoted(self) -> str:
        self.take('"')
        inside = ""
        while (char := self.peek()) != '"':
            if char == "\\":
                self.at += 1
                char = self.peek()
            if not "\x20" <= char <= "\x7e":
                raise GrammarError("no qtext")
            inside += char
            self.at += 1
        self.take('"')
        return inside

    def value(self) -> str:
        return self.quoted() if self.peek() == '"' else self.need(_TOKEN, "token")

    def pvalue(self) -> str:
        self.cfws()
        if self.peek() == '"':
            inside = self.quoted()
            if self.peek() == "@":
                self.take("@")
                inside = '"' + re.sub(r'(["\\])', r"\\\1", inside) + '"@' + self.need(_DOMAIN, "domain-name")
        else:
            start = self.at
            self.match(_DOT_ATOM)
            if self.peek() == "@":
                self.take("@")
                self.need(_DOMAIN, "domain-name")
            else:
                self.at = start
                self.need(_TOKEN, "token")
            inside = self.text[start : self.at]
        self.separated = self.cfws()
        return inside

    def resinfo(self) -> ResInfo:
        self.comments = []
        self.cfws()
        method = self.need(_KEYWORD, "method")
        self.cfws()
        self.take("=")
        self.cfws()
        result = self.need(_KEYWORD, "result")
        separated = self.cfws()
        reason = None
        if separated and re.compile(r"reason[ \t]*=").match(self.text, self.at):
            self.take("reason")
            self.cfws()
            self.take("=")
            self.cfws()
            reason = self.value()
            separated = self.cfws()
        properties = []
        while self.peek() not in ("", ";"):
            if not separated:
                raise GrammarError("no CFWS before a property")
            ptype = self.need(_KEYWORD, "ptype")
            if ptype not in _PTYPES:
                raise GrammarError(f"unknown ptype {ptype!r}")
            self.cfws()
            self.take(".")
            self.cfws()
            name = self.need(_KEYWORD, "property")
            self.cfws()
            self.take("=")
            properties.append((ptype, name, self.pvalue()))
            separated = self.separated
        return ResInfo(method, result, reason, tuple(properties), tuple(self.comments))


def unfold(value: str) -> str:
    """Remove each line end that white space follows (RFC 5322 2.2.3); any other is an error."""
    text = re.sub(r"\r?\n(?=[ \t])", "", value)
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text):
        raise GrammarError("a control character")
    return text


def parse(value: str) -> Field:
    """Read the value of a field (everything after the colon)."""
    reader = _Reader(unfold(value))
    reader.cfws()
    authserv_id = reader.value()
    if reader.cfws() and reader.match(_DIGITS) is not None:
        reader.cfws()
    results = []
    while reader.peek() == ";":
        reader.take(";")
        results.append(reader.resinfo())
    if reader.peek() or not results:
        raise GrammarError(f"left over: {reader.text[reader.at :][:30]!r}")
    return Field(authserv_id, tuple(results))
