"""docs/metrics.md: what it shows works, and its table is what the daemon shows."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from assay.config.load import parse_config
from assay.daemon import endpoint
from assay.metrics.families import BOUNDS, FAMILIES, Kind
from support.process import program

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/metrics.md").read_text()
ROWS = re.findall(r"^\| `(\w+)` \| (.*?) ?\| (.+) \|$", PAGE, re.MULTILINE)


def _snippet(language: str) -> str:
    found = re.search(rf"```{language}\b.*\n((?:.*\n)*?)```", PAGE)
    assert found is not None
    return found[1]


def test_the_table_has_every_metric_with_its_help() -> None:
    suffix = {Kind.COUNTER: "_total", Kind.GAUGE: "", Kind.HISTOGRAM: ""}
    rows = [(name, what) for name, _, what in ROWS]

    assert rows[2:] == [(family.name + suffix[family.kind], family.help) for family in FAMILIES]
    assert [name for name, _ in rows[:2]] == ["assay_build_info", "assay_messages_total"]


def test_the_table_names_every_label_and_its_values() -> None:
    for (name, labels, _), family in zip(ROWS[2:], FAMILIES, strict=True):
        assert re.findall(r"(\w+):", labels) == list(family.labels), name
        for place, label in enumerate(family.labels):
            said = re.search(rf"\b{label}: ([^;]+)", labels)
            assert said is not None
            if not said[1].startswith("those of"):
                assert set(said[1].split(", ")) == {values[place] for values in family.cells}, name


def test_the_numbers_in_the_text_are_those_of_the_code() -> None:
    words = " ".join(PAGE.split())
    assert f"{endpoint.MAX_CONNECTIONS} connections at a time, each for five seconds" in words
    assert (endpoint.DEADLINE, endpoint.FRESH) == (5.0, 1.0)
    assert f"from {BOUNDS[0] * 1000:g} ms" in words
    assert f"to {BOUNDS[-1]:g} s" in words


def test_the_configuration_of_assay_is_good_and_is_where_the_others_look() -> None:
    config = parse_config(_snippet("toml"), Path("/etc/assay/assay.toml"))
    assert config.metrics.address is not None
    address = f"{config.metrics.address.host}:{config.metrics.address.port}"
    assert address in _snippet("yaml")
    assert f"http://{address}{endpoint.PATH}" in PAGE


@pytest.mark.real
def test_the_configuration_of_prometheus_is_good(tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").write_text(_snippet("yaml"))
    shutil.copy(ROOT / "conf/prometheus-alerts.yml", tmp_path)
    command = [program("promtool"), "check", "config", "prometheus.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "1 rule files found" in done.stdout
