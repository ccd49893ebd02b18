"""What the README shows is true."""

import re
from pathlib import Path

from assay.config.load import parse_config
from assay.policy.expect import run_expectations
from assay.policy.load import load_policies
from assay.policy.model import Mode

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str = "") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_the_policy_file_is_good_and_its_expectation_holds(tmp_path: Path) -> None:
    (shown,) = _blocks("toml")
    (tmp_path / "default.toml").write_text((ROOT / "policies" / "default.toml").read_text())
    (tmp_path / "bank.example.toml").write_text(shown)
    policies = load_policies(tmp_path, Mode.MONITOR)
    assert run_expectations(policies) == ()
    assert "bank.example" in policies.describe()


def test_the_lines_for_postfix_are_those_that_are_shipped() -> None:
    (shown,) = (block for block in _blocks() if "smtpd_milters" in block)
    lines = {line for line in shown.splitlines() if not line.startswith("#")}
    assert lines <= set((ROOT / "conf" / "postfix-main.cf").read_text().splitlines())


def test_the_line_for_sendmail_is_the_one_that_is_shipped() -> None:
    (shown,) = (block for block in _blocks() if "INPUT_MAIL_FILTER" in block)
    (line,) = (line for line in shown.splitlines() if line.startswith("INPUT_MAIL_FILTER"))
    assert line in (ROOT / "conf" / "sendmail.mc").read_text().splitlines()


def test_the_socket_that_it_names_is_the_default_one() -> None:
    config = parse_config("", ROOT / "conf" / "assay.toml")
    assert config.socket.libmilter in README
    assert config.socket.postfix in README
    assert config.mode is Mode.MONITOR


def test_the_scripts_and_files_that_it_names_exist() -> None:
    for name in re.findall(r"`((?:script|conf|docs|policies)/[\w./-]+)", README):
        if "bank.example" not in name:
            assert (ROOT / name).exists(), name
