"""docs/install.md on a minimal Debian with systemd: each block is run as it stands, in the order of the page."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay import __version__
from support import mail_server
from support.debian import Machine, clean_root
from support.doc_blocks import Block, blocks, prose
from support.packages import dependencies

pytestmark = pytest.mark.real

PAGE = "docs/install.md"
OPT = "/opt/assay"
NEWER = f"{__version__}.1"
# Nobody is there to say yes to apt.
APT_CONF = b'APT::Get::Assume-Yes "true";\n'


@pytest.fixture(scope="module")
def machine(deb: Path, wheel: Path) -> Iterator[Machine]:
    with Machine(clean_root()) as booted:
        for path in (deb, wheel, *dependencies().glob("*.whl")):
            booted.put(path)
        booted.write("/etc/apt/apt.conf.d/99yes", APT_CONF)
        yield booted


@pytest.fixture(scope="module")
def shown() -> list[Block]:
    """The blocks that are run: package in, package out, environment in, a newer one, environment out."""
    found = [block for block in blocks(PAGE) if block.info == "sh debian"]
    assert len(found) == 5
    return found


def do(machine: Machine, block: Block) -> str:
    """Run a block in the directory that the files were copied to, up to the first command that fails.

    The machine has no network, so pip is given what the page says for such a one.
    """
    [options] = re.findall(r"`(--no-index [^`]*) DIRECTORY`", prose(PAGE))
    text = block.text.replace("pip install ", f"pip install {options} . ")
    return machine.run("bash", "-euc", f"cd /srv\n{text}", merge=True)


def newer(wheel: Path, directory: Path) -> Path:
    """Return the same wheel under a higher version."""
    path = directory / wheel.name.replace(__version__, NEWER)
    old, new = f"assay-{__version__}.dist-info", f"assay-{NEWER}.dist-info"
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name in {f"{old}/METADATA", f"{old}/RECORD"}:
                data = data.replace(f"Version: {__version__}\n".encode(), f"Version: {NEWER}\n".encode())
                data = data.replace(old.encode(), new.encode())
            target.writestr(name.replace(old, new), data)
    return path


def test_the_debian_package(machine: Machine, shown: list[Block]) -> None:
    before = set(machine.files())

    installed = do(machine, shown[0])
    assert "active (running)" in installed
    assert "mode monitor" in installed
    assert "spf=temperror" in mail_server.converse(machine)  # there is no name server

    do(machine, shown[1])
    assert set(machine.files()) == before


def test_a_virtual_environment(machine: Machine, shown: list[Block], wheel: Path, tmp_path: Path) -> None:
    before = set(machine.files())

    assert "mode monitor" in do(machine, shown[2])
    assert machine.run("systemctl", "is-active", "assay.service", "assay.socket").split() == ["active", "active"]
    assert machine.read(f"/proc/{machine.run('systemctl', 'show', '-PMainPID', 'assay')}/cmdline").startswith(OPT)
    assert "spf=temperror" in mail_server.converse(machine, prefix=OPT)

    machine.run("rm", f"/srv/{wheel.name}")
    machine.put(newer(wheel, tmp_path))
    process = machine.run("systemctl", "show", "-PMainPID", "assay")
    assert f"Successfully installed assay-{NEWER}" in do(machine, shown[3])
    assert machine.run("systemctl", "show", "-PMainPID", "assay") != process
    assert "spf=temperror" in mail_server.converse(machine, prefix=OPT)

    do(machine, shown[4])
    machine.run("rm", f"/srv/{wheel.name.replace(__version__, NEWER)}")
    assert set(machine.files()) - before == {"/etc/sysusers.d"}  # a directory of systemd's that Debian does not make
