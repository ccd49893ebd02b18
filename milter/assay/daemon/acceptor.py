"""What libmilter accepts on, in our hands: the shared listening socket, or one that nobody connects to.

libmilter polls and accepts on a number. Which socket has that number is for us to say (docs/library-traps.md P12): so a
worker can stop to accept and go on to serve, which libmilter itself cannot.
"""

import fcntl
import math
import os
import resource
import select
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import Milter

from assay.log import get_logger

log = get_logger()

DRAIN_INTERVAL: Final = 0.05
"""Seconds between two looks at the open connections while draining."""

LOOK_INTERVAL: Final = 0.5
"""Seconds between two looks at how many descriptors are left."""

MAX_RESERVE: Final = 32
"""Descriptors for queries and files that connections may not take; fewer where there are few at all."""


class Acceptor:
    """The descriptor on which libmilter accepts; made once in a process, and used by one thread.

    Args:
        listener: listening, non-blocking, shared with other processes; closed by :meth:`drain`.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._descriptor = _open_placeholder(listener.family)
        # made now: when it is needed there may be no descriptor left
        self._idle = _nobodys_listener()
        self._listener = listener
        self._address = listener.getsockname()
        self._accepts = True
        os.dup2(listener.fileno(), self._descriptor)

    def look(self) -> None:
        """Stop accepting while hardly a descriptor is left; connections wait, or go to another worker.

        Where none is left libmilter would try to accept without a pause, and queries could not be sent.
        """
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        reserve = min(MAX_RESERVE, limit // 8)
        left = limit - _lowest_free(self._descriptor, limit)
        if self._accepts and left < reserve:
            self._accepts = False
            os.dup2(self._idle.fileno(), self._descriptor)
            log.error("hardly a descriptor is left, no connection is accepted until some are closed", limit=limit)
        elif not self._accepts and left >= 2 * reserve:
            self._accepts = True
            os.dup2(self._listener.fileno(), self._descriptor)
            log.info("connections are accepted again")

    def drain(self, seconds: float = math.inf) -> None:
        """Stop accepting for good and wait until every accepted connection has ended, or so many seconds.

        Connections that wait in the backlog stay there, for the other workers or the next generation. The connections
        are counted by looking at this process's descriptors and not by callbacks: between accept and the first callback
        there is a moment in which a count of callbacks would be zero.
        """
        os.dup2(self._idle.fileno(), self._descriptor)
        self._idle.close()  # and so there is a descriptor left to look with
        self._listener.close()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            # before the first look, too: an accept that was under way shows its descriptor a moment later
            time.sleep(DRAIN_INTERVAL)
            # Without a descriptor or memory to look with nothing is known, and that is not the same as no connection.
            with suppress(OSError, MemoryError):
                if not any(is_connection(number, self._address) for number in _descriptors()):
                    return


def is_connection(descriptor: int, address: object) -> bool:
    """Whether an MTA is connected here through the listening socket at ``address``, and waits for answers.

    One that has gone does not count: libmilter serves a connection without end for which it got no thread.
    """
    with _as_socket(descriptor) as candidate:
        if candidate is None or candidate.type != socket.SOCK_STREAM:
            return False
        with suppress(OSError):
            candidate.getpeername()
            return _same_port(candidate.getsockname(), address) and not _hung_up(descriptor)
        return False


def _hung_up(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLRDHUP)
    return bool(poll.poll(0))


def _lowest_free(descriptor: int, limit: int) -> int:
    """Return the lowest number that no descriptor has, or the limit: all below it are in use."""
    try:
        number = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 0)
    except OSError:
        return limit
    os.close(number)
    return number


def _open_placeholder(family: int) -> int:
    """Let libmilter open a listening socket of its own and return its descriptor.

    libmilter accepts only peers of the family that it opened, so the placeholder has the family of the real one.
    """
    before = _listening()
    with tempfile.TemporaryDirectory(prefix="assay-") as directory:
        match family:
            case socket.AF_UNIX:
                Milter.setconn(f"unix:{Path(directory) / 'placeholder'}")
            case socket.AF_INET6:
                Milter.setconn("inet6:0@[::1]")
            case _:
                Milter.setconn("inet:0@127.0.0.1")
        Milter.opensocket(0)
    (descriptor,) = _listening() - before
    return descriptor


def _nobodys_listener() -> socket.socket:
    """Open a listening socket that nobody knows: accept on it finds nothing, for ever."""
    idle = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    idle.bind("")  # Linux gives it a free abstract name
    idle.listen(1)
    idle.settimeout(0)
    return idle


def _descriptors() -> list[int]:
    with os.scandir("/proc/self/fd") as entries:
        return [int(entry.name) for entry in entries]


@contextmanager
def _as_socket(descriptor: int) -> Iterator[socket.socket | None]:
    """Look at a descriptor as a socket without owning it; None if it is none or was closed meanwhile."""
    try:
        candidate = socket.socket(fileno=descriptor)
    except OSError:
        yield None
        return
    try:
        yield candidate
    finally:
        candidate.detach()


def _listening() -> set[int]:
    return {descriptor for descriptor in _descriptors() if _is_listening(descriptor)}


def _is_listening(descriptor: int) -> bool:
    with _as_socket(descriptor) as candidate:
        return candidate is not None and candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def _same_port(local: object, listening: object) -> bool:
    """Compare the port (TCP: a listener on every address accepts on a concrete one) or the path (unix)."""
    match local, listening:
        case (_, int(port), *_), (_, int(other), *_):
            return port == other
        case _:
            return local == listening
