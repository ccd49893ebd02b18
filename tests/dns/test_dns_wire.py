"""The wire codec, with dnspython as the oracle (RFC 1035 4, RFC 6891)."""

from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.DNAME import DNAME
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.SOA import SOA
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA
from hypothesis import given
from hypothesis import strategies as st

from assay.answers import Mx, RRType
from assay.dns.chain import Chain, follow
from assay.dns.names import fold, from_wire, to_wire
from assay.dns.wire import (
    EDNS_PAYLOAD,
    RCode,
    Response,
    RType,
    WireError,
    build_query,
    is_reply,
    is_truncated,
    parse_response,
)
from support.steps import steps

IN = dns.rdataclass.IN
NAME = b"\x03www\x07example\x00"
HEADER = b"\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00"
QUESTION = NAME + b"\x00\x10\x00\x01"

labels = st.one_of(
    st.sampled_from([b"a", b"A", b"mail", b"example", b"_dmarc"]),
    st.binary(min_size=1, max_size=20),
)
dns_names = st.lists(labels, max_size=5).map(lambda found: dns.name.Name((*found, b"")))


@st.composite
def rdatas(draw: st.DrawFn) -> dns.rdata.Rdata:
    match draw(st.sampled_from(["A", "AAAA", "MX", "PTR", "TXT", "CNAME", "DNAME", "SOA"])):
        case "A":
            return A(IN, dns.rdatatype.A, str(draw(st.ip_addresses(v=4))))
        case "AAAA":
            return AAAA(IN, dns.rdatatype.AAAA, str(draw(st.ip_addresses(v=6))))
        case "MX":
            return MX(IN, dns.rdatatype.MX, draw(st.integers(0, 65535)), draw(dns_names))
        case "PTR":
            return PTR(IN, dns.rdatatype.PTR, draw(dns_names))
        case "TXT":
            return TXT(IN, dns.rdatatype.TXT, draw(st.lists(st.binary(max_size=255), min_size=1, max_size=3)))
        case "CNAME":
            return CNAME(IN, dns.rdatatype.CNAME, draw(dns_names))
        case "DNAME":
            return DNAME(IN, dns.rdatatype.DNAME, draw(dns_names))
        case _:
            return SOA(IN, dns.rdatatype.SOA, draw(dns_names), draw(dns_names), 1, 2, 3, 4, 5)


rows = st.tuples(dns_names, st.integers(0, 2**31 - 1), rdatas())


@st.composite
def messages(draw: st.DrawFn) -> dns.message.Message:
    query = dns.message.make_query(draw(dns_names), draw(st.sampled_from(list(RRType))).name, use_edns=0)
    message = dns.message.make_response(query)
    message.set_rcode(dns.rcode.Rcode(draw(st.sampled_from([0, 2, 3, 5, 16, 23]))))
    for section in (message.answer, message.authority, message.additional):
        for name, ttl, rdata in draw(st.lists(rows, max_size=4)):
            section.append(dns.rrset.from_rdata(name, ttl, rdata))
    return message


def expected_data(rdata: dns.rdata.Rdata) -> object:
    match rdata:
        case A():
            return IPv4Address(rdata.address)
        case AAAA():
            return IPv6Address(rdata.address)
        case MX():
            exchange = from_wire(rdata.exchange.to_wire() or b"")
            return None if exchange is None else Mx(rdata.preference, exchange)
        case PTR():
            return from_wire(rdata.target.to_wire() or b"")
        case TXT():
            return b"".join(rdata.strings)
        case CNAME() | DNAME():
            return rdata.target.to_wire()
        case _:
            return None


def written(message: dns.message.Message) -> bytes:
    return message.to_wire(max_size=65535, want_shuffle=False)


@given(messages())
def test_what_dnspython_renders_reads_the_same(message: dns.message.Message) -> None:
    response = parse_response(written(message))
    assert response.rcode == message.rcode()
    assert [(record.owner, record.rtype, record.ttl) for record in response.answers] == [
        (fold(rrset.name.to_wire() or b""), rrset.rdtype, rrset.ttl) for rrset in message.answer
    ]
    # Compression may point to an earlier spelling of the same name, so that the case of a name in data can change.
    assert [_lowered(record.data) for record in response.answers] == [
        _lowered(expected_data(rrset[0])) for rrset in message.answer
    ]


def _lowered(data: object) -> object:
    match data:
        case bytes():
            return data.lower()
        case Mx():
            return Mx(data.preference, data.exchange.lower())
        case _:
            return data


@given(messages(), st.sampled_from(list(RRType)))
def test_following_what_dnspython_renders_never_raises(message: dns.message.Message, rrtype: RRType) -> None:
    name = message.question[0].name.to_wire()
    assert name is not None
    assert follow(parse_response(written(message)), rrtype, Chain((name,))) is not None


