"""How the octets of a fuzzer become what a target needs: text that a person can read and write in a corpus file."""

from collections.abc import Iterator, Sequence
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import TypeVar

from assay.answers import Answer, Found, Mx, Record, RRType, Unavailable
from assay.domain import Domain
from assay.errors import DomainError
from support.dict_resolver import NODATA, DictResolver, Key

T = TypeVar("T")

BOUNDARY = b"\n%%\n"
"""Separates the parts of an input."""

_MOST_RECORDS = 64


def parts(data: bytes, count: int) -> list[bytes]:
    """Cut an input at its boundaries into exactly ``count`` parts, missing ones empty."""
    found = data.split(BOUNDARY, count - 1)
    return found + [b""] * (count - len(found))


def domain_of(text: bytes) -> Domain | None:
    try:
        return Domain.parse(text)
    except DomainError:
        return None


def resolver_of(text: bytes) -> DictResolver:
    """Read the DNS of an input, one record a line: ``name TYPE data``.

    TYPE is A, AAAA, MX (``preference host``), PTR or TXT; ``FAIL`` makes the whole name unavailable and ``NONE`` makes
    it exist with nothing. A name is octets and its data too: what a server may send. What is none of this is skipped.
    """
    records: dict[Key, list[Record]] = {}
    answers: dict[Key, Answer] = {}
    for line in text.split(b"\n")[:_MOST_RECORDS]:
        name, _, rest = line.lower().partition(b" ")
        kind, _, content = line[len(name) + 1 :].partition(b" ")
        if kind == b"FAIL":
            answers[name] = Unavailable("SERVFAIL")
        elif kind == b"NONE":
            answers[name] = NODATA
        elif rest and kind.decode("latin-1") in RRType.__members__:
            rrtype = RRType(kind.decode())
            record = _record(rrtype, content)
            if record is not None:
                records.setdefault((name, rrtype), []).append(record)
    found = {key: Found(tuple(held), 300) for key, held in records.items()}
    return DictResolver(found | answers)


def _record(rrtype: RRType, content: bytes) -> Record | None:
    text = content.decode("latin-1")
    try:
        match rrtype:
            case RRType.A:
                return IPv4Address(text)
            case RRType.AAAA:
                return IPv6Address(text)
            case RRType.MX:
                preference, _, exchange = content.partition(b" ")
                return Mx(int(preference) % 65536, exchange) if preference.isdigit() and len(preference) < 9 else None
            case RRType.PTR | RRType.TXT:
                return content
    except AddressValueError:
        return None


def is_clean(text: str, longest: int = 100_000) -> bool:
    """Whether a text of ours is one line of printable ASCII."""
    return text.isascii() and text.isprintable() and len(text) <= longest


class Draw:
    """Takes values from the front of the octets, for a target whose input is no text; never runs dry."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def octets(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        self._at += len(taken)
        return taken

    def number(self, below: int) -> int:
        """A number from 0 to ``below - 1``."""
        width = (max(below - 1, 1).bit_length() + 7) // 8
        return int.from_bytes(self.octets(width)) % below

    def flag(self) -> bool:
        return bool(self.number(2))

    def one_of(self, choices: Sequence[T]) -> T:
        return choices[self.number(len(choices))]

    def text(self) -> str:
        """Any text, lone surrogates included."""
        return self.octets(self.number(64)).decode("utf-8", "surrogateescape")

    def some(self, most: int) -> Iterator[int]:
        return iter(range(self.number(most + 1)))
