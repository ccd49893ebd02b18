"""conf/prometheus-alerts.yml: promtool takes it, each alert fires when it should and is silent when it should be."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.process import program

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "conf/prometheus-alerts.yml"
CASES = sorted(Path(__file__).parent.glob("prometheus-alerts*.test.yml"))


def _rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load(ALERTS.read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def _promtool(*arguments: str | Path) -> str:
    done = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.real
def test_prometheus_takes_the_rules() -> None:
    assert f"{len(_rules())} rules found" in _promtool("check", "rules", ALERTS)


@pytest.mark.real
@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.name)
def test_each_alert_fires_and_is_silent_as_the_cases_say(cases: Path) -> None:
    assert "SUCCESS" in _promtool("test", "rules", cases)


def test_each_alert_has_a_case_in_which_it_fires_and_the_healthy_case_has_all_that_they_look_at() -> None:
    cases = [case for path in CASES for case in yaml.safe_load(path.read_text())["tests"]]
    firing = {name for case in cases for name in re.findall(r'alertname="(\w+)"', str(case["promql_expr_test"]))}
    assert firing == {rule["alert"] for rule in _rules()}

    [healthy] = [case for case in cases if case["name"] == "everything is well"]
    looked_at = {name for rule in _rules() for name in re.findall(r"\bassay_\w+", rule["expr"])}
    assert looked_at <= {each["series"].partition("{")[0] for each in healthy["input_series"]}


def test_each_alert_says_how_bad_it_is_and_what_to_do() -> None:
    for rule in _rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}, rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["alert"].startswith("Assay")
