"""The loader of scenarios: a fault in a file is an error with its place, and no row of the digest is forgotten."""

import re
from pathlib import Path
from typing import Final

import pytest

from assay.errors import ConfigurationError
from support.scenario import load, load_all
from support.scenario_message import message_of
from support.scenario_world import worlds

GOOD: Final = """\
claim = "a claim"
section = "RFC 1"
client = { address = "192.0.2.1" }
mail_from = "<a@own.example>"
message = '''
From: a@own.example

text
'''
[expect]
disposition = "none"
rule = "no-policy"
results = { spf = "none", dmarc = "none" }
"""

REFUSAL: Final = 'disposition = "reject"\nreply = "550 5.7.26"'

ROWS: Final = (
    [f"E{number}" for number in range(1, 13)]
    + [f"F{number}" for number in range(1, 16)]
    + [f"K{number}" for number in range(1, 12)]
    + [f"Q{number}" for number in range(1, 5)]
    + [f"R{number}" for number in range(1, 8)]
    + [f"D{number}" for number in range(1, 8)]
)
"""The rows of standards H.1 to H.5."""

NOT_IN_A_MESSAGE: Final = {
    "D2": "is about where reports go",
    "D6": "is about who answers the DNS",
}
"""Rows that no message can show."""


def written(directory: Path, text: str, name: str = "one.toml") -> Path:
    path = directory / name
    path.write_text(text)
    return path


def test_a_good_file_is_read(tmp_path: Path) -> None:
    [(name, scenario)] = load(written(tmp_path, GOOD))

    assert (name, scenario.claim) == ("", "a claim")
    assert message_of(scenario, 0) == b"From: a@own.example\r\n\r\ntext\r\n"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        pytest.param('section = "RFC 1"', "", "section: this key is missing", id="a key is missing"),
        pytest.param("claim =", "clain =", 'clain: unknown key; did you mean "claim"', id="a typo in a key"),
        pytest.param("spf =", "spff =", "unknown key", id="a typo in an expected result"),
        pytest.param('spf = "none"', 'spf = "nome"', 'did you mean "none"', id="a typo in a value"),
        pytest.param("192.0.2.1", "192.0.2", "client.address", id="no address"),
        pytest.param(
            'disposition = "none"', 'disposition = "reject"', "need a reply", id="a refusal without its reply"
        ),
        pytest.param(
            'disposition = "none"', f'{REFUSAL}\nstamped = ["x"]', "no header to look at", id="the stamp of a refusal"
        ),
        pytest.param('disposition = "none"', 'disposition = "none"\nheld = true', "only quarantine", id="held"),
        pytest.param('rule = "no-policy"', "", "results and rule are needed", id="no rule"),
        pytest.param("text", "${nobody}", "nobody fills the placeholder ${nobody}", id="an unknown placeholder"),
        pytest.param(
            "[expect]", '[[variant]]\nname = "x"\nvalues = { y = "z" }\n[expect]', "nothing uses", id="an unused value"
        ),
        pytest.param("[expect]", "[[step]]\n[expect]", "exactly one of", id="an empty step"),
        pytest.param("[expect]", '[[step]]\nsing = "x"\n[expect]', 'did you mean "sign"', id="a typo in a step"),
        pytest.param('section = "RFC 1"', 'section = "RFC 1"\nforged = true', "must not be delivered", id="forged"),
    ],
)
def test_a_fault_in_a_file_is_said_with_its_place(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert GOOD.count(old) == 1
    path = written(tmp_path, GOOD.replace(old, new))

    with pytest.raises(ConfigurationError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)


def test_a_forgery_that_passes_dmarc_is_no_scenario(tmp_path: Path) -> None:
    text = GOOD.replace('dmarc = "none"', 'dmarc = "pass"').replace('section = "RFC 1"', 'section = "x"\nforged = true')

    with pytest.raises(ConfigurationError, match="must never pass DMARC"):
        load(written(tmp_path, text))


def test_a_variant_with_a_disposition_has_its_own_expectations(tmp_path: Path) -> None:
    variants = """
[[variant]]
name = "refused"
[variant.expect]
disposition = "reject"
rule = "dmarc-fail"
reply = "550 5.7.26"
results = { spf = "none", dmarc = "fail" }
[[variant]]
name = "removed"
expect = { removed = 1 }
"""
    refused, removed = (scenario.expect for _, scenario in load(written(tmp_path, GOOD + variants)))

    assert (refused.disposition, refused.removed) == ("reject", 0)
    assert (removed.disposition, removed.removed) == ("none", 1)


def test_two_files_with_one_claim_are_refused(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    written(tmp_path, GOOD, "two.toml")

    with pytest.raises(ConfigurationError, match=r"same claim as one\.toml"):
        load_all(tmp_path)


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        pytest.param("zone = 'own.example. A 192.0.2.1'", "zone = 'OWN.example. TXT x'", "DNS name", id="a name"),
        pytest.param("zone = 'own.example. A 192.0.2.1'", 'servfail = ["own.example"]', "DNS name", id="a dead name"),
        pytest.param("", "zone = 'brand.example. A 192.0.2.1'", "base.zone", id="a name of the base zone"),
        pytest.param("policy.'x.toml' = ''", "policy.'x.toml' = ''", "policy file", id="a policy file"),
    ],
)
def test_what_two_files_cannot_share_is_refused(tmp_path: Path, first: str, second: str, what: str) -> None:
    at = 'section = "RFC 1"\n'
    written(tmp_path, GOOD.replace(at, f"{at}{first}\n"))
    written(tmp_path, GOOD.replace(at, f"{at}{second}\n").replace("a claim", "another"), "two.toml")

    with pytest.raises(ConfigurationError, match=what):
        worlds(load_all(tmp_path), 0)


def test_scenarios_with_a_configuration_of_their_own_share_nothing_with_others(tmp_path: Path) -> None:
    at = 'section = "RFC 1"\n'
    written(tmp_path, GOOD.replace(at, f"{at}zone = 'own.example. A 192.0.2.1'\n"))
    other = f"{at}zone = 'own.example. A 192.0.2.2'\nconfig = '[dkim]'\n"
    written(tmp_path, GOOD.replace(at, other).replace("a claim", "another"), "two.toml")

    made = worlds(load_all(tmp_path), 0)
    assert set(made) == {"", "[dkim]"}
    assert "192.0.2.2" not in made[""].zone


def test_a_step_that_changes_nothing_is_an_error(tmp_path: Path) -> None:
    step = '[[step]]\nreplace = { old = "nowhere", new = "x" }\n[expect]'
    [(_, scenario)] = load(written(tmp_path, GOOD.replace("[expect]", step)))

    with pytest.raises(ValueError, match="0 times, not once"):
        message_of(scenario, 0)


def test_every_row_of_the_digest_has_a_scenario() -> None:
    named = {row for case in load_all() for row in re.findall(r"\b[EFKQRD]\d+\b", _of_h(case.scenario.section))}

    assert sorted(set(ROWS) - named - set(NOT_IN_A_MESSAGE)) == []
    assert sorted(named - set(ROWS)) == []


def _of_h(section: str) -> str:
    """The rows that a section names behind ``H.1`` to ``H.5``, such as ``standards H.2 F1, F2, H.3 K5``."""
    return " ".join(re.findall(r"H\.[1-5] [EFKQRD]\d+(?:, [EFKQRD]\d+)*", section))
