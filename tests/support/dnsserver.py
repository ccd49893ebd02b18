"""A small recursive-looking DNS server on loopback that misbehaves as told, for tests of everything that asks the DNS.

    with DnsServer("a.example. TXT hello", {b"b.example": slow(4.0), b"c.example": dead}) as server:
        client = DnsClient([server.nameserver])

Its zone is all the DNS there is: what it does not hold is NXDOMAIN. UDP and TCP are served on the same port by one
thread; a behaviour changes what one name gets.
"""

import contextlib
import heapq
import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from typing import Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.zonefile

from assay.dns.names import from_wire
from assay.dns.nameservers import Nameserver
from support.ports import free_port

_SOA = dns.rrset.from_text(".", 300, "IN", "SOA", "ns. root. 1 2 3 4 5")


@dataclass(frozen=True, slots=True)
class Seen:
    """A query that arrived: its name (case as sent), type, transport, source port, id, and whether it had EDNS."""

    name: bytes
    rrtype: str
    stream: bool
    port: int
    ident: int
    edns: bool


@dataclass
class Exchange:
    """A query and the answer the zone has for it; ``first_at`` is when this name and type was first asked."""

    query: dns.message.Message
    answer: dns.message.Message
    seen: Seen
    first_at: float

    def plain(self) -> bytes:
        """Render the answer, cut to what the client takes over UDP."""
        size = 65535 if self.seen.stream else max(512, self.query.payload if self.seen.edns else 0)
        return self.answer.to_wire(max_size=65535) if self.seen.stream else _cut(self.answer, size)

    def message(self) -> dns.message.Message:
        """Make a response to the query with nothing in it."""
        response = dns.message.make_response(self.query, recursion_available=True)
        response.use_edns(0 if self.seen.edns else False)
        return response


Reply = tuple[float, bytes]
"""Seconds from now, and the octets to send; no octets over TCP close the stream."""


class Unframed(bytes):
    """Octets of a TCP stream as they are, without the length of a message before them."""


Behaviour = Callable[[Exchange], list[Reply]]


def plain(exchange: Exchange) -> list[Reply]:
    """Answer from the zone, at once."""
    return [(0, exchange.plain())]


def dead(_: Exchange) -> list[Reply]:
    """Never answer."""
    return []


def slow(seconds: float) -> Behaviour:
    """Answer so long after the first query for this name and type: repetitions join it, as in a real resolver."""
    return lambda exchange: [(max(0.0, exchange.first_at + seconds - time.monotonic()), exchange.plain())]


def rcode(name: str) -> Behaviour:
    """Answer with this code and nothing else."""

    def behave(exchange: Exchange) -> list[Reply]:
        response = exchange.message()
        response.set_rcode(dns.rcode.from_text(name))
        return [(0, response.to_wire())]

    return behave


def truncated(exchange: Exchange) -> list[Reply]:
    """Set TC over UDP, with nothing in the answer; the whole answer over TCP."""
    if exchange.seen.stream:
        return plain(exchange)
    response = exchange.message()
    response.flags |= dns.flags.TC
    return [(0, response.to_wire())]


def over_tcp(reply: Behaviour) -> Behaviour:
    """Truncate over UDP and behave so over TCP."""
    return lambda exchange: reply(exchange) if exchange.seen.stream else truncated(exchange)


def dribbled(seconds: float) -> Behaviour:
    """Send one octet of the zone's answer at a time, over TCP, so many seconds apart."""

    def behave(exchange: Exchange) -> list[Reply]:
        packet = exchange.plain()
        stream = len(packet).to_bytes(2) + packet
        return [(seconds * at, Unframed(stream[at : at + 1])) for at in range(len(stream))]

    return over_tcp(behave)


def without_edns_only(code: str) -> Behaviour:
    """Answer a query with EDNS by this code and no question; one without by the zone."""

    def behave(exchange: Exchange) -> list[Reply]:
        if not exchange.seen.edns:
            return plain(exchange)
        response = exchange.message()
        response.set_rcode(dns.rcode.from_text(code))
        if code != "BADVERS":
            response.use_edns(edns=False)
            response.question = []
        return [(0, response.to_wire())]

    return behave


def wrong_owner(owner: str) -> Behaviour:
    """Answer with the right question and the zone's records, but owned by another name."""

    def behave(exchange: Exchange) -> list[Reply]:
        response = exchange.message()
        for rrset in exchange.answer.answer:
            moved = dns.rrset.from_rdata_list(dns.name.from_text(owner), rrset.ttl, list(rrset))
            response.answer.append(moved)
        return [(0, response.to_wire())]

    return behave


