"""What `script/build` makes, and installations of it."""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
EX_UNAVAILABLE = 69
"""The status of the scripts where a package registry cannot be reached, and nothing else is wrong."""


def script(name: str, *arguments: str | Path) -> str:
    """Run a script of the project with the interpreter of this test run, and return what it printed.

    It skips the test where the script says that a package registry is out of reach.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    done = subprocess.run(
        [ROOT / "script" / name, *arguments],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == EX_UNAVAILABLE:
        pytest.skip(f"no package registry can be reached, and what is needed is not in .cache yet:\n{done.stderr}")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def dependencies() -> Path:
    """Return a directory with a wheel of every dependency; its folder "build" has what building assay takes."""
    return Path(script("build", "--no-prepare", "dependencies"))


def pip_install(python: Path, *arguments: str | Path) -> None:
    """Install into the environment of an interpreter; nothing is asked of an index, and no cache is read."""
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-compile"]
    done = subprocess.run(
        [*command, "--disable-pip-version-check", *arguments],
        # find-links and extra indexes of the machine's own configuration would be asked all the same
        env={key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
        | {"PIP_CONFIG_FILE": "/dev/null"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass(frozen=True, slots=True)
class Installed:
    """A virtual environment with assay in it, and nothing of this checkout.

    Attributes:
        prefix: the environment.
    """

    prefix: Path

    @classmethod
    def make(cls, prefix: Path, distribution: Path, wheels: Path) -> "Installed":
        """Install a wheel or a source distribution with what it declares to need, and no more."""
        venv.create(prefix, with_pip=False)
        pip_install(prefix / "bin" / "python", "--find-links", wheels, "--find-links", wheels / "build", distribution)
        return cls(prefix)

    @property
    def program(self) -> Path:
        return self.prefix / "bin" / "assay"

    @property
    def shared(self) -> Path:
        """Where the data files are."""
        return self.prefix / "share" / "assay"

    def run(self, *arguments: str | Path, directory: Path, program: str = "assay") -> str:
        """Run a program of the environment, as somebody does who is in that directory; it must succeed."""
        done = subprocess.run(
            [self.prefix / "bin" / program, *arguments],
            cwd=directory,
            env={"PATH": os.defpath},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def files(self) -> set[str]:
        """The data files, relative to the prefix."""
        return {str(path.relative_to(self.prefix)) for path in self.shared.rglob("*") if path.is_file()}


def only(paths: Iterable[Path]) -> Path:
    """Return the one path that there is."""
    [path] = paths
    return path


def own_copy(installed: Installed, directory: Path, socket: str, nameserver: str) -> Path:
    """Copy the installed configuration and policies, as an administrator does; only the socket and the DNS differ."""
    shutil.copytree(installed.shared / "policies", directory / "policies")
    text = (installed.shared / "conf" / "assay.toml").read_text("utf-8")
    for key, value in (("socket", f'"{socket}"'), ("nameservers", f'["{nameserver}"]'), ("workers", "1")):
        lines = [line for line in text.splitlines() if line.startswith(f"{key} = ")]
        assert len(lines) == 1, f"conf/assay.toml sets {key} {len(lines)} times"
        text = text.replace(lines[0], f"{key} = {value}")
    path = directory / "assay.toml"
    path.write_text(text, "utf-8")
    return path