@given(st.binary(max_size=600))
def test_arbitrary_octets_raise_nothing_but_the_one_error(packet: bytes) -> None:
    is_reply(packet, 0x1234, NAME, RRType.TXT)
    _read(packet)
    _read(HEADER + packet)
    _read(HEADER + QUESTION + packet)


@given(messages(), st.data())
def test_a_changed_packet_raises_nothing_but_the_one_error(message: dns.message.Message, data: st.DataObject) -> None:
    packet = bytearray(written(message))
    for _ in range(data.draw(st.integers(1, 5))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    _read(bytes(packet[: data.draw(st.integers(0, len(packet)))]))


def _read(packet: bytes) -> Response | None:
    try:
        response = parse_response(packet)
    except WireError:
        return None
    for rrtype in RRType:
        follow(response, rrtype, Chain((NAME,)))
    return response


@given(messages(), st.data())
def test_a_cut_inside_a_response_is_noticed(message: dns.message.Message, data: st.DataObject) -> None:
    packet = written(message)
    with pytest.raises(WireError):
        parse_response(packet[: data.draw(st.integers(0, len(packet) - 1))])


def test_octets_after_the_last_record_are_ignored() -> None:
    packet = HEADER + QUESTION + b"\xc0\x0c\x00\x10\x00\x01\x00\x00\x01\x2c\x00\x02\x01x"
    assert parse_response(packet + b"junk") == parse_response(packet)


@given(st.binary(min_size=1, max_size=63), st.sampled_from(list(RRType)), st.booleans(), st.integers(0, 65535))
def test_dnspython_reads_our_queries(label: bytes, rrtype: RRType, edns: bool, ident: int) -> None:  # noqa: FBT001 - drawn
    wire = bytes((len(label),)) + label + b"\x04test\x00"
    query = dns.message.from_wire(build_query(ident, wire, rrtype, edns=edns))
    assert query.id == ident
    assert query.flags == dns.flags.RD
    assert query.question[0].name.labels == (label, b"test", b"")
    assert query.question[0].rdtype == dns.rdatatype.from_text(rrtype)
    assert query.question[0].rdclass == IN
    assert (query.edns, query.payload if edns else EDNS_PAYLOAD) == (0 if edns else -1, 1232)


TXT_RECORD = b"\xc0\x0c\x00\x10\x00\x01\x00\x00\x01\x2c"


def record(rtype: int, data: bytes, *, ttl: int = 300, rdclass: int = 1, owner: bytes = b"\xc0\x0c") -> bytes:
    """Give a response with one record."""
    fixed = rtype.to_bytes(2) + rdclass.to_bytes(2) + ttl.to_bytes(4) + len(data).to_bytes(2)
    return HEADER + QUESTION + owner + fixed + data


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(b"", id="nothing at all"),
        pytest.param(HEADER[:11], id="half a header"),
        pytest.param(HEADER + b"\xc0\x0c\x00\x10\x00\x01", id="a question that points to itself"),
        pytest.param(HEADER + b"\xc0", id="half a pointer at the end"),
        pytest.param(record(RType.A, b"\x7f\0\0"), id="an A record of 3 octets"),
        pytest.param(record(RType.A, b"\x7f\0\0\1\0"), id="an A record of 5 octets"),
        pytest.param(record(RType.AAAA, b"\x7f\0\0\1"), id="an AAAA record of 4 octets"),
        pytest.param(record(RType.TXT, b""), id="TXT without a string"),
        pytest.param(record(RType.TXT, b"\x05abcd"), id="a TXT string longer than its data"),
        pytest.param(record(RType.TXT, b"\x01a\x02b"), id="a second TXT string longer than its data"),
        pytest.param(record(RType.MX, b""), id="MX without data"),
        pytest.param(record(RType.MX, b"\0\x0a"), id="MX without a name"),
        pytest.param(record(RType.PTR, b""), id="PTR without a name"),
        pytest.param(record(RType.CNAME, b"\x01a\0\0"), id="octets after the name in CNAME"),
        pytest.param(record(RType.CNAME, b"\x01a"), id="a name that goes on after its data"),
        pytest.param(record(RType.CNAME, b"\xc0\x29"), id="a pointer to itself in data"),
        pytest.param(record(RType.CNAME, b"\x01a\xc0\x29"), id="a pointer to the start of its own name"),
        pytest.param(record(RType.CNAME, b"\x01a\xc0\xff"), id="a pointer forwards"),
        pytest.param(record(RType.CNAME, b"\x40" + b"a" * 64 + b"\0"), id="a label type that does not exist"),
        pytest.param(record(RType.CNAME, (b"\x3f" + b"a" * 63) * 4 + b"\0"), id="a name of 257 octets"),
        pytest.param(record(RType.CNAME, b"\x01a" * 127 + b"\x01\0"), id="a name of 128 labels"),
        pytest.param(record(RType.CNAME, b"\x01a" * 30000 + b"\0"), id="a name of 60,001 octets"),
        pytest.param(record(RType.TXT, b"\x01a", rdclass=3), id="a record of class CHAOS"),
        pytest.param(HEADER + QUESTION + b"\xc0\x0c\x00\x10", id="a record that ends in its head"),
        pytest.param(record(RType.TXT, b"\x01a")[:-1], id="data shorter than its length says"),
        pytest.param(HEADER[:2] + b"\x83" + HEADER[3:] + QUESTION, id="TC set"),
    ],
)
def test_a_malformed_response_is_the_one_error(packet: bytes) -> None:
    with pytest.raises(WireError):
        parse_response(packet)


