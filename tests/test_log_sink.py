"""A log that cannot be written: it costs lines, which are counted, and nothing else."""

import errno
import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import pytest
import structlog

from assay import log, log_sink
from support.log_lines import Sink, pairs


@pytest.fixture(autouse=True)
def structlog_as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()


class Disk(Sink):
    """A sink with room for so many octets."""

    def __init__(self) -> None:
        super().__init__()
        self.room = 10_000

    def write(self, data: memoryview, /) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count = min(len(data), self.room)
        self.room -= count
        return super().write(data[:count])


@pytest.mark.parametrize("format", ["text", "json"])
@pytest.mark.parametrize("room", [pytest.param(0, id="at the end of a line"), pytest.param(9, id="within a line")])
def test_once_the_disk_has_room_again_the_log_says_how_many_lines_are_lost(format: str, room: int) -> None:  # noqa: A002 -- as in log
    sink = Disk()
    log.configure(format, stream=sink, journal=False)
    logger = log.get_logger()
    logger.info("before")
    sink.room = room
    for _ in range(3):
        logger.info("lost")
    sink.room = 10_000
    logger.info("after")
    logger.info("later")
    before, *torn, report, after, later = sink.text.splitlines()
    assert [len(part) for part in torn] == ([room] if room else [])
    assert "before" in before
    assert "after" in after
    assert "later" in later
    if format == "json":
        assert {key: json.loads(report)[key] for key in ("event", "count", "level")} == {
            "event": "log lines could not be written and are lost",
            "count": 3,
            "level": "warning",
        }
    else:
        found = pairs(report + "\n")
        assert (found["count"], found["level"]) == ("3", "warning")


def test_what_was_lost_before_a_fork_is_said_by_the_parent_alone() -> None:
    sink = Disk()
    log.configure(stream=sink, journal=False)
    sink.room = 0
    log.get_logger().info("lost")
    sink.room = 10_000
    pid = os.fork()
    if pid == 0:
        log.get_logger().info("a child")
        os._exit(sink.text.count("lost"))
    assert os.waitpid(pid, 0) == (pid, 0)
    log.get_logger().info("the parent")
    assert sink.text.count("are lost") == 1


def test_a_loss_in_a_child_is_counted_from_its_own_beginning() -> None:
    sink = Disk()
    log.configure(stream=sink, journal=False)
    sink.room = 0
    log.get_logger().info("lost")
    pid = os.fork()
    if pid == 0:
        log.get_logger().info("lost in the child")
        sink.room = 10_000
        log.get_logger().info("after")
        os._exit(0 if "count=1 " in sink.text else 1)
    assert os.waitpid(pid, 0) == (pid, 0)


@dataclass(frozen=True)
class Reader:
    """Who reads what is written to standard error, when asked to."""

    descriptor: int

    def lines(self) -> list[str]:
        parts = []
        with suppress(BlockingIOError):
            while part := os.read(self.descriptor, 65536):
                parts.append(part)
        return [f"{line}\n" for line in b"".join(parts).decode("ascii").splitlines()]


@contextmanager
def standing_still(kind: str) -> Iterator[Reader]:
    """Make standard error a pipe or a socket that nobody reads by himself."""
    with ExitStack() as undo:
        patch = undo.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(log_sink, "PATIENCE", 0.01)
        log_sink._opened_again.cache_clear()
        if kind == "pipe of another user":
            patch.setattr(log_sink, "_opened_again", lambda *_: None)
        if kind == "socket":
            reader, writer = (end.detach() for end in socket.socketpair())
        else:
            reader, writer = os.pipe()
        undo.callback(os.close, reader)
        os.set_blocking(reader, False)
        before = os.dup(2)
        undo.callback(os.close, before)
        undo.callback(os.dup2, before, 2)
        os.dup2(writer, 2)
        os.close(writer)
        yield Reader(reader)


KINDS = pytest.mark.parametrize("kind", ["pipe", "socket", "pipe of another user"])


@KINDS
def test_a_reader_that_stands_still_stops_nobody(kind: str) -> None:
    with standing_still(kind) as reader:
        log.configure(journal=False)
        logger = log.get_logger()
        for number in range(5000):  # some 400 KiB: more than any of these holds
            logger.info("message", number=number)
        early = [int(pairs(line)["number"]) for line in reader.lines()]
        logger.info("message", number=5000)
        report, last = (pairs(line) for line in reader.lines())
    assert early == list(range(len(early)))
    assert int(report["count"]) == 5000 - len(early) > 0
    assert last["number"] == "5000"


@KINDS
def test_standard_error_stays_as_its_other_users_know_it(kind: str) -> None:
    with standing_still(kind) as reader:
        log.configure(journal=False)
        log.get_logger().info("message")
        assert os.get_blocking(2)
        assert len(reader.lines()) == 1


@KINDS
def test_a_reload_costs_no_descriptor(kind: str) -> None:
    with standing_still(kind) as reader:
        counts = set()
        for _ in range(3):
            log.configure(journal=False)
            log.get_logger().info("message")
            counts.add(len(os.listdir("/proc/self/fd")))  # noqa: PTH208 - only counted
        assert len(reader.lines()) == 3
    assert len(counts) == 1
