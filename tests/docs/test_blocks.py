"""Every command and every configuration that the pages for administrators show works as it stands."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from assay.config.load import parse_config
from assay.errors import ConfigurationError
from assay.policy.expect import run_expectations
from assay.policy.load import load_policies
from assay.policy.model import Mode
from assay.policy.policies import Policies
from support import ar_parser
from support.doc_blocks import FOR_DEVELOPERS, KINDS, ROOT, Block, Command, all_blocks, blocks, commands, pages
from support.doc_machine import Machine, main_cf, missing_lines, policy_file
from support.doc_world import letters, real_dns, set_up
from support.process import program

POLICIES: Final = all_blocks("toml policies")
SENDMAIL_CF: Final = Path("/usr/share/sendmail/cf")
MACHINE_PAGES = [page for page in pages() if any(block.is_a("console", "text main.cf") for block in blocks(page))]


def shown(*kinds: str) -> list[object]:
    """A test case for each block of these kinds."""
    return [pytest.param(block, id=block.place) for block in all_blocks(*kinds)]


def test_each_block_says_what_it_is() -> None:
    unknown = {block.place: block.info for block in all_blocks() if not block.known}

    assert unknown == {}, f"the kinds are {list(KINDS)}"


def test_the_pages_that_are_left_out_are_there() -> None:
    assert [page for page in FOR_DEVELOPERS if not (ROOT / page).is_file()] == []


@pytest.fixture(scope="module")
def nameserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with real_dns(tmp_path_factory.mktemp("knot")) as address:
        yield address


@pytest.mark.real
@pytest.mark.parametrize("page", MACHINE_PAGES)
def test_a_machine_that_is_set_up_as_the_page_says_does_what_it_says(page: str, nameserver: str) -> None:
    shown = blocks(page)
    with Machine(nameserver, letters(page), set_up(page), "".join(block.text for block in shown)) as machine:
        for block in shown:
            machine.do(block)


@pytest.mark.parametrize("block", shown("toml assay.toml"))
def test_the_loader_takes_the_configuration(block: Block) -> None:
    parse_config(block.text, ROOT / "conf" / "assay.toml")


def policies_with(block: Block, directory: Path) -> Policies:
    """What is loaded from the shipped policies and this one."""
    shutil.copy(ROOT / "policies" / "default.toml", directory)
    path = directory / Path(block.path).name
    path.write_text(policy_file(path, block.text), "utf-8")
    return load_policies(directory, Mode.MONITOR)


@pytest.mark.parametrize(
    "block", [pytest.param(each, id=each.place) for each in POLICIES if not each.info.endswith("wrong")]
)
def test_the_policy_loads_and_its_expectations_come_true(block: Block, tmp_path: Path) -> None:
    policies = policies_with(block, tmp_path)
    name = Path(block.path).stem

    assert run_expectations(policies) == ()
    assert name == "default" or name in policies.describe()


@pytest.mark.parametrize(
    "block", [pytest.param(each, id=each.place) for each in POLICIES if each.info.endswith("wrong")]
)
def test_a_policy_that_is_said_to_be_wrong_is_refused(block: Block, tmp_path: Path) -> None:
    try:
        missed = run_expectations(policies_with(block, tmp_path))
    except ConfigurationError:
        return

    assert missed


@pytest.mark.real
@pytest.mark.parametrize("block", shown("text sendmail.mc"))
def test_m4_makes_a_configuration_of_sendmail(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "sendmail.mc"
    path.write_text(f"OSTYPE(`debian')dnl\nDOMAIN(`debian-mta')dnl\n{block.text}MAILER(smtp)dnl\n", "utf-8")
    done = subprocess.run(
        [program("m4"), f"-D_CF_DIR_={SENDMAIL_CF}/", SENDMAIL_CF / "m4" / "cf.m4", path],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    for name, rest in re.findall(r"(?m)^INPUT_MAIL_FILTER\(`(\w+)', `([^']*)'\)", block.text):
        assert f"X{name}, {rest}" in re.sub(r"[ \t]+", " ", done.stdout)


@pytest.mark.parametrize("block", shown("text header"))
def test_a_parser_of_rfc_8601_reads_the_field(block: Block) -> None:
    name, _, value = block.text.partition(":")
    field = ar_parser.parse(value.replace("\n", "\r\n").removesuffix("\r\n"))

    assert name == "Authentication-Results"
    assert [result.method for result in field.results]


def lines_of(block: Block) -> list[str]:
    """The commands of a block without prompts and comments, with files where they are copied to a mail server."""
    lines = (line.partition(" #")[0].strip() for line in block.text.splitlines())
    return [re.sub(r"(?<![\w/])(?:\./)?(?:dist/)?(?=assay[_-])", "./", line) for line in lines if line]


def usage_of(script: str) -> str:
    """The comment that a script begins with."""
    return (ROOT / script).read_text("utf-8").partition("\nset -")[0]


@pytest.mark.parametrize("block", [pytest.param(each, id=each.place) for each in all_blocks("sh") if each.info == "sh"])
def test_a_command_that_is_not_run_here_is_run_elsewhere_or_is_a_script_of_ours(block: Block) -> None:
    run = {line for each in blocks("docs/install.md") if each.info == "sh debian" for line in lines_of(each)}
    syntax = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)

    assert (syntax.returncode, syntax.stderr) == (0, "")
    for line in lines_of(block):
        program, *words = line.split()
        if program == ".venv/bin/python":
            assert (ROOT / words[0]).is_file(), line
        elif program.startswith("script/"):
            assert os.access(ROOT / program, os.X_OK), line
            assert not words or words[0] in usage_of(program), f"{program} does not explain {words[0]}"
        else:
            assert line in run, f"{block.place}: nothing runs this: {line}"


@pytest.mark.parametrize("page", ["README.md", "docs/guides/postfix.md"])
def test_the_lines_for_postfix_are_those_that_are_shipped(page: str) -> None:
    shipped = main_cf((ROOT / "conf" / "postfix-main.cf").read_text("utf-8"))

    assert main_cf(next(block for block in blocks(page) if block.info == "text main.cf").text) == shipped


@pytest.mark.parametrize("page", ["README.md", "docs/guides/sendmail.md"])
def test_the_line_for_sendmail_is_the_one_that_is_shipped(page: str) -> None:
    shipped = (ROOT / "conf" / "sendmail.mc").read_text("utf-8").splitlines()
    block = next(block for block in blocks(page) if block.info == "text sendmail.mc")

    assert [line for line in block.text.splitlines() if line.startswith("INPUT_MAIL")] == [
        line for line in shipped if line.startswith("INPUT_MAIL")
    ]


def test_the_readme_names_the_default_socket() -> None:
    config = parse_config("", ROOT / "conf" / "assay.toml")
    readme = (ROOT / "README.md").read_text("utf-8")

    assert config.socket.libmilter in readme
    assert config.socket.postfix in readme
    assert config.mode is Mode.MONITOR


@pytest.mark.parametrize("page", pages())
def test_the_files_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    named = set(re.findall(r"`((?:script|conf|docs|policies|systemd|tests)/[\w./-]+)", text))
    made = {block.path for block in blocks(page) if block.is_a("toml policies")}

    assert {name for name in named - made if not (ROOT / name).exists()} == set()


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        pytest.param("$ true", [], id="a command without lines may print anything"),
        pytest.param("$ true\na  b\nd", [], id="lines may lie between, and white space may differ"),
        pytest.param("$ true\n...c", [], id="an ellipsis stands for anything"),
        pytest.param("$ true\nd\na b", ["a b"], id="the order counts"),
        pytest.param("$ true\na", ["a"], id="half a line is none"),
    ],
)
def test_what_a_command_must_print(text: str, missing: list[str]) -> None:
    [command] = commands(Block(page="", line=1, info="console", text=text))

    assert missing_lines(command, "a b\nb c\nd\n") == missing


def test_a_command_may_go_on_in_the_next_line() -> None:
    block = Block(page="", line=1, info="console", text="# a \\\n  b\nsays\n$ c\n")

    assert commands(block) == [Command("a \\\n  b", ("says",)), Command("c", ())]
