"""The files that an administrator copies: the units of systemd and the lines for Postfix and Sendmail."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from assay.config.model import ConfigFile
from assay.limits import DNS_BUDGET

ROOT = Path(__file__).parent.parent
SYSTEMD = ROOT / "systemd"
UNIT = SYSTEMD / "assay.service"
MAX_EXPOSURE = 1.5
"""Of systemd-analyze security, where 10 is no sandbox at all. What is left is the network, which a milter needs."""


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit beside its socket, with a program that exists here; nothing else is changed."""
    text = UNIT.read_text("utf-8")
    installed = tmp_path / "assay.service"
    installed.write_text(re.sub(r"(?m)^(Exec\w+)=/opt/\S+", rf"\1={sys.executable}", text), "utf-8")
    shutil.copy(SYSTEMD / "assay.socket", tmp_path)
    return installed


def directives(path: Path = UNIT) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in path.read_text("utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd")


@needs_systemd
@pytest.mark.parametrize("name", ["assay.service", "assay.socket"])
def test_systemd_takes_the_units_without_a_word(unit: Path, name: str) -> None:
    command = ["systemd-analyze", "verify", unit.with_name(name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_the_user_is_one_that_sysusers_makes(tmp_path: Path) -> None:
    directory = tmp_path / "usr" / "lib" / "sysusers.d"
    directory.mkdir(parents=True)
    shutil.copy(SYSTEMD / "assay.sysusers", directory / "assay.conf")
    command = ["systemd-sysusers", f"--root={tmp_path}", "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "Creating user 'assay'" in done.stderr
    assert (directives()["User"], directives()["Group"]) == (["assay"], ["assay"])


def test_the_socket_is_the_one_of_the_shipped_configuration() -> None:
    [stream] = directives(SYSTEMD / "assay.socket")["ListenStream"]
    host, _, port = stream.rpartition(":")
    shipped = tomllib.loads((ROOT / "conf" / "assay.toml").read_text("utf-8"))

    assert shipped["socket"] == f"inet:{port}@{host}"


def test_a_reload_that_comes_too_early_does_not_end_the_service_for_good() -> None:
    # systemd.service(5): death by SIGHUP is a clean exit, and only "always" restarts after one
    assert directives()["Restart"] == ["always"]


def test_the_sandbox_lets_workers_stay_on_a_core() -> None:
    # Later lines count: this call is one of @resources, and without it pin_workers would do nothing, and not say so.
    filters = directives()["SystemCallFilter"]
    denied = next(index for index, line in enumerate(filters) if line.startswith("~") and "@resources" in line)

    assert "sched_setaffinity" in " ".join(line for line in filters[denied + 1 :] if not line.startswith("~")).split()


@needs_systemd
def test_the_sandbox_is_tight(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    exposure = re.search(r"Overall exposure level for assay\.service: ([0-9.]+)", done.stdout)

    assert exposure is not None, done.stdout + done.stderr
    assert float(exposure[1]) <= MAX_EXPOSURE


def test_only_what_adds_up_is_said_twice() -> None:
    assert {key for key, values in directives().items() if len(values) > 1} == {"ExecReload", "SystemCallFilter"}


def test_a_stop_lets_workers_finish() -> None:
    unit = directives()

    assert unit["KillMode"] == ["mixed"]
    assert int(unit["TimeoutStopSec"][0]) > ConfigFile.model_fields["stop_timeout"].default


def test_sendmail_defers_while_the_milter_is_away_and_waits_longer_than_the_dns() -> None:
    [line] = [
        line
        for line in (ROOT / "conf" / "sendmail.mc").read_text("utf-8").splitlines()
        if line.startswith("INPUT_MAIL_FILTER")
    ]

    assert line.startswith("INPUT_MAIL_FILTER(`assay', `S=inet:8894@127.0.0.1, F=T, T=")
    read = re.search(r"R:(\d+)s", line)
    assert read is not None
    assert int(read[1]) > DNS_BUDGET
