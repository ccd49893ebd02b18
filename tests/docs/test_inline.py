"""A command or a setting in the middle of a sentence, a list or a table is tried as well as one in a block."""

import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from pydantic import BaseModel, ValidationError

from assay.config.load import parse_config
from assay.config.model import ConfigFile
from assay.errors import ConfigurationError
from assay.policy.schema import PolicyFile
from sitegen.keys import keys_of
from support.doc_blocks import ROOT, all_blocks, commands, pages, prose
from support.process import program

SETTING: Final = r"(?:\[([a-z_.]+)\] )?([a-z_]+)(?: = (.+))?"
OF_POSTFIX: Final = r"(?:smtpd|milter|message)_[a-z_]+ = .+"
OURS: Final = rf"(?!{OF_POSTFIX}){SETTING.removesuffix('?')}"
TYPED: Final = r"(?:journalctl|mailq|make|postconf|postqueue|postsuper|swaks) .+"
OPENDMARC: Final = r"RejectFailures (?:true|false)"
IN_THE_LOG: Final = r"[a-z_]+=[^\s,]*(?: [a-z_]+=[^\s,]*)*"
# Each of these has a test of its own in tests/docs/test_prose.py, or is a line of a reply or an option of a program.
ELSEWHERE: Final = r"(?:apt-get|assay|systemctl) .+|script/.+|[245]\d\d \d\.\d\.\d.*|-.+"
OTHERS: Final = {
    *("man assay", "mypy --strict", "ruff check", "ruff format"),  # run by tests/docs/test_man.py and by every test run
    "systemd-analyze security assay.service",  # tests/test_service.py
    "unmatched request",  # Postfix 3.7 says so where no service has the parameter
    *("check_policy_service unix:private/policyd-spf", "policies/<his domain>.toml", "v=spf1 -all", "From :"),
    *("GET /metrics", "workers 3 of 4", "ulimit -v", "code=killed, status=9/KILL", "please try again later: ..."),
    *("duplicate filter definition", "error connecting to filter", "local socket name ... unsafe"),
    *("local socket name ... unsafe: Group writable directory", '"more than one From field"'),
    '{ value = "pass", domain = "lists.example" }',
    '{ value = "pass", sealers = [...], claims = "pass" }',
}
"""What is no command and no setting, or is tried elsewhere."""
EXPLAINED: Final = set(re.findall(r"(?m)^\| `([^`]+)` \|", (ROOT / "docs/guides/log.md").read_text("utf-8")))
"""Events and keys of the log; tests/docs/test_log_keys.py compares them with the code."""


def inline(pattern: str) -> list[object]:
    """A test case for each piece of code in the prose of a page that matches the whole pattern."""
    return [
        pytest.param(text, id=f"{page}: {text}")
        for page, text in _all_inline()
        if re.fullmatch(pattern, text) is not None
    ]


@cache
def _all_inline() -> tuple[tuple[str, str], ...]:
    """Each piece of code that has more than one word, with its page; a line break in it is a space."""
    found = {(page, " ".join(text.split())) for page in pages() for text in re.findall(r"`([^`]+)`", prose(page))}
    return tuple(sorted((page, text) for page, text in found if " " in text))


@cache
def typed_in_blocks() -> tuple[str, ...]:
    """Every command line of a block that a test runs."""
    shown = all_blocks("console", "shell-session")
    return tuple(command.text for block in shown for command in commands(block))


def test_no_code_in_a_sentence_is_of_a_kind_that_nobody_tries() -> None:
    known = f"{SETTING}|{OF_POSTFIX}|{TYPED}|{OPENDMARC}|{IN_THE_LOG}|{ELSEWHERE}"
    unknown = {
        text: page
        for page, text in _all_inline()
        if not re.fullmatch(known, text)
        and text not in OTHERS
        and not any(event.startswith(text.partition(" ...")[0]) for event in EXPLAINED)
    }

    assert unknown == {}, "show it in a block that is run, or add its kind here"


def _taken(table: str | None, line: str) -> Iterator[bool]:
    """Whether each place that knows the key takes the line."""
    name = line.partition(" = ")[0]
    for model, path in ((ConfigFile, ROOT / "conf/assay.toml"), (PolicyFile, ROOT / "policies/default.toml")):
        for key in keys_of(model, path):
            if key.name == name and table in {None, key.table}:
                yield _loads(model, f"[{key.table}]\n{line}" if key.table else line)


def _loads(model: type[BaseModel], text: str) -> bool:
    try:
        if model is ConfigFile:
            parse_config(text, ROOT / "conf" / "assay.toml")
        else:
            model.model_validate(tomllib.loads(text))
    except (ConfigurationError, ValidationError):
        return False
    return True


@pytest.mark.parametrize("text", inline(OURS))
def test_a_setting_of_ours_is_one_that_the_loader_takes(text: str) -> None:
    table, name, value = re.fullmatch(SETTING, text).groups()

    assert any(_taken(table, f"{name} = {value}")), "no file takes this key with this value"


@pytest.mark.parametrize("text", inline(OF_POSTFIX))
def test_a_setting_of_postfix_is_one_that_a_block_tries(text: str) -> None:
    blocks = [block.text for block in all_blocks("text main.cf", "console")]

    assert any(text in block for block in blocks)


@pytest.mark.parametrize("text", inline(TYPED))
def test_a_command_is_one_that_a_block_runs(text: str) -> None:
    assert any(re.search(rf"(?<![\w-]){re.escape(text)}(?![\w-])", line) for line in typed_in_blocks())


@pytest.mark.parametrize("text", inline(r"script/\S+ .+"))
def test_a_script_is_one_of_ours_that_explains_its_argument(text: str) -> None:
    path, first, *_ = text.split()

    assert os.access(ROOT / path, os.X_OK)
    assert first in (ROOT / path).read_text("utf-8").partition("\nset -")[0]


@pytest.mark.real
@pytest.mark.parametrize("text", inline(r"apt-get .+"))
def test_apt_takes_the_command(text: str) -> None:
    done = subprocess.run(
        [program("apt-get"), "--simulate", "--assume-yes", *text.split()[1:]],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.real
@pytest.mark.parametrize("text", inline(OPENDMARC))
def test_a_setting_of_opendmarc_is_one_that_it_takes(text: str, tmp_path: Path) -> None:
    path = tmp_path / "opendmarc.conf"
    path.write_text(f"Socket local:{tmp_path}/socket\n{text}\n", "utf-8")
    done = subprocess.run([program("opendmarc"), "-n", "-c", path], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("text", inline(IN_THE_LOG))
def test_a_piece_of_a_log_line_has_keys_that_are_explained(text: str) -> None:
    assert {pair.partition("=")[0] for pair in text.split()} <= EXPLAINED
