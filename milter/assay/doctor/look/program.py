"""What the unit starts: the program, the interpreter in its first line, and the home of that (venv)."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from assay.doctor.look.paths import walk
from assay.doctor.look.places import Places, text_of
from assay.doctor.unit import Unit, words

_FIRST_LINE: Final = 256
"""Octets that the kernel reads of it (BINPRM_BUF_SIZE)."""
_INTERPRETER = re.compile(rb"#![ \t]*([^\s]+)")
_HOME = re.compile(r"^home\s*=\s*(/.*\S)", re.MULTILINE)


def paths(places: Places, unit: Unit) -> Iterator[str]:
    """Name what must be reached to start the service, in the order in which it is; as far as it can be read.

    Raises:
        UnreadError: a file is there and cannot be read.
    """
    # prefixes such as "-" and "@" change how a program is started (systemd.service(5))
    program = "".join(words(unit.settings, "ExecStart")[:1]).lstrip("@-:+!")
    if not program.startswith("/"):
        return
    yield program
    interpreter = _interpreter(places, program)
    if interpreter is None:
        return
    yield interpreter
    environment = text_of(places.under(PurePosixPath(interpreter).parent.parent / "pyvenv.cfg")) or ""
    if home := _HOME.search(environment):
        yield home[1]


def _interpreter(places: Places, program: str) -> str | None:
    """Return what runs a script; None for another program, or one that is not there."""
    try:
        with places.under(walk(places, program).real).open("rb") as file:
            found = _INTERPRETER.match(file.read(_FIRST_LINE))
    except OSError:  # the walk says why
        return None
    return None if found is None else found[1].decode("utf-8", "replace")
