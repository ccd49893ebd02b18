"""docs/conformance.md is what script/conformance writes, and names the suites that there are."""

import re
from collections import Counter

import pytest

from support.conformance import PAGE, SUITES, Recorder, Shown, deviations, page, suite_of

TITLES = [suite.title for suite in SUITES]


@pytest.fixture
def written() -> str:
    return PAGE.read_text(encoding="utf-8")


def table(text: str) -> dict[str, tuple[int, int, int]]:
    """Passed, total and skipped of each suite."""
    found = re.findall(r"^\| ([^|]+) \|[^|]*\| (\d+) \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    return {title: (int(passed), int(total), int(skipped)) for title, passed, total, skipped in found}


def test_the_page_names_the_suites_that_exist(written: str) -> None:
    assert [*table(written)] == [*TITLES, "all"]


def test_no_suite_of_the_page_was_empty_or_failed(written: str) -> None:
    for title, (passed, total, skipped) in table(written).items():
        assert passed > 0, title
        assert passed + skipped == total, title
    assert "## Failed" not in written


def test_the_page_says_with_what_it_was_made(written: str) -> None:
    for name in ("date", "commit", "command", "runs on", "libraries"):
        assert f"\n* {name}: " in written
    for library in ("pyspf", "dkimpy", "authres", "pymilter", "cryptography"):
        assert re.search(rf"\b{library} \d", written)


@pytest.mark.parametrize(
    ("test", "title"),
    [
        (Shown("verify/test_spf_suite.py", "test_result[both (4.4/1)]"), "RFC 7208 suite, in memory"),
        (Shown("verify/test_spf_suite_dns.py", "test_explanation[x]"), "RFC 7208 suite, explanations over real DNS"),
        (Shown("verify/test_spf.py", "test_x", generated=True), "Generated messages, records, names and packets"),
        (Shown("verify/test_dmarc.py", "test_x[a claim (C.4 row 3)]"), "DMARC worked examples"),
        (Shown("verify/test_dmarc.py", "test_x[a claim (C.3)]"), "DMARC rows"),
        (Shown("scenarios/test_scenarios.py", "test_libmilter[x]"), "Scenarios, libmilter"),
        (Shown("scenarios/test_format.py", "test_x"), None),
        (Shown("cli/test_check.py", "test_x"), None),
    ],
)
def test_a_test_belongs_to_one_suite(test: Shown, title: str | None) -> None:
    suite = suite_of(test)

    assert (None if suite is None else suite.title) == title


def test_what_became_of_the_tests_is_counted_and_what_did_not_pass_is_named() -> None:
    title = TITLES[0]
    recorder = Recorder(
        outcomes={title: {"a": "passed", "b": "skipped", "c": "failed"}},
        reasons={title: Counter({"the file is not there": 1})},
    )

    made = page(recorder, [("date", "today")])

    assert table(made)[title] == table(made)["all"] == (1, 3, 1)
    assert "\n## Failed\n\n* `c`\n" in made
    assert f"\n## Skipped\n\n* {title}: 1 because the file is not there\n" in made
    assert "\n* date: today\n" in made


def test_every_deviation_has_its_reason() -> None:
    head, rule, *rows = deviations().splitlines()

    assert (head, set(rule)) == ("| where | the text | assay | why |", set("|-"))
    assert len(rows) > 10
    for row in rows:
        assert all(cell.strip() for cell in row.strip("|").split("|")), row
        assert row.count("|") == 5, row
    assert deviations() in page(Recorder(), [])
