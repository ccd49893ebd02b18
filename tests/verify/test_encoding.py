"""The two encodings of tag values: what may stand in them, and what may not."""

import pytest

from assay.verify.encoding import decode_base64, decode_quoted_printable

ITSELF = bytes(octet for octet in range(0x21, 0x7F) if octet not in b";=")


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        pytest.param(ITSELF, ITSELF, id="printable ASCII but ; and = stands for itself"),
        pytest.param(bytes(range(0x80, 0x100)), bytes(range(0x80, 0x100)), id="octets from 0x80 stand for themselves"),
        pytest.param(b"=00=3B=3D=7F=AF=FA=a", None, id="half an escape at the end"),
        pytest.param(b"=00=3B=3D=7F=AF=FA", b"\0;=\x7f\xaf\xfa", id="escapes of two upper-case digits"),
        pytest.param(b"=411", b"A1", id="an escape has two digits, never three"),
        pytest.param(b"=af", None, id="lower-case digits"),
        pytest.param(b"=G0", None, id="no digits"),
        pytest.param(b"=", None, id="an equals sign alone"),
        pytest.param(b"=4", None, id="one digit"),
        pytest.param(b"a b\t\r\n c", b"abc", id="white space is ignored"),
        pytest.param(b"=4\r\n 1", b"A", id="white space is ignored in an escape too"),
        pytest.param(b"a;b", None, id="a semicolon"),
        pytest.param(b"a\x00b", None, id="NUL"),
        pytest.param(b"a\x1fb", None, id="a control character"),
        pytest.param(b"a\x0bb", None, id="a vertical tab is no white space"),
        pytest.param(b"a\x7fb", None, id="DEL"),
        pytest.param(b"", b"", id="nothing"),
    ],
)
def test_dkim_quoted_printable(text: bytes, octets: bytes | None) -> None:
    """RFC 6376 2.11, RFC 8616 3."""
    assert decode_quoted_printable(text) == octets


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        pytest.param(b"QUI=", b"AB", id="padded"),
        pytest.param(b"Q U\tI\r\n =", b"AB", id="white space is ignored"),
        pytest.param(b"+/+/", b"\xfb\xff\xbf", id="all of the alphabet"),
        pytest.param(b"QUI", None, id="padding is missing"),
        pytest.param(b"QUI==", None, id="too much padding"),
        pytest.param(b"=QUI", None, id="padding first"),
        pytest.param(b"QUI=QUI=", None, id="padding in the middle"),
        pytest.param(b"QU-_", None, id="another alphabet"),
        pytest.param(b"QU\x0bI=", None, id="a vertical tab is no white space"),
        pytest.param(b"", None, id="nothing"),
        pytest.param(b" ", None, id="white space alone"),
    ],
)
def test_base64(text: bytes, octets: bytes | None) -> None:
    """RFC 6376 2.8."""
    assert decode_base64(text) == octets
