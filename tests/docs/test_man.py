"""The manual pages: one for each command, and each renders without a warning."""

import os
import subprocess
from pathlib import Path

import click
import pytest

from assay.cli import main
from sitegen.commands import command_pages, exit_codes, section_of
from support.process import program

ROOT = Path(__file__).parents[2]
WRITTEN = {"assay.8", "assay.toml.5", "assay-policy.5"}
PAGES = sorted(WRITTEN | {page.file for page in command_pages(ROOT / "docs" / "man" / "examples")})
# Every option that click knows, with the page that must show it.
OPTIONS = [
    pytest.param(f"assay-{name}.{section_of(f'assay-{name}')}", option, id=f"{name} {option}")
    for name, command in main.commands.items()
    for param in command.params
    if isinstance(param, click.Option)
    for option in param.opts
]


def rendered(path: Path) -> str:
    done = subprocess.run(
        [program("man"), "--warnings", "-l", path],
        env={**os.environ, "MANWIDTH": "80", "MANPAGER": "cat", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_there_is_a_page_for_each_command_and_no_other(built: Path) -> None:
    commands = {f"assay-{name}.{section_of(f'assay-{name}')}" for name in main.commands}

    assert commands <= set(PAGES)
    assert {path.name for path in (built / "man").iterdir()} == set(PAGES)


@pytest.mark.real
@pytest.mark.parametrize("page", PAGES)
def test_man_renders_it_without_a_warning(built: Path, page: str) -> None:
    text = rendered(built / "man" / page)

    assert text.splitlines()[0].startswith(page.rpartition(".")[0].upper())
    assert "\nNAME\n" in text
    assert "\nSYNOPSIS\n" in text


@pytest.mark.real
@pytest.mark.parametrize("page", PAGES)
def test_mandoc_finds_nothing_to_complain_about(built: Path, page: str) -> None:
    done = subprocess.run(
        [program("mandoc"), "-T", "lint", "-W", "warning", built / "man" / page],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.real
@pytest.mark.parametrize(("page", "option"), OPTIONS)
def test_each_option_is_on_the_page_of_its_command(built: Path, page: str, option: str) -> None:
    assert option in rendered(built / "man" / page).partition("\nOPTIONS\n")[2]


@pytest.mark.real
@pytest.mark.parametrize("page", sorted(set(PAGES) - {"assay.toml.5", "assay-policy.5"}))
def test_each_command_says_how_to_ask_for_help(built: Path, page: str) -> None:
    assert "-h, --help" in rendered(built / "man" / page).partition("\nOPTIONS\n")[2]


@pytest.mark.real
@pytest.mark.parametrize("page", sorted(set(PAGES) - {"assay.toml.5", "assay-policy.5"}))
def test_each_command_says_its_exit_status(built: Path, page: str) -> None:
    _, _, after = rendered(built / "man" / page).partition("\nEXIT STATUS\n")

    assert after.lstrip().startswith("0 ")


@pytest.mark.parametrize("name", main.commands)
def test_each_command_of_ours_says_its_own_exit_codes(name: str) -> None:
    assert exit_codes(main.commands[name]) != exit_codes(main)


def test_a_command_without_exit_codes_of_its_own_has_those_of_all() -> None:
    own = click.Command("own", help="Do it.\n\nExit codes: 0 done,\n3 not done.")
    silent = click.Command("silent", help="Do it.")

    assert exit_codes(own) == "0 done,\n3 not done."
    assert exit_codes(silent).startswith("0 nothing to complain about, 1 a finding, 2 wrong usage")


def test_commands_within_groups_have_pages_and_hidden_ones_have_none(tmp_path: Path) -> None:
    inner = click.Group("inner", help="A group.", commands=[click.Command("leaf", help="A leaf; nothing more.")])
    secret = click.Command("secret", help="Not shown.", hidden=True)
    root = click.Group("assay", help="All.", commands=[inner, secret])
    (tmp_path / "assay-inner-leaf.md").write_text("## Examples\n\nNone.\n", "utf-8")

    pages = {page.file: page for page in command_pages(tmp_path, root)}

    assert set(pages) == {"assay-inner.1", "assay-inner-leaf.1"}
    assert pages["assay-inner-leaf.1"].title == "A leaf"
    assert "## Examples" in pages["assay-inner-leaf.1"].text
