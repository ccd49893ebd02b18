"""docs/standards.md names what there is: every file, every test, and every number without a gap."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STANDARDS = (ROOT / "docs" / "standards.md").read_text(encoding="utf-8")
FOLDERS = (ROOT / "milter" / "assay", ROOT / "tests", ROOT)
# `file` or `file: claim`; the claim is part of a test's id.
REFERENCE = re.compile(r"`([\w./-]+\.(?:py|toml|md|cf))(?:: ([^`]+))?`")

COUNTS = (
    "A.1 7, A.2 8, B.1 3, B.2 5, B.3 8, B.5 8, C.1 8, C.2 4, C.4 5, C.6 8, C.7 2, "
    "D.1 5, D.2 7, D.4 3, E.2 6, E.3 7, G.1 5, G.3 5, G.5 10"
)
"""How many numbered rules each section has."""

ATTACKS = {"E": 12, "F": 15, "K": 11, "Q": 4, "R": 8, "D": 7}


def rows(text: str) -> set[str]:
    """The first column of every table."""
    return {match[1].strip() for match in re.finditer(r"^\|([^|]+)\|", text, re.MULTILINE)}


@pytest.fixture(scope="module")
def ids_of() -> dict[str, list[str]]:
    """What pytest finds in each file that the page names a test of."""
    named = sorted({str(found(name)) for name, claim in REFERENCE.findall(STANDARDS) if claim})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *named]
    collected = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert collected.returncode == 0, collected.stdout + collected.stderr
    ids: dict[str, list[str]] = {}
    for line in collected.stdout.splitlines():
        name, colons, claim = line.partition("::")
        if colons:
            ids.setdefault(str(ROOT / name), []).append(claim)
    return ids


def found(name: str) -> Path:
    paths = [folder / name for folder in FOLDERS if (folder / name).is_file()]
    assert paths, f"docs/standards.md names {name}, which is not there"
    return paths[0]


def test_every_file_that_the_page_names_exists() -> None:
    names = {name for name, _ in REFERENCE.findall(STANDARDS)}

    assert len(names) > 100
    for name in names:
        assert found(name)


def test_every_test_that_the_page_names_exists(ids_of: dict[str, list[str]]) -> None:
    missing = [
        f"{name}: {claim}"
        for name, claim in REFERENCE.findall(STANDARDS)
        if claim and not any(claim in each for each in ids_of[str(found(name))])
    ]

    assert missing == []


def test_no_number_is_left_out() -> None:
    heads = {name.split(" ")[0] for name in rows(STANDARDS)}
    counts = re.findall(r"(\S+) (\d+)", COUNTS)
    numbers = {f"{section}.{number}" for section, last in counts for number in range(1, int(last) + 1)}

    assert sorted(numbers - heads) == []


def test_no_attack_is_left_out() -> None:
    # D2 and R8 concern reports, which the page says
    attacks = {f"{letter}{number}" for letter, last in ATTACKS.items() for number in range(1, last + 1)}

    assert sorted(attacks - rows(STANDARDS)) == ["D2", "R8"]
    assert all(f"\n{row}, " in STANDARDS for row in ("D2", "R8"))


def test_every_row_of_the_standards_names_code_and_a_test() -> None:
    standards, _, _ = STANDARDS.partition("\n# H. Attacks")
    incomplete = [
        line
        for line in standards.splitlines()
        if re.match(r"\| [A-G]\.", line) and not re.fullmatch(r"\|[^|]+\|[^|]+\| `.+` \| `.+` \|", line)
    ]

    assert incomplete == []


def test_every_scenario_that_a_row_names_is_of_that_row() -> None:
    _, _, attacks = STANDARDS.partition("\n# H. Attacks")
    strays = [
        (row, name)
        for row, line in re.findall(r"^\| ([A-Z]\d+) (\|.*)$", attacks, re.MULTILINE)
        for name in re.findall(r"`scenarios/([a-z]\d\d)-", line)
        if name != f"{row[0].lower()}{int(row[1:]):02d}"
    ]

    assert strays == []
