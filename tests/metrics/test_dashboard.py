"""The dashboard and the alert rules of conf/ name what the daemon shows, and the dashboard shows all of it."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from assay.metrics.families import FAMILIES
from support.promql import exposed, selectors, unknown

CONF = Path(__file__).parents[2] / "conf"
DASHBOARD = json.loads((CONF / "grafana-assay.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def _of_panels() -> Iterator[tuple[str, str]]:
    for panel in PANELS:
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]


def _of_alerts() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load((CONF / "prometheus-alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


EXPRESSIONS = [
    *_of_panels(),
    *_of_alerts(),
    *((each["name"], each["expr"]) for each in DASHBOARD["annotations"]["list"]),
    *((each["name"], each["query"]["query"]) for each in DASHBOARD["templating"]["list"] if each["type"] == "query"),
]


@pytest.mark.parametrize("expression", [row[1] for row in EXPRESSIONS], ids=[row[0] for row in EXPRESSIONS])
def test_what_is_looked_at_is_there(expression: str) -> None:
    assert unknown(expression, exposed()) == []
    assert selectors(expression) or "up{" in expression


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ("rate(assay_mesages_total[5m])", "assay_mesages_total"),
        ('assay_workers{state="serving", place="x"}', 'assay_workers{place="x"}'),
        ('assay_dispositions_total{would=~"reject|refuse"}', 'assay_dispositions_total{would="refuse"}'),
        ("sum by (rules) (assay_dispositions_total)", "rules"),
    ],
    ids=["a name", "a label", "a value", "a grouping"],
)
def test_a_slip_in_an_expression_would_be_found(expression: str, what: str) -> None:
    assert unknown(expression, exposed()) == [what]


def test_the_dashboard_shows_every_metric() -> None:
    looked_at = {selector.name for _, expression in _of_panels() for selector in selectors(expression)}
    names = {re.sub(r"_(total|bucket|count|sum|info)$", "", name) for name in looked_at}

    assert names == {family.name for family in FAMILIES} | {"assay_build", "assay_messages"}


def test_every_panel_follows_the_choice_of_job_and_instance() -> None:
    for title, expression in _of_panels():
        for selector in selectors(expression):
            assert {("job", "=~", "$job"), ("instance", "=~", "$instance")} <= set(selector.matchers), title


def test_legends_name_labels_that_are_left() -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                assert re.search(rf"by \([^)]*\b{label}\b", target["expr"]), (panel["title"], label)


def test_panels_lie_beside_each_other_and_have_numbers_of_their_own() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for one, other in combinations([panel["gridPos"] for panel in DASHBOARD["panels"]], 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y, (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in DASHBOARD["panels"])


def test_every_panel_says_what_it_shows_and_in_which_unit() -> None:
    data: dict[str, Any]
    for data in PANELS:
        assert data["title"]
        assert data["description"].endswith(".")
        assert data["fieldConfig"]["defaults"]["unit"] in {"short", "s", "percentunit", "Bps"}
        assert data["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
