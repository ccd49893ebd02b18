"""The text that Prometheus gets: by its linter, by its parser, and by what was counted."""

import subprocess

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from assay.metrics.exposition import exposition
from assay.metrics.families import (
    BODY_BYTES,
    BOUNDS,
    DISPOSITIONS,
    DNS_LOOKUP_SECONDS,
    FAMILIES,
    STAGE_SECONDS,
    WORKERS,
)
from assay.metrics.table import Table
from support.process import program


def _families(table: Table) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(exposition(table).decode())}


def _samples(table: Table, name: str, **labels: str) -> dict[str, float]:
    """The samples of one series of a histogram: by bound, and its count and sum."""
    return {
        sample.labels.get("le", sample.name.rpartition("_")[2]): sample.value
        for sample in _families(table)[name].samples
        if labels.items() <= sample.labels.items()
    }


@pytest.mark.real
def test_the_linter_of_prometheus_finds_nothing() -> None:
    done = subprocess.run(
        [program("promtool"), "check", "metrics"], input=exposition(Table(rows=1)), capture_output=True, check=False
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_every_series_is_there_from_the_start_at_zero() -> None:
    shown = _families(Table(rows=1))
    for family in FAMILIES:
        samples = shown[family.name].samples
        series = {tuple(sample.labels[label] for label in family.labels) for sample in samples}
        assert series == set(family.cells)
        assert {sample.value for sample in samples} == {0.0}


def test_classes_of_a_histogram_add_up_and_its_sum_is_in_seconds() -> None:
    table = Table(rows=1)
    first = STAGE_SECONDS.cells["dkim",]
    table.supervisor.add_all((), ((first, 2_000_000), (first, 30_000_000_000), (first, 90_000_000_000)))
    shown = _samples(table, "assay_stage_seconds", stage="dkim")

    assert (shown["0.001"], shown["0.0025"], shown["20.0"], shown["40.0"], shown["+Inf"]) == (0, 1, 1, 2, 3)
    assert (shown["count"], shown["sum"]) == (3, 120.002)
    assert len(shown) == len(BOUNDS) + 3
    assert _samples(table, "assay_stage_seconds", stage="arc")["count"] == 0


def test_what_is_counted_is_what_is_shown() -> None:
    table = Table(rows=3)
    for counters in (table.take(), table.take()):
        counters.add(BODY_BYTES.cell, 2**40)
        counters.add(DISPOSITIONS.cells["spf-fail", "reject", "reject"])
    table.supervisor.set(WORKERS.cells["draining",], 3)
    table.supervisor.add_all((), ((DNS_LOOKUP_SECONDS.cell, 1),))
    shown = _families(table)

    assert [sample.value for sample in shown["assay_body_bytes"].samples] == [2**41]
    assert [sample.value for sample in shown["assay_messages"].samples] == [2]
    [decided] = [sample for sample in shown["assay_dispositions"].samples if sample.value]
    assert decided.value == 2
    assert decided.labels == {"rule": "spf-fail", "disposition": "reject", "would": "reject"}
    assert {s.labels["state"]: s.value for s in shown["assay_workers"].samples} == {"serving": 0, "draining": 3}
