"""What a group of processes uses: CPU of all of them, dead ones included, and memory of those that live.

Linux' cgroup v2 counts exactly, also for processes that fork and die between two looks; it needs no controller, only
the right to make a directory there (root). Where that is missing, the session of each started program is summed up
from /proc.
"""

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

_INTO_GROUP: Final = 'echo $$ >"$0" && exec "$@"'
_TICKS: Final = os.sysconf("SC_CLK_TCK")
PEAK_INTERVAL: Final = 0.25
"""Seconds between two looks at the memory under load: each stops a process for about a millisecond."""


class Group(Protocol):
    """The processes of one contender."""

    def command(self, argv: Sequence[str]) -> list[str]:
        """The command line that starts a program inside of the group, to be given a session of its own."""

    def started(self, pid: int) -> None:
        """Note a program that was started by such a command line."""

    def cpu_seconds(self) -> float:
        """User and system time since the group began, of living and dead processes."""

    def pids(self) -> list[int]:
        """Living processes."""


class ControlGroup:
    """A cgroup of its own.

    Args:
        mount: where the hierarchy of cgroup v2 is mounted.

    Raises:
        OSError: no directory can be made there.
    """

    def __init__(self, mount: Path) -> None:
        self._path = Path(tempfile.mkdtemp(prefix="assay-bench-", dir=mount))

    def command(self, argv: Sequence[str]) -> list[str]:
        return ["/bin/sh", "-c", _INTO_GROUP, str(self._path / "cgroup.procs"), *argv]

    def started(self, pid: int) -> None:
        """The program joined by itself."""

    def cpu_seconds(self) -> float:
        for line in (self._path / "cpu.stat").read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == "usage_usec":
                return int(value) / 1e6
        raise OSError(f"{self._path}/cpu.stat has no usage_usec")

    def pids(self) -> list[int]:
        return [int(line) for line in (self._path / "cgroup.procs").read_text().split()]

    def close(self) -> None:
        """Remove the group, whose processes have ended or are about to."""
        deadline = time.monotonic() + 10
        while True:
            try:
                return self._path.rmdir()
            except OSError:  # busy: the kernel still takes a large process apart
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


class Sessions:
    """The processes whose session leader we started, from /proc: exact as long as each waits for its children."""

    def __init__(self) -> None:
        self._leaders: set[int] = set()

    def command(self, argv: Sequence[str]) -> list[str]:
        return list(argv)

    def started(self, pid: int) -> None:
        self._leaders.add(pid)

    def cpu_seconds(self) -> float:
        # utime, stime, and the same of children that were waited for: fields 14 to 17 of proc(5)'s stat.
        return sum(sum(int(field) for field in stat[11:15]) for _, stat in self._members()) / _TICKS

    def pids(self) -> list[int]:
        return [pid for pid, _ in self._members()]

    def _members(self) -> Iterator[tuple[int, list[str]]]:
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                # The second field is a name in parentheses that may hold anything.
                stat = path.read_text().rpartition(")")[2].split()
                if int(stat[3]) in self._leaders:
                    yield int(path.parent.name), stat

    def close(self) -> None:
        """Nothing is held."""


def new_group() -> ControlGroup | Sessions:
    """The most exact kind that this machine allows."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        if rest.startswith("cgroup2 "):
            with contextlib.suppress(OSError):
                return ControlGroup(Path(fields.split()[4]))
    return Sessions()


def memory(group: Group) -> int:
    """Proportional set size in octets: a page that n processes share counts for 1/n in each."""
    total = 0
    for pid in group.pids():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


class PeakMemory:
    """Looks at the memory of a group while a block runs.

    Attributes:
        peak: the most that was seen, in octets.
        samples: all that was seen.
    """

    def __init__(self, group: Group) -> None:
        self._group = group
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.samples: list[int] = []

    @property
    def peak(self) -> int:
        return max(self.samples)

    def _watch(self) -> None:
        while not self._done.wait(PEAK_INTERVAL):
            self.samples.append(memory(self._group))

    def __enter__(self) -> Self:
        self.samples.append(memory(self._group))
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()
        self.samples.append(memory(self._group))
