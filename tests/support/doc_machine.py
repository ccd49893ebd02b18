"""The machine that a guide is tried on: Postfix, assay, a name server; and each block does what the guide says.

The blocks of a page are run in their order on one machine, so that what is checked in the end rests on what was set at
the beginning. Paths and ports of a real machine are replaced by those of this one on the way in, and back on the way
out.
"""

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from assay.daemon.milter_client import MilterClient
from assay.message.header import split_message
from support.doc_blocks import Block, Command, commands
from support.doc_systemd import JOURNALCTL, Service, verify
from support.doc_world import Letter, signer
from support.ports import free_port
from support.postfix import Postfix
from support.process import program

ROOT: Final = Path(__file__).parents[2]

STAND_INS: Final = {"journalctl", "systemctl"}
"""Programs that are not the machine's own; a block that has one says so."""

_ASSAY: Final = """\
#!{python}
import sys
from pathlib import Path
sys.path[:0] = [{sources!r}]
import assay.config.load
assay.config.load.SYSTEM_FILE = Path({config!r})
from assay.cli import main
if sys.argv[1:2] == ["doctor"]:
    sys.argv.append("--postfix-config={postfix}")
main(prog_name="assay")
"""

_SERVICES: Final = """\
127.0.0.1:{submission} inet n - n - - smtpd
127.0.0.1:{reinjection} inet n - n - - smtpd
"""


