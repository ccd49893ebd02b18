"""A limit on the memory of a service that runs: what lies beyond it makes the kernel kill."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from support.own_systemd import OwnSystemd
from support.process import wait_until

SERVICE: Final = "assay.service"

_ENTER: Final = """\
group=$1
mkdir "$group"
echo "$2" >"$group/memory.limit_in_bytes"
shift 2
for pid; do echo "$pid" >"$group/cgroup.procs"; done
"""
_LEAVE: Final = """\
while read -r pid; do echo "$pid" >"$1/../cgroup.procs" || true; done <"$1/cgroup.procs"
rmdir "$1"
"""


@contextmanager
def limited_memory(systemd: OwnSystemd, more: int) -> Iterator[None]:
    """Let the service take so many octets more than it has, for a while.

    By MemoryMax=, where version 2 of control groups has the memory. Where version 1 has it, a systemd in namespaces has
    no say in it: then by a group of that version, around the processes of the service.
    """
    if "memory" in systemd.run("cat", "/sys/fs/cgroup/cgroup.controllers").split():
        limit = int(systemd.show("MemoryCurrent")) + more
        systemd.run("systemctl", "set-property", "--runtime", SERVICE, f"MemoryMax={limit}", "MemorySwapMax=0")
        try:
            yield
        finally:
            systemd.run(
                "systemctl", "set-property", "--runtime", SERVICE, "MemoryMax=infinity", "MemorySwapMax=infinity"
            )
        return
    group = _group_of_version_1()
    processes = systemd.run("cat", f"/sys/fs/cgroup{systemd.show('ControlGroup')}/cgroup.procs").split()
    systemd.run_around(_ENTER, str(group), str(more), *processes)
    try:
        yield
    finally:

        def left() -> bool:
            systemd.run_around(_LEAVE, str(group))
            return not group.exists()

        wait_until(left, "the end of a control group")


def _group_of_version_1() -> Path:
    """Name a group, not made yet, below that of the tests."""
    for line in Path("/proc/self/cgroup").read_text("utf-8").splitlines():
        _, controllers, group = line.split(":", 2)
        parent = Path("/sys/fs/cgroup/memory") / group.lstrip("/")
        if controllers == "memory" and parent.is_dir():
            return parent / "assay-test"
    pytest.skip("no control group that can be made here limits memory")
