"""Compiles the C programs of the benchmark into ``.cache/bench`` of the checkout.

Run: .venv/bin/python bench/build.py
"""

import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE.parent / ".cache" / "bench"
FLAGS = ("-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Wshadow", "-pthread")


def build() -> dict[str, Path]:
    """Compile what is older than its sources.

    Returns:
        The path of each program by its name: each directory of C sources beside this file is one program.

    Raises:
        RuntimeError: there is no gcc, or it refuses; what it says is in the message.
    """
    if shutil.which("gcc") is None:
        raise RuntimeError("gcc is not installed: apt-get install gcc libc6-dev")
    CACHE.mkdir(parents=True, exist_ok=True)
    return {directory.name: _program(directory) for directory in sorted({path.parent for path in HERE.glob("*/*.c")})}


def _program(directory: Path) -> Path:
    target = CACHE / directory.name
    inputs = [*directory.glob("*.[ch]"), Path(__file__)]
    if target.exists() and target.stat().st_mtime > max(path.stat().st_mtime for path in inputs):
        return target
    # Under another name first: somebody may be running the old one.
    fresh = target.with_suffix(".new")
    done = subprocess.run(
        ["gcc", *FLAGS, "-o", str(fresh), *map(str, sorted(directory.glob("*.c")))],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"gcc cannot compile {directory}:\n{done.stderr}")
    return fresh.rename(target)


if __name__ == "__main__":
    for name, path in build().items():
        print(f"{name}\t{path}")
