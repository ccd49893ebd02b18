"""docs/doctor.md and the catalogue say the same."""

import re
from pathlib import Path

from click.testing import CliRunner

from assay.cli import main
from assay.doctor.catalogue import KINDS, page

PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"


def test_the_page_holds_every_finding_as_the_command_lists_it() -> None:
    text = PAGE.read_text("utf-8")
    # to write it anew: assay doctor --list
    assert text[text.index("\n## ") + 1 :] == page() + "\n"


def test_the_command_lists_it() -> None:
    result = CliRunner().invoke(main, ["doctor", "--list"])
    assert (result.exit_code, result.output) == (0, page() + "\n")


def test_ids_are_kebab_case_and_there_are_no_two_of_one() -> None:
    ids = [kind.id for kind in KINDS]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", each) for each in ids)


def test_each_says_what_it_means_and_what_to_do() -> None:
    for kind in KINDS:
        assert kind.meaning.endswith((".", ")"))
        assert kind.remedy
