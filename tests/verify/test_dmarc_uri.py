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
    for wrong in (b'"', b"<", b">", b"\\", b"^", b"`", b"{", b"|", b"}", b"%", b"%2", b"%2g"):
        record = parse_record(b"v=DMARC1; p=none; rua=" + uri % (octets + wrong))
        assert record is not None
        assert record.rua == ()


@pytest.mark.parametrize("part", PARTS)
def test_every_part_may_be_empty_but_the_scheme_and_what_stands_in_brackets(part: str) -> None:
    """RFC 3986 3."""
    uri = PARTS[part][0] % b""
    record = parse_record(b"v=DMARC1; p=none; rua=" + uri)
    assert record is not None
    assert record.rua == (() if part in {"the scheme", "an IP literal"} else (uri.decode(),))


GOOD_URIS = {
    b"mailto:r@a.example": "a mailbox",
    b"mailto:r@a.example?subject=x%20y": "a mailbox with a query",
    b"mailto:a%2Cb%21c@a.example": "comma and exclamation mark percent-encoded",
    b"mailto:a@b%2Cc@d.example": "two mailboxes in one URI",
    b"mailto:o'neil+x@a.example": "atoms of RFC 5322",
    b"https://user:pw@a.example:443/p/a?q=/?#frag?/": "every part of RFC 3986",
    b"https://[2001:db8::1]:8443/": "an IPv6 literal",
    b"https:": "a scheme with an empty path",
    b"x-y.z+1:anything": "a scheme that nobody supports",
    b"file:///a//b": "an empty authority",
    b"urn:a//b": "two slashes inside a path",
    b"urn:/a": "a path that begins with a slash",
}
BAD_URIS = {
    b"": "nothing",
    b"r@a.example": "no scheme",
    b":r@a.example": "an empty scheme",
    b"1mailto:r@a.example": "a scheme that begins with a digit",
    b"mail to:r@a.example": "a space in the scheme",
    b"mailto:r @a.example": "a space in the path",
    b"mailto:r@a.example 10m": "a space after the path",
    b"mailto:r\t@a.example": "a tab in the path",
    b"mailto:r@a.example\0": "a NUL",
    b"mailto:r@\xc3\xa9.example": "an octet over 127",
    b"mailto:r%2@a.example": "a percent sign without two hexadecimal digits",
    b"mailto:<r@a.example>": "angle brackets",
    b"mailto:": "no mailbox",
    b"mailto:r": "a mailbox without a domain",
    b"mailto:r@": "a mailbox with an empty domain",
    b"mailto:r@a.example\n": "a line end after it",
    b"mailto:@a.example": "a mailbox without a local part",
    b"mailto://r@a.example": "an authority where the mailbox belongs",
    b"mailto:r!x@a.example": "a bare exclamation mark",
    b"https://a.example/#x#y": "two fragments",
    b"https://[a.example/": "an open bracket",
    b"https://a.example:port/": "a port that is no number",
    b"https://a@b@c/": "two at signs in the authority",
}


@pytest.mark.parametrize("uri", GOOD_URIS, ids=GOOD_URIS.values())
@pytest.mark.parametrize("tag", ["rua", "ruf"])
def test_a_uri_of_rfc_3986_is_kept(tag: str, uri: bytes) -> None:
    record = parse_record(b"v=DMARC1; p=none; %s= %s " % (tag.encode(), uri))
    assert record is not None
    assert getattr(record, tag) == (uri.decode(),)


@pytest.mark.parametrize("uri", BAD_URIS, ids=BAD_URIS.values())
def test_what_is_no_uri_is_dropped_and_its_neighbours_stay(uri: bytes) -> None:
    record = parse_record(b"v=DMARC1; p=none; rua=mailto:a@a.example,%s\t, mailto:b@a.example" % uri)
    assert record is not None
    assert record.rua == ("mailto:a@a.example", "mailto:b@a.example")


@pytest.mark.parametrize(
    "size", [b"!1", b"!10k", b"!10K", b"!10M", b"!10m", b"!0g", b"!10G", b"!9T", b"!999999999999999999999999t"]
)
def test_the_obsolete_size_limit_is_taken_off(size: bytes) -> None:
    record = parse_record(b"v=DMARC1; p=none; rua=mailto:a@a.example" + size)
    assert record is not None
    assert record.rua == ("mailto:a@a.example",)


@pytest.mark.parametrize("size", [b"!", b"!m", b"!10x", b"!10mm", b"!-1", b"! 10", b"!1!2", b" !10"])
def test_what_is_no_size_limit_makes_no_uri(size: bytes) -> None:
    record = parse_record(b"v=DMARC1; p=none; rua=mailto:a@a.example" + size)
    assert record is not None
    assert record.rua == ()
