"""The two encodings of tag values, read strictly."""

import binascii
import re

_WHITE_SPACE = b" \t\r\n"
_QUOTED_PRINTABLE = re.compile(rb"(?:[!-:<>-~\x80-\xff]|=[0-9A-F]{2})*")
_ESCAPE = re.compile(rb"=([0-9A-F]{2})")


def without_white_space(value: bytes) -> bytes:
    """Remove the white space that folding may put anywhere into an encoded value."""
    return value.translate(None, _WHITE_SPACE)


def decode_base64(value: bytes) -> bytes | None:
    """Decode base64 (RFC 6376 2.8): white space is ignored, anything else outside the alphabet is not.

    Returns:
        The octets; None if it is no base64, padding included, or decodes to nothing.
    """
    try:
        return binascii.a2b_base64(without_white_space(value), strict_mode=True) or None
    except binascii.Error:
        return None


def decode_quoted_printable(value: bytes) -> bytes | None:
    """Decode dkim-quoted-printable (RFC 6376 2.11): white space is ignored, ``;`` never stands for itself.

    Octets above 0x7F stand for themselves in an internationalised field (RFC 8616 3).

    Returns:
        The octets; None where an escape is broken or a control character stands in the value.
    """
    text = without_white_space(value)
    if _QUOTED_PRINTABLE.fullmatch(text) is None:
        return None
    return _ESCAPE.sub(lambda match: bytes((int(match[1], 16),)), text)
