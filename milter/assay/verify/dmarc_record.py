"""The DMARC policy record: text of the DNS in, a value out (RFC 9989 4.7, standards C.1).

Every octet here belongs to whoever publishes the record. Nothing raises, and the work is linear in the record.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar

from assay.results import Alignment, DmarcRecord, Psd, Requested

_Word = TypeVar("_Word", bound=StrEnum)

_WSP = b" \t"

# The value alone is case-sensitive (C.1.2); no white space stands before the tag.
_VERSION = re.compile(rb"[vV][ \t]*=[ \t]*DMARC1[ \t]*")

_OBSOLETE_SIZE = re.compile(rb"[0-9]++[kmgtKMGT]?+")

# RFC 3986 3 without "," and "!", which dmarc-uri wants percent-encoded, and without ";", which ends a tag. What repeats
# never overlaps, so the time is linear. No group is possessive: up to Python 3.11.4 one that fails half-way keeps what
# it took (python/cpython#106052), and Debian 12 has 3.11.2.
_URI = re.compile(
    rb"""
    (?P<scheme> [A-Za-z][A-Za-z0-9+.-]*+ ) :
    (?:
        //
        (?: (?: [A-Za-z0-9._~$&'()*+=:-]++ | %[0-9A-Fa-f]{2} )* @ )?
        (?: \[ [0-9A-Fa-f:.]++ \] | (?: [A-Za-z0-9._~$&'()*+=-]++ | %[0-9A-Fa-f]{2} )* )
        (?: : [0-9]*+ )?
        (?: / (?: [A-Za-z0-9._~$&'()*+=:@/-]++ | %[0-9A-Fa-f]{2} )* )?
    |
        (?! // )
        (?P<path> (?: [A-Za-z0-9._~$&'()*+=:@/-]++ | %[0-9A-Fa-f]{2} )* )
    )
    (?: \? (?: [A-Za-z0-9._~$&'()*+=:@/?-]++ | %[0-9A-Fa-f]{2} )* )?
    (?: \# (?: [A-Za-z0-9._~$&'()*+=:@/?-]++ | %[0-9A-Fa-f]{2} )* )?
    """,
    re.VERBOSE,
)

_KEPT_RECORDS = 1024
"""Records that one process remembers as read: the answer to a text never changes, whatever becomes of its TTL."""

_KEPT_OCTETS = 512
"""Of a record that is remembered; hardly any is longer."""

_SHOWN_NAME = 20
"""Octets of an unknown tag's name that a sentence of ours repeats."""


def parse_record(text: bytes) -> DmarcRecord | None:
    """Read one TXT record found at ``_dmarc.<domain>``.

    A tag whose value breaks its grammar has its default (C.1.4); p, sp and np and a repeated tag set ``invalid``
    instead (C.1.5, C.1.8), and the caller decides what such a record is worth. Of a repeated tag the first
    occurrence is read. Names of tags and values that are words are read in any case (C.1.3, C.1.5), unknown tags and
    the historic pct, rf and ri are ignored (C.1.4, C.1.7).

    Args:
        text: the character-strings of the record, joined without separator (C.1.1); any octets.

    Returns:
        The record, or None where this is no DMARC record: it does not begin with ``v=DMARC1`` (C.1.2).
    """
    return _parse_kept(text) if len(text) <= _KEPT_OCTETS else _parse(text)


def _parse(text: bytes) -> DmarcRecord | None:
    first, *rest = text.split(b";")
    if _VERSION.fullmatch(first) is None:
        return None
    tags, repeated = _tags(rest)
    policies = {name: _word(Requested, tags.get(name)) for name in (b"p", b"sp", b"np")}
    broken = [name.decode() for name, policy in policies.items() if name in tags and policy is None]
    invalid = None
    if repeated is not None:
        # RFC 6376 3.2: a tag that stands twice makes the whole list invalid, whatever the tag (C.1.5).
        invalid = f"the tag {repeated[:_SHOWN_NAME].decode()} stands more than once"
    elif broken:
        invalid = f"{' and '.join(broken)}: not one of none, quarantine, reject"
    return DmarcRecord(
        text=text.decode("ascii", "backslashreplace"),
        p=policies[b"p"],
        sp=policies[b"sp"],
        np=policies[b"np"],
        testing=tags.get(b"t", b"").lower() == b"y",
        psd=_word(Psd, tags.get(b"psd")) or Psd.UNKNOWN,
        adkim=_word(Alignment, tags.get(b"adkim")) or Alignment.RELAXED,
        aspf=_word(Alignment, tags.get(b"aspf")) or Alignment.RELAXED,
        fo=_failure_options(tags.get(b"fo", b"0")),
        rua=_uris(tags.get(b"rua", b"")),
        ruf=_uris(tags.get(b"ruf", b"")),
        invalid=invalid,
    )


_parse_kept = lru_cache(maxsize=_KEPT_RECORDS)(_parse)


def _tags(parts: Iterable[bytes]) -> tuple[dict[bytes, bytes], bytes | None]:
    """Return each tag's first value by its name in lower case, and the first name that stands twice.

    A part that is no ``name=value`` is no tag and is passed over (C.1.4).
    """
    tags: dict[bytes, bytes] = {b"v": b"DMARC1"}
    repeated: bytes | None = None
    for part in parts:
        name, equals, value = part.partition(b"=")
        name = name.strip(_WSP).lower()
        if not equals or not name.isalpha():
            continue
        if name not in tags:
            tags[name] = value.strip(_WSP)
        elif repeated is None:
            repeated = name
    return tags, repeated


def _word(kind: type[_Word], value: bytes | None) -> _Word | None:
    """Return the member that is spelled so in any case (C.1.3); None for anything else."""
    if value is None:
        return None
    try:
        return kind(value.decode("ascii").lower())
    except ValueError:
        return None


def _failure_options(value: bytes) -> tuple[str, ...]:
    """Read fo=, each letter once; the default for a list that breaks the grammar or holds both 0 and 1 (C.1.7)."""
    options = tuple(dict.fromkeys(part.strip(_WSP).lower() for part in value.split(b":")))
    if not {b"0", b"1", b"d", b"s"}.issuperset(options) or {b"0", b"1"}.issubset(options):
        return ("0",)
    return tuple(option.decode() for option in options)


def _uris(value: bytes) -> tuple[str, ...]:
    """Return the URIs of rua= or ruf= that are well formed, the obsolete size limit taken off."""
    uris = (_uri(part.strip(_WSP)) for part in value.split(b","))
    return tuple(uri for uri in uris if uri is not None)


def _uri(text: bytes) -> str | None:
    """Return a URI of RFC 3986; a mailto: must also name a mailbox, since a report cannot go elsewhere (RFC 6068 2)."""
    before, _, size = text.rpartition(b"!")
    if _OBSOLETE_SIZE.fullmatch(size):
        text = before
    match = _URI.fullmatch(text)
    if match is None:
        return None
    if match["scheme"].lower() == b"mailto":
        local, _, domain = (match["path"] or b"").rpartition(b"@")
        if not local or not domain:
            return None
    return text.decode("ascii")
