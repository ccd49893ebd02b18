"""The shape of the house: where the source root is, who may import whom, and that pymilter's names stay free."""

import ast
import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "milter"
MODULES = sorted((SOURCES / "assay").rglob("*.py"))
MAY_IMPORT_MILTER = {"daemon/acceptor.py", "daemon/callbacks.py", "daemon/workers.py"}
NEVER_TOUCH_THE_WORLD = ("message", "policy", "stamp", "verify")


def imported(path: Path) -> set[str]:
    """The top-level names that a module imports, wherever in it the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        match node:
            case ast.Import(names=aliases):
                names |= {alias.name.partition(".")[0] for alias in aliases}
            case ast.ImportFrom(module=str(module), level=0):
                names.add(module.partition(".")[0])
            case _:
                pass
    return names


def importers(name: str) -> set[str]:
    return {str(path.relative_to(SOURCES / "assay")) for path in MODULES if name in imported(path)}


def test_the_source_root_is_no_package() -> None:
    # An importable `milter` would shadow the C extension that `import Milter` needs.
    assert not (SOURCES / "__init__.py").exists()
    assert [path.name for path in SOURCES.iterdir() if (path / "__init__.py").exists()] == ["assay"]


@pytest.mark.parametrize("directory", [ROOT, SOURCES], ids=["the checkout", "the source root"])
def test_pymilter_imports_with_this_as_current_directory(directory: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import Milter, assay; print(Milter.CONTINUE is not None, assay.__file__)"],
        cwd=directory,
        env={key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "PYTHONSAFEPATH"}},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", str(SOURCES / "assay" / "__init__.py")]


def test_nobody_imports_the_c_extension_by_name() -> None:
    assert importers("milter") == set()


def test_only_the_milter_rim_imports_pymilter() -> None:
    assert importers("Milter") == MAY_IMPORT_MILTER


def test_what_decides_imports_nothing_that_touches_the_world() -> None:
    forbidden = {"Milter", "socket", "time", "logging", "structlog", "sqlite3"}
    touching = {
        str(path.relative_to(SOURCES)): sorted(bad)
        for layer in NEVER_TOUCH_THE_WORLD
        for path in (SOURCES / "assay" / layer).rglob("*.py")
        if (bad := imported(path) & forbidden)
    }

    assert touching == {}


def test_the_import_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_package_is_in_a_layer() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    layers = setup["importlinter:contract:layers"]["layers"].replace("|", " ").split()
    packages = {f"assay.{path.parent.name}" for path in (SOURCES / "assay").glob("*/__init__.py")}

    assert packages <= set(layers)


def test_the_architecture_names_each_layer_and_each_module_of_the_daemon() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    names = {path.name for path in (SOURCES / "assay" / "daemon").glob("*.py")} - {"__init__.py"}
    names |= {f"{path.parent.name}/" for path in (SOURCES / "assay").glob("*/__init__.py")}

    assert {name for name in names if name not in page} == set()


def test_files_stay_small() -> None:
    # 400 lines is the measure of the architecture; beyond it a module has two subjects.
    assert {path.name: lines for path in MODULES if (lines := len(path.read_bytes().splitlines())) > 400} == {}
