"""Completion: the files that packages install are current, and the shells complete with them."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner

from assay.cli import main
from assay.cli.completion import SHELLS
from support.process import program
from support.terminal import Terminal

ROOT = Path(__file__).parents[2]
FILES = {
    "bash": ROOT / "completion" / "bash" / "assay",
    "zsh": ROOT / "completion" / "zsh" / "_assay",
    "fish": ROOT / "completion" / "fish" / "assay.fish",
}
MADE_BY = "8.5.1"
"""The click whose scripts they are. Another one may write others, which complete no worse."""

LINES = [
    pytest.param("assay ch", "assay check ", id="a command"),
    pytest.param("assay completion fi", "assay completion fish ", id="a choice"),
    pytest.param(
        "assay domain --accept dmarc-qu", "assay domain --accept dmarc-quarantine ", id="the choice of an option"
    ),
    pytest.param("assay domain --name", "assay domain --nameserver ", id="an option"),
    pytest.param("assay check mess", "assay check message.eml ", id="a file"),
    pytest.param("assay config --config mess", "assay config --config message.eml ", id="the file of an option"),
]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory with a file to complete."""
    (tmp_path / "message.eml").write_text("")
    return tmp_path


@pytest.fixture
def environment(site: Path) -> dict[str, str]:
    """With the ``assay`` of this environment, and nobody's start-up files."""
    own = str(Path(sys.executable).parent)
    return {
        "PATH": f"{own}:{os.environ['PATH']}",
        "HOME": str(site),
        "ZDOTDIR": str(site),
        "XDG_CONFIG_HOME": str(site),
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
    }


@pytest.mark.skipif(version("click") != MADE_BY, reason=f"the files are those of click {MADE_BY}; another is installed")
@pytest.mark.parametrize("shell", SHELLS)
def test_the_file_that_packages_install_is_current(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.output == FILES[shell].read_text(), "run script/completion"


def test_another_shell_is_refused() -> None:
    result = CliRunner().invoke(main, ["completion", "tcsh"])

    assert result.exit_code == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in result.output


@pytest.fixture
def bash(site: Path, environment: dict[str, str]) -> Iterator[Terminal]:
    argv = ["bash", "--norc", "--noprofile", "-i"]
    with Terminal(argv, env=environment | {"PS1": "ready> "}, cwd=site) as terminal:
        terminal.wait_for("ready> ")
        terminal.type(f"source {shlex.quote(str(FILES['bash']))}; echo sou''rced\n")
        terminal.wait_for("sourced")
        yield terminal


@pytest.mark.parametrize(("line", "completed"), LINES)
def test_bash_completes(bash: Terminal, line: str, completed: str) -> None:
    bash.type(f"{line}\t")

    assert completed in bash.wait_for(completed)


@pytest.fixture
def zsh(site: Path, environment: dict[str, str]) -> Iterator[Terminal]:
    # as a package does it: a directory of $fpath, found by compinit
    (site / ".zshrc").write_text(
        f"fpath=({shlex.quote(str(FILES['zsh'].parent))} $fpath)\nautoload -U compinit\ncompinit -u -D\nPS1='ready> '\n"
    )
    with Terminal([program("zsh"), "-d", "-i"], env=environment, cwd=site) as terminal:
        terminal.wait_for("ready> ")
        yield terminal


@pytest.mark.real
@pytest.mark.parametrize(("line", "completed"), LINES)
def test_zsh_completes(zsh: Terminal, line: str, completed: str) -> None:
    zsh.type(f"{line}\t")

    assert completed in zsh.wait_for(completed)


@pytest.mark.real
@pytest.mark.parametrize(("line", "completed"), LINES)
def test_fish_completes(site: Path, environment: dict[str, str], line: str, completed: str) -> None:
    code = f"source {shlex.quote(str(FILES['fish']))}; complete -C {shlex.quote(line)}"
    done = subprocess.run(
        [program("fish"), "--no-config", "-c", code],
        env=environment,
        cwd=site,
        capture_output=True,
        text=True,
        check=True,
    )

    assert [each.partition("\t")[0] for each in done.stdout.splitlines()] == [completed.rsplit(maxsplit=1)[-1]]
