"""What the guides have people type to systemctl and journalctl, to a real systemd that runs the shipped units."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from support.doc_blocks import all_blocks, commands
from support.own_systemd import OwnSystemd
from support.ports import free_port
from support.process import wait_until

pytestmark = pytest.mark.real

OURS: Final = {"assay", "assay.service", "assay.socket"}


def typed(program: str) -> list[str]:
    """Every command line of the pages for this program, up to a pipe, in their order and each once."""
    lines = [command.text.partition(" | ")[0] for block in all_blocks("console standin") for command in commands(block)]
    return list(dict.fromkeys(line for line in lines if line.startswith(f"{program} ")))


def units(line: str) -> set[str]:
    return {word for word in line.split()[2:] if not word.startswith("-")}


@pytest.fixture(scope="module")
def systemd() -> Iterator[OwnSystemd]:
    """A systemd with the units as they are shipped, but for the port."""
    with tempfile.TemporaryDirectory(prefix="assay-guide-", dir="/tmp") as name:
        directory = Path(name)
        directory.chmod(0o755)
        (directory / "queue").mkdir()
        port = free_port()
        config = f'socket = "inet:{port}@127.0.0.1"\nworkers = 1\n[dns]\nnameservers = ["127.0.0.1:{free_port()}"]\n'
        drop_ins = {"assay.socket": f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{port}\n"}
        with OwnSystemd(directory / "machine", config, drop_ins, directory / "queue") as booted:
            booted.run("systemctl", "start", "assay.socket", "assay.service")
            yield booted


@pytest.mark.parametrize("line", [line for line in typed("systemctl") if units(line) <= OURS])
def test_systemctl_does_it(systemd: OwnSystemd, line: str) -> None:
    systemd.run("systemctl", "start", "assay.socket", "assay.service")

    systemd.run(*line.split())

    gone = re.match(r"systemctl (stop|disable) .*assay\.socket", line)
    assert systemd.run("systemctl", "is-active", "assay.socket", check=False) == ("inactive" if gone else "active")


@pytest.mark.parametrize("line", typed("journalctl"))
def test_journalctl_shows_the_log(systemd: OwnSystemd, line: str) -> None:
    systemd.run("systemctl", "start", "assay.socket", "assay.service")

    wait_until(lambda: "event=listening" in systemd.run(*line.split()), "the line of the start")
