"""A Debian of the tests' own: a minimal root, made once, and machines with a real systemd that start from it.

A machine has its own processes, network (a loopback device and nothing else), control groups and file system; all that
is written there is in memory and goes with it.
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest

from support.boot import EX_UNAVAILABLE, remove_group
from support.process import program, wait_until

ROOT: Final = Path(__file__).parent.parent.parent
BOOT: Final = Path(__file__).parent / "boot_debian.sh"

# What a mail server has before assay comes, with what the package depends on: its installation needs no network then.
# (python3-venv is for the other way to install, which is shown beside the package.)
PACKAGES: Final = ("adduser", "libgcc-s1", "libmilter1.0.1", "postfix", "python3-venv", "systemd-sysv")


def clean_root() -> Path:
    """Return a minimal Debian of the same release as this one, kept in .cache; it must not be written to.

    It skips the test where none can be made: without root, or without Debian's mirror.
    """
    if os.geteuid() != 0:
        pytest.skip("a Debian of the tests' own is made and booted by root: run script/test as root for these")
    release = platform.freedesktop_os_release()
    if release.get("ID") != "debian":
        pytest.skip(f"the package is for Debian, and this is {release.get('PRETTY_NAME', 'something else')}")
    packages = sorted((*PACKAGES, f"python3.{sys.version_info.minor}"))
    suite = release["VERSION_CODENAME"]
    key = hashlib.sha256(" ".join([suite, platform.machine(), *packages]).encode()).hexdigest()[:16]
    kept = ROOT / ".cache" / "debian"
    kept.mkdir(parents=True, exist_ok=True)
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (kept / key).is_dir():
            for other in kept.iterdir():  # of an earlier list of packages, or of a run that was killed
                if other.is_dir():
                    shutil.rmtree(other)
            _make_root(kept / f"{key}.new", suite, packages)
            (kept / f"{key}.new").rename(kept / key)
    return kept / key


def _make_root(directory: Path, suite: str, packages: list[str]) -> None:
    """Let mmdebstrap make it from the sources that apt has here."""
    sources = subprocess.run(
        [
            *("apt-get", "indextargets", "--format", "deb $(REPO_URI) $(RELEASE) $(COMPONENT)"),
            *("Created-By: Packages", "Origin: Debian"),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if not sources:
        pytest.skip("apt knows no mirror of Debian on this machine: apt-get update")
    done = subprocess.run(
        [
            *(program("mmdebstrap"), "--mode=root", "--format=directory", "--variant=minbase"),
            *(f"--include={','.join(packages)}", suite, directory, "-"),
        ],
        input=sources,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        shutil.rmtree(directory, ignore_errors=True)
        if re.search(r"Temporary failure resolving|Could not connect|Unable to connect", done.stderr):
            pytest.skip(f"Debian's mirror cannot be reached:\n{done.stderr}")
        raise AssertionError(done.stderr)


class Machine:
    """A running Debian.

    Args:
        root: what it starts from.
        systemd: whether systemd runs in it; else nothing does, as in a container or a chroot.
    """

    def __init__(self, root: Path, *, systemd: bool = True) -> None:
        self._root = root
        self._systemd = systemd
        self._scratch = Path(tempfile.mkdtemp(prefix="assay-debian-", dir="/tmp"))
        self._log = self._scratch / "log"
        self._unshare: subprocess.Popen[bytes] | None = None
        self._init = 0

    def __enter__(self) -> Self:
        init = ["/lib/systemd/systemd"] if self._systemd else ["/usr/bin/sleep", "infinity"]
        mounts = self._scratch / "mounts"
        mounts.mkdir()
        with self._log.open("wb") as log:
            self._unshare = subprocess.Popen(
                [BOOT, self._root, mounts, *init], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            self._init = wait_until(self._process_1, f"process 1 of a machine; its log is {self._log}")
            if self._systemd:
                wait_until(lambda: self.run("systemctl", "is-system-running", check=False) == "running", "systemd")
        except BaseException:
            self._stop()
            raise
        return self

    def _process_1(self) -> int | None:
        """Return the process id that its process 1 has outside, once that runs what it should."""
        assert self._unshare is not None
        status = self._unshare.poll()
        if status == EX_UNAVAILABLE:
            pytest.skip(self._log.read_text("utf-8"))
        assert status is None, self._log.read_text("utf-8")
        outer = self._unshare.pid
        with contextlib.suppress(OSError, ValueError):
            child = int(Path(f"/proc/{outer}/task/{outer}/children").read_text("utf-8"))
            if Path(f"/proc/{child}/exe").readlink().name in {"systemd", "sleep"}:
                return child
        return None

    def run(self, *command: str | Path, stdin: bytes = b"", check: bool = True, merge: bool = False) -> str:
        """Run a command in it as root and return what it printed, without white space at the end.

        Args:
            command: looked up in its PATH.
            stdin: what it reads.
            check: whether it must succeed.
            merge: whether what it writes to stderr is returned too.
        """
        done = subprocess.run(
            self.command(*command),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merge else subprocess.PIPE,
            check=False,
        )
        output = done.stdout.decode(errors="backslashreplace")
        if check and done.returncode != 0:
            errors = "" if merge else done.stderr.decode(errors="backslashreplace")
            raise AssertionError(f"{command} ended with {done.returncode}:\n{output}{errors}")
        return output.rstrip()

    def command(self, *command: str | Path) -> list[str]:
        """Return the command line that runs a command in it, as root and in its root directory."""
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
        }
        return [
            *("nsenter", f"--target={self._init}", "--all", "--root", "--wd", "env", "--ignore-environment"),
            *(f"{key}={value}" for key, value in environment.items()),
            *map(str, command),
        ]

    def in_its_network(self, *command: str | Path) -> list[str]:
        """Return the command line that runs a program of the machine around in the network of this one."""
        return ["nsenter", f"--target={self._init}", "--net", *map(str, command)]

    def python(self, code: str, *arguments: str, prefix: str = "/usr/lib/assay") -> str:
        """Run code with the interpreter of an installed assay, which sees the libraries of that."""
        return self.run(f"{prefix}/bin/python", "-", *arguments, stdin=code.encode())

    def write(self, path: str, data: bytes) -> None:
        """Write a file; its directory must be there."""
        self.run("tee", path, stdin=data)

    def read(self, path: str) -> str:
        return self.run("cat", path)

    def exists(self, path: str) -> bool:
        return self.run("sh", "-c", 'test -e "$0" || test -L "$0"; echo $?', path) == "0"

    def put(self, package: Path) -> str:
        """Copy a file into /srv, which everybody may read, and return where it is."""
        path = f"/srv/{package.name}"
        self.write(path, package.read_bytes())
        return path

    def apt(self, *arguments: str) -> str:
        """Run apt-get as an administrator's script does: without questions, edited configuration kept."""
        keep = ("Dpkg::Options::=--force-confdef", "Dpkg::Options::=--force-confold", "Dpkg::Use-Pty=0")
        options = [f"--option={each}" for each in keep]
        return self.run("apt-get", "-y", "-q", *options, *arguments, merge=True)

    def files(self) -> Mapping[str, str]:
        """Every path and what is there: mode, owner, and the checksum of a file or the target of a link.

        Without file systems that hold no files, and without logs and caches.
        """
        code = """
import hashlib, os, stat
leave_out = ("/proc", "/sys", "/dev", "/run", "/tmp", "/var/log", "/var/cache", "/var/lib/apt", "/var/lib/dpkg")
for top, directories, files in os.walk("/"):
    directories[:] = [each for each in directories if os.path.join(top, each) not in leave_out]
    for name in directories + files:
        path = os.path.join(top, name)
        seen = os.lstat(path)
        what = ""
        if stat.S_ISREG(seen.st_mode):
            with open(path, "rb") as file:
                what = hashlib.file_digest(file, "sha256").hexdigest()
        elif stat.S_ISLNK(seen.st_mode):
            what = os.readlink(path)
        print(path, stat.filemode(seen.st_mode), f"{seen.st_uid}:{seen.st_gid}", what, sep="\\t")
"""
        listed = self.run(f"/usr/bin/python3.{sys.version_info.minor}", "-", stdin=code.encode())
        return dict(line.split("\t", 1) for line in listed.splitlines())

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._stop()

    def _stop(self) -> None:
        """End process 1, and with it all others."""
        if self._unshare is None:
            return
        if self._unshare.poll() is None:
            if self._init:
                os.kill(self._init, signal.SIGKILL)
            else:
                self._unshare.kill()
        self._unshare.wait()
        remove_group(self._scratch / "mounts" / "cgroup")
        shutil.rmtree(self._scratch)
