"""Packets of a name server: a response or a WireError, bounded, and an answer only for the name that was asked."""

from assay.answers import Absent, Found, Mx, RRType, Unavailable
from assay.dns.chain import MAX_LINKS, Chain, Settled, follow
from assay.dns.names import MAX_WIRE_OCTETS, fold, from_wire, parents, to_wire
from assay.dns.wire import RType, WireError, build_query, is_reply, is_truncated, parse_response
from fuzz.inputs import is_clean

_IDENT = 0x2323
_NAME = to_wire(b"a.example") or b""


def one_input(data: bytes) -> None:
    """The first octet picks the type that was asked for; the rest is the packet. All of it is also a name."""
    rrtype = list(RRType)[(data[:1] or b"\0")[0] % len(RRType)]
    packet = data[1:]
    _check_name(data)
    reply = is_reply(packet, _IDENT, _NAME, rrtype)
    if reply:
        assert len(packet) >= 12
        assert packet[:2] == _IDENT.to_bytes(2)
        assert is_truncated(packet) in {True, False}
        assert not is_reply(packet, _IDENT ^ 1, _NAME, rrtype)
    try:
        response = parse_response(packet)
    except WireError:
        return
    # an owner name, the fixed part of a record and no data are 11 octets
    assert len(response.answers) * 11 <= len(packet)
    for record in response.answers:
        assert 0 < len(record.owner) <= MAX_WIRE_OCTETS
        assert record.owner == fold(record.owner)
        assert 0 <= record.ttl < 2**31
        if record.rtype in {RType.CNAME, RType.DNAME} and isinstance(record.data, bytes):
            assert len(record.data) <= MAX_WIRE_OCTETS
            parents(record.data)
        if isinstance(record.data, Mx):
            assert 0 <= record.data.preference < 65536
    answer = follow(response, rrtype, Chain((_NAME,)))
    match answer:
        case Unavailable(why):
            assert is_clean(why, 100)
        case Settled(answer=Found(records), ttl=ttl):
            assert records
            assert 0 <= ttl < 2**31
            assert any(record.owner == fold(_NAME) or record.rtype == RType.DNAME for record in response.answers)
        case Settled(answer=Absent(), ttl=ttl):
            assert ttl >= 0
        case Chain(names=names):
            assert 2 <= len(names) <= MAX_LINKS + 1
            assert len({fold(name) for name in names}) == len(names)
        case _:
            raise AssertionError(answer)


def _check_name(name: bytes) -> None:
    wire = to_wire(name)
    if wire is not None:
        assert len(wire) <= MAX_WIRE_OCTETS
        assert from_wire(wire) == name
        query = build_query(_IDENT, wire, RRType.TXT, edns=True)
        answer = query[:2] + b"\x80" + query[3:]
        assert is_reply(answer, _IDENT, wire, RRType.TXT)
        assert not parse_response(answer).answers
