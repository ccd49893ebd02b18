"""What the pages for administrators name in their sentences is there: commands, options, units, programs."""

import re
import shlex
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final, cast

import click
import pytest

from assay.cli import main
from assay.config.model import ConfigFile
from assay.daemon.notify import Notifier
from assay.daemon.status import StatusLine
from assay.policy.model import Disposition
from assay.policy.schema import PolicyFile
from sitegen.keys import keys_of
from support.doc_blocks import ROOT, Block, all_blocks, pages, prose
from support.doc_systemd import OTHERS, VERBS
from support.process import program

if TYPE_CHECKING:
    from assay.metrics.table import Table

UNITS: Final = OTHERS | {"assay", *(path.name for path in (ROOT / "systemd").glob("assay.*"))}
POSTFIX: Final = "(?:milter|message|non_smtpd|postscreen|smtpd)_[a-z_]+|queue_minfree|queue_directory"
PROGRAMS: Final = {"journalctl", "make", "postconf", "postfix", "postqueue", "postsuper", "swaks", "systemd-analyze"}
CODE: Final = [
    pytest.param(words, id=f"{page}: {words}")
    for page in pages()
    for words in sorted(set(re.findall(r"`([a-z-]+ [^`\n]*)`", prose(page))))
]


@pytest.mark.parametrize("page", pages())
def test_no_block_hides_from_the_tests_by_being_indented(page: str) -> None:
    # in a list, two spaces go on with the entry; four make a block of code without a kind
    assert re.findall(r"(?m)^\n(?: {4,}|\t)\S.*", prose(page)) == []


def option_names(command: click.Command) -> set[str]:
    return {name for param in command.params for name in param.opts} | {"-h", "--help"}


@pytest.mark.parametrize("words", [each for each in CODE if each.values[0].startswith("assay ")])
def test_a_command_of_ours_is_one_that_there_is_with_these_options(words: str) -> None:
    _, name, *rest = words.split()

    assert name in main.commands
    assert {word for word in rest if word.startswith("-")} <= option_names(main.commands[name])


@pytest.mark.parametrize("words", [each for each in CODE if each.values[0].startswith("systemctl ")])
def test_systemctl_is_told_something_that_it_knows(words: str) -> None:
    _, verb, *units = words.split()

    # an editor is nothing for a test; "reset-failed" is run by a real systemd (tests/daemon/test_systemd.py)
    assert verb in VERBS | {"edit", "reset-failed", "revert"}
    assert {unit.removesuffix(".service") for unit in units} <= UNITS


@pytest.mark.parametrize("words", [each for each in CODE if each.values[0].startswith("apt-get ")])
def test_a_package_to_install_or_remove_is_one_of_those_that_the_tests_use(words: str) -> None:
    _, verb, *packages = words.split()
    known = (ROOT / "script" / "lib.sh").read_text("utf-8")

    assert verb in {"install", "purge", "remove"}
    assert [name for name in packages if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", known)] == []


@pytest.mark.parametrize("page", pages())
def test_a_key_that_is_named_with_its_table_is_one_that_there_is(page: str) -> None:
    known = {
        (key.table, key.name)
        for model, path in ((ConfigFile, "conf/assay.toml"), (PolicyFile, "policies/default.toml"))
        for key in keys_of(model, ROOT / path)
    }
    named = set(re.findall(r"`\[([a-z_.]+)\] ([a-z_]+)", prose(page)))

    assert named - known == set()


@pytest.mark.real
@pytest.mark.parametrize("page", pages())
def test_a_parameter_of_postfix_is_one_that_it_knows(page: str) -> None:
    named = set(re.findall(rf"`({POSTFIX})(?: = [^`]*)?`", prose(page)))
    command = [program("postconf"), "-d", "-H", *sorted(named)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert "unknown" not in done.stderr
    assert named <= set(done.stdout.split())


@pytest.mark.parametrize("page", pages())
def test_an_alert_is_one_of_those_that_are_shipped(page: str) -> None:
    shipped = re.findall(r"- alert: (\w+)", (ROOT / "conf" / "prometheus-alerts.yml").read_text("utf-8"))

    assert set(re.findall(r"`(Assay[A-Z]\w+)`", prose(page))) <= set(shipped)


@pytest.mark.real
@pytest.mark.parametrize("words", [each for each in CODE if each.values[0].split()[0] in PROGRAMS])
def test_another_program_is_there(words: str) -> None:
    first, *_ = shlex.split(words)

    assert Path(program(first)).exists()


@pytest.mark.parametrize("block", [pytest.param(block, id=block.place) for block in all_blocks("text status")])
def test_the_line_of_systemctl_status_is_in_the_words_of_the_daemon(block: Block) -> None:
    shown = re.fullmatch(r'Status: "(.*)"\n', block.text)
    assert shown is not None
    _, *counts, workers = map(int, re.findall(r"\d+", shown[1]))
    order = (Disposition.NONE, Disposition.QUARANTINE, Disposition.REJECT, Disposition.TEMPFAIL)
    totals = SimpleNamespace(dispositions=dict.fromkeys(order, 0))
    line = StatusLine(Notifier(), cast("Table", SimpleNamespace(totals=lambda: totals)))
    line.text(workers, workers)
    totals.dispositions = dict(zip(order, counts, strict=True))

    assert line.text(workers, workers) == shown[1]
