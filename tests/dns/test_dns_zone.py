"""The DNS in memory (RFC 1034 3.6.2, 4592, 8020)."""

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.answers import Absent, Answer, Found, Mx, RRType, Unavailable
from assay.dns.chain import MAX_LINKS
from assay.dns.zone import Zone
from assay.dns.zonefile import ZoneError

ZONE = Zone.parse(
    r"""
$ORIGIN example.com.
$TTL 60
@          SOA  ns root 1 2 3 4 5
@          TXT  "v=spf1 " "-all"
@     30   TXT  "other"
@          MX   10 mail
@          MX   20 .
mail       A    192.0.2.1
mail       AAAA 2001:db8::1
a.b.c      A    192.0.2.2
www   10   CNAME mail
far        CNAME www
lost       CNAME nowhere
empty      CNAME c
one        CNAME two
two        CNAME ONE
*.wild     TXT  "any"
real.wild  A    192.0.2.3
odd\032\%\033 TXT "\255"
$ORIGIN 2.0.192.in-addr.arpa.
1          PTR  Mail.Example.COM.
""",
    broken={b"dead.example.com": "timeout", b"Mail.example.com": "SERVFAIL"},
)

NXDOMAIN = Absent(nxdomain=True)
NODATA = Absent(nxdomain=False)


@pytest.mark.parametrize(
    ("name", "rrtype", "answer"),
    [
        pytest.param(b"example.com", RRType.TXT, Found((b"v=spf1 -all", b"other"), 30), id="joined strings"),
        pytest.param(b"EXAMPLE.com", RRType.MX, Found((Mx(10, b"mail.example.com"), Mx(20, b"")), 60), id="MX"),
        pytest.param(b"mail.example.com", RRType.A, Found((IPv4Address("192.0.2.1"),), 60), id="A"),
        pytest.param(b"mail.example.com", RRType.AAAA, Found((IPv6Address("2001:db8::1"),), 60), id="AAAA"),
        pytest.param(b"1.2.0.192.in-addr.arpa", RRType.PTR, Found((b"Mail.Example.COM",), 60), id="PTR as written"),
        pytest.param(b"example.com", RRType.A, NODATA, id="another type: NODATA"),
        pytest.param(b"c.example.com", RRType.A, NODATA, id="a name above one that exists: NODATA"),
        pytest.param(b"com", RRType.A, NODATA, id="and above the origin"),
        pytest.param(b"x.example.com", RRType.A, NXDOMAIN, id="a name it does not hold"),
        pytest.param(b"org", RRType.A, NXDOMAIN, id="a name outside of the zone"),
        pytest.param(b"far.example.com", RRType.A, Found((IPv4Address("192.0.2.1"),), 10), id="two aliases, least TTL"),
        pytest.param(b"lost.example.com", RRType.A, Absent(nxdomain=True, alias=True), id="an alias to nowhere"),
        pytest.param(b"empty.example.com", RRType.A, Absent(nxdomain=False, alias=True), id="an alias to no data"),
        pytest.param(b"one.example.com", RRType.A, Unavailable("a CNAME loop"), id="a loop"),
        pytest.param(b"x.y.wild.example.com", RRType.TXT, Found((b"any",), 60), id="a wildcard, RFC 4592"),
        pytest.param(b"real.wild.example.com", RRType.TXT, NODATA, id="no wildcard for a name that exists"),
        pytest.param(b"x.real.wild.example.com", RRType.TXT, NXDOMAIN, id="nor below a name that exists"),
        pytest.param(b"odd %!.example.com", RRType.TXT, Found((b"\xff",), 60), id="odd octets in a name"),
        pytest.param(b"dead.example.com", RRType.A, Unavailable("timeout"), id="a name that does not answer"),
        pytest.param(b"mail.example.com", RRType.TXT, Unavailable("SERVFAIL"), id="a name that answers for some types"),
        pytest.param(b"example..com", RRType.A, NXDOMAIN, id="a name that cannot be asked"),
    ],
)  # fmt: skip
def test_the_zone_answers(name: bytes, rrtype: RRType, answer: Answer) -> None:
    ZONE.prefetch(name, rrtype)
    assert ZONE.resolve(name, rrtype) == answer