def test_a_name_of_255_octets_is_read() -> None:
    name = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"a" * 61 + b"\0"
    assert len(name) == 255
    assert parse_response(record(RType.CNAME, name)).answers[0].data == name


def test_a_pointer_past_a_name_that_is_long_already_is_the_one_error() -> None:
    name = (b"\x3f" + b"a" * 63) * 3 + b"\x3c" + b"a" * 60
    assert parse_response(record(RType.CNAME, name + b"\0"))
    with pytest.raises(WireError, match="255"):
        parse_response(record(RType.CNAME, name + b"\xc0\x0c"))


def chained(count: int) -> bytes:
    """Give a response whose TXT data holds pointers to pointers, and whose owner follows all of them."""
    first = len(HEADER + QUESTION) + 12 + 1
    pointers = b"\xc0\x0c"
    for number in range(count):
        pointers += (0xC000 | first + 2 * number).to_bytes(2)
    strings = bytes((len(pointers),)) + pointers
    last = (0xC000 | first + 2 * count).to_bytes(2)
    two = HEADER[:7] + b"\x02" + HEADER[8:]
    carrier = b"\xc0\x0c\x00\x10\x00\x01\x00\x00\x01\x2c" + len(strings).to_bytes(2) + strings
    return two + QUESTION + carrier + last + b"\x00\x10\x00\x01\x00\x00\x01\x2c\x00\x02\x01x"


def test_pointers_to_pointers_are_followed_to_a_bound() -> None:
    assert parse_response(chained(100)).answers[1].owner == NAME
    with pytest.raises(WireError, match="too many"):
        parse_response(chained(126))


def test_the_work_for_hostile_compression_is_linear() -> None:
    # Every owner points at the longest run of pointers allowed: remembered after the first.
    packet = chained(100)
    owner = packet[-14:-12]
    row = owner + b"\x00\x10\x00\x01\x00\x00\x01\x2c\x00\x02\x01x"
    count = 400
    response = parse_response(packet[:6] + (2 + count).to_bytes(2) + packet[8:] + row * count)
    assert {entry.owner for entry in response.answers} == {NAME}


def _answers(count: int, rest: bytes) -> bytes:
    """Give a response with this many answers, each of which is ``rest``."""
    return HEADER[:6] + count.to_bytes(2) + HEADER[8:] + QUESTION + rest * count


_TXT = b"\x00\x10\x00\x01\x00\x00\x01\x2c"
_FLOODS = {
    "records": _answers(4600, b"\xc0\x0c" + _TXT + b"\x00\x01\x00"),
    "strings of one record": _answers(1, b"\xc0\x0c" + _TXT + b"\xfd\xe8" + bytes(65000)),
    "strings of many records": _answers(100, b"\xc0\x0c" + _TXT + b"\x02\x00" + bytes(512)),
    "labels": _answers(240, b"\x01a" * 123 + b"\x00" + _TXT + b"\x00\x01\x00"),
    "records of the authority": _answers(0, b"")[:8]
    + b"\x0b\xb8\x00\x00"
    + QUESTION
    + (b"\0" + _TXT + bytes(2)) * 3000,
}


@pytest.mark.parametrize("packet", _FLOODS.values(), ids=_FLOODS)
def test_an_answer_of_thousands_of_parts_is_read_to_a_bound(packet: bytes) -> None:
    assert len(packet) < 65536
    with pytest.raises(WireError, match="more than 1024"):
        parse_response(packet)

    def work() -> None:
        with suppress(WireError):
            parse_response(packet)

    assert steps(work) < 15_000


def test_a_ttl_with_the_highest_bit_counts_as_zero() -> None:  # RFC 2181 8
    assert parse_response(record(RType.TXT, b"\x01a", ttl=0x80000000)).answers[0].ttl == 0
    assert parse_response(record(RType.TXT, b"\x01a", ttl=0x7FFFFFFF)).answers[0].ttl == 0x7FFFFFFF


