"""Lay out a copy of the project that mutmut can work on: ``python lay_out.py SCRATCH``; see script/mutate."""

import sys
from collections.abc import Iterable
from pathlib import Path

from rewriting import rewritten

ROOT = Path(__file__).parents[2]
LAYERS = ("verify", "policy", "stamp")
LINKED = ("tests", "conf", "policies", "docs", "script")
TESTS = ("tests/verify", "tests/policy", "tests/stamp", "tests/message", "tests/scenarios/test_scenarios.py")

# The other two drivers of the scenarios start daemons, in which a mutant of this process would not be active. There are
# no caches in the copy, so a test of one cannot pass.
LEFT_OUT = "not test_libmilter and not parsed_once"
PYTEST = ("-p", "no:cacheprovider", "-m", "not real", "-k", LEFT_OUT, "--hypothesis-seed=0")

SETTINGS = """
[mutmut]
source_paths = src
only_mutate =
{mutated}
also_copy =
{copied}
pytest_add_cli_args_test_selection =
{tests}
pytest_add_cli_args =
{arguments}
timeout_multiplier = 1.5
timeout_constant = 2.0
use_git_change_detection = false
"""


def lay_out(scratch: Path) -> None:
    """Lay out what mutmut works on; a file that has not changed keeps its time, so that its mutants stay."""
    scratch.mkdir(parents=True, exist_ok=True)
    for name in LINKED:
        link(scratch / name, ROOT / name)
    # The public test vectors are looked for beside the project; mutmut runs the tests in a folder below.
    link(scratch / "shared", ROOT.parent / "shared")
    for source in (ROOT / "milter").rglob("*.py"):
        target = scratch / "src" / source.relative_to(ROOT / "milter")
        text = source.read_text(encoding="utf-8")
        write(target, rewritten(text) if source.parent.name in LAYERS else text)
    settings = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    settings = settings.replace("pythonpath = milter tests", "pythonpath = src tests")
    settings += SETTINGS.format(
        mutated=lines(f"src/assay/{layer}/*.py" for layer in LAYERS),
        copied=lines(LINKED),
        tests=lines(TESTS),
        arguments=lines(PYTEST),
    )
    write(scratch / "setup.cfg", settings)


def link(name: Path, target: Path) -> None:
    """Make a symbolic link, unless it is there."""
    if not name.is_symlink():
        name.symlink_to(target)


def write(path: Path, text: str) -> None:
    """Write a file if that changes it."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def lines(values: Iterable[object]) -> str:
    """Return a list as mutmut reads one: a line for each."""
    return "\n".join(f"    {value}" for value in values)


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]))
