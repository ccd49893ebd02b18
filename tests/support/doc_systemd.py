"""What systemctl and journalctl do for assay on the machine that a guide is tried on, where no systemd runs.

The socket is opened as assay.socket and the files that a guide adds to it say, and handed to the daemon as by systemd.
"""

import configparser
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from support.process import Process
from support.service_manager import handing_over

ROOT: Final = Path(__file__).parents[2]

OTHERS: Final = {"postfix", "sendmail", "opendkim", "opendmarc", "pyspf-milter"}
"""Services of Debian's packages that a guide may name."""

VERBS: Final = {
    *("daemon-reload", "disable", "enable", "is-active", "reload", "restart", "start", "status", "stop"),
}

JOURNALCTL: Final = f"""\
#!{sys.executable}
# Shows the log of the daemon as journalctl shows that of the unit.
import argparse, os, re, sys
parser = argparse.ArgumentParser()
parser.add_argument("-u", required=True, choices=["assay", "assay.service"])
parser.add_argument("-o", choices=["cat", "short"], default="short")
parser.add_argument("--since")
parser.add_argument("-n", type=int)
parser.add_argument("--no-pager", action="store_true")
options = parser.parse_args()
lines = ["Started assay.service - Mail authentication milter.\\n"]
lines += [re.sub("^<[0-7]>", "", line) for line in open(os.environ["GUIDE_JOURNAL"], encoding="utf-8")]
for line in lines if options.n is None else lines[-options.n :]:
    sys.stdout.write(line if options.o == "cat" else "Nov 23 18:00:00 mx assay[123]: " + line)
"""


class Service:
    """assay.service and assay.socket.

    Args:
        command: what starts the daemon, in the foreground.
        units: a directory for unit files; those that are shipped are put there, and guides add to them.
        here: turns what a guide calls a path or a port into what it is here.
        then: what happens each time that it serves with a new configuration.
    """

    def __init__(self, command: list[str], units: Path, here: Callable[[str], str], then: Callable[[], None]) -> None:
        self._command = command
        self._here = here
        self._then = then
        self._listener: socket.socket | None = None
        self.units = units
        self.journal = units.parent / "journal"
        self.journal.touch()
        for name in ("assay.service", "assay.socket"):
            shutil.copy(ROOT / "systemd" / name, units)
        self.daemon = Process(command, log=self.journal)
        status = self.journal.stat()
        self.daemon.environment |= {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}

    def systemctl(self, line: str, reload_postfix: Callable[[], None]) -> None:
        """Do what a line that begins with ``systemctl`` asks for.

        Raises:
            AssertionError: the line has an option, a verb or a unit that is not known.
        """
        verb, *units = [word for word in shlex.split(line)[1:] if word != "--now"]
        now = "--now" in line or verb not in {"enable", "disable"}
        assert verb in VERBS, f"systemctl {verb}"
        assert bool(units) == (verb != "daemon-reload"), line
        for unit in units:
            name = unit.removesuffix(".service")
            if name == "postfix" and verb in {"reload", "restart"}:
                reload_postfix()
            elif name in {"assay", "assay.socket"}:
                if now:
                    self._do(verb, name)
            else:
                assert name in OTHERS, f"{unit} is no unit that a test knows"

    def _do(self, verb: str, unit: str) -> None:
        match verb, unit:
            case (("stop" | "disable"), "assay"):
                self.stop()
            case (("stop" | "disable"), _):
                self._close()
            case (("start" | "enable"), "assay"):
                self.start()
            case (("start" | "enable"), _):
                self._listen()
            case "restart", "assay":
                self.stop()
                self.start()
            case "restart", _:
                self._close()
                self._listen()
            case "reload", _:
                self._reload()

    def start(self) -> None:
        """Start the service; the socket is open then, too."""
        if self._running:
            return
        listener = self._listener or self._listen()
        self.daemon.argv = tuple(handing_over(listener, self._command))
        self.daemon.descriptors = (listener.fileno(),)
        before = self.daemon.output().count("worker started")
        self.daemon.start()
        self.daemon.wait_for(lambda: self.daemon.output().count("worker started") > before, "a worker")
        self._then()

    def stop(self) -> None:
        """Stop the service; the socket stays open."""
        if self._running:
            self.daemon.stop()

    def close(self) -> None:
        """Stop everything."""
        self.stop()
        self._close()

    @property
    def _running(self) -> bool:
        try:
            return self.daemon.alive()
        except AssertionError:
            return False

    def _reload(self) -> None:
        """ExecReload=: the signal is sent, then the configuration is checked."""

        def answers() -> int:
            return self.daemon.output().count("event=reloaded") + self.daemon.output().count('"event": "reloaded"')

        before = answers()
        self.daemon.signal(signal.SIGHUP)
        done = subprocess.run(
            [*self._command[:-1], "config"], env=self.daemon.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"systemctl reload assay fails: {done.stdout}{done.stderr}"
        self.daemon.wait_for(lambda: answers() > before, "the end of the reload")
        self._then()

    def _listen(self) -> socket.socket:
        """Open what the socket unit and the files that add to it say."""
        settings: dict[str, str] = {}
        drop_ins = sorted((self.units / "assay.socket.d").glob("*.conf"))
        for path in (self.units / "assay.socket", *drop_ins):
            settings |= last_values(path, "Socket")
        place = self._here(settings["ListenStream"])
        if place.startswith("/"):
            self._listener = _unix(Path(place), settings)
        else:
            host, _, port = place.rpartition(":")
            self._listener = socket.create_server((host, int(port)))
        self._listener.listen(100)
        return self._listener

    def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None


def last_values(path: Path, section: str) -> dict[str, str]:
    """The settings of one section of a unit file; of several with the same name the last one that is not empty."""
    parser = configparser.RawConfigParser(strict=False, comment_prefixes=("#", ";"), delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign] # the names of units are not lower case
    parser.read_string(path.read_text("utf-8"))
    return dict(parser[section]) if parser.has_section(section) else {}


def _unix(path: Path, settings: dict[str, str]) -> socket.socket:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    if os.getuid() == 0:
        shutil.chown(path, group=settings.get("SocketGroup", "root"))
        path.chmod(int(settings["SocketMode"], 8))
    else:
        path.chmod(0o666)  # only root may give a file to another group
    return listener


def verify(units: Path, files: Iterable[Path]) -> str:
    """What systemd-analyze says of units and the files that add to them; nothing if all is well.

    Args:
        units: the directory of all of them.
        files: those to look at.
    """
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"}
    done = subprocess.run(
        ["systemd-analyze", "verify", *files], env=environment, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr
