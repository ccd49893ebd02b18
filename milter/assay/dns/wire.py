"""The wire format: queries to octets, octets to responses (RFC 1035 4, RFC 6891). Pure.

Only what mail authentication asks for is decoded. Any fault of a packet raises :class:`WireError` and nothing else,
and the work is bounded by the packet's length: compression pointers lead strictly backwards, at most 127 for a name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from struct import Struct
from typing import Final

from assay.answers import Mx, Record, RRType
from assay.dns.names import MAX_WIRE_OCTETS, fold, from_wire
from assay.errors import AssayError
from assay.limits import MAX_LABEL_OCTETS

MAX_DATAGRAM: Final = 65535
"""Octets read of one datagram: all that UDP can carry, also from a server that ignores our EDNS size."""

EDNS_PAYLOAD: Final = 1232
"""Octets of a UDP answer that we offer to take: fits in an IPv6 packet of the minimum MTU (1280 less headers)."""

_MAX_POINTERS: Final = 127
"""Compression pointers in one name: it has at most 127 labels, and a pointer is only of use after a label."""

_MAX_PARTS: Final = 1024
"""Records, names, labels and character-strings in one answer. Real ones have a few hundred: 40 addresses, 100 TXT
records of two strings. A packet of 64 KiB holds up to 65,000, each the work of a microsecond, and for 150 questions of
a message its sender may choose the answer."""

_POINTER: Final = 0xC0
"""RFC 1035 4.1.4: the two highest bits of a length octet mark a pointer."""

_MAX_TTL: Final = 0x7FFFFFFF
"""RFC 2181 8: a TTL with the highest bit set counts as 0."""


class WireError(AssayError):
    """The packet is malformed; the message says where."""


class RCode(IntEnum):
    """The response codes that are treated one by one (RFC 1035 4.1.1, RFC 6891 9)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    BADVERS = 16


class RType(IntEnum):
    """Numbers of the record types that we ask for or look at."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    PTR = 12
    MX = 15
    TXT = 16
    AAAA = 28
    DNAME = 39
    OPT = 41


@dataclass(frozen=True, slots=True)
class ResourceRecord:
    """One record of the answer section.

    Attributes:
        owner: its name on the wire, uncompressed, case folded.
        rtype: number of its type.
        ttl: seconds.
        data: the record; the wire name of the target for CNAME and DNAME; None for another type and for a name that
            cannot be written with dots (:func:`assay.dns.names.from_wire`).
    """

    owner: bytes
    rtype: int
    ttl: int
    data: Record | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a response says.

    Attributes:
        rcode: with the upper bits of EDNS (RFC 6891 6.1.3), so that BADVERS does not read as NOERROR.
        answers: the answer section.
        referral: the authority section names servers and no SOA, and the server is not authoritative: it knows where
            to ask, not what the answer is (RFC 2308 2.2).
    """

    rcode: int
    answers: tuple[ResourceRecord, ...]
    referral: bool


_IPV4_OCTETS: Final = 4
_IPV6_OCTETS: Final = 16
_HEADER = Struct("!HHHHHH")
_FIXED = Struct("!HHIH")
_IN: Final = 1
_QR: Final = 0x8000
_AA: Final = 0x0400
_TC: Final = 0x0200
_RD: Final = 0x0100
_OPCODE: Final = 0x7800
_OPT: Final = b"\0" + _FIXED.pack(RType.OPT, EDNS_PAYLOAD, 0, 0)
_QUESTION_TAIL: Final = {rrtype: bytes((0, RType[rrtype.name], 0, _IN)) for rrtype in RRType}
_NO_QUESTION_NEEDED: Final = frozenset({RCode.FORMERR, RCode.SERVFAIL, RCode.NOTIMP, RCode.REFUSED})


def build_query(ident: int, wire_name: bytes, rrtype: RRType, *, edns: bool) -> bytes:
    """Render a query with recursion desired.

    Args:
        ident: 0 to 65535, to be unpredictable (RFC 5452 4.3).
        wire_name: from :func:`assay.dns.names.to_wire`; asked literally.
        rrtype: the type asked for, in class IN.
        edns: whether to offer EDNS0 with a payload of 1232 octets.
    """
    header = _HEADER.pack(ident, _RD, 1, 0, 0, 1 if edns else 0)
    return header + wire_name + _QUESTION_TAIL[rrtype] + (_OPT if edns else b"")


