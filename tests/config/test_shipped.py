"""conf/assay.toml is good, holds every key, and shows the defaults."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from assay.config.load import load_all, load_config, parse_config
from assay.config.model import ConfigFile

SHIPPED = Path(__file__).parents[2] / "conf/assay.toml"


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, info in model.model_fields.items():
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _keys(inner, f"{name}.")
        else:
            yield prefix + name


def _flat(document: dict[str, object], prefix: str = "") -> Iterator[str]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{name}.")
        else:
            yield prefix + name


def _all_shown() -> str:
    """The file with its one key that is commented out."""
    return re.sub(r"(?m)^#(?=[a-z_]+ = )", "", SHIPPED.read_text())


def test_the_shipped_file_and_policies_are_good() -> None:
    config, policies = load_all(SHIPPED)
    assert config.policies == SHIPPED.parents[1] / "policies"
    assert policies.expectations


def test_it_says_the_defaults() -> None:
    assert load_config(SHIPPED) == parse_config("", SHIPPED)


def test_what_is_commented_out_is_the_default_of_a_machine() -> None:
    source = Path("/etc/assay/assay.toml")
    assert parse_config(_all_shown(), source) == parse_config("", source)


def test_it_holds_every_key() -> None:
    assert sorted(_flat(tomllib.loads(_all_shown()))) == sorted(_keys(ConfigFile))


def test_each_key_is_explained_by_a_comment() -> None:
    lines = SHIPPED.read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"#?[a-z_]+ = ", line):
            above = lines[number - 1]
            assert above.startswith(("# ", "socket_mode")), line