def forged_first(exchange: Exchange) -> list[Reply]:
    """Send a wrong id, another question, a query, an opcode, and rubbish; then the true answer."""
    lie = dns.message.make_response(exchange.query)
    question = exchange.query.question[0]
    lie.answer.append(dns.rrset.from_text(question.name, 300, "IN", "TXT", '"forged"'))
    true = lie.to_wire()
    ident = ((exchange.query.id + 1) & 0xFFFF).to_bytes(2)
    other = dns.message.make_query("other.example", question.rdtype, id=exchange.query.id)
    other_reply = dns.message.make_response(other)
    other_reply.answer.append(dns.rrset.from_text("other.example.", 300, "IN", "TXT", '"forged"'))
    other_type = true[:12] + true[12:].replace(b"\x00\x10\x00\x01", b"\x00\x01\x00\x01", 1)
    return [
        (0, ident + true[2:]),
        (0, other_reply.to_wire()),
        (0, other_type),
        (0, true[:2] + bytes((true[2] & 0x7F,)) + true[3:]),
        (0, true[:2] + bytes((true[2] | 0x28,)) + true[3:]),
        (0, true[:5]),
        (0, b""),
        (0, exchange.plain()),
    ]


def alias_only(exchange: Exchange) -> list[Reply]:
    """Answer with the first CNAME of the chain alone, as a server does that does not hold its target."""
    exchange.answer.answer = exchange.answer.answer[:1]
    exchange.answer.set_rcode(dns.rcode.NOERROR)
    exchange.answer.authority = []
    return plain(exchange)


def raw(change: Callable[[bytes], bytes]) -> Behaviour:
    """Change the octets of the zone's answer."""
    return lambda exchange: [(0, change(exchange.plain()))]


def first_then(first: Behaviour, then: Behaviour) -> Behaviour:
    """Behave in one way for the first query, in the other for all later ones."""
    calls = []

    def behave(exchange: Exchange) -> list[Reply]:
        calls.append(exchange)
        return (first if len(calls) == 1 else then)(exchange)

    return behave


@dataclass
class _Stream:
    sock: socket.socket
    received: bytes = b""


@dataclass(order=True)
class _Due:
    at: float
    count: int
    send: Callable[[], object] = field(compare=False)


