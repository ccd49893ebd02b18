"""docs/install.md on a minimal Debian with systemd: each block is run as it stands, in the order of the page."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support import mail_server
from support.debian import Machine, clean_root
from support.doc_blocks import Block, blocks
from support.packages import dependencies

pytestmark = pytest.mark.real

PAGE = "docs/install.md"
OPT = "/opt/assay"
# The machine has no network: pip finds what it needs in a directory, and nobody is there to say yes to apt.
PIP_CONF = b"[global]\nno-index = true\nfind-links = /srv\ndisable-pip-version-check = true\n"
APT_CONF = b'APT::Get::Assume-Yes "true";\n'


@pytest.fixture(scope="module")
def machine(deb: Path, wheel: Path) -> Iterator[Machine]:
    with Machine(clean_root()) as booted:
        for path in (deb, wheel, *dependencies().glob("*.whl")):
            booted.put(path)
        booted.write("/etc/pip.conf", PIP_CONF)
        booted.write("/etc/apt/apt.conf.d/99yes", APT_CONF)
        yield booted


@pytest.fixture(scope="module")
def shown() -> list[Block]:
    """The blocks that are run: package in, package out, environment in, environment out."""
    found = [block for block in blocks(PAGE) if block.info == "sh debian"]
    assert len(found) == 4
    return found


def do(machine: Machine, block: Block) -> str:
    """Run a block in the directory that the files were copied to, up to the first command that fails."""
    return machine.run("bash", "-euc", f"cd /srv\n{block.text}", merge=True)


def test_the_debian_package(machine: Machine, shown: list[Block]) -> None:
    before = set(machine.files())

    installed = do(machine, shown[0])
    assert "active (running)" in installed
    assert "mode monitor" in installed
    assert "spf=temperror" in mail_server.converse(machine)  # there is no name server

    do(machine, shown[1])
    assert set(machine.files()) == before


def test_a_virtual_environment(machine: Machine, shown: list[Block]) -> None:
    before = set(machine.files())

    assert "mode monitor" in do(machine, shown[2])
    assert machine.run("systemctl", "is-active", "assay.service", "assay.socket").split() == ["active", "active"]
    assert machine.read(f"/proc/{machine.run('systemctl', 'show', '-PMainPID', 'assay')}/cmdline").startswith(OPT)
    assert "spf=temperror" in mail_server.converse(machine, prefix=OPT)

    do(machine, shown[3])
    assert set(machine.files()) - before == {"/etc/sysusers.d"}  # a directory of systemd's that Debian does not make
