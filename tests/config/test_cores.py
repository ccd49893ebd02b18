"""How many workers there are if nobody says how many (cgroups(7), cpu.max)."""

import os
from pathlib import Path

import pytest

from assay.config.cores import usable_cores

CORES = {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("membership", "quotas", "cores"),
    [
        pytest.param("0::/\n", {"": "max 100000"}, 4, id="no quota"),
        pytest.param("0::/\n", {"": "200000 100000"}, 2, id="docker --cpus=2"),
        pytest.param("0::/\n", {"": "150000 100000"}, 2, id="one and a half, rounded up"),
        pytest.param("0::/\n", {"": "5000 100000"}, 1, id="less than one"),
        pytest.param("0::/\n", {"": "6400000 100000"}, 4, id="more than there are"),
        pytest.param("0::/a/b\n", {"a": "100000 100000", "a/b": "max 100000"}, 1, id="of a group around ours"),
        pytest.param("0::/a/b\n", {"a": "300000 100000", "a/b": "200000 100000"}, 2, id="the smaller of two"),
        pytest.param("0::/a\n", {}, 4, id="no file"),
        pytest.param("0::/\n", {"": "100000 0"}, 4, id="nonsense"),
        pytest.param("4:cpu:/x\n0::/a\n", {"a": "100000 100000", "x": "1 1"}, 1, id="version 1 beside version 2"),
        pytest.param("4:cpu:/x\n", {"x": "100000 100000"}, 4, id="version 1 only"),
        pytest.param(None, {"": "100000 100000"}, 4, id="no /proc"),
    ],
)
def test_a_quota_on_cpu_time_counts_like_fewer_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, membership: str | None, quotas: dict[str, str], cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: CORES)
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    if membership is not None:
        (proc / "self/cgroup").write_text(membership)
    for group, quota in quotas.items():
        (groups / group).mkdir(parents=True, exist_ok=True)
        (groups / group / "cpu.max").write_text(quota + "\n")
    assert usable_cores(proc, groups) == cores


def test_the_machine_of_the_tests_has_a_number() -> None:
    assert 1 <= usable_cores() <= len(os.sched_getaffinity(0))
