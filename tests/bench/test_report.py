"""The tables of the benchmark hold medians, and ratios to assay."""

from typing import Any

import pytest

from report import BEGIN, END, plots, tables, with_tables


def measured(contender: str, cpu_ms: float, *, number: int = 0, rejected: int = 0) -> dict[str, Any]:
    return {
        "round": number,
        "contender": contender,
        "workload": "2k-10",
        "cpu_ms": cpu_ms,
        "memory_idle": 10.0,
        "memory_peak": 30.0,
        "memory_after": 20.0,
        "log_lines": 5.0,
        "load": {
            "messages_per_second": 1000 / cpu_ms,
            "latency_ms": {"p50": 1.0, "p95": 2.0, "p99": 3.0},
            "replies": {"accept": 7, "reject": rejected},
            "complaints": [],
        },
    }


def document(*measurements: dict[str, Any], **changes: object) -> dict[str, Any]:
    machine = dict.fromkeys(("processor", "cores", "memory", "system", "python", "libraries"), "?")
    return {
        "command": "script/bench",
        "date": "today",
        "machine": machine,
        "packages": {"opendkim": "2.11"},
        "rounds": 3,
        "seconds": 8,
        "contenders": [{"name": name, "what": f"what {name} is"} for name in ("assay", "peer", "absent")],
        "workloads": [
            {"name": "2k-10", "title": "2 KiB", "paced": False},
            {"name": "cold", "title": "cold DNS", "paced": True},
        ],
        "measurements": measurements,
        "disagreements": [],
        "failures": [],
        **changes,
    }


def section(text: str, heading: str) -> list[str]:
    """The lines of a section that are rows of its table, its heading and its rule left out."""
    part = text.partition(f"### {heading}\n")[2].partition("\n### ")[0]
    return [line for line in part.splitlines() if line.startswith("|")][2:]


ROUNDS = (
    *(measured("assay", cpu, number=number) for number, cpu in enumerate((2.0, 9.0, 1.0))),
    *(measured("peer", cpu, number=number) for number, cpu in enumerate((5.0, 4.0, 6.0))),
)


@pytest.mark.parametrize(
    ("heading", "rows"),
    [
        ("CPU", ["| assay | 2.00 |", "| peer | 5.00 (2.50) |"]),
        ("Throughput", ["| assay | 500 |", "| peer | 200 (0.40) |"]),
        ("Waiting", ["| assay | 1.0 / 2.0 / 3.0 | - |", "| peer | 1.0 / 2.0 / 3.0 | - |"]),
        ("Memory", ["| assay | 10 / 30 / 20 | - |", "| peer | 10 / 30 / 20 | - |"]),
    ],
)
def test_a_table_holds_the_median_of_the_rounds(heading: str, rows: list[str]) -> None:
    assert section(tables(document(*ROUNDS)), heading) == rows


def test_how_much_each_logs_is_said() -> None:
    rows = [line for line in tables(document(*ROUNDS)).splitlines() if " | what " in line][1:]
    assert rows == [
        "| assay | what assay is | 5.0 |",
        "| peer | what peer is | 5.0 |",
        "| absent | what absent is | - |",
    ]


def test_without_assay_there_are_no_ratios() -> None:
    assert section(tables(document(*ROUNDS[3:])), "CPU") == ["| peer | 5.00 |"]


def test_the_largest_distance_of_a_round_is_named() -> None:
    assert "by at most 350%" in tables(document(*ROUNDS))


def test_a_contender_that_answers_otherwise_is_named_with_the_cause() -> None:
    entry = {
        "contender": "peer",
        "set_name": "2k",
        "method": "arc",
        "expected": "pass",
        "found": "fail",
        "messages": 2,
        "example": "2k-1",
        "cause": "",
    }
    text = tables(document(*ROUNDS, disagreements=[entry, {**entry, "method": "dkim", "cause": "no ed25519"}]))
    assert section(text, "Verdicts") == [
        "| peer | 2k | arc | pass | fail | 2 | 2k-1 | not known |",
        "| peer | 2k | dkim | pass | fail | 2 | 2k-1 | no ed25519 |",
    ]


def test_agreement_is_stated() -> None:
    assert "Every contender found in every message what the corpus says" in tables(document(*ROUNDS))


def test_refused_messages_and_failed_starts_are_named() -> None:
    failure = {"where": "round 1, 2k-10, absent", "why": "it does not listen\n"}
    text = tables(document(measured("peer", 1.0, rejected=3), failures=[failure]))
    assert text.endswith(
        "### What did not go well\n\n* round 1, 2k-10, absent: it does not listen\n* peer, 2k-10, round 1: 3 reject"
    )


def test_only_what_is_between_the_markers_is_replaced() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    once = with_tables(page, "new")
    assert once == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert with_tables(once, "new") == once


@pytest.mark.parametrize("page", ["", BEGIN, f"{BEGIN}{END}{END}"])
def test_a_page_without_clear_markers_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="each once"):
        with_tables(page, "new")


def test_each_plot_is_shown_and_what_was_not_drawn_is_named() -> None:
    good, bad = {"x": 400.0, "wrong": ""}, {"x": 1000.0, "wrong": "dkim none instead of pass"}
    text = plots({"fields": {"curves": {"assay": [good], "peer": [good, bad]}}})
    assert text.splitlines()[2:] == [
        "![fields](performance/fields.svg)",
        "",
        "Not drawn: peer at 1000, which found dkim none instead of pass.",
    ]
