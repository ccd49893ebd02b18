"""An interactive program on a terminal of its own, and what it shows."""

import os
import re
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from support.process import PATIENCE, program

_CONTROLS = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[=>]|\][^\x07]*\x07)|\r|\x07")


class Terminal:
    """Runs a program until the block ends; the shell that is tested, so that a key press is what it is for a user."""

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> None:
        self._argv, self._env, self._cwd = tuple(argv), dict(env), cwd
        self._shown = ""

    def __enter__(self) -> Self:
        self._descriptor, inner = os.openpty()
        # setsid makes it the controlling terminal, without which a shell has no job control and complains
        self._popen = subprocess.Popen(
            [program("setsid"), "--ctty", *self._argv],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env=self._env,
            cwd=self._cwd,
        )
        os.close(inner)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._popen.kill()
        self._popen.wait()
        os.close(self._descriptor)

    def type(self, keys: str) -> None:
        """Press keys."""
        self._shown = ""
        os.write(self._descriptor, keys.encode())

    def wait_for(self, text: str) -> str:
        """Wait until the text was shown since the last key press, and return all that was, without controls.

        Raises:
            AssertionError: it never was.
        """
        deadline = time.monotonic() + PATIENCE
        while text not in (plain := _CONTROLS.sub("", self._shown)):
            ready, _, _ = select.select([self._descriptor], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise AssertionError(f"waited in vain for {text!r}; shown was {plain!r}")
            try:
                self._shown += os.read(self._descriptor, 65536).decode(errors="replace")
            except OSError as error:  # the program has ended
                raise AssertionError(f"{self._argv[0]} ended, and had shown {plain!r}") from error
        return plain
