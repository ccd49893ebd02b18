"""Puts what the benchmark found into docs/performance.md, between its markers; the prose around them is by hand.

Run: script/bench report
"""

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any, Final

from build import CACHE, HERE

RESULTS: Final = CACHE / "results"
DOCS: Final = HERE.parent / "docs"
PAGE: Final = DOCS / "performance.md"
KEPT: Final = DOCS / "performance"
BASE: Final = "assay"
"""The contender that ratios are to."""
BEGIN: Final = "<!-- tables: script/bench report -->"
END: Final = "<!-- end of tables -->"
NOTHING: Final = "-"
"""A cell without a measurement."""

Number = Callable[[dict[str, Any]], float]


def main() -> None:
    """Copy the results beside the page and write its tables anew."""
    KEPT.mkdir(exist_ok=True)
    for path in (*RESULTS.glob("*.json"), *RESULTS.glob("*.svg")):
        shutil.copyfile(path, KEPT / path.name)
    parts = [tables(json.loads((KEPT / "results.json").read_text()))]
    if (growth := KEPT / "growth.json").exists():
        parts.append(plots(json.loads(growth.read_text())))
    PAGE.write_text(with_tables(PAGE.read_text("utf-8"), "\n\n".join(parts)), "utf-8")
    print(f"{PAGE} and {KEPT} are written")


def with_tables(page: str, text: str) -> str:
    """The page with this text between its markers.

    Raises:
        ValueError: there are none, or several.
    """
    parts = page.split(BEGIN), page.split(END)
    if [len(part) for part in parts] != [2, 2]:
        raise ValueError(f"the page must have {BEGIN} and {END}, each once")
    return f"{parts[0][0]}{BEGIN}\n\n{text}\n\n{END}{parts[1][1]}"


def plots(document: dict[str, Any]) -> str:
    """What ``script/bench growth`` drew, and what could not be drawn, as Markdown."""
    parts = ["### How it grows"]
    for name, plot in document.items():
        parts.append(f"![{name}](performance/{name}.svg)")
        parts += [
            f"Not drawn: {contender} at {point['x']:g}, which found {point['wrong']}."
            for contender, points in plot["curves"].items()
            for point in points
            if point["wrong"]
        ]
    return "\n\n".join(parts)


def tables(document: dict[str, Any]) -> str:
    """All that a run found, as Markdown."""
    return "\n\n".join(part for part in _parts(document) if part)


def _parts(document: dict[str, Any]) -> Iterable[str]:
    busy = [item for item in document["workloads"] if not item["paced"]]
    yield _head(document)
    yield "### CPU\n\nSeconds of all processes per 1,000 messages; in parentheses how many times what assay needs."
    yield _table(document, busy, lambda found: found["cpu_ms"], "{:.2f}")
    yield "### Throughput\n\nMessages a second; in parentheses how many times what assay manages."
    yield _table(document, busy, lambda found: found["load"]["messages_per_second"], "{:.0f}")
    yield "### Waiting\n\nMilliseconds from the end of data to the reply: what 50 %, 95 % and 99 % of all wait at most."
    yield _plain_table(document, document["workloads"], _waits)
    yield "### Memory\n\nMiB of proportional set size: before the first message, the peak under load, and afterwards."
    yield _plain_table(document, document["workloads"], _memory)
    yield _disagreements(document)
    yield _refused(document)


def _head(document: dict[str, Any]) -> str:
    machine, packages = document["machine"], document["packages"]
    how = (
        f"`{document['command']}`, {document['date']}; {document['rounds']} rounds of about {document['seconds']:g} s"
        " for each number, which is their median."
        f" Rounds differ from it in CPU by at most {_spread(document):.0%}."
    )
    contenders = [(item["name"], item["what"]) for item in document["contenders"]]
    lines = [
        how,
        "",
        f"* {machine['processor']}, {machine['cores']} cores, {machine['memory']}; {machine['system']}",
        f"* Python {machine['python']}; {machine['libraries']}",
        f"* {', '.join(f'{name} {version}' for name, version in packages.items())}",
        "",
        "| contender | what it is | log lines per message |",
        "|---|---|---|",
        *(f"| {name} | {what} | {_logged(document, name)} |" for name, what in contenders),
    ]
    return "\n".join(lines)


