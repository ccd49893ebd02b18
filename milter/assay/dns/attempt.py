"""One query on one socket: sent once, then listened to. Nothing here blocks."""

import contextlib
import errno
import select
import socket
from ipaddress import IPv6Address

from assay.answers import RRType
from assay.dns.nameservers import Nameserver
from assay.dns.wire import MAX_DATAGRAM, build_query, is_reply


class Attempt:
    """A query to one name server, with a socket, a source port and an id of its own (RFC 5452 9.2).

    The socket is connected: the kernel picks a random port and hands over nothing from another address, and a port
    nobody listens on is noticed at once.

    Attributes:
        server: index of the name server.
        name: the wire name asked.
        rrtype: the type asked for.
        stream: over TCP (RFC 7766), else UDP.
        edns: EDNS0 was offered.
        fd: the descriptor of its socket.
    """

    __slots__ = ("_ident", "_received", "_socket", "_to_send", "edns", "fd", "name", "rrtype", "server", "stream")

    def __init__(self, server: int, name: bytes, rrtype: RRType, *, stream: bool, edns: bool) -> None:
        self.server = server
        self.name = name
        self.rrtype = rrtype
        self.stream = stream
        self.edns = edns

    def send(self, nameserver: Nameserver, ident: int) -> None:
        """Open the socket and send, or begin to.

        Raises:
            OSError: no descriptor, no route, the interface is gone.
        """
        self._ident = ident
        packet = build_query(ident, self.name, self.rrtype, edns=self.edns)
        self._to_send = len(packet).to_bytes(2) + packet if self.stream else b""
        self._received = b""
        family = socket.AF_INET6 if isinstance(nameserver.address, IPv6Address) else socket.AF_INET
        kind = socket.SOCK_STREAM if self.stream else socket.SOCK_DGRAM
        self._socket = socket.socket(family, kind | socket.SOCK_NONBLOCK)
        self.fd = self._socket.fileno()
        try:
            self._begin((str(nameserver.address), nameserver.port), packet)
        except BaseException:
            self._socket.close()
            raise

    def _begin(self, address: tuple[str, int], packet: bytes) -> None:
        if self.stream:
            with contextlib.suppress(BlockingIOError):  # a TCP connection takes its time
                self._socket.connect(address)
        else:
            self._socket.connect(address)
            self._socket.send(packet)

    @property
    def events(self) -> int:
        """What to wait for, as epoll spells it."""
        return select.EPOLLOUT if self._to_send else select.EPOLLIN

    def receive(self) -> bytes | None:
        """Take what has come; the whole reply once it is here, and over UDP nothing but a reply to this query.

        A datagram with another id or question is ignored: it may be forged, and the true one still comes.

        Raises:
            BlockingIOError: nothing has come.
            OSError: the server cannot be reached, or it closed the stream too early.
        """
        if not self.stream:
            packet = self._socket.recv(MAX_DATAGRAM)
            return packet if is_reply(packet, self._ident, self.name, self.rrtype) else None
        if self._to_send:
            self._to_send = self._to_send[self._socket.send(self._to_send) :]
            return None
        chunk = self._socket.recv(MAX_DATAGRAM)
        if not chunk:
            raise ConnectionResetError(errno.ECONNRESET, "closed before the answer was complete")
        self._received += chunk
        end = 2 + int.from_bytes(self._received[:2])
        if len(self._received) < max(end, 3):
            return None
        packet = self._received[2:end]
        if not is_reply(packet, self._ident, self.name, self.rrtype):
            raise ConnectionAbortedError(errno.ECONNABORTED, "answered another question")
        return packet

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