class DnsServer:
    """Serves a zone on a free port of one address, from entering to leaving the ``with``.

    Attributes:
        nameserver: where it listens.
        seen: every query that arrived, in order.
    """

    def __init__(
        self,
        zone: str = "",
        behaviours: Mapping[bytes, Behaviour] | None = None,
        *,
        everything: Behaviour = plain,
        host: str = "127.0.0.1",
        port: int | None = None,
        tcp: bool = True,
    ) -> None:
        """Make a server.

        Args:
            zone: records in zone-file syntax, absolute names.
            behaviours: by name, lower case.
            everything: what a name without a behaviour of its own gets.
            host: loopback address.
            port: None for a free one.
            tcp: whether it listens for TCP, too.
        """
        self.seen: list[Seen] = []
        self.nameserver = Nameserver(address=ip_address(host), port=port or free_port())
        self._listens = tcp
        self._arrived = threading.Condition()
        self._behaviours = dict(behaviours or {})
        self._everything = everything
        self._sets = {
            (rrset.name.canonicalize(), rrset.rdtype): rrset
            for rrset in dns.zonefile.read_rrsets(zone, rdclass=None, default_ttl=300)
        }
        self._names = {name.canonicalize() for name, _ in self._sets}
        self._names |= {parent for name in self._names for parent in _ancestors(name)}
        self._first: dict[tuple[bytes, str], float] = {}
        self._due: list[_Due] = []
        self._count = 0
        self._stopping = False

    def __enter__(self) -> Self:
        family = socket.AF_INET6 if self.nameserver.address.version == 6 else socket.AF_INET
        where = (str(self.nameserver.address), self.nameserver.port)
        self._udp = socket.socket(family, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._udp.bind(where)
        self._tcp = socket.create_server(where, family=family) if self._listens else socket.socket(family)
        self._wake, self._waker = os.pipe()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._udp, selectors.EVENT_READ)
        if self._listens:
            self._selector.register(self._tcp, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._streams: dict[int, _Stream] = {}
        self._thread = threading.Thread(target=self._run, name="test-dns-server")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._waker, b"x")
        self._thread.join()
        self._selector.close()
        for stream in self._streams.values():
            stream.sock.close()
        self._udp.close()
        self._tcp.close()
        os.close(self._wake)
        os.close(self._waker)

    def asked(self, name: bytes) -> int:
        """How often a name was asked, any type, any transport."""
        return sum(seen.name.lower() == name.lower() for seen in self.seen)

    def wait_until_asked(self, name: bytes, times: int = 1) -> None:
        """Wait until a name was asked so often; fails after ten seconds."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: self.asked(name) >= times, timeout=10)

    def _run(self) -> None:
        while not self._stopping:
            pause = max(0.0, self._due[0].at - time.monotonic()) if self._due else None
            for key, _ in self._selector.select(pause):
                self._on_ready(key.fd)
            while self._due and self._due[0].at <= time.monotonic():
                with contextlib.suppress(OSError):  # the client is gone
                    heapq.heappop(self._due).send()

    def _on_ready(self, fd: int) -> None:
        if fd == self._wake:
            self._stopping = True
        elif fd == self._udp.fileno():
            packet, peer = self._udp.recvfrom(65535)
            self._serve(packet, peer, stream=False, send=lambda reply: self._udp.sendto(reply, peer))
        elif fd == self._tcp.fileno():
            sock, _ = self._tcp.accept()
            self._streams[sock.fileno()] = _Stream(sock)
            self._selector.register(sock, selectors.EVENT_READ)
        else:
            self._on_stream(fd)

    def _on_stream(self, fd: int) -> None:
        stream = self._streams[fd]
        chunk = b""
        with contextlib.suppress(OSError):
            chunk = stream.sock.recv(65535)
        if not chunk:
            self._hang_up(stream)
            return
        stream.received += chunk
        (length,) = struct.unpack("!H", stream.received[:2].ljust(2, b"\xff"))
        if len(stream.received) >= 2 + length:
            packet, stream.received = stream.received[2 : 2 + length], stream.received[2 + length :]
            peer = stream.sock.getpeername()
            self._serve(packet, peer, stream=True, send=lambda reply: self._send_stream(stream, reply))

    def _send_stream(self, stream: _Stream, reply: bytes) -> None:
        if isinstance(reply, Unframed):
            stream.sock.sendall(reply)
        elif reply:
            stream.sock.sendall(len(reply).to_bytes(2) + reply)
        else:
            self._hang_up(stream)

    def _hang_up(self, stream: _Stream) -> None:
        if stream.sock.fileno() in self._streams:
            del self._streams[stream.sock.fileno()]
            self._selector.unregister(stream.sock)
            stream.sock.close()

    def _serve(self, packet: bytes, peer: tuple[object, ...], *, stream: bool, send: Callable[[bytes], object]) -> None:
        query = dns.message.from_wire(packet)
        question = query.question[0]
        name = from_wire(question.name.to_wire() or b"\0")
        assert name is not None
        seen = Seen(name, question.rdtype.name, stream, int(str(peer[1])), query.id, query.edns >= 0)
        with self._arrived:
            self.seen.append(seen)
            self._arrived.notify_all()
        first_at = self._first.setdefault((name.lower(), seen.rrtype), time.monotonic())
        exchange = Exchange(query, self._answer(query), seen, first_at)
        behaviour = self._behaviours.get(name.lower(), self._everything)
        for seconds, reply in behaviour(exchange):
            self._count += 1
            heapq.heappush(self._due, _Due(time.monotonic() + seconds, self._count, partial(send, reply)))

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        answer = dns.message.make_response(query, recursion_available=True)
        if query.edns < 0:
            answer.use_edns(edns=False)
        name, rdtype = query.question[0].name, query.question[0].rdtype
        passed: set[dns.name.Name] = set()
        while (name.canonicalize(), rdtype) not in self._sets:
            alias = self._sets.get((name.canonicalize(), dns.rdatatype.CNAME))
            if alias is None or name.canonicalize() in passed:
                break
            passed.add(name.canonicalize())
            answer.answer.append(alias)
            name = alias[0].target
        rrset = self._sets.get((name.canonicalize(), rdtype))
        if rrset is not None:
            answer.answer.append(rrset)
            return answer
        answer.authority.append(_SOA)
        if name.canonicalize() not in self._names:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer


def _ancestors(name: dns.name.Name) -> list[dns.name.Name]:
    found = []
    while name != dns.name.root:
        name = name.parent()
        found.append(name)
    return found


def _cut(answer: dns.message.Message, size: int) -> bytes:
    whole = answer.to_wire(max_size=65535)
    if len(whole) <= size:
        return whole
    empty = dns.message.Message(id=answer.id)
    empty.flags = answer.flags | dns.flags.TC
    empty.question = answer.question
    return empty.to_wire()
