"""A systemd of the tests' own that runs the shipped units; see own_systemd.sh, which builds its root."""

import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest

from assay.doctor.check.unit import HOMES
from support.boot import EX_UNAVAILABLE, remove_group
from support.postfix import administrator
from support.process import Process, wait_until

ROOT: Final = Path(__file__).parent.parent.parent


class OwnSystemd:
    """An init of its own in namespaces of its own; it shares the network with this machine.

    Args:
        directory: for its files; every user must be able to enter it.
        config: the text of assay.toml.
        drop_ins: further lines of the units, by the name of the unit.
        spool: what is /var/spool/postfix inside.

    Attributes:
        config: of the daemon, to be rewritten before a reload.
    """

    def __init__(self, directory: Path, config: str, drop_ins: Mapping[str, str], spool: Path) -> None:
        self._sudo = administrator()
        self._interpreter = _replacement()
        etc = directory / "etc-assay"
        etc.mkdir(parents=True)
        shutil.copytree(ROOT / "policies", etc / "policies")
        self.config = etc / "assay.toml"
        self.config.write_text(config, "utf-8")
        for unit, text in drop_ins.items():
            drop_in = directory / "drop-ins" / f"{unit}.d" / "test.conf"
            drop_in.parent.mkdir(parents=True)
            drop_in.write_text(text, "utf-8")
        (directory / "spool").symlink_to(spool)
        for path in (directory, *directory.glob("**/*")):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        self._cgroup = directory / "cgroup"
        script = Path(__file__).with_name("own_systemd.sh")
        self._process = Process([*self._sudo, str(script), str(directory)], log=directory / "log")
        self._init = 0

    def __enter__(self) -> Self:
        self._process.start()
        try:
            wait_until(self._booted, "a systemd of its own")
            self._replace_interpreter()
        except BaseException as error:
            error.add_note(self._process.output())
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if value is not None:
            value.add_note(f"the journal:\n{self.journal()}")
        self._end()

    def _booted(self) -> bool:
        if not self._process.alive():
            if self._process.wait() == EX_UNAVAILABLE:
                pytest.skip(f"this machine cannot run a second systemd: {self._process.output()}")
            raise AssertionError(f"no systemd: {self._process.output()}")
        self._init = _init_below(self._process.pid)
        return bool(self._init) and self.run("systemctl", "is-active", "assay-test.target", check=False) == "active"

    def _replace_interpreter(self) -> None:
        """Run the service with a Python that its sandbox does not hide."""
        if self._interpreter is not None:
            self.run("ln", "--symbolic", "--force", str(self._interpreter), "/opt/assay/bin/python")
            home = self._interpreter.parent
            self.run("sed", "--in-place", f"s|^home = .*|home = {home}|", "/opt/assay/pyvenv.cfg")

    def _end(self) -> None:
        if self._process.alive():
            # the end of an init is the end of all that it started
            target = self._init or self._process.pid
            subprocess.run([*self._sudo, "kill", "-KILL", str(target)], check=False)
            self._process.wait()
        remove_group(self._cgroup, self._sudo)

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command inside, as root; return what it wrote to stdout."""
        enter = ["nsenter", "--target", str(self._init), "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--root"]
        environment = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"]
        done = subprocess.run(
            [*self._sudo, *enter, "--wd", *environment, *command], capture_output=True, text=True, check=False
        )
        if check:
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}\n{self.journal()}"
        return done.stdout.strip()

    def run_around(self, script: str, *arguments: str) -> None:
        """Run a shell script as root on the machine around; processes inside have their numbers of inside.

        What fails is left to who looks at its effect.
        """
        enter = ["nsenter", "--target", str(self._init), "--pid", "sh", "-c", script, "sh"]
        subprocess.run([*self._sudo, *enter, *arguments], capture_output=True, check=False)

    def fails(self, *command: str) -> bool:
        """Run a command inside that is expected to fail."""
        return self.run("sh", "-c", '"$@" >/dev/null 2>&1 || echo failed', "sh", *command) == "failed"

    def show(self, name: str, unit: str = "assay.service") -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--property", name, "--value", unit)

    def journal(self) -> str:
        """Every line of the service so far."""
        return self.run("journalctl", "--unit", "assay.service", "--output", "cat", "--no-pager", check=False)

    def wait_for_journal(self, text: str, times: int = 1) -> None:
        wait_until(lambda: self.journal().count(text) >= times, f"{text!r} in the journal")

    def workers(self) -> list[int]:
        """Every worker that the journal named so far, the oldest first, as numbered inside."""
        return [int(found) for found in re.findall(r'"worker started" pid=(\d+)', self.journal())]

    def main_pid(self) -> int:
        return int(self.show("MainPID"))

    def signal(self, pid: int, number: signal.Signals) -> None:
        """Send a signal to a process inside, by its number there."""
        self.run("kill", f"-{number.value}", str(pid))

    def lives(self, pid: int) -> bool:
        """Whether a process inside has not ended, by its number there."""
        return not self.fails("kill", "-0", str(pid))

    def process_status(self, pid: int) -> dict[str, str]:
        """What /proc says of a process inside."""
        lines = self.run("cat", f"/proc/{pid}/status").splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _replacement() -> Path | None:
    """Return the system's Python of the same version where that of the tests is hidden by ProtectHome=; else None."""
    interpreter = (ROOT / ".venv/bin/python").resolve()
    if not any(interpreter.is_relative_to(home) for home in HOMES):
        return None
    replacement = Path("/usr/bin") / interpreter.name
    if not replacement.exists():
        pytest.skip(f"the sandbox hides {interpreter}, of which .venv is made, and there is no {replacement}")
    return replacement


def _init_below(pid: int) -> int:
    """Find the process below this one that is an init: its number in its own namespace is 1. 0: there is none yet."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
        for child in children:
            status = Path(f"/proc/{child}/status").read_text("utf-8")
            is_init = re.search(r"^NSpid:.*\t1$", status, re.MULTILINE)
            if is_init and status.startswith("Name:\tsystemd\n"):
                return int(child)
            if found := _init_below(int(child)):
                return found
    except OSError:  # it ended meanwhile
        pass
    return 0
