"""The scripts that the pages tell a newcomer to type are typed, in this checkout, as script/test has prepared it."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from support.doc_blocks import ROOT, all_blocks, pages, prose
from support.process import Process

JUDGES: Final = "script/run check message.eml --ip 192.0.2.25 --mail-from bounce@bank.example"
HERE: Final = {"script/run", "script/run demo", JUDGES, "script/docs"}
IN_PACKAGING: Final = {"script/build", "script/build dependencies", "script/deb"}
"""tests/packaging builds with these, and looks at what they make."""
THIS: Final = {"script/test", "script/test -m 'not real' tests/policy"}
"""What runs all of these tests, or some."""

prepared = pytest.mark.skipif(
    Path(sys.prefix) != ROOT / ".venv", reason="the scripts use .venv, which is not what runs these tests: script/test"
)


def shown() -> set[str]:
    """Every command line of a script of ours, in a block or within a sentence."""
    lines = [line.partition(" #")[0].strip() for block in all_blocks("sh") for line in block.text.splitlines()]
    lines += [" ".join(text.split()) for page in pages() for text in re.findall(r"`([^`]+)`", prose(page))]
    return {line for line in lines if re.match(r"script/\w+$|script/\w+ ", line)}


def test_each_line_with_a_script_is_typed_by_a_test() -> None:
    # a script that is only named, with a page of its own, is no line to type
    assert shown() - {"script/" + name for name in ("bench", "conformance", "fuzz", "mutate")} == {
        *HERE,
        *IN_PACKAGING,
        *THIS,
    }


def run(line: str, directory: Path, *more: str) -> subprocess.CompletedProcess[str]:
    path, *words = shlex.split(line)
    return subprocess.run(
        [ROOT / path, *words, *more], cwd=directory, capture_output=True, text=True, check=False, timeout=300
    )


@prepared
@pytest.mark.real
def test_the_demo_shows_what_becomes_of_four_messages(tmp_path: Path) -> None:
    done = run("script/run demo", tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"(?m)^(\d)\. ", done.stdout) == ["1", "2", "3", "4"]


@prepared
@pytest.mark.real
def test_a_message_in_a_file_is_judged(tmp_path: Path) -> None:
    (tmp_path / "message.eml").write_text("From: ceo@bank.example\nSubject: hello\n\ntext\n", "utf-8")
    (tmp_path / "zone").write_text('bank.example. TXT "v=spf1 ip4:192.0.2.25 -all"\n', "utf-8")

    # the zone: no test asks the DNS of the world
    done = run(JUDGES, tmp_path, "--zone", "zone")

    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"(?m)^SPF +pass", done.stdout)


@prepared
@pytest.mark.real
def test_the_documents_are_built(tmp_path: Path) -> None:
    done = run("script/docs", tmp_path, str(tmp_path / "built"))

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "built/html/index.html").is_file()
    assert (tmp_path / "built/man/assay.8").is_file()


@prepared
@pytest.mark.real
def test_the_milter_starts_on_the_port_that_the_readme_names(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("the port may be taken here, and a network of its own is made by root: run script/test as root")
    alone = ["unshare", "--net", "bash", "-c", 'ip link set lo up && exec "$0"', str(ROOT / "script/run")]
    with Process(alone, log=tmp_path / "log") as daemon:
        daemon.wait_for_output("worker started")
        assert "postfix=inet:127.0.0.1:8894" in daemon.output()
        assert daemon.stop() == 0
