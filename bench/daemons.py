"""Starts the programs of a contender and stops them; what they use is counted from the first instant."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contenders import Contender, Family, Place, Program
from log_sink import LogSink
from usage import ControlGroup, Sessions, new_group

START: Final = 30.0
"""Seconds that a program may take until it listens."""

LAST_LINES: Final = 3
"""Of the output of a program that did not start: where a traceback says what is wrong."""


class StartError(Exception):
    """A program did not start; the end of its output is in the message."""


@dataclass(frozen=True, slots=True)
class Running:
    """A contender that is ready.

    Attributes:
        sockets: in the order in which the MTA asks them.
        group: its processes.
        processes: the programs that were started, in the same order.
        directory: of their files, those of their logs included.
        log: what they sent to the system's log.
    """

    sockets: tuple[str, ...]
    group: ControlGroup | Sessions
    processes: Sequence[subprocess.Popen[bytes]]
    directory: Path
    log: LogSink

    def log_lines(self) -> int:
        """How many lines were logged so far: to the system's log, to files, and to what was stderr."""
        return self.log.lines + sum(path.read_bytes().count(b"\n") for path in self.directory.rglob("*.log"))

    def deaths(self) -> list[str]:
        """The programs that ended by themselves: the address, and the status or the negative number of the signal."""
        return [
            f"the program at {address} ended with {process.returncode}"
            for address, process in zip(self.sockets, self.processes, strict=True)
            if process.poll() is not None
        ]


@contextlib.contextmanager
def running(contender: Contender, family: Family = "unix") -> Iterator[Running]:
    """Run a contender until the block ends.

    Raises:
        StartError: one of its programs ended, or does not listen.
        FileNotFoundError: there is no place for the log; script/bench makes it.
    """
    group = new_group()
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(LogSink())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        stack.callback(group.close)
        processes: list[subprocess.Popen[bytes]] = []
        stack.callback(_end, group, processes)
        programs = contender.programs(Place(directory, family))
        for number, program in enumerate(programs):
            log = directory / f"{number}.log"
            with log.open("wb") as out:
                process = subprocess.Popen(
                    group.command([str(word) for word in program.argv]),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                )
            processes.append(process)
            group.started(process.pid)
            _wait(program, process, log)
        yield Running(tuple(program.socket for program in programs), group, processes, directory, sink)


def _wait(program: Program, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START
    while not _listens(program.socket):
        if process.poll() is not None or time.monotonic() > deadline:
            last = log.read_text(errors="replace").splitlines()[-LAST_LINES:]
            command = " ".join(str(word) for word in program.argv)
            raise StartError(f"`{command}` does not listen on {program.socket}: {' '.join(last)}")
        time.sleep(0.05)


def _listens(address: str) -> bool:
    family, _, rest = address.partition(":")
    try:
        if family == "unix":
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(rest)
        else:
            port, _, host = rest.partition("@")
            socket.create_connection((host, int(port))).close()
    except OSError:
        return False
    return True


def _end(group: ControlGroup | Sessions, processes: list[subprocess.Popen[bytes]]) -> None:
    # None of them holds anything that would have to be saved, and libmilter takes five seconds to stop.
    while pids := group.pids():
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in processes:
            process.poll()
        time.sleep(0.01)
