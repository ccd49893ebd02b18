"""What the tests of packages share: one build of each for all of them."""

import subprocess
from pathlib import Path

import pytest

from support.packages import only, script


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the source distribution and the wheel of this checkout."""
    directory = tmp_path_factory.mktemp("dist")
    script("build", "--no-prepare", "--outdir", directory)
    return directory


@pytest.fixture(scope="session")
def wheel(built: Path) -> Path:
    return only(built.glob("*.whl"))


@pytest.fixture(scope="session")
def sdist(built: Path) -> Path:
    return only(built.glob("*.tar.gz"))


@pytest.fixture(scope="session")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Debian package of this checkout."""
    return Path(script("deb", "--no-prepare", "--quick", "--outdir", tmp_path_factory.mktemp("deb")))


@pytest.fixture(scope="session")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of a higher version, in which two conffiles have other comments."""
    work = tmp_path_factory.mktemp("newer")
    tree = work / "tree"
    own = script("deb", "--no-prepare", "--quick", "--local", "newer", "--outdir", work / "plain")
    subprocess.run(["dpkg-deb", "--raw-extract", own, tree], check=True)
    for name in ("assay.toml", "policies/README.md"):
        with (tree / "etc" / "assay" / name).open("a", encoding="utf-8") as file:
            file.write("# a line of the newer version\n")
    # hardly compressed: it is thrown away
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, work], check=True)
    return only(work.glob("*.deb"))
