"""Whether a contender found what the corpus says by construction; where not, for what reason if one is known."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contenders import Contender

METHODS: Final = ("spf", "dkim", "dmarc", "arc")
_NOISE: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\((?:[^()\\]|\\.)*\)')
_RESULT: Final = re.compile(r"\s*([a-z]+)(?:\s*/\s*\d+)?\s*=\s*([a-z]+)", re.IGNORECASE)
_BEST_FIRST: Final = ("pass", "temperror", "fail", "permerror", "policy", "neutral", "none")

CAUSES: Final[Mapping[tuple[str, str, str, str], str]] = {}
"""Why a contender (its name, or one of its programs) says of a method something else: what was expected, what found."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A line of the corpus' table: what is to be found in a message, by method."""

    name: str
    results: dict[str, str]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Messages of one set about which a contender says something else.

    Attributes:
        method: spf, dkim, dmarc or arc; ``reply`` where the message was not accepted.
        messages: how many of the set.
        example: the name of one.
    """

    set_name: str
    method: str
    expected: str
    found: str
    messages: int
    example: str


def expectations(corpus: Path, set_name: str) -> dict[str, Expected]:
    """What is to be found in the messages of a set, by name, in the order in which they are sent."""
    with (corpus / "corpus.tsv").open(newline="") as table:
        rows = [row for row in csv.DictReader(table, delimiter="\t") if row["set"] == set_name]
    return {row["name"]: Expected(row["name"], {method: row[method] for method in METHODS}) for row in rows}


def results_of(fields: Iterable[str]) -> dict[str, str]:
    """The result of each method in some Authentication-Results values; of several signatures the best."""
    found: dict[str, list[str]] = {method: [] for method in METHODS}
    for field in fields:
        while (plain := _NOISE.sub(" ", field)) != field:  # comments nest
            field = plain  # noqa: PLW2901 - until nothing changes
        for part in plain.split(";")[1:]:
            if (match := _RESULT.match(part)) and match[1].lower() in found:
                found[match[1].lower()].append(match[2].lower())
    return {method: _best(results) for method, results in found.items()}


def _best(results: Sequence[str]) -> str:
    return min(results, key=lambda result: (*_BEST_FIRST, result).index(result), default="none")


def disagreements(contender: Contender, corpus: Path, set_name: str, answers: Path) -> list[Disagreement]:
    """Compare the load generator's list of answers with the corpus."""
    expected = expectations(corpus, set_name)
    seen: dict[tuple[str, str, str], str] = {}
    counts: Counter[tuple[str, str, str]] = Counter()
    for line in dict.fromkeys(answers.read_text("utf-8", "backslashreplace").splitlines()):
        name, reply, *fields = line.split("\t")
        found = results_of(fields)
        pairs = [("reply", "accept", reply)]
        pairs += [(method, expected[name].results[method], found[method]) for method in contender.knows]
        for method, wanted, got in pairs:
            if wanted != got:
                counts[method, wanted, got] += 1
                seen.setdefault((method, wanted, got), name)
    return [
        Disagreement(set_name, method, wanted, got, number, seen[method, wanted, got])
        for (method, wanted, got), number in sorted(counts.items())
    ]


def cause(contender: Contender, found: Disagreement) -> str:
    """The known reason of a disagreement; empty if there is none."""
    for name in (contender.name, *contender.name.split("+")):
        if text := CAUSES.get((name, found.method, found.expected, found.found)):
            return text
    return ""
