"""Header fields: as a milter hands them over, as a message file holds them, and what their presence says."""

import re
from collections.abc import Iterable
from typing import Final

from assay.facts import HeaderField
from assay.limits import MAX_HEADER_FIELDS, MAX_HEADER_OCTETS

# RFC 5322 3.6.8: printable, no colon; Postfix and RFC 5322 4.5 allow white space before the colon.
_FIELD = re.compile(rb"([\x21-\x39\x3b-\x7e]++)[ \t]*+:")

_CRLF_OR_LF = re.compile(rb"\r?\n")

INDIRECT_SIGNS: Final = ("List-Id", "List-Post", "Resent-From", "Resent-Sender")
"""Fields that only a list or a forwarder has a reason to write. List-Unsubscribe and List-Help are not among them:
every newsletter carries those."""


def unfold(value: bytes) -> bytes:
    """Remove each CRLF that white space follows, exactly as RFC 5322 2.2.3 says; any other CR or LF stays."""
    # Two passes that do not meet each other's work: a removal leaves " " or a tab before what follows, never a CRLF.
    return value.replace(b"\r\n ", b" ").replace(b"\r\n\t", b"\t")


def field_from_milter(name: bytes, value: bytes) -> HeaderField:
    """Make a header field of what a milter callback was given.

    MTAs hand over folds as a bare LF (standards G.5.6), but signatures are made over CRLF: each LF becomes CRLF,
    whatever follows it. A CRLF stays as it is, and so does a bare CR.

    Args:
        name: without the colon.
        value: with the leading space (HDR_LEADSPC), without the final line end.
    """
    if b"\n" in value:
        value = value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return HeaderField(name, value)


def header_problem(fields: int, octets: int) -> str | None:
    """Say why a header is too large to be read; None if it is not.

    Args:
        fields: how many there are.
        octets: of their names and values.
    """
    if fields > MAX_HEADER_FIELDS:
        return f"the header has more than {MAX_HEADER_FIELDS} fields"
    if octets > MAX_HEADER_OCTETS:
        return f"the header has more than {MAX_HEADER_OCTETS} octets"
    return None


def indirect_signs(headers: Iterable[HeaderField]) -> tuple[str, ...]:
    """Name the fields of :data:`INDIRECT_SIGNS` that are present, in that order and spelling.

    They are signs, never evidence: anybody can write them.
    """
    present = {field.key.strip() for field in headers}
    return tuple(sign for sign in INDIRECT_SIGNS if sign.lower().encode() in present)


def split_message(octets: bytes) -> tuple[tuple[HeaderField, ...], bytes]:
    r"""Split a message file into header fields and body as Postfix would hand them to a milter.

    * A file whose first line ends with a bare LF is a Unix file: each bare LF of it, in header and body, stands for
      CRLF. In any other file the body is left as it is, bare LF and bare CR included, since that is what would be
      hashed (standards H.4 R6); its header lines still end at CRLF or at LF, as every MTA reads them.
    * A leading ``From `` or ``>From `` line of an mbox file is skipped: Postfix turns it into a field of its own.
    * The header ends at an empty line, which belongs to neither part, or at the first line that is neither a field
      nor the continuation of one, which starts the body (G.5.9). A field name is printable ASCII; white space
      between it and the colon is dropped, so that ``From :`` is From.
    * A value is cut at its first NUL: a milter is given C strings (G.5.6).
    * A bare CR in a value becomes a space, as Postfix 3.7 does (seen).
    """
    position = _after_mbox_line(octets)
    fields: list[tuple[bytes, list[bytes]]] = []
    while position < len(octets):
        line, after = _line_at(octets, position)
        if not line:
            position = after
            break
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1][1].append(line)
        elif match := _FIELD.match(line):
            fields.append((match[1], [line[match.end() :]]))
        else:
            break
        position = after
    body = octets[position:]
    if _is_unix_file(octets):
        body = body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return tuple(HeaderField(name, _as_seen(lines)) for name, lines in fields), body


def _after_mbox_line(octets: bytes) -> int:
    if octets.startswith((b"From ", b">From ")):
        return _line_at(octets, 0)[1]
    return 0


def _line_at(octets: bytes, position: int) -> tuple[bytes, int]:
    end = _CRLF_OR_LF.search(octets, position)
    if end is None:
        return octets[position:], len(octets)
    return octets[position : end.start()], end.end()


def _is_unix_file(octets: bytes) -> bool:
    end = octets.find(b"\n")
    return end >= 0 and octets[max(end - 1, 0) : end] != b"\r"


def _as_seen(lines: list[bytes]) -> bytes:
    seen = b"\r\n".join(line.replace(b"\r", b" ") for line in lines)
    return seen.partition(b"\0")[0]