class Machine:
    """A machine with assay as a service and a Postfix that does not know of it yet.

    Args:
        nameserver: the only one of assay.
        mail: comes in each time that assay serves with a new configuration.
        before: commands that make it the machine of somebody who has something else already.
        shown: what the page has people type; a Postfix of which it says nothing is not started.
    """

    def __init__(
        self, nameserver: str, mail: Sequence[Letter] = (), before: Sequence[str] = (), shown: str = ""
    ) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="assay-guide-", dir="/tmp"))
        self.root.chmod(0o755)
        self._nameserver = nameserver
        self._mail = mail
        self._before = before
        self._ids = itertools.count(1)
        self.ports = {name: free_port() for name in ("8894", "9894", "submission", "reinjection")}
        services = _SERVICES.format(**self.ports)
        # chroot: as Debian has it
        settings = {"virtual_mailbox_domains": "dest.example, your.domain", "myhostname": "mx.your.domain"}
        self.postfix = Postfix("", settings, services=services, chroot=True)
        self.other = Postfix("")
        self._running = [self.postfix] * bool(re.search(r"\b(postfix|postqueue|swaks)\b", shown))
        self._running += [self.other] * ("/etc/postfix-in" in shown)
        self._seen = self.root / "etc/postfix"
        self._prepare(nameserver)
        self.service = Service([str(self.root / "bin/assay"), "run"], self.root / "units", self.here, self._time_passes)

    def _prepare(self, nameserver: str) -> None:
        for name in ("bin", "etc/assay", "home", "units", "opt/assay", "usr/share"):
            (self.root / name).mkdir(parents=True)
        for name in ("conf", "policies", "systemd"):
            (self.root / "opt/assay/share/assay").mkdir(parents=True, exist_ok=True)
            (self.root / "opt/assay/share/assay" / name).symlink_to(ROOT / name)
        (self.root / "opt/assay/bin").symlink_to(self.root / "bin")
        (self.root / "usr/share/assay").symlink_to(self.root / "opt/assay/share/assay")
        shutil.copytree(ROOT / "policies", self.root / "etc/assay/policies")
        self.config = self.root / "etc/assay/assay.toml"
        shutil.copy(ROOT / "conf/assay.toml", self.config)
        self._set({"workers": 1, "dns": {"nameservers": [nameserver]}, "socket": "inet:8894@127.0.0.1"})
        replaced = {"python": sys.executable, "sources": str(ROOT / "milter"), "config": str(self.config)}
        self._program("assay", _ASSAY.format(postfix=self._seen, **replaced))
        self._program("journalctl", JOURNALCTL)

    def _program(self, name: str, text: str) -> None:
        path = self.root / "bin" / name
        path.write_text(text, "utf-8")
        path.chmod(0o755)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, self.root)
            stack.callback(self.service.close)
            for postfix in {self.postfix, self.other} - set(self._running):
                stack.callback(postfix.remove)
            self.service.start()
            for command in self._before:
                self._run(self.here(command))
            for postfix in self._running:
                stack.enter_context(postfix)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if value is not None:
            value.add_note(f"the log of the daemon:\n{self.service.daemon.output()}")
        self._stack.__exit__(kind, value, tb)

    def _places(self) -> Mapping[str, str]:
        """What stands in a guide, and what it is here; a longer one comes before one that it begins with."""
        return {
            "/etc/systemd/system": str(self.root / "units"),
            "/etc/postfix-in": str(self.other.config),
            "/etc/postfix": str(self.postfix.config),
            "/var/spool/postfix": str(self.postfix.queue_directory),
            "/var/log/mail.log": str(self.postfix.directory / "log/mail.log"),
            "/etc/assay": str(self.root / "etc/assay"),
            "/usr/share/assay": str(self.root / "usr/share/assay"),
            "/opt/assay": str(self.root / "opt/assay"),
            "submission/inet": f"127.0.0.1:{self.ports['submission']}/inet",
            "127.0.0.1:10025": f"127.0.0.1:{self.ports['reinjection']}",
            "smtp/inet": f"127.0.0.1:{self.postfix.port}/inet",
            "--nameserver 192.0.2.53": f"--nameserver {self._nameserver}",
            "8894": str(self.ports["8894"]),
            "9894": str(self.ports["9894"]),
        }

    def _time_passes(self) -> None:
        for letter in self._mail:
            self._receive(letter)

    def _receive(self, letter: Letter) -> None:
        """Let a message come in: it goes to assay as an MTA would hand it over."""
        with MilterClient.connect_to(("127.0.0.1", self.ports["8894"])) as client:
            client.negotiate()
            client.macros(b"C", j="mx.dest.example")
            client.connect(ip_address(letter.client))
            client.helo(b"mail.example.net")
            headers, body = split_message(letter.octets())
            client.message(
                mail_from=f"<{letter.mail_from}>".encode(),
                headers=[(field.name, field.value.replace(b"\r\n", b"\n")) for field in headers],
                body=body,
                queue_id=f"4XyZ{next(self._ids)}",
            )
            client.quit()

    def here(self, text: str) -> str:
        """Turn paths and ports of a guide into those of this machine."""
        for theirs, ours in self._places().items():
            text = text.replace(theirs, ours)
        return text

    def there(self, text: str) -> str:
        """Turn paths and ports of this machine into those of a guide, where Postfix is the machine's only one."""
        text = text.replace(f" -c {self._seen}", "").replace(str(self._seen), "/etc/postfix")
        for theirs, ours in self._places().items():
            text = text.replace(ours, theirs)
        return text

    def do(self, block: Block) -> None:
        """Do what a block says; kinds that change nothing on a machine are passed over.

        Raises:
            AssertionError: it does not work as the page says.
        """
        if block.is_a("toml assay.toml"):
            self._set(tomllib.loads(block.text))
        elif block.is_a("toml policies"):
            self._policy(block)
        elif block.is_a("text main.cf"):
            self._postconf(block)
        elif block.is_a("ini"):
            self._unit_file(block)
        elif block.is_a("console"):
            self._console(block)
        elif block.is_a("text opendkim.conf"):
            self._opendkim(block)
        elif block.is_a("yaml prometheus.yml"):
            self._prometheus(block)
        elif block.is_a("text header"):
            self._header(block)

    def _set(self, values: Mapping[str, object]) -> None:
        self.config.write_text(self.here(with_keys(self.config.read_text("utf-8"), values)), "utf-8")

    def _policy(self, block: Block) -> None:
        path = self.root / "etc/assay" / block.path
        path.write_text(policy_file(path, block.text), "utf-8")

    def _postconf(self, block: Block) -> None:
        for key, value in main_cf(block.text).items():
            self._run(f"postconf -e {shlex.quote(f'{key} = {self.here(value)}')}")
        self._postfix_is_content()

    def _postfix_is_content(self) -> None:
        """Postfix knows every parameter and finds nothing to warn of."""
        for command in ("postconf -n", "postconf -M", "postconf -P"):
            done = self._run(command)
            assert "warning" not in done, done

    def _unit_file(self, block: Block) -> None:
        path = Path(self.here(block.path))
        path.parent.mkdir(exist_ok=True)
        path.write_text(self.here(block.text), "utf-8")
        if shutil.which("systemd-analyze"):
            for unit in ("assay.service", "assay.socket"):
                text = (self.service.units / unit).read_text("utf-8")
                (self.service.units / unit).write_text(self.here(text), "utf-8")
            assert verify(self.service.units, [self.service.units / path.parent.name.removesuffix(".d")]) == ""

    def _console(self, block: Block) -> None:
        stand_in = block.is_a("console standin")
        status = re.search(r" exit=(\d+)", block.info)
        lines = commands(block)
        for number, command in enumerate(lines):
            used = STAND_INS & set(re.findall(r"[\w-]+", command.text))
            assert not used or stand_in, f"{block.place}: {used} is not the machine's own: say standin"
            if command.text.startswith("systemctl "):
                self.service.systemctl(command.text, self._reload_postfix)
                continue
            if "assay doctor" in command.text:
                self._show_doctor()
            due = int(status[1]) if status and number == len(lines) - 1 else 0
            output = self.there(self._run(self.here(command.text), due=due, place=block.place))
            missing = missing_lines(command, output)
            assert not missing, f"{block.place}: {command.text}\nprints\n{output}\nand not\n{missing}"

    def _opendkim(self, block: Block) -> None:
        """Let opendkim itself read the lines, with a key that it needs and a guide does not speak of."""
        path = self.root / "etc/opendkim.conf"
        path.write_text(f"Socket local:{self.root}/opendkim.sock\n{block.text}{signer(self.root / 'etc')}", "utf-8")
        done = subprocess.run([program("opendkim"), "-n", "-x", path], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), f"{block.place}: {done.stderr}"

    def _prometheus(self, block: Block) -> None:
        """Let promtool look at the configuration, beside the files that are shipped."""
        directory = self.root / "etc/prometheus"
        shutil.copytree(ROOT / "conf", directory)
        (directory / "prometheus.yml").write_text(block.text, "utf-8")
        command = [program("promtool"), "check", "config", directory / "prometheus.yml"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block.place}: {done.stdout}{done.stderr}"

    def _header(self, block: Block) -> None:
        delivered = self.postfix.wait_delivered(1)[-1].decode()
        missing = missing_lines(Command("", tuple(block.text.splitlines())), delivered)
        assert not missing, f"{block.place}: the field of\n{delivered}\nhas not\n{missing}"

    def _reload_postfix(self) -> None:
        self._run("postfix reload")

    def _show_doctor(self) -> None:
        """Write the configuration of Postfix as on a machine that takes mail from the world; the doctor looks there.

        A service on an address of loopback alone would not concern it.
        """
        self._seen.mkdir(exist_ok=True)
        for name in ("main.cf", "master.cf"):
            text = (self.postfix.config / name).read_text("utf-8")
            text = text.replace(f"127.0.0.1:{self.postfix.port} inet", "smtp inet")
            text = text.replace(f"127.0.0.1:{self.ports['submission']} inet", "submission inet")
            (self._seen / name).write_text(
                text.replace("inet_interfaces = 127.0.0.1", "inet_interfaces = all"), "utf-8"
            )

    def _run(self, line: str, *, due: int = 0, place: str = "") -> str:
        """Run a command line as root does, and return all that it prints."""
        assert not re.search(r"(?<![\w.])/(etc|var|opt|usr/local|run)/", self._elsewhere(line)), f"{place}: {line}"
        environment = {
            "PATH": f"{self.root}/bin:{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin",
            "HOME": str(self.root / "home"),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "COLUMNS": "120",
            "MAIL_CONFIG": str(self.postfix.config),
            "SWAKS_OPT_port": str(self.postfix.port),
            "GUIDE_JOURNAL": str(self.service.journal),
        }
        sudo = [] if os.getuid() == 0 else ["sudo", "-n"]
        done = subprocess.run(
            [
                *sudo,
                "env",
                "-i",
                *(f"{key}={value}" for key, value in environment.items()),
                "bash",
                "-o",
                "pipefail",
                "-c",
                line,
            ],
            cwd=self.root / "home",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == due, f"{place}: {line}\nends with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def _elsewhere(self, line: str) -> str:
        """What is left of a line when the places of this machine are taken out: a guide must not touch the real one."""
        for place in (self.root, self.postfix.directory, self.other.directory):
            line = re.sub(rf"{re.escape(str(place))}[\w./-]*", "", line)
        return line


def with_keys(text: str, values: Mapping[str, object]) -> str:
    """Return a TOML file with other values where it shows the keys, also where they are commented out."""
    lines = text.splitlines()
    tables = {"": values, **{name: keys for name, keys in values.items() if isinstance(keys, dict)}}
    wanted = {
        (table, key): value
        for table, keys in tables.items()
        for key, value in keys.items()
        if not isinstance(value, dict)
    }
    table = ""
    for number, line in enumerate(lines):
        if line.startswith("[["):
            break
        if match := re.fullmatch(r"\[([a-z_.]+)\]", line):
            table = match[1]
        elif (match := re.match(r"#?([a-z_]+) = ", line)) and (table, match[1]) in wanted:
            lines[number] = f"{match[1]} = {json.dumps(wanted.pop((table, match[1])))}"
    assert not wanted, f"the shipped file does not show {set(wanted)}"
    return "\n".join(lines) + "\n"


def policy_file(path: Path, text: str) -> str:
    """Return a policy file as it is after somebody did what a page says: that of a domain is shown whole.

    In default.toml the keys get other values, and an expectation takes the place of that for the same message.
    """
    if path.name != "default.toml":
        return text
    values = tomllib.loads(text)
    expected = values.pop("expect", [])
    head, *old = re.split(r"(?m)^(?=\[\[expect\]\])", path.read_text("utf-8"))
    new = re.split(r"(?m)^(?=\[\[expect\]\])", text)[1:]
    speaks_of = [_message_of(each) for each in expected]
    kept = [part for part in old if _message_of(tomllib.loads(part)["expect"][0]) not in speaks_of]
    return with_keys(head, values) + "".join([*kept, *new])


def _message_of(expectation: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in expectation.items() if key not in {"disposition", "rule"}}


def main_cf(text: str) -> dict[str, str]:
    """The parameters of lines of main.cf."""
    joined = re.sub(r"\n[ \t]+", " ", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    pairs = (line.partition("=") for line in joined.splitlines() if line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def missing_lines(command: Command, output: str) -> list[str]:
    """The lines that a page promises and a command does not print, in that order; ``...`` stands for anything."""
    rest = [" ".join(line.split()) for line in output.splitlines()]
    missing = []
    for promised in command.output:
        pattern = ".*".join(re.escape(part) for part in " ".join(promised.split()).split("..."))
        at = next((number for number, line in enumerate(rest) if re.fullmatch(pattern, line)), None)
        if at is None:
            missing.append(promised)
        else:
            rest = rest[at + 1 :]
    return missing