def _of(document: dict[str, Any], contender: str, workload: str) -> list[dict[str, Any]]:
    return [
        found for found in document["measurements"] if found["contender"] == contender and found["workload"] == workload
    ]


def _median(document: dict[str, Any], contender: str, workload: str, number: Number) -> float | None:
    values = [number(found) for found in _of(document, contender, workload)]
    return median(values) if values else None


def _logged(document: dict[str, Any], contender: str) -> str:
    """Lines that a contender logs per message, over all workloads."""
    values = [found["log_lines"] for found in document["measurements"] if found["contender"] == contender]
    return f"{median(values):.1f}" if values else NOTHING


def _spread(document: dict[str, Any]) -> float:
    """The largest distance of a round's CPU from the median of its rounds, as a share of that."""
    spread = 0.0
    for found in document["measurements"]:
        middle = _median(document, found["contender"], found["workload"], lambda other: other["cpu_ms"])
        if middle:
            spread = max(spread, abs(found["cpu_ms"] / middle - 1))
    return spread


def _table(document: dict[str, Any], workloads: Sequence[dict[str, Any]], number: Number, form: str) -> str:
    def cell(contender: str, workload: str) -> str:
        value = _median(document, contender, workload, number)
        if value is None:
            return NOTHING
        base = _median(document, BASE, workload, number)
        ratio = f" ({value / base:.2f})" if base and contender != BASE else ""
        return form.format(value) + ratio

    return _grid(document, workloads, cell)


def _plain_table(
    document: dict[str, Any], workloads: Sequence[dict[str, Any]], text: Callable[[list[dict[str, Any]]], str]
) -> str:
    def cell(contender: str, workload: str) -> str:
        found = _of(document, contender, workload)
        return text(found) if found else NOTHING

    return _grid(document, workloads, cell)


def _grid(document: dict[str, Any], workloads: Sequence[dict[str, Any]], cell: Callable[[str, str], str]) -> str:
    if not workloads:
        return ""
    rows = [
        ["", *(workload["title"] for workload in workloads)],
        ["---"] * (len(workloads) + 1),
    ]
    for contender in document["contenders"]:
        cells = [cell(contender["name"], workload["name"]) for workload in workloads]
        if set(cells) != {NOTHING}:
            rows.append([contender["name"], *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _waits(found: list[dict[str, Any]]) -> str:
    return " / ".join(f"{median(one['load']['latency_ms'][key] for one in found):.1f}" for key in ("p50", "p95", "p99"))


def _memory(found: list[dict[str, Any]]) -> str:
    keys = ("memory_idle", "memory_peak", "memory_after")
    return " / ".join(f"{median(one[key] for one in found):.0f}" for key in keys)


def _disagreements(document: dict[str, Any]) -> str:
    text = "### Verdicts\n\n"
    if not document["disagreements"]:
        return text + "Every contender found in every message what the corpus says, as far as it looks for it."
    lines = [
        text + "What contenders found otherwise than the corpus says by construction, of what they look for:",
        "",
        "| contender | messages | method | by construction | found | messages | such as | why |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {item['contender']} | {item['set_name']} | {item['method']} | {item['expected']} | {item['found']}"
        f" | {item['messages']} | {item['example']} | {item['cause'] or 'not known'} |"
        for item in document["disagreements"]
    ]
    return "\n".join(lines)


def _refused(document: dict[str, Any]) -> str:
    lines = [f"* {item['where']}: {item['why'].strip()}" for item in document["failures"]]
    for found in document["measurements"]:
        others = {reply: n for reply, n in found["load"]["replies"].items() if n and reply != "accept"}
        if others:
            lines.append(
                f"* {found['contender']}, {found['workload']}, round {found['round'] + 1}: "
                + "; ".join([*(f"{n} {reply}" for reply, n in others.items()), *found["load"]["complaints"]])
            )
    return "### What did not go well\n\n" + "\n".join(lines) if lines else ""


if __name__ == "__main__":
    main()
