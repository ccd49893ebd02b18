"""What the tests of packages share: one build of each for all of them."""

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
