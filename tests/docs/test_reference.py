"""The reference of the keys: none is missing, each says what it holds and what it means."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from assay.config.model import ConfigFile
from assay.policy.expectation import Expectation
from assay.policy.schema import PolicyFile
from sitegen.keys import UnexplainedKeyError, keys_of, kind_of, schema_of, shown_in

ROOT = Path(__file__).parents[2]
FILES = [
    pytest.param(ConfigFile, ROOT / "conf" / "assay.toml", "assay.toml.5", id="assay.toml"),
    pytest.param(PolicyFile, ROOT / "policies" / "default.toml", "assay-policy.5", id="a policy"),
]


@pytest.mark.parametrize(("model", "path"), [pytest.param(*each.values[:2], id=each.id) for each in FILES])
def test_the_reference_and_the_shipped_file_have_the_same_keys(model: type[BaseModel], path: Path) -> None:
    keys = keys_of(model, path)  # raises where a key is missing or not explained

    assert {(key.table, key.name) for key in keys} == set(shown_in(path))


@pytest.mark.parametrize(("model", "path", "page"), FILES)
def test_each_key_is_on_the_site_with_what_it_holds(model: type[BaseModel], path: Path, page: str, built: Path) -> None:
    shown = (built / "html" / "man" / f"{page}.html").read_text("utf-8")
    terms = re.findall(
        r'<dt><code class="[^"]*"><span class="pre">([a-z_]+)</span></code></dt>\s*<dd><p>([^<]+)', shown
    )

    assert [name for name, _ in terms] == [key.name for key in keys_of(model, path)]
    assert all(kind.strip("; ") for _, kind in terms)


def test_what_a_key_may_hold_is_what_the_schema_says() -> None:
    kinds = {
        f"{key.table}.{key.name}".strip("."): key.kind
        for model, path, _ in (param.values for param in FILES)
        for key in keys_of(model, path)  # type: ignore[arg-type]
    }

    assert kinds["workers"] == "whole number, at least 0, at most 256"
    assert kinds["dns.timeout"] == "number, more than 0, at most 86,400"
    assert kinds["dns.nameservers"] == "list of texts: address, with or without a port"
    assert kinds["dmarc.organizational_domain"] == '"treewalk" or "psl"'
    assert kinds["pin_workers"] == "true or false"
    assert kinds["dmarc.on_temperror"] == '"none" or "quarantine" or "tempfail"'  # a failure of the DNS is no forgery
    assert kinds["trusted.lists"] == "list of texts: domain name"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("[dns]\ntimeout = 5\n", "authserv_id", id="a key that the file does not show"),
        pytest.param('authserv_id = ""\n', "no comment explains", id="a key that no comment explains"),
        pytest.param('# Our name.\n\nauthserv_id = ""\n', "no comment explains", id="a comment that stands apart"),
    ],
)
def test_a_key_that_is_not_explained_is_refused(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "assay.toml"
    path.write_text(text, "utf-8")

    with pytest.raises(UnexplainedKeyError, match=why):
        keys_of(ConfigFile, path)


def test_a_type_that_nobody_put_into_words_is_refused() -> None:
    with pytest.raises(UnexplainedKeyError, match="text_of"):
        kind_of({}, {})


def test_every_key_of_an_expectation_is_in_the_table() -> None:
    readme = (ROOT / "policies" / "README.md").read_text("utf-8").partition("## Expectations")[2]

    rows = re.findall(r"(?m)^\| `([a-z_]+)` \|.*\| ([^|]+) \|$", readme)

    assert {name for name, _ in rows} == set(Expectation.model_fields)
    assert [name for name, without in rows if without == "must be there"] == schema_of(Expectation)["required"]
