"""How many cores this process may use: what a container or an administrator left of those of the machine."""

import os
from collections.abc import Iterator
from math import ceil
from pathlib import Path, PurePosixPath


def usable_cores(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Count the cores of the CPU affinity, or fewer where a quota on CPU time allows for fewer, rounded up.

    Args:
        proc: where the kernel tells of processes.
        cgroups: where the control groups of version 2 are mounted (Docker's ``--cpus``, systemd's ``CPUQuota=``).

    Returns:
        At least one.
    """
    cores = len(os.sched_getaffinity(0))
    return max(1, min([cores, *(ceil(quota) for quota in _quotas(proc, cgroups))]))


def _quotas(proc: Path, cgroups: Path) -> Iterator[float]:
    """Yield the quota of our control group and of each one that it is in, in cores."""
    try:
        lines = (proc / "self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        if not line.startswith("0::/"):
            continue  # a hierarchy of version 1
        group = PurePosixPath(line.removeprefix("0::/"))
        for each in (group, *group.parents):
            try:
                quota, period = (cgroups / each / "cpu.max").read_text().split()
                yield int(quota) / int(period)
            except (OSError, ValueError, ZeroDivisionError):
                continue  # no file, as in the root group, or "max"
