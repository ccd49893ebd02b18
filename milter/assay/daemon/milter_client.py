"""The MTA's side of a milter conversation (standards G), small enough to read.

``assay demo`` and the tests speak to the real daemon through it, as Postfix would. It offers what Postfix 3.7 offers,
sends what was negotiated, and checks that every reply comes when one is due.
"""

import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntFlag
from ipaddress import IPv4Address, IPv6Address
from types import TracebackType
from typing import Final, Self

VERSION: Final = 6
MAX_CHUNK: Final = 65535
_MAX_PACKET: Final = 1 << 20
"""Octets: as many as libmilter takes. What asks for more is no filter."""


class Action(IntFlag):
    """SMFIF_*: what a filter may do at end of message."""

    ADDHDRS = 0x01
    CHGBODY = 0x02
    ADDRCPT = 0x04
    DELRCPT = 0x08
    CHGHDRS = 0x10
    QUARANTINE = 0x20
    CHGFROM = 0x40
    ADDRCPT_PAR = 0x80
    SETSYMLIST = 0x100


class Protocol(IntFlag):
    """SMFIP_*: steps to leave out (NO*), replies to leave out (NR_*), and options."""

    NOCONNECT = 0x1
    NOHELO = 0x2
    NOMAIL = 0x4
    NORCPT = 0x8
    NOBODY = 0x10
    NOHDRS = 0x20
    NOEOH = 0x40
    NR_HDR = 0x80
    NOUNKNOWN = 0x100
    NODATA = 0x200
    SKIP = 0x400
    RCPT_REJ = 0x800
    NR_CONN = 0x1000
    NR_HELO = 0x2000
    NR_MAIL = 0x4000
    NR_RCPT = 0x8000
    NR_DATA = 0x10000
    NR_UNKN = 0x20000
    NR_EOH = 0x40000
    NR_BODY = 0x80000
    HDR_LEADSPC = 0x100000


ALL_ACTIONS: Final = Action(0x1FF)
ALL_PROTOCOL: Final = Protocol(0x1FFFFF)

# Which option drops the reply of a command, and which drops the command itself.
_NO_REPLY: Final = {
    b"C": Protocol.NR_CONN,
    b"H": Protocol.NR_HELO,
    b"M": Protocol.NR_MAIL,
    b"R": Protocol.NR_RCPT,
    b"T": Protocol.NR_DATA,
    b"L": Protocol.NR_HDR,
    b"N": Protocol.NR_EOH,
    b"B": Protocol.NR_BODY,
}
_NO_STEP: Final = {
    b"C": Protocol.NOCONNECT,
    b"H": Protocol.NOHELO,
    b"M": Protocol.NOMAIL,
    b"R": Protocol.NORCPT,
    b"T": Protocol.NODATA,
    b"L": Protocol.NOHDRS,
    b"N": Protocol.NOEOH,
    b"B": Protocol.NOBODY,
}


class ConversationError(Exception):
    """The filter closed the connection or answered something that the protocol does not allow there."""


@dataclass(slots=True)
class Verdict:
    """What the filter answered at end of message.

    Attributes:
        reply: the final reply: ``b"c"`` continue, ``b"a"`` accept, ``b"r"`` reject, ``b"t"`` tempfail, ``b"y"`` an
            SMTP reply of its own.
        smtp: the text of that SMTP reply, such as ``550 5.7.26 ...``; empty without.
        inserted: (index, name, value) in order.
        changed: (name, index, value) in order; an empty value deletes the field.
        added: (name, value), in order.
        quarantine: the reason, None if not asked for.
    """

    reply: bytes = b""
    smtp: str = ""
    inserted: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    changed: list[tuple[bytes, int, bytes]] = field(default_factory=list)
    added: list[tuple[bytes, bytes]] = field(default_factory=list)
    quarantine: bytes | None = None


@contextmanager
def _well_formed() -> Iterator[None]:
    """Read a packet of the filter; one that is not as the protocol has it is no answer."""
    try:
        yield
    except (struct.error, ValueError) as error:
        raise ConversationError(f"a packet of the filter is malformed: {error}") from error


def _note(verdict: Verdict, command: bytes, data: bytes) -> None:
    """Take one packet of the answer to end of message."""
    match command:
        case b"p":
            pass
        case b"i":
            name, value = data[4:].split(b"\0")[:2]
            verdict.inserted.append((struct.unpack("!I", data[:4])[0], name, value))
        case b"m":
            name, value = data[4:].split(b"\0")[:2]
            verdict.changed.append((name, struct.unpack("!I", data[:4])[0], value))
        case b"h":
            name, value = data.split(b"\0")[:2]
            verdict.added.append((name, value))
        case b"q":
            verdict.quarantine = data.rstrip(b"\0")
        case b"c" | b"a" | b"r" | b"t" | b"d" | b"y":
            verdict.reply = command
            verdict.smtp = data.rstrip(b"\0").decode("latin-1")
        case _:
            raise ConversationError(f"end of message answered with {command!r}")


