"""Every input that was written for a fuzzing target, or found by it, still meets what the target asserts."""

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TARGETS = sorted(path.stem for path in (HERE / "targets").glob("*.py"))
INPUTS = sorted((HERE / "corpus").glob("*/*"))
MOST_OCTETS = 2 * 1024 * 1024
"""Of all inputs together: a checkout carries them."""


def one_input(target: str) -> Callable[[bytes], None]:
    function: Callable[[bytes], None] = importlib.import_module(f"fuzz.targets.{target}").one_input
    return function


@pytest.mark.parametrize("path", INPUTS, ids=[f"{path.parent.name}/{path.name}" for path in INPUTS])
def test_an_input_meets_what_its_target_asserts(path: Path) -> None:
    one_input(path.parent.name)(path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_has_inputs_and_takes_none_at_all(target: str) -> None:
    assert any(path.parent.name == target for path in INPUTS)

    one_input(target)(b"")


def test_no_inputs_are_left_without_a_target() -> None:
    assert {path.parent.name for path in INPUTS} == set(TARGETS)
    assert {path.stem for path in (HERE / "dictionaries").iterdir()} <= set(TARGETS)


def test_the_corpus_stays_small() -> None:
    assert sum(path.stat().st_size for path in INPUTS) < MOST_OCTETS
