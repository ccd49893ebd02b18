"""The machine that the guide for Sendmail is tried on: ``python sendmail_machine.py PAGE``, run by :func:`try_page`.

It is a copy of this machine with Debian's Sendmail (:mod:`support.sendmail_root`) and with a network and processes of
its own, so that ports and paths are those of the guide: Sendmail as Debian starts it, assay with the shipped
configuration, a name server at port 53. Only systemd is a stand-in.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Final

from support.doc_blocks import ROOT, Block, Command, blocks, commands
from support.doc_machine import missing_lines, with_keys
from support.doc_systemd import JOURNALCTL, Service, verify
from support.doc_world import real_dns
from support.process import wait_until
from support.sendmail_root import SHARED, SendmailRoot

_MC: Final = Path("/etc/mail/sendmail.mc")
_CONFIG: Final = Path("/etc/assay/assay.toml")

_LOOKS: Final = ("journalctl ", "mailq", "grep ")

# The log of Sendmail is what the tests read from /dev/log; that of assay is where its stand-in for systemd put it.
_JOURNALCTL: Final = f"""\
#!/bin/bash
if [[ $* == '-t sm-mta -o cat' ]]; then exec sed -n 's/^.* sm-mta\\[[0-9]*\\]: //p' {SHARED}/syslog; fi
exec /usr/local/lib/journalctl "$@"
"""


def try_page(root: SendmailRoot, page: str) -> None:
    """Do what a page says, block by block, in a copy that is used for nothing else.

    Raises:
        AssertionError: it does not work as the page says.
    """
    alone = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    script = 'ip link set lo up && PYTHONPATH="$1/milter:$1/tests" exec "$2" -B -m support.sendmail_machine "$3"'
    done = subprocess.run(
        root.command(*alone, "/bin/bash", "-c", script, "bash", ROOT, sys.executable, page),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


class SendmailMachine:
    """A machine with assay as a service and a Sendmail that does not know of it yet.

    Args:
        directory: for what is in no guide.
    """

    def __init__(self, directory: Path) -> None:
        for path in (ROOT / "conf" / "assay.toml", ROOT / "policies"):
            _CONFIG.parent.mkdir(exist_ok=True)
            (shutil.copytree if path.is_dir() else shutil.copy)(path, _CONFIG.parent / path.name)
        Path("/usr/local/lib/journalctl").write_text(JOURNALCTL, "utf-8")
        Path("/usr/local/bin/journalctl").write_text(_JOURNALCTL, "utf-8")
        for name in ("lib", "bin"):
            Path("/usr/local", name, "journalctl").chmod(0o755)
        subprocess.run(["useradd", "--system", "--no-create-home", "assay"], check=True)
        units = directory / "units"
        units.mkdir()
        command = [sys.executable, "-m", "assay", "run"]
        self._service = Service(command, units, here=str, then=lambda: None)
        self._service.start()

    def close(self) -> None:
        self._service.close()

    def do(self, block: Block) -> None:
        """Do what a block says.

        Raises:
            AssertionError: it does not work as the page says.
        """
        if block.is_a("toml assay.toml"):
            _CONFIG.write_text(with_keys(_CONFIG.read_text("utf-8"), tomllib.loads(block.text)), "utf-8")
        elif block.is_a("text sendmail.mc"):
            _add(block.text)
        elif block.is_a("ini"):
            self._unit_file(block)
        elif block.is_a("shell-session sendmail"):
            for command in commands(block):
                self._command(command, block.place)
        else:
            raise AssertionError(f"{block.place}: nobody tries {block.info!r}")

    def _unit_file(self, block: Block) -> None:
        path = self._service.units / Path(block.path).relative_to("/etc/systemd/system")
        path.parent.mkdir(exist_ok=True)
        path.write_text(block.text, "utf-8")
        if shutil.which("systemd-analyze"):
            complaints = verify(self._service.units, [self._service.units / path.parent.name.removesuffix(".d")])
            assert complaints == "", f"{block.place}: {complaints}"

    def _command(self, command: Command, place: str) -> None:
        def missing() -> str | None:
            output = self._run(command.text)
            lines = missing_lines(command, output)
            return f"{place}: {command.text}\nprints\n{output}\nand not\n{lines}" if lines else None

        wrong = missing()
        if wrong is not None and command.text.startswith(_LOOKS):
            # It has to look again: Sendmail answers before it writes or delivers.
            with suppress(AssertionError):
                wait_until(lambda: missing() is None, "its output", seconds=20)
            wrong = missing()
        assert wrong is None, wrong

    def _run(self, line: str) -> str:
        """Run a command line as root does, and return all that it prints; where it fails, that too."""
        if line.startswith("systemctl is-active"):
            return "active\n"
        if line.startswith("systemctl "):
            self._service.systemctl(line, lambda: None)
            return ""
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd="/",
            env={
                "PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME": "/root",
                "LC_ALL": "C.UTF-8",
                "GUIDE_JOURNAL": str(self._service.journal),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0 or line.startswith(_LOOKS), f"{line} ends with {done.returncode}:\n{done.stdout}"
        return done.stdout


def _add(text: str) -> None:
    """Add lines to Debian's sendmail.mc, or put them in the place of those with the same name."""
    lines = _MC.read_text("utf-8").splitlines()
    for line in text.splitlines():
        named = re.match(r"(\w+)\(`(?:.*Name=)?([\w-]+)", line)
        assert named is not None, f"{line}: has no name"
        same = re.compile(rf"{named[1]}\(`(.*Name=)?{named[2]}\b")
        old = [number for number, each in enumerate(lines) if same.match(each)]
        place = old[0] if old else lines.index("MAILER_DEFINITIONS")
        lines[place : place + len(old)] = [line]
    _MC.write_text("\n".join(lines) + "\n", "utf-8")


def main(page: str) -> None:
    """Try one page, inside."""
    # Who asks the name server of this machine asks ours, and is alone with it.
    Path("/etc/resolv.conf").write_text("nameserver 127.0.0.1\n", "ascii")
    Path("/etc/nsswitch.conf").write_text("hosts: files dns\n", "ascii")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with real_dns(directory / "knot", port=53):
            machine = SendmailMachine(directory)
            try:
                for block in blocks(page):
                    machine.do(block)
            finally:
                machine.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