class MilterClient:
    """One connection to a filter, as an MTA keeps it for one SMTP session."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._buffer = bytearray()
        self.actions = Action(0)
        self.protocol = Protocol(0)
        self.macro_lists: dict[int, bytes] = {}

    @classmethod
    def connect_to(cls, address: tuple[str, int] | str, *, timeout: float = 30.0) -> Self:
        """Connect to ``(host, port)`` or to the path of a unix socket; every read waits at most ``timeout`` seconds."""
        if isinstance(address, str):
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(timeout)
            try:
                connection.connect(address)
            except OSError:
                connection.close()
                raise
        else:
            connection = socket.create_connection(address, timeout)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drop the connection without a word, as a client that vanishes."""
        self._socket.close()

    def quit(self) -> None:
        """End the session."""
        self.send(b"Q")
        self.close()

    # -- packets

    def send(self, command: bytes, data: bytes = b"") -> None:
        """Send one packet."""
        self._socket.sendall(struct.pack("!I", len(data) + 1) + command + data)

    def receive(self) -> tuple[bytes, bytes]:
        """Read one packet: its command and its data."""
        length = struct.unpack("!I", self._exactly(4))[0]
        if length > _MAX_PACKET:
            raise ConversationError(f"the filter announces a packet of {length} octets")
        packet = self._exactly(length)
        return packet[:1], packet[1:]

    def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            data = self._socket.recv(65536)
            if not data:
                raise ConversationError("the filter closed the connection")
            self._buffer += data
        result = bytes(self._buffer[:count])
        del self._buffer[:count]
        return result

    # -- steps

    def negotiate(self, actions: Action = ALL_ACTIONS, protocol: Protocol = ALL_PROTOCOL) -> None:
        """Offer, and keep what the filter took."""
        self.send(b"O", struct.pack("!III", VERSION, actions, protocol))
        command, data = self.receive()
        if command != b"O":
            raise ConversationError(f"negotiation answered with {command!r}")
        with _well_formed():
            _version, taken, wanted = struct.unpack("!III", data[:12])
            self.actions, self.protocol = Action(taken), Protocol(wanted)
            rest = data[12:]
            while rest:
                stage = struct.unpack("!I", rest[:4])[0]
                names, _, rest = rest[4:].partition(b"\0")
                self.macro_lists[stage] = names

    def macros(self, command: bytes, **values: str) -> None:
        """Define macros before a command; a name longer than one character gets its braces here."""
        data = command
        for name, value in values.items():
            spelled = name if len(name) == 1 else "{" + name + "}"
            data += spelled.encode() + b"\0" + value.encode() + b"\0"
        self.send(b"D", data)

    def step(self, command: bytes, data: bytes = b"") -> bytes:
        """Send a command if it was negotiated; return the reply, ``b"c"`` where none is due."""
        if self.protocol & _NO_STEP[command]:
            return b"c"
        self.send(command, data)
        if self.protocol & _NO_REPLY[command]:
            return b"c"
        reply, _ = self.receive()
        return reply

    def connect(self, address: IPv4Address | IPv6Address | None, name: str = "client.example", port: int = 25) -> bytes:
        """Report the SMTP client; None is a local submission."""
        if address is None:
            return self.step(b"C", name.encode() + b"\0U")
        family = b"4" if address.version == 4 else b"6"  # noqa: PLR2004 - the two versions of IP
        data = name.encode() + b"\0" + family + struct.pack("!H", port) + str(address).encode() + b"\0"
        return self.step(b"C", data)

    def helo(self, name: bytes) -> bytes:
        """Report HELO."""
        return self.step(b"H", name + b"\0")

    def mail(self, path: bytes, *parameters: bytes) -> bytes:
        """Report MAIL; ``path`` with its angle brackets."""
        return self.step(b"M", b"\0".join((path, *parameters)) + b"\0")

    def rcpt(self, path: bytes) -> bytes:
        """Report an accepted recipient."""
        return self.step(b"R", path + b"\0")

    def header(self, name: bytes, value: bytes) -> bytes:
        """Hand over one header field; ``value`` with its leading space and bare LF folds, as an MTA does."""
        if not self.protocol & Protocol.HDR_LEADSPC:
            value = value.removeprefix(b" ")
        return self.step(b"L", name + b"\0" + value + b"\0")

    def end_of_headers(self) -> bytes:
        """Report the empty line."""
        return self.step(b"N")

    def body(self, chunk: bytes) -> bytes:
        """Hand over one chunk of at most 65,535 octets."""
        return self.step(b"B", chunk)

    def abort(self) -> None:
        """Drop the message, keep the connection."""
        self.send(b"A")

    def end_of_message(self) -> Verdict:
        """Report the end of the body and collect what the filter wants."""
        self.send(b"E")
        verdict = Verdict()
        while not verdict.reply:
            command, data = self.receive()
            with _well_formed():
                _note(verdict, command, data)
        return verdict

    def message(
        self,
        *,
        mail_from: bytes,
        headers: Iterable[tuple[bytes, bytes]],
        body: bytes,
        recipients: Sequence[bytes] = (b"<user@receiver.example>",),
        queue_id: str = "4XyZ1a2b3c",
    ) -> Verdict:
        """Hand over a whole message on a connection that has said HELO."""
        self.mail(mail_from)
        for recipient in recipients:
            self.rcpt(recipient)
        for name, value in headers:
            self.header(name, value)
        self.end_of_headers()
        for start in range(0, len(body), MAX_CHUNK):
            self.body(body[start : start + MAX_CHUNK])
        self.macros(b"E", i=queue_id)
        return self.end_of_message()
