"""What `pip install` gets: the wheel and the source distribution, built here without a network."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BUILD = """\
import sys
from setuptools import build_meta

[_, directory] = sys.argv  # each build changes sys.argv
build_meta.build_sdist(directory)
build_meta.build_wheel(directory)
"""
DATA = {
    "share/assay/conf/assay.toml",
    "share/assay/conf/postfix-main.cf",
    "share/assay/conf/sendmail.mc",
    "share/assay/policies/README.md",
    "share/assay/policies/default.toml",
    "share/assay/policies/example.com.toml.sample",
    "share/assay/systemd/assay.service",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that holds a wheel and an sdist; built from a copy, since a build leaves traces."""
    directory = tmp_path_factory.mktemp("packaging")
    source = directory / "source"
    # Without what git ignores: an old egg-info would put files of the past into the list of sources.
    leftovers = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")
    shutil.copytree(ROOT, source, ignore=leftovers)
    done = subprocess.run(
        [sys.executable, "-c", BUILD, directory], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return directory


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    [path] = built.glob("*.whl")
    return path


def test_the_wheel_holds_the_package_its_types_and_its_data_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    data = {name.split(".data/data/")[1] for name in names if ".data/data/" in name}

    assert "assay/py.typed" in names
    assert data == DATA
    assert {name.split("/")[0].split("-")[0] for name in names} == {"assay"}
    assert not any(re.match(r"(milter|tests|support)(/|\.)", name) for name in names)


def test_every_module_is_in_the_wheel(wheel: Path) -> None:
    packaged = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("assay/")}
    modules = {str(path.relative_to(ROOT / "milter")) for path in (ROOT / "milter" / "assay").rglob("*.py")}

    assert modules <= packaged


def test_the_source_distribution_holds_what_its_tests_need(built: Path) -> None:
    [path] = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    for each in (
        *("setup.cfg", "pyproject.toml", "LICENSE", "tests/conftest.py", "tests/support/postfix.py"),
        *("script/run", "script/test", "script/lib.sh", "script/overlay"),
        *(name.removeprefix("share/assay/") for name in DATA),
    ):
        assert each in names


def test_an_installed_wheel_runs_and_leaves_pymilter_its_names(wheel: Path, tmp_path: Path) -> None:
    # The dependencies come from this environment: a test must not ask PyPI for them.
    where = tmp_path / "venv"
    venv.create(where, with_pip=False)
    python = where / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps", wheel],
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        check=True,
    )
    [own] = (where / "lib").glob("python*/site-packages")
    theirs = [entry for entry in sys.path if entry.endswith("site-packages")]
    # Without .pth files: the editable installation of the checkout must stay out of sight.
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(own), *theirs])}

    code = "import Milter, assay, importlib.metadata; print(Milter.CONTINUE is not None, assay.__file__)"
    imported = subprocess.run(
        [python, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    shown = subprocess.run(
        [where / "bin" / "assay", "--help"], env=environment, capture_output=True, text=True, check=True
    )

    found = subprocess.run(
        [where / "bin" / "assay", "config"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    demonstrated = subprocess.run(
        [where / "bin" / "assay", "demo"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )

    # neither an option nor the environment says where the files are
    if not Path("/etc/assay/assay.toml").exists():
        assert f"configuration {where / 'share/assay/conf/assay.toml'}: good" in found.stdout
    assert demonstrated.stdout.count("refused: 550 5.7.26") == 2
    assert imported.stdout.split() == ["True", str(own / "assay" / "__init__.py")]
    assert "check" in shown.stdout
    assert {str(path.relative_to(where)) for path in (where / "share").rglob("*") if path.is_file()} == DATA
