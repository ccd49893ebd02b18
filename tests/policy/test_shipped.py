"""The policy files that are shipped are good, complete and say what the code does."""

import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from assay.domain import Domain
from assay.policy.expect import run_expectations
from assay.policy.expectation import RULE_NAMES
from assay.policy.load import load_policies
from assay.policy.model import Mode
from assay.policy.policies import Policies
from assay.policy.schema import PolicyFile
from assay.tomlfile import Table

SHIPPED = Path(__file__).parents[2] / "policies"


@pytest.fixture(name="policies")
def _policies(tmp_path: Path) -> Policies:
    """Load the shipped directory with the sample in use."""
    directory = shutil.copytree(SHIPPED, tmp_path / "policies")
    (directory / "example.com.toml.sample").rename(directory / "example.com.toml")
    return load_policies(directory, Mode.MONITOR)


def test_every_shipped_expectation_comes_true(policies: Policies) -> None:
    assert run_expectations(policies) == ()
    assert {placed.domain for placed in policies.expectations} == {None, Domain.parse("example.com")}


def test_the_shipped_directory_holds_only_the_default() -> None:
    policies = load_policies(SHIPPED, Mode.MONITOR)
    assert policies.domains == {}
    assert run_expectations(policies) == ()


def test_the_shipped_default_says_what_is_built_in(policies: Policies) -> None:
    assert replace(policies.default, source="built-in") == Policies.built_in(Mode.MONITOR).default


def test_the_shipped_default_leaves_the_mode_to_the_configuration() -> None:
    assert load_policies(SHIPPED, Mode.ENFORCE).default.mode is Mode.ENFORCE


def test_the_shipped_default_shows_every_key_but_the_mode() -> None:
    document = tomllib.loads((SHIPPED / "default.toml").read_text())
    shown = {f"{table}.{key}" for table, content in document.items() if table != "expect" for key in content}
    known = set()
    for name, info in PolicyFile.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, Table):
            known |= {f"{name}.{key}" for key in info.annotation.model_fields}
    assert shown == known


def test_the_sample_enforces(policies: Policies) -> None:
    assert policies.for_author(Domain.parse("x.example.com")).mode is Mode.ENFORCE


def test_the_readme_names_every_rule_in_order() -> None:
    lines = (SHIPPED / "README.md").read_text().splitlines()
    named = [line.split("`")[1] for line in lines if line.startswith("| `")]
    assert [name for name in named if name in RULE_NAMES] == list(RULE_NAMES)
