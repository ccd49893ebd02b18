"""What faults befall: a daemon with two workers, the Postfix before it, and the name server behind it."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from assay.daemon.back_off import MAX_BACK_OFF
from support.daemon import Daemon
from support.knot import Knot
from support.postfix import Postfix
from support.process import PATIENCE, Process, program, wait_until
from support.world import bare_dns

WORKERS: Final = 2

POSTFIX: Final = {
    # Postfix would let in half as many clients from one address as it lets in at all.
    "smtpd_client_connection_count_limit": "0",
    # Whoever waits for us in vain is told so within seconds, not within 30 (connect, command) and 300 (content).
    "milter_connect_timeout": "5s",
    "milter_command_timeout": "5s",
    "milter_content_timeout": "10s",
}

DNS: Final = """\
timeout = 2
budget = 4
negative_ttl = 1
"""


@dataclass(frozen=True, slots=True)
class Site:
    """All that runs.

    Attributes:
        clock: the file in which the daemon finds by how many seconds its wall clock is wrong.
    """

    daemon: Daemon
    postfix: Postfix
    dns: Knot
    clock: Path

    def connect(self) -> socket.socket:
        """Connect to the daemon, as an MTA does."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(str(self.daemon.config.with_name("assay.sock")))
        return connection

    def two_workers(self) -> list[int]:
        """Wait until there are as many workers as there should be, and give their process ids."""
        return self.daemon.wait_for(
            lambda: living if len(living := self.daemon.living()) == WORKERS else None,
            f"{WORKERS} workers",
            # the supervisor itself waits so long before it replaces one that keeps dying
            seconds=MAX_BACK_OFF + PATIENCE,
        )


class PipedDaemon(Daemon):
    """A daemon whose log goes through a pipe, to a process that writes it down.

    Attributes:
        reader: that process.
    """

    reader: Process

    def start(self) -> Self:
        whole, pipe = self.log, self.log.with_suffix(".pipe")
        if not pipe.exists():
            os.mkfifo(pipe)
        self.reader = Process([program("cat"), str(pipe)], log=whole).start()
        started = self.output().count("worker started")
        self.log = pipe
        try:
            Process.start(self)
        finally:
            self.log = whole
        self.wait_for(lambda: self.output().count("worker started") > started, "a worker")
        return self

    def stop(self, *, seconds: float = 20.0) -> int:
        try:
            return super().stop(seconds=seconds)
        finally:
            self.reader.wait()  # it ends with the last that writes


@contextmanager
def running(directory: Path, kind: type[Daemon] = Daemon) -> Iterator[Site]:
    """Start everything; ``directory`` is open to every user, and its path short.

    Args:
        directory: for all files.
        kind: of daemon.
    """
    clock = directory / "clock"
    with bare_dns(directory / "dns", ttl=1) as dns:
        clock.write_text("0")
        daemon = kind(
            directory / "assay", nameserver=dns.nameserver, unix=True, workers=WORKERS, dns=DNS, env=_skewed(clock)
        )
        try:
            with Postfix(daemon.postfix_socket, POSTFIX) as postfix, daemon:
                site = Site(daemon, postfix, dns, clock)
                site.two_workers()
                yield site
                daemon.stop()
                wait_until(lambda: not daemon.living(), "the end of every worker")
        finally:
            for pid in daemon.living():  # each has a process group of its own, so that nobody else would
                os.kill(pid, signal.SIGKILL)


def _skewed(clock: Path) -> dict[str, str]:
    """The environment of a process whose wall clock, and no other, is wrong by the seconds that stand in a file."""
    library = clock.with_suffix(".so")
    source = Path(__file__).parent.parent / "support" / "skewed_clock.c"
    subprocess.run([program("gcc"), "-shared", "-fPIC", "-O2", "-o", str(library), str(source)], check=True)
    return {"LD_PRELOAD": str(library), "SKEWED_CLOCK": str(clock)}
