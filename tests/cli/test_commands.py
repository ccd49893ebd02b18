"""``assay config``, ``assay demo``, ``assay run`` as far as it does not serve, and the command itself."""

import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner

from assay import __version__
from assay.cli import main
from assay.daemon import setup
from assay.dns.nameservers import NameserverError


def _site(directory: Path, config: str = "", **policies: str) -> str:
    (directory / "policies").mkdir()
    for name, text in {"default": "", **policies}.items():
        (directory / "policies" / f"{name.replace('_', '.')}.toml").write_text(text)
    path = directory / "assay.toml"
    path.write_text(config)
    return str(path)


def test_config_names_what_is_in_force(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["config", "--config", _site(tmp_path, bank_example='mode = "enforce"')])
    assert result.exit_code == 0
    assert "assay.toml: good" in result.output
    assert "socket inet:8894@127.0.0.1, in Postfix: inet:127.0.0.1:8894" in result.output
    assert "bank.example" in result.output


def test_config_lists_every_problem_of_every_file_at_once(tmp_path: Path) -> None:
    path = _site(
        tmp_path,
        "workerz = 2\n[dns]\ntimeout = 'x'",
        default="mod = 'enforce'",
        bank_example="[dmarc]\non_reject = 'bounce'",
        broken_example="[[[",
    )
    result = CliRunner().invoke(main, ["config", "--config", path])
    assert result.exit_code == 2
    lines = result.output.splitlines()
    for part in (
        'workerz: unknown key; did you mean "workers"?',
        "dns.timeout: must be a number",
        'default.toml: mod: unknown key; did you mean "mode"?',
        "bank.example.toml: dmarc.on_reject: must be",
        "broken.example.toml:1: is no TOML",
    ):
        assert [line for line in lines if part in line], (part, lines)
    assert len(lines) == 5


def test_config_refuses_on_a_missed_expectation(tmp_path: Path) -> None:
    expectation = '[[expect]]\ndmarc = "fail"\nrequested = "reject"\ndisposition = "none"\nrule = "dmarc-fail"'
    result = CliRunner().invoke(main, ["config", "--config", _site(tmp_path, default=expectation)])
    assert result.exit_code == 2
    assert "default.toml" in result.output
    assert "reject" in result.output


def test_the_shipped_configuration_and_policies_are_good() -> None:
    result = CliRunner().invoke(main, ["config", "--config", str(Path(__file__).parents[2] / "conf" / "assay.toml")])
    assert (result.exit_code, result.stderr) == (0, "")


def test_run_starts_nothing_with_a_broken_configuration(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["run", "--config", _site(tmp_path, "workers = -1")])
    assert result.exit_code == 2
    assert "workers: must be at least 0" in result.output


def test_run_says_when_it_cannot_listen(tmp_path: Path) -> None:
    path = _site(tmp_path, 'socket = "unix:/nonexistent/assay.sock"')
    result = CliRunner().invoke(main, ["run", "--config", path])
    assert result.exit_code == 75
    assert "/nonexistent/assay.sock" in result.output
    assert "create it" in result.output


def test_name_servers_that_cannot_be_read_are_a_fault_of_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable() -> NoReturn:
        raise NameserverError("/etc/resolv.conf: cannot be read: Permission denied")

    monkeypatch.setattr(setup, "system_nameservers", unreadable)
    for command in "run", "config":
        (directory := tmp_path / command).mkdir()
        result = CliRunner().invoke(main, [command, "--config", _site(directory)])
        assert result.exit_code == 2
        assert "assay.toml: dns.nameservers: /etc/resolv.conf: cannot be read" in result.output


def test_demo_shows_four_messages_and_what_became_of_them() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "assay", "demo"], capture_output=True, text=True, timeout=120, check=True
    ).stdout
    genuine, broken, forged, listed = _parts(shown)
    assert "delivered" in genuine
    assert "dmarc=pass" in genuine
    assert "refused: 550 5.7.26 rejected by DMARC policy of bank.example" in broken
    assert "dkim=fail" in broken
    assert "refused: 550 5.7.26" in forged
    assert "delivered" in listed
    assert "arc=pass" in listed
    assert "rule=trusted-arc-chain" in listed


def _parts(shown: str) -> list[str]:
    """Cut the output of the demonstration into its messages."""
    starts = [shown.index(f"\n{number}. ") for number in range(1, 5)]
    return [shown[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]


def test_the_command_knows_its_version() -> None:
    assert CliRunner().invoke(main, ["--version"]).output == f"assay, version {__version__}\n"


def test_what_a_command_logs_does_not_mix_with_its_results() -> None:
    script = """
from click.testing import CliRunner
from assay import log
from assay.cli import main
CliRunner().invoke(main, ["config", "--config", "/nonexistent"])
log.get_logger().error("a fault")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert 'event="a fault"' in done.stderr