def is_reply(packet: bytes, ident: int, wire_name: bytes, rrtype: RRType) -> bool:
    """Whether a packet claims to answer this query: a response with its id and its question (RFC 5452 3).

    A server that did not understand or refuses may leave the question out (RFC 6891 7 knows such FORMERR).
    """
    if len(packet) < _HEADER.size:
        return False
    got_ident, flags, questions, _, _, _ = _HEADER.unpack_from(packet)
    if got_ident != ident or not flags & _QR or flags & _OPCODE:
        return False
    if questions == 0:
        return flags & 0xF in _NO_QUESTION_NEEDED
    end = _HEADER.size + len(wire_name)
    return (
        questions == 1
        and fold(packet[_HEADER.size : end]) == fold(wire_name)
        and packet[end : end + 4] == _QUESTION_TAIL[rrtype]
    )


def is_truncated(packet: bytes) -> bool:
    """Whether a reply has TC set: the rest must be asked for over TCP, and nothing in it used (RFC 2181 9)."""
    return bool(packet[2] & (_TC >> 8))


def parse_response(packet: bytes) -> Response:
    """Decode a response.

    Octets after the last counted record are ignored, as resolvers do. A server that could not read the query at all
    (FORMERR, NOTIMP) may send its sections as they came: they are not read.

    Raises:
        WireError: it is malformed, anywhere in any section, or truncated, or a record of the answer is not of class
            IN, or it holds more parts than an answer that anybody means.
    """
    if len(packet) < _HEADER.size:
        raise WireError("shorter than a header")
    _, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(packet)
    rcode = flags & 0xF
    if rcode in (RCode.FORMERR, RCode.NOTIMP):
        return Response(rcode=rcode, answers=(), referral=False)
    if flags & _TC:
        raise WireError("truncated")
    reader = _Reader(packet)
    for _ in range(questions):
        reader.name()
        reader.skip(4)
    found = tuple(reader.record() for _ in range(answers))
    authority_types = {reader.header()[0] for _ in range(authorities)}
    for _ in range(additionals):
        rtype, ttl = reader.header()
        if rtype == RType.OPT:
            rcode |= ttl >> 24 << 4
    referral = not flags & _AA and RType.NS in authority_types and RType.SOA not in authority_types
    return Response(rcode=rcode, answers=found, referral=referral)


