"""Fuzz one target with atheris: ``python tests/fuzz/run.py TARGET [OPTION OF LIBFUZZER ...]``; see script/fuzz.

New inputs that reach new code go to the first directory among the options; a finding goes to the corpus of the target
as ``found-crash-*``, ``found-timeout-*`` or ``found-oom-*``.
"""

import hashlib
import importlib
import sys
from pathlib import Path

import atheris

HERE = Path(__file__).parent
FOLLOWED = ("assay", "spf", "dkim")
"""The packages whose branches guide the fuzzer."""

_LENGTHS = {"body": 2000, "conversation": 6000, "arc": 8000, "dkim": 6000, "policy_toml": 4000}
_LENGTH = 3000


def main(target: str, *options: str) -> None:
    """Fuzz until libFuzzer ends the process."""
    sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "milter")]
    with atheris.instrument_imports(include=list(FOLLOWED)):
        module = importlib.import_module(f"fuzz.targets.{target}")
    arguments = [
        sys.argv[0],
        f"-max_len={_LENGTHS.get(target, _LENGTH)}",
        "-timeout=20",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        f"-artifact_prefix={HERE / 'corpus' / target}/found-",
    ]
    words = HERE / "dictionaries" / f"{target}.dict"
    if words.exists():
        arguments.append(f"-dict={words}")

    def one_input(data: bytes) -> None:
        try:
            module.one_input(data)
        except BaseException:
            # libFuzzer writes it too, unless its own alarm ends the process while Python is on its way out.
            name = f"found-crash-{hashlib.sha1(data, usedforsecurity=False).hexdigest()}"
            (HERE / "corpus" / target / name).write_bytes(data)
            raise

    atheris.Setup([*arguments, *options], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