def test_the_strings_of_txt_are_joined_without_separator() -> None:
    assert parse_response(record(RType.TXT, b"\x02v=\x00\x04spf1")).answers[0].data == b"v=spf1"
    assert parse_response(record(RType.TXT, b"\x00")).answers[0].data == b""


def test_owner_names_are_folded_and_names_in_data_are_not() -> None:
    entry = parse_response(record(RType.PTR, b"\x01A\0", owner=b"\x03WwW\xc0\x10")).answers[0]
    assert entry.owner == NAME
    assert entry.data == b"A"


def test_a_name_with_a_dot_inside_a_label_is_no_record() -> None:
    for rtype, front in ((RType.PTR, b""), (RType.MX, b"\0\x0a")):
        assert parse_response(record(rtype, front + b"\x03a.b\0")).answers[0].data is None


def test_badvers_is_not_read_as_no_error() -> None:  # RFC 6891 6.1.3
    query = dns.message.make_query("www.example", "TXT", use_edns=0)
    response = dns.message.make_response(query)
    response.set_rcode(dns.rcode.BADVERS)
    assert parse_response(response.to_wire()).rcode == RCode.BADVERS


def test_sections_of_a_server_that_did_not_understand_are_not_read() -> None:
    packet = HEADER[:3] + b"\x81" + HEADER[4:] + b"\xff"
    assert parse_response(packet) == Response(rcode=RCode.FORMERR, answers=(), referral=False)


def response_with(authority: list[str], flags: int) -> bytes:
    query = dns.message.make_query("www.example", "TXT")
    response = dns.message.make_response(query)
    response.flags |= flags
    for row in authority:
        owner, ttl, rdclass, rdtype, data = row.split(" ", 4)
        response.authority.append(dns.rrset.from_text(owner, int(ttl), rdclass, rdtype, data))
    return response.to_wire()


@pytest.mark.parametrize(
    ("authority", "flags", "referral"),
    [
        pytest.param(["example. 300 IN NS ns.example."], 0, True, id="servers and no SOA"),
        pytest.param(["example. 300 IN NS ns.", "example. 300 IN SOA a. b. 1 2 3 4 5"], 0, False, id="an SOA beside"),
        pytest.param(["example. 300 IN NS ns.example."], dns.flags.AA, False, id="an authoritative server"),
        pytest.param([], 0, False, id="nothing"),
    ],
)
def test_a_referral_is_told_from_no_data(authority: list[str], flags: int, referral: bool) -> None:  # noqa: FBT001 - expected
    assert parse_response(response_with(authority, flags)).referral is referral


REPLY = HEADER + QUESTION


@pytest.mark.parametrize(
    ("packet", "accepted"),
    [
        pytest.param(REPLY, True, id="our id and our question"),
        pytest.param(HEADER + b"\x03wWw\x07EXAMPLE\x00\x00\x10\x00\x01", True, id="the question in another case"),
        pytest.param(b"\x12\x35" + REPLY[2:], False, id="another id"),
        pytest.param(HEADER + b"\x03wwx\x07example\x00\x00\x10\x00\x01", False, id="another name"),
        pytest.param(HEADER + b"\x07example\x00\x00\x10\x00\x01", False, id="a shorter name"),
        pytest.param(HEADER + NAME + b"\x00\x01\x00\x01", False, id="another type"),
        pytest.param(HEADER + NAME + b"\x00\x10\x00\x03", False, id="another class"),
        pytest.param(REPLY[:2] + b"\x01" + REPLY[3:], False, id="a query"),
        pytest.param(REPLY[:2] + b"\xa9" + REPLY[3:], False, id="another opcode"),
        pytest.param(REPLY[:5] + b"\x02" + REPLY[6:], False, id="two questions"),
        pytest.param(REPLY[:11], False, id="half a header"),
        pytest.param(HEADER[:5] + b"\x00" + HEADER[6:], False, id="success without a question"),
        pytest.param(HEADER[:3] + b"\x83\x00\x00" + HEADER[6:], False, id="NXDOMAIN without a question"),
        pytest.param(HEADER[:3] + b"\x81\x00\x00" + HEADER[6:], True, id="FORMERR without a question"),
        pytest.param(HEADER[:3] + b"\x85\x00\x00" + HEADER[6:], True, id="REFUSED without a question"),
    ],
)
def test_only_a_reply_to_the_query_is_taken(packet: bytes, accepted: bool) -> None:  # noqa: FBT001 - expected
    assert is_reply(packet, 0x1234, NAME, RRType.TXT) is accepted


def test_truncation_is_read_from_the_header_alone() -> None:
    assert is_truncated(REPLY[:2] + b"\x83" + REPLY[3:])
    assert not is_truncated(REPLY)


def test_names_of_the_oracle_are_ours() -> None:
    assert dns.name.from_text("www.example").to_wire() == NAME == to_wire(b"www.example")
