"""The URIs of rua= and ruf=, octet by octet (RFC 3986 3, RFC 9989 4.7)."""

import pytest

from assay.verify.dmarc_record import parse_record

# RFC 3986 2.2 and 2.3: what may stand in every part but the scheme; the ends of each range stand for the range.
EVERYWHERE = b"AZaz09._~$&'()*+=-%09%AF%af"
PARTS = {
    "the scheme": (b"%s:path", b"aAZz09+.-"),
    "the user": (b"https://%s@a.example/", EVERYWHERE + b":"),
    "the host": (b"https://%s", EVERYWHERE),
    "an IP literal": (b"https://[%s]/", b"09AFaf:.12"),
    "the port": (b"https://a.example:%s", b"09"),
    "a path after an authority": (b"https://a.example/%s", EVERYWHERE + b":@/"),
    "a path alone": (b"x:%s", EVERYWHERE + b":@/"),
    "the query": (b"x:?%s", EVERYWHERE + b":@/?"),
    "the fragment": (b"x:#%s", EVERYWHERE + b":@/?"),
}


@pytest.mark.parametrize(("uri", "octets"), PARTS.values(), ids=PARTS.keys())
def test_each_part_of_a_uri_holds_what_rfc_3986_lets_it_hold(uri: bytes, octets: bytes) -> None:
    """RFC 3986 3; and of what it never allows, nothing."""
    record = parse_record(b"v=DMARC1; p=none; rua=" + uri % octets)
    assert record is not None
    assert record.rua == ((uri % octets).decode(),)
    for octet in b'"<>\\^`{|}':
        record = parse_record(b"v=DMARC1; p=none; rua=" + uri % (octets + bytes([octet])))
        assert record is not None
        assert record.rua == ()
