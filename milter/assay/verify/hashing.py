"""The header hash (RFC 6376 3.7, RFC 8617 5.1.1), byte for byte.

dkimpy's ``hash_headers``, ``select_headers`` and ``compress_whitespace`` are not used:

* its pattern for b= backtracks over white space (quadratic, and a field may be a mebibyte), stops at the first octet
  that is no base64, also empties a ``b=`` inside another tag's text, and misses one right after the colon;
* its relaxed fields lose every line end, fold or not, and form feeds and vertical tabs at both ends, and its simple
  signature field loses white space at its end: two different fields must not have one hash;
* it walks all fields again for every name in h=;
* its collapse of white space pays a match of a pattern for each single space: ninety times as much as ours for text;
* it lets a signature sign itself, where h= lists DKIM-Signature once more than there are others.
"""

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import assert_never

from assay.facts import Canonicalization, HeaderField
from assay.message.header import unfold
from assay.message.white_space import collapse

_CRLF = b"\r\n"
# A tag list has one b= (the reader refused others); each ";" starts one attempt, so the work is linear.
_SIGNATURE_TAG = re.compile(rb"((?:\A|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")


def canonical(field: HeaderField, canonicalization: Canonicalization) -> bytes:
    """Return the field as it is hashed, without its final CRLF (RFC 6376 3.4.1, 3.4.2)."""
    match canonicalization:
        case Canonicalization.SIMPLE:
            return b"%b:%b" % (field.name, field.value)
        case Canonicalization.RELAXED:
            return b"%b:%b" % (field.key, collapse(unfold(field.value)).strip(b" "))
        case _:
            assert_never(canonicalization)


def unsigned(field: HeaderField) -> HeaderField:
    """Return the field with the value of b= removed, and the white space around it (RFC 6376 3.7)."""
    return HeaderField(field.name, _SIGNATURE_TAG.sub(rb"\1", field.value, count=1))


class HeaderHasher:
    """Hashes header fields of one message for any number of signatures.

    Attributes:
        fields: of the message, the topmost first.
    """

    def __init__(self, fields: Sequence[HeaderField]) -> None:
        self.fields = fields
        self._positions: dict[bytes, list[int]] = {}
        self._relaxed: dict[int, bytes] = {}
        for position, field in enumerate(fields):
            self._positions.setdefault(field.key, []).append(position)

    def count(self, key: bytes) -> int:
        """How many fields have this name (in lower case)."""
        return len(self._positions.get(key, ()))

    def digest(self, position: int, names: Sequence[bytes], canonicalization: Canonicalization) -> bytes:
        """Hash the fields that the signature at ``position`` signs, then itself.

        Each name takes the bottom-most field not taken yet; one that is not there adds nothing (RFC 6376 5.4.2).

        Args:
            position: of the signature among ``fields``. It never signs itself: when it was made, it was not there.
            names: of h=, in lower case.
            canonicalization: of the header.

        Returns:
            The SHA-256 digest that b= signs.
        """
        hasher = sha256()
        left: dict[bytes, list[int]] = {}
        for name in names:
            free = left.get(name)
            if free is None:
                free = left[name] = [each for each in self._positions.get(name, ()) if each != position]
            if free:
                taken = free.pop()
                hasher.update(self._canonical(taken, canonicalization))
                hasher.update(_CRLF)
        hasher.update(canonical(unsigned(self.fields[position]), canonicalization))
        return hasher.digest()

    def _canonical(self, position: int, canonicalization: Canonicalization) -> bytes:
        if canonicalization is Canonicalization.SIMPLE:
            return canonical(self.fields[position], canonicalization)
        text = self._relaxed.get(position)
        if text is None:
            text = self._relaxed[position] = canonical(self.fields[position], canonicalization)
        return text
