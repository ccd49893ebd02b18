"""Scripted milters over real sockets that note what an MTA sends them."""

import socket
import struct
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from support.ports import free_port

LEADING_SPACE = 0x100000
NO_REPLIES = 0x80 | 0x1000 | 0x2000 | 0x4000 | 0x8000 | 0x10000 | 0x40000 | 0x80000
_REPLY_LEFT_OUT = {
    b"C": 0x1000,
    b"H": 0x2000,
    b"M": 0x4000,
    b"R": 0x8000,
    b"T": 0x10000,
    b"L": 0x80,
    b"N": 0x40000,
    b"B": 0x80000,
}


def inserted(index: int, name: bytes, value: bytes) -> bytes:
    return b"i" + struct.pack("!I", index) + name + b"\0" + value + b"\0"


def changed(index: int, name: bytes, value: bytes) -> bytes:
    return b"m" + struct.pack("!I", index) + name + b"\0" + value + b"\0"


class FakeMilter:
    """A milter on a port of loopback, or on a unix socket.

    Args:
        protocol: what it negotiates.
        at_end: what it sends at end of message; the last is its verdict.
        path: of the unix socket.

    Attributes:
        packets: all that came, in order: command and data.
    """

    def __init__(self, protocol: int, at_end: Sequence[bytes] = (b"c",), *, path: Path | None = None) -> None:
        self.packets: list[tuple[bytes, bytes]] = []
        self._protocol = protocol
        self._at_end = at_end
        if path is None:
            port = free_port()
            self.place = f"inet:{port}@127.0.0.1"
            self._listener = socket.create_server(("127.0.0.1", port))
        else:
            self.place = f"unix:{path}"
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.bind(str(path))
            self._listener.listen()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def of(self, command: bytes) -> list[bytes]:
        return [data for each, data in self.packets if each == command]

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                while head := stream.read(4):
                    packet = stream.read(struct.unpack("!I", head)[0])
                    self.packets.append((packet[:1], packet[1:]))
                    for answer in self._answers(packet[:1]):
                        stream.write(struct.pack("!I", len(answer)) + answer)
                    stream.flush()

    def _answers(self, command: bytes) -> Sequence[bytes]:
        if command == b"O":
            return [b"O" + struct.pack("!III", 6, 0x1FF, self._protocol)]
        if command == b"E":
            return self._at_end
        due = command in _REPLY_LEFT_OUT and not self._protocol & _REPLY_LEFT_OUT[command]
        return [b"c"] if due else []
