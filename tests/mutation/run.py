"""Mutate modules and see which mutants the tests let live: ``python run.py MODULE ...``; see script/mutate.

The current directory is the one that :mod:`lay_out` made: mutmut reads its settings there, as soon as it is imported.
mutmut makes the mutants and runs the tests. It mutates plain functions and methods alone, so the copy that it gets is
rewritten first (:mod:`rewriting`), and it has no operator for some things that matter here, so it gets more
(:mod:`more_operators`).
"""

import shutil
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from lay_out import LAYERS, LINKED
from more_operators import OPERATORS
from mutmut import __main__ as mutmut
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.mutators import mutation_operators
from mutmut.runners.harness import PytestRunner
from mutmut.stats import status_by_exit_code

KILLED = {"killed", "timeout", "segfault"}
TRIED_AGAIN = {"survived", "no tests", "not checked", "suspicious", "timeout"}
RUN_TESTS = PytestRunner.run_tests


def main(*modules: str) -> int:
    """Run the tests on every mutant of the modules that is not known to be killed.

    A mutant that was killed here before stays killed until its function changes; one that survived is tried again, and
    one that took too long too: the machine may have been busy.

    Args:
        modules: such as ``verify/spf``, or a whole layer.

    Returns:
        The exit status: 1 if a mutant survives.
    """
    mutation_operators[:] = OPERATORS
    PytestRunner.run_tests = run_whole
    for copied in (Path("mutants", name) for name in LINKED):
        if copied.exists():
            shutil.rmtree(copied)
    # Which test reaches which function is found out anew: tests change too.
    Path("mutants/mutmut-stats.json").unlink(missing_ok=True)
    mutmut.copy_src_dir()
    mutmut.copy_also_copy_files()
    mutmut.create_mutants(1)
    paths = [path for module in modules for path in files(module)]
    names = [name for path in paths for name, status in statuses(path).items() if status in TRIED_AGAIN]
    if names:
        mutmut._run(tuple(names), 1)
    return report(paths)


def run_whole(runner: PytestRunner, *, mutant_name: str | None, tests: Iterable[str]) -> int:
    """Run test functions with all their cases.

    pytest cannot find a case by name whose id holds "::", such as an IPv6 address: it would end with an error, and the
    mutant would count as killed.
    """
    functions = dict.fromkeys(test.partition("[")[0] for test in tests)
    return int(RUN_TESTS(runner, mutant_name=mutant_name, tests=functions))


def files(module: str) -> list[Path]:
    """Return what ``module`` means, as mutmut names it."""
    path = Path("src/assay", module)
    found = sorted(path.glob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    if path.parts[2] not in LAYERS or not all(one.is_file() for one in found):
        sys.exit(f"there is no module {module}; such as: verify/spf, or a layer: {', '.join(LAYERS)}")
    return found


def statuses(path: Path) -> dict[str, str]:
    """Return what is known of each mutant of a file, in the order of the source."""
    data = SourceFileMutationData(path=path)
    data.load()
    return {name: status_by_exit_code[code] for name, code in data.exit_code_by_key.items()}


def report(paths: list[Path]) -> int:
    """Print every mutant that is not killed, with its diff, and the counts by module."""
    of = {path: statuses(path) for path in paths}
    alive = 0
    for path, known in of.items():
        for name, status in known.items():
            if status not in KILLED:
                alive += 1
                say(f"# {name}: {status}\n{get_diff_for_mutant(name, path=path)}")
    say("| module | made | killed | of these by time-out | survived |\n|---|---:|---:|---:|---:|")
    for path, known in of.items():
        count = Counter(known.values())
        killed = sum(count[status] for status in KILLED)
        if known:
            module = path.relative_to("src/assay")
            say(f"| {module} | {len(known)} | {killed} | {count['timeout']} | {len(known) - killed} |")
    return 1 if alive else 0


def say(text: str) -> None:
    """Write a line to standard output."""
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
