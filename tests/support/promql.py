"""What a PromQL expression names, as far as our own expressions go: series, their matchers, and labels to sum by."""

import re
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from assay.metrics.exposition import exposition
from assay.metrics.table import Table

OF_THE_TARGET = frozenset({"job", "instance"})
"""Labels that Prometheus adds to all that it reads."""

Labels = dict[str, set[str]]
"""The values of each label."""

_SELECTOR = re.compile(r"\b(assay_\w+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
_GROUPING = re.compile(r"\b(?:by|without) \(([^)]*)\)")


@dataclass(frozen=True, slots=True)
class Selector:
    """A series and what of it is looked at: label, operator and value."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]


def selectors(expression: str) -> list[Selector]:
    """Every series that an expression names."""
    return [Selector(name, tuple(_MATCHER.findall(matchers or ""))) for name, matchers in _SELECTOR.findall(expression)]


def grouped_by(expression: str) -> set[str]:
    """Every label that an expression sums by."""
    return {label.strip() for labels in _GROUPING.findall(expression) for label in labels.split(",")}


def exposed() -> dict[str, Labels]:
    """What the daemon shows: the labels of each sample, and their values."""
    shown: dict[str, Labels] = {}
    for family in text_string_to_metric_families(exposition(Table(rows=1)).decode()):
        for sample in family.samples:
            labels = shown.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return shown


def unknown(expression: str, shown: dict[str, Labels]) -> list[str]:
    """Everything that an expression names and the daemon does not show, in words."""
    found = []
    known = set(OF_THE_TARGET)
    for selector in selectors(expression):
        if selector.name not in shown:
            found.append(selector.name)
            continue
        labels = shown[selector.name]
        known |= set(labels)
        for label, operator, value in selector.matchers:
            values = value.split("|") if "~" in operator else [value]
            if label not in OF_THE_TARGET:
                found += [
                    f'{selector.name}{{{label}="{each}"}}' for each in values if each not in labels.get(label, ())
                ]
    return found + sorted(grouped_by(expression) - known)
