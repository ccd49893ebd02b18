"""``assay doctor``: what it prints, and its exit code."""

import json
import platform
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assay.cli import main
from support import postconf
from support.dnsserver import DnsServer, rcode
from support.doctor_changes import drop_in
from support.doctor_world import Machine, machine


def run(made: Machine, *options: str) -> Result:
    return CliRunner().invoke(main, ["doctor", "--root", str(made.root), *options])


def without_postfix(made: Machine) -> None:
    made.main.clear()


@pytest.fixture(autouse=True)
def a_kept_clock_and_no_need_of_postfix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.doctor.look.machine.synchronised", lambda: True)
    monkeypatch.setattr("assay.doctor.look.postfix.output_of", postconf.answer)
    monkeypatch.setattr("assay.doctor.look.postfix.outputs_of", postconf.answers)


def test_it_prints_what_it_looked_at_each_finding_and_its_remedy() -> None:
    with machine(without_postfix) as made:
        result = run(made)

    assert f"configuration   {made.root}/etc/assay/assay.toml" in result.stdout
    assert "socket          unix:/var/spool/postfix/assay/assay.sock: answers" in result.stdout
    assert "ms from its cache, validates" in result.stdout
    assert "notice mta-not-found\n  there is neither" in result.stdout
    assert "  -> assay doctor --postfix-config" in result.stdout


def test_notices_alone_are_no_reason_to_fail() -> None:
    with machine(without_postfix) as made:
        assert run(made).exit_code == 0


def test_a_warning_is_a_reason_to_fail() -> None:
    with machine(without_postfix, drop_in("Restart=no")) as made:
        result = run(made)

    assert result.exit_code == 1
    assert "warning unit-no-restart" in result.stdout


def test_it_says_that_nothing_is_wrong() -> None:
    with machine() as made:
        result = run(made)

    assert result.exit_code == 0
    assert result.stdout.endswith("\nnothing is wrong\n")


def test_as_json_it_is_one_object() -> None:
    with machine(lambda made: made.main.update(milter_default_action="accept")) as made:
        result = run(made, "--json")

    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert {"subject": "python", "text": platform.python_version()} in document["looked_at"]
    [finding] = document["findings"]
    assert finding == {
        "id": "mail-unjudged-while-away",
        "severity": "warning",
        "what": f"{made.root}/etc/postfix/main.cf: milter_default_action is accept",
        "remedy": f"postconf -c {made.root}/etc/postfix -e 'milter_default_action = tempfail'"
        f" && postfix -c {made.root}/etc/postfix reload",
    }


def test_a_configuration_that_cannot_be_used_is_a_finding_and_the_rest_is_looked_at() -> None:
    with machine(without_postfix, lambda made: made.settings.update(mode='"enforced"')) as made:
        result = run(made)

    assert result.exit_code == 1
    assert "error configuration-invalid" in result.stdout
    assert "python" in result.stdout


def test_a_directory_without_main_cf_is_said_to_be_none(tmp_path: Path) -> None:
    with machine(without_postfix) as made:
        result = run(made, "--postfix-config", str(tmp_path))

    assert f"{tmp_path}/main.cf: it does not exist" in result.stdout


def test_a_sendmail_mc_that_is_not_there_is_said_not_to_be(tmp_path: Path) -> None:
    with machine(without_postfix) as made:
        result = run(made, "--sendmail-mc", str(tmp_path / "host.mc"))

    assert f"{tmp_path}/host.mc: it does not exist" in result.stdout


def test_sendmail_and_a_name_server_that_refuses_are_among_what_was_looked_at() -> None:
    def change(made: Machine) -> None:
        made.main.clear()
        made.write("/etc/mail/sendmail.mc", "")
        made.server = DnsServer(everything=rcode("REFUSED"))

    with machine(change) as made:
        result = run(made)

    assert f"sendmail        {made.root}/etc/mail/sendmail.mc" in result.stdout
    assert f"resolver        {made.server.nameserver}: failed" in result.stdout


def test_without_anything_the_machine_itself_is_looked_at(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["doctor", "--root", str(tmp_path)])

    assert result.exit_code == 1
    assert result.stdout.startswith("clock ")
    assert "there is no configuration" in result.stdout or "cannot be read" in result.stdout
