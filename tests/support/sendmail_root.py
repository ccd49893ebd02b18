"""A copy of this machine with Debian's Sendmail instead of its own MTA, made by ``script/overlay --sendmail``.

What runs in it sees the network and the processes of this machine; only its files are its own, and gone at the end.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]

SHARED: Final = Path("/assay")
"""What the shared directory is called inside: Sendmail wants no directory above its files that others may write to."""

HOST: Final = "mx.dest.example"
"""The name of every Sendmail here."""

USER: Final = "alice"
PASSWORD: Final = "secret"
"""Of a user who may authenticate himself."""

_IMPOSSIBLE: Final = re.compile(r"(?:a root of its own is impossible here|^unshare): (.*)", re.MULTILINE)
_NO_NETWORK: Final = re.compile(
    r"Unable to locate package|Failed to fetch|Temporary failure resolving|Could not connect"
)

# Sendmail logs to /dev/log, and the machine's /dev is not ours to write to: this one has a socket of the tests.
# Nobody in there asks a name server. The last line waits until the tests close their end, or are no more.
_PREPARE: Final = f"""
set -e
mkdir /dev.new
mount -t tmpfs -o mode=0755 assay /dev.new
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev.new
ln -s {SHARED}/log /dev.new/log
mount --move /dev.new /dev
sed 's/^hosts:.*/hosts: files/' /etc/nsswitch.conf >/dev/nsswitch.conf
mount --bind /dev/nsswitch.conf /etc/nsswitch.conf
echo 'nameserver 127.255.255.254' >/dev/resolv.conf
mount --bind /dev/resolv.conf /etc/resolv.conf
printf 'pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN\n' >/etc/mail/sasl/Sendmail.conf.2
echo {PASSWORD} | saslpasswd2 -p -c -u {HOST} {USER}
echo ready
read -r _ || true
"""


@dataclass(frozen=True, slots=True)
class SendmailRoot:
    """The running copy.

    Attributes:
        shared: a directory that is the same inside (:data:`SHARED`) and outside.
        syslog: what was logged inside.
    """

    shared: Path
    syslog: "Syslog"
    _pid: int

    def command(self, *command: str | Path) -> list[str]:
        """What runs a command inside; a signal to it reaches the command, since nsenter becomes that."""
        return ["nsenter", f"--target={self._pid}", "--mount", "--root", "--wd", *map(str, command)]

    def run(self, *command: str | Path) -> str:
        """Run a command inside, which must succeed, and return what it printed."""
        done = subprocess.run(self.command(*command), capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout


class Syslog:
    """Reads ``/dev/log`` of the copy; what it read is also in the file ``syslog`` beside that."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        path.chmod(0o666)
        self._lines: list[str] = []
        self._copy = path.with_name("syslog")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while line := self._socket.recv(65536):
            self._lines.append(line.decode(errors="backslashreplace"))
            with self._copy.open("a", encoding="utf-8") as copy:
                copy.write(f"{self._lines[-1]}\n")

    def lines(self, tag: str) -> list[str]:
        """What a program logged under this tag, without time and priority."""
        return [line.partition(f" {tag}[")[2].partition("]: ")[2] for line in list(self._lines) if f" {tag}[" in line]

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()


@contextmanager
def sendmail_root() -> Iterator[SendmailRoot]:
    """Make the copy; it installs packages where none of its like was made before.

    It skips the test where a machine lets nobody make one, and where nothing can be fetched.
    """
    if os.getuid() != 0:
        pytest.skip("Sendmail runs in a root of its own, which only root can make: run script/test as root")
    directory = Path(tempfile.mkdtemp(prefix="assay-sendmail-", dir="/tmp"))
    directory.chmod(0o755)
    syslog = Syslog(directory / "log")
    try:
        namespaces = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]
        overlay = [*namespaces, str(ROOT / "script" / "overlay"), "--sendmail"]
        with subprocess.Popen(
            [*overlay, str(directory), "/bin/bash", "-c", _PREPARE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                wait_until_ready(process)
                pid = _child(process.pid)
                try:
                    yield SendmailRoot(directory, syslog, pid)
                finally:
                    _end_all(Path(f"/proc/{pid}/root"))
            finally:
                process.communicate()  # closes its input, which it waits for
    finally:
        syslog.close()
        shutil.rmtree(directory)


def wait_until_ready(process: "subprocess.Popen[str]") -> None:
    """Wait until the copy is there; skip the test where this machine cannot have one."""
    assert process.stdout is not None
    for line in process.stdout:
        if line == "ready\n":
            return
    assert process.stderr is not None
    said = process.stderr.read()
    if impossible := _IMPOSSIBLE.search(said):
        pytest.skip(f"Sendmail needs a root of its own, which is impossible here: {impossible[1]}")
    if _NO_NETWORK.search(said):
        pytest.skip(f"no package can be fetched, and what is needed is not in .cache yet:\n{said}")
    pytest.fail(f"script/overlay --sendmail failed:\n{said}")


def _child(pid: int) -> int:
    """The one child of unshare, whose root is the copy."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii"))


def _end_all(root: Path) -> None:
    """Kill what was left running in the copy: Sendmail lets the processes that deliver outlive it."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(process.name) != int(root.parent.name) and (process / "root").samefile(root):
                os.kill(int(process.name), signal.SIGKILL)
