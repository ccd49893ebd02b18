"""The daemon as an administrator starts it: ``assay run`` with a configuration file, in a process of its own."""

import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from support.ports import free_port
from support.process import Process, lives

ROOT = Path(__file__).parent.parent.parent

ID = "mx.dest.example"
"""The authserv-id of every daemon here."""


class Daemon(Process):
    """``assay run`` with the shipped policies.

    Args:
        directory: for its files; made if missing, and open to every user, so that an MTA reaches a unix socket.
        nameserver: the only one.
        mode: monitor or enforce.
        unix: listen on a unix socket instead of a port of loopback.
        workers: how many; a test that names none has one, whatever machine it runs on.
        settings: further lines of the configuration, before the first table.
        dns: lines of the table ``[dns]`` but for the name servers.
        env: of the process, beside what it inherits.
        prefix: a command that starts the daemon.
    """

    def __init__(
        self,
        directory: Path,
        *,
        nameserver: str,
        mode: str = "enforce",
        unix: bool = False,
        workers: int = 1,
        settings: str = "",
        dns: str = "timeout = 4",
        env: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)
        shutil.copytree(ROOT / "policies", directory / "policies")
        port = free_port()
        path = directory / "assay.sock"
        self.libmilter_socket = f"unix:{path}" if unix else f"inet:{port}@127.0.0.1"
        self.config = directory / "assay.toml"
        self.config.write_text(
            f"""\
authserv_id = "{ID}"
socket = "{self.libmilter_socket}"
socket_mode = "0666"
mode = "{mode}"
workers = {workers}
{settings}
[dns]
nameservers = ["{nameserver}"]
{dns}
""",
            encoding="utf-8",
        )
        self.postfix_socket = f"unix:{path}" if unix else f"inet:127.0.0.1:{port}"
        command = [*prefix, sys.executable, "-m", "assay", "run", "--config", str(self.config)]
        super().__init__(command, log=directory / "assay.log", env=env)

    def start(self) -> Self:
        """Start it and wait until a worker serves."""
        started = self.output().count("worker started")
        super().start()
        self.wait_for(lambda: self.output().count("worker started") > started, "a worker")
        return self

    def workers(self) -> list[int]:
        """The process ids of the workers that serve or did, as the log names them, the oldest first."""
        return [int(pid) for pid in re.findall(r'"worker started" pid=(\d+)', self.output())]

    def living(self) -> list[int]:
        """Those of its workers that are there: a process that ended and was not waited for is not.

        Nor is another program, or the supervisor, that has the process id of a worker that ended long ago.
        """
        started = dict.fromkeys(self.workers())
        return [pid for pid in started if pid != self.pid and lives(pid) and self._is_one_of_us(pid)]

    def _is_one_of_us(self, pid: int) -> bool:
        with suppress(FileNotFoundError, ProcessLookupError):
            return os.fsencode(self.config) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return False

    def line(self, *parts: str) -> str:
        """Wait for the log line that holds all these parts, and return it."""

        def find() -> str | None:
            lines = (line for line in self.output().splitlines() if all(part in line for part in parts))
            return next(lines, None)

        return self.wait_for(find, f"a log line with {parts}")

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if value is not None:
            value.add_note(f"the log of the daemon:\n{self.output()}")
        super().__exit__(kind, value, tb)