def test_a_zone_made_in_code() -> None:
    zone = Zone(
        {(b"a.test", RRType.TXT): [b"x"], (b"b.test", RRType.A): [], (b"*", RRType.A): [IPv4Address("192.0.2.9")]},
        aliases={b"c.test": b"A.test"},
        broken={b"d.test": "SERVFAIL"},
        ttl=7,
    )
    assert zone.resolve(b"c.test", RRType.TXT) == Found((b"x",), 7)
    assert zone.resolve(b"b.test", RRType.A) == NODATA
    assert zone.resolve(b"D.test", RRType.A) == Unavailable("SERVFAIL")
    assert zone.resolve(b"other", RRType.A) == Found((IPv4Address("192.0.2.9"),), 7)
    assert zone.resolve(b"test", RRType.TXT) == NODATA
    assert Zone().resolve(b"test", RRType.TXT) == NXDOMAIN


def test_a_chain_is_followed_to_the_bound_of_the_client() -> None:
    aliases = {b"%d.test" % number: b"%d.test" % (number + 1) for number in range(MAX_LINKS + 1)}
    last = b"%d.test" % (MAX_LINKS + 1)
    zone = Zone({(last, RRType.TXT): [b"x"]}, aliases=aliases)
    assert zone.resolve(b"1.test", RRType.TXT) == Found((b"x",), 300)
    assert isinstance(zone.resolve(b"0.test", RRType.TXT), Unavailable)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("a. TXT x\nb. NONSENSE x", "f:2: unknown rdatatype", id="an unknown type, with its line"),
        pytest.param("a. A 192.0.2.256", "f:1:", id="bad data, with its line"),
        pytest.param("a. CNAME b.\na. A 192.0.2.1", "f: b'a': a record beside a CNAME", id="a record beside a CNAME"),
        pytest.param("a. A 192.0.2.1\na. CNAME b.", "a CNAME beside other records", id="a CNAME beside a record"),
        pytest.param("a. CNAME b.\na. CNAME c.", "a CNAME beside other records", id="two CNAMEs"),
        pytest.param("a\\.b. A 192.0.2.1", "a dot or a NUL", id="a dot inside a label"),
        pytest.param("a\\000b. A 192.0.2.1", "a dot or a NUL", id="a NUL inside a label"),
        pytest.param("a. CNAME b\\.c.", "a dot or a NUL", id="a dot inside a label of a target"),
        pytest.param("a. DNAME b.", "DNAME is not supported", id="a DNAME"),
        pytest.param(". A 192.0.2.1", "is no name", id="a record at the root"),
        pytest.param("\u2488a. A 192.0.2.1", "IDNA", id="a U-label that IDNA does not know"),
        pytest.param("$ORIGIN " + ("x" * 60 + ".") * 4 + "\n" + "y" * 20 + " A 192.0.2.1", "NameTooLong", id="long"),
        pytest.param("$INCLUDE /etc/hostname", "not allowed", id="another file"),
        pytest.param("$GENERATE 1-9 a$ A 192.0.2.1", "not allowed", id="records made by the thousand"),
        pytest.param("x" * 64 + ". A 192.0.2.1", "f: LabelTooLong|f:1:", id="a label of 64 octets"),
    ],
)  # fmt: skip
def test_a_bad_zone_file_is_one_error_with_its_place(text: str, fault: str) -> None:
    with pytest.raises(ZoneError, match=fault) as caught:
        Zone.parse(text, place="f")
    assert str(caught.value).startswith("f:")


@given(st.text(alphabet='ab.*\\"()$;@0124 \n\tACNMXTPR', max_size=60))
def test_no_zone_file_raises_anything_else(text: str) -> None:
    try:
        zone = Zone.parse(text)
    except ZoneError:
        return
    assert isinstance(zone.resolve(b"a.b", RRType.A), Found | Absent | Unavailable)


def test_a_zone_is_read_from_disk(tmp_path: Path) -> None:
    path = tmp_path / "zone"
    path.write_text("a.test. TXT x\n")
    assert Zone.read(path).resolve(b"a.test", RRType.TXT) == Found((b"x",), 300)


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_zone_that_cannot_be_read_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "zone"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ZoneError, match="cannot be read"):
        Zone.read(path)


def test_a_bad_name_in_code_is_an_error() -> None:
    with pytest.raises(ZoneError, match="no name"):
        Zone({(b"a..test", RRType.TXT): [b"x"]})
