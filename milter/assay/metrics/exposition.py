"""The numbers as Prometheus reads them: its text format, version 0.0.4, which every Prometheus takes."""

import platform
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from prometheus_client import Metric, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.utils import floatToGoString

from assay import __version__
from assay.metrics.families import BOUNDS, FAMILIES, Family, Kind
from assay.metrics.table import Table, Totals

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_CLASSES: Final = (*map(floatToGoString, BOUNDS), "+Inf")


class TableCollector:
    """Reads the table for prometheus-client."""

    def __init__(self, table: Table) -> None:
        """Show this table."""
        self._table = table

    def collect(self) -> Iterator[Metric]:
        """Yield every family with all its series, also those at zero: a rate needs to see the first step."""
        totals = self._table.totals()
        yield InfoMetricFamily(
            "assay_build",
            "The version of assay and of its Python.",
            value={"version": __version__, "python": platform.python_version()},
        )
        # not counted by itself: so it can never differ from the sum of what became of the messages
        yield CounterMetricFamily("assay_messages", "Messages that got their answer.", value=totals.messages)
        for family in FAMILIES:
            yield _metric(family, totals)


def exposition(table: Table) -> bytes:
    """Return all numbers as text."""
    return generate_latest(TableCollector(table))


def _metric(family: Family, totals: Totals) -> Metric:
    metric: CounterMetricFamily | GaugeMetricFamily
    match family.kind:
        case Kind.HISTOGRAM:
            return _histogram(family, totals)
        case Kind.COUNTER:
            metric = CounterMetricFamily(family.name, family.help, labels=family.labels)
        case Kind.GAUGE:
            metric = GaugeMetricFamily(family.name, family.help, labels=family.labels)
    for labels in family.cells:
        metric.add_metric(labels, totals.of(family, *labels))
    return metric


def _histogram(family: Family, totals: Totals) -> HistogramMetricFamily:
    metric = HistogramMetricFamily(family.name, family.help, labels=family.labels)
    for labels in family.cells:
        classes, nanoseconds = totals.classes(family, *labels)
        buckets = list(zip(_CLASSES, map(float, accumulate(classes)), strict=True))
        metric.add_metric(labels, buckets, nanoseconds / 1e9)
    return metric
