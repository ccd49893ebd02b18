"""What `pip install` gets: the wheel and the source distribution, made by `script/build` without a network."""

import configparser
import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.message import Message
from pathlib import Path

from assay import __version__
from support.packages import ROOT, Installed, only, pip_install

SHIPPED = ("conf", "policies", "systemd")
"""The folders whose files an administrator needs."""


def data_files() -> set[str]:
    """Every file of those folders, where it is below the prefix of an installation."""
    return {
        f"share/assay/{path.relative_to(ROOT)}"
        for folder in SHIPPED
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    }


COMPLETIONS = {
    "share/bash-completion/completions/assay": "completion/bash/assay",
    "share/zsh/site-functions/_assay": "completion/zsh/_assay",
    "share/fish/vendor_completions.d/assay.fish": "completion/fish/assay.fish",
}
"""Where a shell looks for what completes the words of assay, and where it is in the sources."""


def contents(wheel: Path) -> dict[str, bytes]:
    """The files of a wheel, except for the list of their hashes."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/RECORD")}


def metadata(wheel: Path) -> Message:
    [text] = (data for name, data in contents(wheel).items() if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(text)


def test_the_wheel_holds_the_package_its_types_and_its_data_and_nothing_else(wheel: Path) -> None:
    names = set(contents(wheel))
    data = {name.split(".data/data/")[1] for name in names if ".data/data/" in name}

    assert "assay/py.typed" in names
    assert data_files() | set(COMPLETIONS) <= data
    assert {name.split("/")[0].split("-")[0] for name in names} == {"assay"}
    assert not any(re.match(r"(milter|tests|support)(/|\.)", name) for name in names)
    assert not any(re.search(r"(^|/)(tests?|test_\w+|conftest|__pycache__)(/|\.|$)", name) for name in names)


def test_every_module_is_in_the_wheel(wheel: Path) -> None:
    packaged = {name for name in contents(wheel) if name.startswith("assay/")}
    modules = {str(path.relative_to(ROOT / "milter")) for path in (ROOT / "milter" / "assay").rglob("*.py")}

    assert modules <= packaged


def test_the_wheel_says_what_it_is_and_carries_its_licence(wheel: Path) -> None:
    said = metadata(wheel)
    [licence] = (data for name, data in contents(wheel).items() if name.endswith("/LICENSE"))

    assert (said["Name"], said["Version"]) == ("assay", __version__)
    assert said["License"] == "GPL-3.0-or-later"
    assert said["Requires-Python"] == ">=3.11"
    assert licence == (ROOT / "LICENSE").read_bytes()


def test_the_program_and_setup_cfg_tell_the_same_version() -> None:
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg")

    assert setup["metadata"]["version"] == __version__


def test_the_source_distribution_holds_what_its_tests_need(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    for each in (
        *("setup.cfg", "pyproject.toml", "LICENSE", "CHANGELOG.md", "tests/conftest.py", "tests/support/postfix.py"),
        *(f"script/{path.name}" for path in (ROOT / "script").iterdir()),
        *(name.removeprefix("share/assay/") for name in data_files()),
        *COMPLETIONS.values(),
    ):
        assert each in names
    assert not any(re.search(r"(^|/)(\.(git|venv|cache)|__pycache__)(/|$)", name) for name in names)


def test_the_checkout_and_the_source_distribution_give_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    # script/build makes the wheel from the source distribution; here it is made from the checkout
    source = tmp_path / "source"
    leftovers = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")
    shutil.copytree(ROOT, source, ignore=leftovers)
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(tmp_path)]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    direct = contents(only(tmp_path.glob("*.whl")))

    assert set(direct) == set(contents(wheel))
    assert direct == contents(wheel)


def test_an_installed_wheel_runs_and_leaves_pymilter_its_names(wheel: Path, tmp_path: Path) -> None:
    # The dependencies come from this environment, so that this also runs where no registry was ever reached.
    where = tmp_path / "venv"
    venv.create(where, with_pip=False)
    python = where / "bin" / "python"
    pip_install(python, "--no-deps", wheel)
    own = only((where / "lib").glob("python*/site-packages"))
    theirs = [entry for entry in sys.path if entry.endswith("site-packages")]
    # Without .pth files: the editable installation of the checkout must stay out of sight.
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(own), *theirs])}

    code = "import Milter, assay, importlib.metadata; print(Milter.CONTINUE is not None, assay.__file__)"
    imported = subprocess.run(
        [python, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    demonstrated = subprocess.run(
        [where / "bin" / "assay", "demo"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )

    assert demonstrated.stdout.count("refused: 550 5.7.26") == 2
    assert imported.stdout.split() == ["True", str(own / "assay" / "__init__.py")]
    assert data_files() <= Installed(where).files()