class _Reader:
    """Reads a packet from the front; ``at`` is the next octet."""

    def __init__(self, packet: bytes) -> None:
        self.packet = packet
        self.at = _HEADER.size
        self._parts = 0
        self._names: dict[int, bytes] = {}

    def count(self, parts: int) -> None:
        """Note that so many parts were read, and stop at too many."""
        self._parts += parts
        if self._parts > _MAX_PARTS:
            raise WireError(f"more than {_MAX_PARTS} records, names, labels and strings")

    def skip(self, count: int) -> None:
        self.at += count
        if self.at > len(self.packet):
            raise WireError("ends inside a record")

    def name(self) -> bytes:
        """Read a name and return it uncompressed, as it is written."""
        name, self.at = self._name(self.at)
        return name

    def header(self) -> tuple[int, int]:
        """Read a record, look at nothing but its type and (unclipped) TTL."""
        rtype, _, ttl, length = self._fixed()
        self.skip(length)
        return rtype, ttl

    def record(self) -> ResourceRecord:
        """Read a record of the answer section."""
        owner = self.name()
        rtype, rdclass, ttl, length = self._fixed_at()
        if rdclass != _IN:
            raise WireError("a record of another class than IN")
        start = self.at
        self.skip(length)
        data = self._data(rtype, start, self.at)
        return ResourceRecord(fold(owner), rtype, ttl if ttl <= _MAX_TTL else 0, data)

    def _fixed(self) -> tuple[int, int, int, int]:
        self.name()
        return self._fixed_at()

    def _fixed_at(self) -> tuple[int, int, int, int]:
        start = self.at
        self.count(1)
        self.skip(_FIXED.size)
        rtype, rdclass, ttl, length = _FIXED.unpack_from(self.packet, start)
        return rtype, rdclass, ttl, length

    def _data(self, rtype: int, start: int, end: int) -> Record | None:
        decode = _DECODE.get(rtype)
        if decode is not None:
            return decode(self.packet[start:end])
        match rtype:
            case RType.TXT:
                return self._joined_strings(start, end)
            case RType.CNAME | RType.DNAME:
                return self._last_name(start, end)
            case RType.PTR:
                return from_wire(self._last_name(start, end))
            case RType.MX:
                exchange = from_wire(self._last_name(start + 2, end))
                return None if exchange is None else Mx(int.from_bytes(self.packet[start : start + 2]), exchange)
            case _:
                return None

    def _last_name(self, start: int, end: int) -> bytes:
        """Read a name that must fill the data to its end."""
        if start >= end:
            raise WireError("data without a name")
        name, after = self._name(start)
        if after != end:
            raise WireError("a name does not end with its data")
        return name

    def _name(self, start: int) -> tuple[bytes, int]:
        """Read the name at ``start``; return it with the offset after it.

        Pointers that were followed once are remembered: names of one packet mostly share their end.
        """
        pieces, after, target = self._labels(start)
        stem = b"".join(pieces)
        if target is not None:
            end = self._names.get(target)
            if end is None:
                end = self._names[target] = self._stem(target)
            stem += end
        if len(stem) >= MAX_WIRE_OCTETS:
            raise WireError("a name over 255 octets")
        self._names[start] = stem
        return stem + b"\0", after

    def _stem(self, start: int) -> bytes:
        """Read what a pointer leads to: the labels from ``start``, without the root label."""
        found: list[bytes] = []
        target: int | None = start
        for _ in range(_MAX_POINTERS):
            if target is None:
                return b"".join(found)
            pieces, _, target = self._labels(target)
            found += pieces
        raise WireError("a name with too many compression pointers")

    def _labels(self, start: int) -> tuple[list[bytes], int, int | None]:
        """Read labels up to the root label or a pointer; return them, the offset after that, the pointer's target."""
        packet, at = self.packet, start
        pieces: list[bytes] = []
        while length := packet[at] if at < len(packet) else -1:
            end = at + 1 + length
            if length >= _POINTER:  # RFC 1035 4.1.4
                target = int.from_bytes(packet[at : at + 2]) & 0x3FFF
                if target >= start or at + 2 > len(packet):
                    raise WireError("a compression pointer that does not lead backwards")
                self.count(1 + len(pieces))
                return pieces, at + 2, target
            if not 0 < length <= MAX_LABEL_OCTETS or end > len(packet):
                raise WireError("a name that is cut off or has an unknown kind of label")
            if end - start >= MAX_WIRE_OCTETS:
                raise WireError("a name over 255 octets")
            pieces.append(packet[at:end])
            at = end
        self.count(1 + len(pieces))
        return pieces, at + 1, None

    def _joined_strings(self, start: int, end: int) -> bytes:
        """Join the character-strings of a TXT record without separator (RFC 1035 3.3.14; standards A.2 step 3)."""
        packet = self.packet
        if start == end:
            raise WireError("TXT without a character-string")
        if packet[start] == end - start - 1:  # one string, as nearly always
            return packet[start + 1 : end]
        strings = []
        at = start
        while at < end:
            after = at + 1 + packet[at]
            if after > end:
                raise WireError("a character-string that is cut off")
            self.count(1)
            strings.append(packet[at + 1 : after])
            at = after
        return b"".join(strings)


def _ipv4(data: bytes) -> IPv4Address:
    if len(data) != _IPV4_OCTETS:
        raise WireError("an A record without an address")
    return IPv4Address(data)


def _ipv6(data: bytes) -> IPv6Address:
    if len(data) != _IPV6_OCTETS:
        raise WireError("an AAAA record without an address")
    return IPv6Address(data)


_DECODE: Final[dict[int, Callable[[bytes], Record]]] = {
    RType.A: _ipv4,
    RType.AAAA: _ipv6,
}
