"""Where things are, on this machine or on a copy of one."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from assay.doctor.inspection import Unread

AS_ROOT: Final = "run it as root: sudo assay doctor"
PATIENCE: Final = 30.0
"""Seconds for a program such as postconf; it reads a few files."""
_SYSTEM: Final = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What to look at.

    Attributes:
        root: the root directory of the machine; another one is a copy, which nobody runs.
        postfix: the directory of main.cf; None: that of the machine.
        sendmail: the file sendmail.mc; None: that of the machine.
    """

    root: Path = Path("/")
    postfix: Path | None = None
    sendmail: Path | None = None

    @property
    def live(self) -> bool:
        """Whether it is this machine."""
        return self.root == Path("/")

    def under(self, path: str | PurePath) -> Path:
        """Return where a path of the machine is to be read."""
        return self.root / str(path).lstrip("/")


class UnreadError(Exception):
    """Something could not be looked at; carries what."""

    def __init__(self, unread: Unread) -> None:
        super().__init__(unread.why)
        self.unread = unread


def text_of(path: Path) -> str | None:
    """Read a file; None if it does not exist.

    Raises:
        UnreadError: it does, and cannot be read.
    """
    try:
        return path.read_text("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UnreadError(Unread(what=str(path), why=error.strerror or str(error), remedy=AS_ROOT)) from error


def output_of(what: str, command: Sequence[str], remedy: str = AS_ROOT) -> str:
    """Run a program that only reads, and return what it says, as :func:`outputs_of` does."""
    return outputs_of(what, command, remedy)[0]


def outputs_of(what: str, command: Sequence[str], remedy: str = AS_ROOT) -> tuple[str, str]:
    """Run a program that only reads, and return what it says and what it complains of.

    Args:
        what: the thing that it reads, for the report.
        command: its name and arguments.
        remedy: what may help if it fails.

    Raises:
        UnreadError: it is not there, fails, or takes too long.
    """
    program = shutil.which(command[0], path=_SYSTEM)
    if program is None:
        raise UnreadError(Unread(what=what, why=f"{command[0]} is not installed", remedy=f"install {command[0]}"))
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program with arguments of our own, no shell
            [program, *command[1:]], capture_output=True, text=True, errors="replace", check=False, timeout=PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnreadError(Unread(what=what, why=str(error), remedy=f"try: {' '.join(command)}")) from error
    if done.returncode:
        why = done.stderr.strip().splitlines()[-1:] or [f"{command[0]} ended with {done.returncode}"]
        raise UnreadError(Unread(what=what, why=why[0], remedy=remedy))
    return done.stdout, done.stderr
