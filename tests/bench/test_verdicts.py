"""The benchmark reads what contenders found, and compares it with what the corpus says."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from contenders import ALL, CONTENDERS, Contender
from verdicts import Disagreement, disagreements, results_of

NONE = dict.fromkeys(("spf", "dkim", "dmarc", "arc"), "none")


@dataclass(frozen=True)
class Case:
    id: str
    fields: Sequence[str]
    found: dict[str, str]


CASES = [
    Case("no field is no result", [], {}),
    Case("a field with no result", ["mx.example; none"], {}),
    Case(
        "each method once",
        ["mx.example; spf=fail smtp.mailfrom=a.example; dkim=pass header.d=a.example; dmarc=pass; arc=none"],
        {"spf": "fail", "dkim": "pass", "dmarc": "pass"},
    ),
    Case(
        "methods in several fields",
        ["mx.example; dkim=pass header.d=a.example", "mx.example; spf=pass", "mx.example; dmarc=fail (p=none)"],
        {"dkim": "pass", "spf": "pass", "dmarc": "fail"},
    ),
    Case("the best of several signatures", ["mx.example; dkim=fail header.d=a; dkim=pass"], {"dkim": "pass"}),
    Case("the other order changes nothing", ["mx.example; dkim=pass; dkim=fail header.d=a"], {"dkim": "pass"}),
    Case("no signature does not hide one that fails", ["mx.example; dkim=none; dkim=fail"], {"dkim": "fail"}),
    Case("a semicolon in a comment ends nothing", ["mx.example; spf=pass (a; dkim=pass) smtp.helo=x"], {"spf": "pass"}),
    Case("comments nest", ["mx.example; spf=pass (a (b; dkim=pass) c; arc=pass)"], {"spf": "pass"}),
    Case("a quoted string is text", ['mx.example; spf=pass reason="; dkim=pass"'], {"spf": "pass"}),
    Case("a method may have a version, and blanks around it", ["mx.example 1; DKIM / 1 = Pass"], {"dkim": "pass"}),
    Case("methods that nobody compares", ["mx.example; dkim-atps=neutral; auth=pass; iprev=pass"], {}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_results_are_read_from_authentication_results(case: Case) -> None:
    assert results_of(case.fields) == NONE | case.found


def contender(*knows: str) -> Contender:
    return Contender(name="x", what="", knows=frozenset(knows), programs=lambda _: [])


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    rows = [
        ("name", "set", "spf", "dkim", "dmarc", "arc"),
        ("one", "2k", "pass", "pass", "pass", "none"),
        ("two", "2k", "fail", "pass", "pass", "pass"),
        ("three", "2k", "pass", "pass", "pass", "none"),
        ("other", "30k", "pass", "pass", "pass", "none"),
    ]
    (tmp_path / "corpus.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    return tmp_path


def compare(corpus: Path, who: Contender, *lines: str) -> list[Disagreement]:
    answers = corpus / "answers"
    answers.write_text("".join(line + "\n" for line in lines))
    return disagreements(who, corpus, "2k", answers)


def test_what_agrees_is_not_mentioned(corpus: Path) -> None:
    lines = (
        "one\taccept\tmx; spf=pass\tmx; dkim=pass; dmarc=pass; arc=none",
        "two\taccept\tmx; arc=pass; spf=fail; dkim=pass; dmarc=pass",
    )
    assert compare(corpus, contender(*ALL), *lines) == []


def test_messages_with_the_same_fault_are_counted_once_each(corpus: Path) -> None:
    line = "\taccept\tmx; dkim=fail; spf=pass; dmarc=pass; arc=none"
    found = compare(corpus, contender(*ALL), "three" + line, "one" + line, "one" + line)
    assert found == [Disagreement("2k", "dkim", "pass", "fail", 2, "three")]


def test_what_a_contender_does_not_look_for_is_not_held_against_it(corpus: Path) -> None:
    line = "two\taccept\tmx; spf=fail; dkim=pass; dmarc=pass"
    assert compare(corpus, contender("spf", "dkim", "dmarc"), line) == []
    assert compare(corpus, contender("arc"), line) == [Disagreement("2k", "arc", "pass", "none", 1, "two")]


def test_a_message_that_is_not_accepted_is_a_disagreement(corpus: Path) -> None:
    found = compare(corpus, contender(), "one\treject 550 5.7.1 no")
    assert found == [Disagreement("2k", "reply", "accept", "reject 550 5.7.1 no", 1, "one")]


def test_no_two_contenders_share_a_name() -> None:
    names = [contender.name for contender in CONTENDERS]
    assert len(set(names)) == len(names)
