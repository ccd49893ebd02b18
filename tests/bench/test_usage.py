"""The benchmark counts all processes of a contender, those that have died included."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

from usage import ControlGroup, PeakMemory, Sessions, memory, new_group

MIB = 2**20
TICK = 0.02
"""Seconds: /proc counts in hundredths, for each process."""

# Works for a while, says how much CPU that took, and ends.
WORKER = """\
import time
while time.process_time() < 0.3:
    pass
print(time.process_time(), flush=True)
"""
# Lets such a worker end, and then stays.
PARENT = f"""\
import subprocess, sys
subprocess.run([sys.executable, "-c", {WORKER!r}])
print("done", flush=True)
input()
"""
# Holds 20 MiB until it reads a line, and nothing until the next.
HOLDER = f"""\
block = bytearray(b"x") * {20 * MIB}
print("held", flush=True)
input()
del block
print("gone", flush=True)
input()
"""


@pytest.fixture(params=["the most exact kind", "sessions"])
def group(request: pytest.FixtureRequest) -> Iterator[ControlGroup | Sessions]:
    group = Sessions() if request.param == "sessions" else new_group()
    yield group
    group.close()


@contextlib.contextmanager
def program(group: ControlGroup | Sessions, code: str) -> Iterator[subprocess.Popen[str]]:
    """Run Python code in a group, and let it read lines until it ends."""
    with subprocess.Popen(
        group.command([sys.executable, "-c", code]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        group.started(process.pid)
        try:
            yield process
        finally:
            process.communicate("\n\n")


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_child_that_has_died_still_counts(group: ControlGroup | Sessions) -> None:
    with program(group, PARENT) as parent:
        spent = float(line_of(parent))
        assert line_of(parent) == "done\n"
        assert group.cpu_seconds() >= spent - TICK
        assert group.pids() == [parent.pid]


def test_memory_is_that_of_all_living_processes(group: ControlGroup | Sessions) -> None:
    with program(group, HOLDER) as one:
        line_of(one)
        assert memory(group) > 20 * MIB
        with program(group, HOLDER) as other:
            line_of(other)
            assert memory(group) > 40 * MIB
            assert sorted(group.pids()) == sorted((one.pid, other.pid))


def test_the_peak_is_what_there_was_at_most(group: ControlGroup | Sessions) -> None:
    with program(group, HOLDER) as process:
        line_of(process)
        with PeakMemory(group) as watched:
            go_on(process)
            assert line_of(process) == "gone\n"
        assert watched.peak > 20 * MIB
        assert memory(group) < 20 * MIB
