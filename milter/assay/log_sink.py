"""Where log lines go: a write that neither waits for long nor fails, and that says later how much was lost.

A full disk, a journal that stands still or a reader that went away must cost log lines and nothing else: a message that
waited for its line would be deferred, and a supervisor that waited would neither stop nor reload.
"""

import os
import select
import socket
import stat
import threading
from collections.abc import Callable
from functools import cache
from typing import Final, Protocol

PATIENCE: Final = 1.0
"""Seconds that a line waits for a reader that is behind. Further lines do not wait until that one reads again."""

_FD: Final = 2


class Sink(Protocol):
    """Where lines go: anything with an unbuffered ``write`` of octets."""

    def write(self, data: memoryview, /) -> int | None:
        """Write some of ``data`` and say how much; None if it would block."""
        ...


class StandardError:
    """The descriptor itself: no buffer that would hand the same line to two processes after a fork.

    To write to a pipe, a terminal or journald's socket is to wait as long as nobody reads. The descriptor must not be
    made non-blocking for that, since others share it: a socket is asked with each write, anything else is opened again.
    """

    def __init__(self) -> None:
        self._fd = _FD
        self._put: Callable[[int, memoryview], int] = os.write
        self._stuck = False
        try:
            status = os.fstat(_FD)
        except OSError:  # closed: what is opened in its place will do
            return
        if stat.S_ISSOCK(status.st_mode):
            self._put = _send
        elif not stat.S_ISREG(status.st_mode):
            again = _opened_again(status.st_dev, status.st_ino)
            self._fd, self._put = (_FD, _write_if_ready) if again is None else (again, os.write)

    def write(self, data: memoryview, /) -> int:
        """Write some of ``data``, after :data:`PATIENCE` seconds at most.

        Raises:
            BlockingIOError: the reader takes nothing.
            OSError: the disk is full, the reader is gone, and the like.
        """
        try:
            count = self._put(self._fd, data)
        except BlockingIOError:
            if self._stuck or not _ready(self._fd, PATIENCE):
                self._stuck = True
                raise
            count = self._put(self._fd, data)
        self._stuck = False
        return count


class LineWriter:
    """Writes finished lines. What cannot be written is lost, never raised, and counted.

    Args:
        sink: where to.
        report: makes the line that says how many were lost. It goes before the first one that can be written again.
    """

    def __init__(self, sink: Sink, report: Callable[[int], str]) -> None:
        self._sink = sink
        self._report = report
        # Only taken where lines are lost. The supervisor forks between two lines, and has no threads.
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._lost = 0
        self._torn = False

    def msg(self, line: str) -> None:
        """Write one line; all of it is ASCII."""
        if (self._lost and not self._confess()) or not self._put(line):
            self.lose(1)

    debug = info = warning = error = critical = exception = msg

    def lose(self, count: int) -> None:
        """Count lines that were not written."""
        with self._lock:
            if self._owner != os.getpid():  # what was lost before the fork is for our parent to say
                self._owner, self._lost = os.getpid(), 0
            self._lost += count

    def _confess(self) -> bool:
        """Say how many lines were lost; False if that cannot be written either."""
        with self._lock:
            lost = self._lost if self._owner == os.getpid() else 0
            self._lost = 0
        if not lost:
            return True
        if self._put(("\n" if self._torn else "") + self._report(lost)):
            self._torn = False
            return True
        self.lose(lost)
        return False

    def _put(self, line: str) -> bool:
        """Write a line; False if not all of it went out."""
        rest = whole = memoryview(line.encode("ascii") + b"\n")
        try:
            while rest:
                count = self._sink.write(rest)
                if not count:
                    raise BlockingIOError
                rest = rest[count:]
        except (OSError, ValueError):  # ValueError: a stream of Python's that was closed
            self._torn = self._torn or len(rest) < len(whole)
            return False
        return True


def _send(fd: int, data: memoryview) -> int:
    # What a socket is would be asked of the system if it were not said; any stream will do for this call.
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fd)
    try:
        return stream.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    finally:
        stream.detach()


def _write_if_ready(fd: int, data: memoryview) -> int:
    """Write where something can be written now. Another process may be faster, and then this waits after all."""
    if not _ready(fd, 0):
        raise BlockingIOError
    return os.write(fd, data)


def _ready(fd: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(seconds * 1000))


@cache
def _opened_again(_device: int, _inode: int) -> int | None:
    """Open standard error once more, for ourselves; None where the system does not let us, as for another user's pipe.

    Once for each pipe or terminal that it is: each reload sets up the log again.
    """
    try:
        return os.open(f"/proc/self/fd/{_FD}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
