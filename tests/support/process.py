"""Programs that a test starts, waits for and stops; each by its own process id and never by its name."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import pytest

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds after which a condition that should hold soon is given up: long, since only a failing test waits for it."""


def wait_until(condition: Callable[[], T | None], what: str, *, seconds: float = PATIENCE) -> T:
    """Ask again and again until the answer is true, and return it.

    Raises:
        AssertionError: it never was; ``what`` says what was awaited.
    """
    deadline = time.monotonic() + seconds
    while True:
        if answer := condition():
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(0.02)


def leave_descriptors(pid: int, count: int) -> int:
    """Let a process open no descriptor whose number is this or higher; returns what the limit was."""
    before, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (count, hard))
    return before


def descriptors(pid: int) -> int:
    """How many descriptors a process has open: of two workers the one with more has more connections of the MTA."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def lives(pid: int) -> bool:
    """Whether a process is there and has not ended; a thread that has the number is none."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="backslashreplace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return fields["Tgid"] == str(pid) and fields["State"][0] not in "ZX"


def program(name: str) -> str:
    """Where a program is that script/test installs; Debian keeps daemons off a user's PATH.

    The test fails where it is missing: a suite that skips in silence shows nothing.
    """
    path = shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")
    if path is None:
        pytest.fail(f"{name} is not installed: run script/test, or leave these tests out with -m 'not real'")
    return path


class Process:
    """A program in the background whose output goes to a file.

    Attributes:
        log: holds what it wrote to stdout and stderr.
        environment: of its next start.
        descriptors: that its next start hands on.
    """

    def __init__(self, argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.argv = tuple(argv)
        self.log = log
        self.environment = {**os.environ, **(env or {})}
        self.descriptors: tuple[int, ...] = ()
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it, in a session of its own so that a Ctrl-C of the tests does not reach it first."""
        with self.log.open("ab") as out:
            self._popen = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self.environment,
                pass_fds=self.descriptors,
                start_new_session=True,
            )
        return self

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._popen is None:
            raise AssertionError(f"{self.argv[0]} was not started")
        return self._popen

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="backslashreplace") if self.log.exists() else ""

    def alive(self) -> bool:
        return self._running.poll() is None

    def wait_for(self, condition: Callable[[], T | None], what: str, *, seconds: float = PATIENCE) -> T:
        """As :func:`wait_until`, but give up at once when the program ends."""

        def check() -> T | None:
            answer = condition()
            if not answer and not self.alive():
                raise AssertionError(f"{self.argv} ended with {self._running.returncode}:\n{self.output()}")
            return answer

        try:
            return wait_until(check, what, seconds=seconds)
        except AssertionError as error:
            error.add_note(f"{self.argv[0]} wrote:\n{self.output()}")
            raise

    def wait_for_output(self, text: str, *, seconds: float = PATIENCE) -> None:
        self.wait_for(lambda: text in self.output(), f"{text!r} in its output", seconds=seconds)

    def signal(self, number: signal.Signals) -> None:
        self._running.send_signal(number)

    def wait(self, *, seconds: float = PATIENCE) -> int:
        """Wait for its end and return its exit status."""
        return self._running.wait(seconds)

    def stop(self, *, seconds: float = 20.0) -> int:
        """SIGTERM, then SIGKILL at the deadline to it and to the children it left; answers the exit status."""
        if self.alive():
            self.signal(signal.SIGTERM)
        try:
            status = self.wait(seconds=seconds)
        except subprocess.TimeoutExpired:
            self._kill_session()
            self.wait()
            raise AssertionError(f"{self.argv[0]} did not stop in {seconds:g} s:\n{self.output()}") from None
        self._kill_session()
        return status

    def _kill_session(self) -> None:
        # start_new_session made its process id the id of its group: nothing else can be in there.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()
