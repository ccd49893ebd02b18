"""Bodies of messages as they are on the way: text, HTML and attachments; the same seed gives the same octets."""

import random
from base64 import b64encode

CRLF = b"\r\n"
BOUNDARY = b"=_bench_5f0b1c"
ALTERNATIVE = b'multipart/alternative; boundary="' + BOUNDARY + b'"'
MIXED = b'multipart/mixed; boundary="' + BOUNDARY + b'"'
PLAIN = b"text/plain; charset=utf-8"

_LETTERS = "etaoinshrdlucmfwyp"
_ATTACHMENT_LINE = 57
"""Octets in one line of base64."""


def newsletter(rng: random.Random, size: int) -> bytes:
    """Make a text part and a part of indented HTML, ``size`` octets together."""
    text = _part(b"text/plain; charset=utf-8", b"8bit") + _prose(rng, size // 4, b" ") + CRLF
    head = _part(b"text/html; charset=utf-8", b"quoted-printable") + b"<html><body><table>" + CRLF
    tail = b"</table></body></html>" + CRLF + b"--" + BOUNDARY + b"--" + CRLF
    rows = []
    left = size - len(text) - len(head) - len(tail)
    while left > 0:
        row = b'%s<td class=3D"c%d" style=3D"padding:0">%s</td>\r\n' % (
            b" " * rng.choice((2, 4, 8, 12)),
            rng.randrange(9),
            _sentence(rng, rng.randint(1, 5)),
        )
        rows.append(row)
        left -= len(row)
    return _cut(text + head + b"".join(rows), size - len(tail)) + tail


def attachment(rng: random.Random, size: int) -> bytes:
    """Make a short text and one attachment in base64, ``size`` octets together."""
    text = _part(PLAIN, b"8bit") + _prose(rng, 1000, b" ") + CRLF
    head = _part(b'application/pdf; name="report.pdf"', b"base64")
    tail = b"--" + BOUNDARY + b"--" + CRLF
    lines = (size - len(text) - len(head)) // (_ATTACHMENT_LINE // 3 * 4 + 2) + 1
    data = rng.randbytes(lines * _ATTACHMENT_LINE)
    rows = [b64encode(data[at : at + _ATTACHMENT_LINE]) for at in range(0, len(data), _ATTACHMENT_LINE)]
    return _cut(text + head + CRLF.join(rows), size - len(tail)) + tail


def spaced_text(rng: random.Random, size: int) -> bytes:
    """Make plain text with two spaces after each full stop and some at ends of lines: much for relaxed to take away."""
    return _text(rng, size, b"  ")


def single_spaced_text(rng: random.Random, size: int) -> bytes:
    """Make plain text from which the relaxed canonicalisation takes nothing away, but has to find that out."""
    return _text(rng, size, b" ")


def _text(rng: random.Random, size: int, gap: bytes) -> bytes:
    block = _prose(rng, min(size, 1 << 18), gap)
    return _cut(block * (size // len(block) + 1), size)


def _part(content_type: bytes, encoding: bytes) -> bytes:
    return b"--%s\r\nContent-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n" % (BOUNDARY, content_type, encoding)


def _cut(text: bytes, size: int) -> bytes:
    """Shorten to this many octets that end in CRLF and do not break another one."""
    return text[: size - 2].rstrip(b"\r\n").ljust(size - 2, b".") + CRLF


def _sentence(rng: random.Random, words: int) -> bytes:
    return " ".join("".join(rng.choices(_LETTERS, k=rng.randint(1, 9))) for _ in range(words)).encode()


def _prose(rng: random.Random, size: int, gap: bytes) -> bytes:
    lines = []
    while size > 0:
        line = (b"." + gap).join(_sentence(rng, rng.randint(4, 7)) for _ in range(2)) + b"."
        if len(gap) > 1 and rng.random() < 0.1:
            line += gap
        lines.append(line)
        size -= len(line) + 2
    return CRLF.join(lines)
