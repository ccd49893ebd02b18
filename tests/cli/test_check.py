"""``assay check``: exit codes, text, JSON, and nothing from outside that a terminal would obey."""

import json
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner, Result

from assay.cli import check as command
from assay.cli import main
from support.conversation import ZONE

MESSAGE = b"From: a@good.example\r\nTo: user@receiver.example\r\nSubject: hello\r\n\r\ntext\r\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory with a configuration, policies, a zone and a message."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "default.toml").write_text("")
    (tmp_path / "assay.toml").write_text('authserv_id = "mx.receiver.example"\n')
    (tmp_path / "zone").write_text(ZONE)
    (tmp_path / "message.eml").write_bytes(MESSAGE)
    return tmp_path


def check(site: Path, *options: str, ip: str = "192.0.2.10", mail_from: str = "bounce@good.example") -> Result:
    return CliRunner().invoke(
        main,
        [
            "check",
            str(site / "message.eml"),
            *("--ip", ip, "--helo", "mail.good.example", "--mail-from", mail_from),
            *("--zone", str(site / "zone"), "--config", str(site / "assay.toml"), *options),
        ],
    )


def test_good_mail_ends_with_0_and_shows_every_step(site: Path) -> None:
    result = check(site)
    assert result.exit_code == 0
    for part in (
        'dns       TXT good.example: "v=spf1 ip4:192.0.2.10 -all" (TTL 300)',
        "SPF       pass mailfrom=good.example",
        "ARC       none",
        "DMARC     pass from=good.example",
        "decision  none by dmarc-pass",
        "added     Authentication-Results: mx.receiver.example;",
    ):
        assert part in result.output


def test_forged_mail_ends_with_1_whatever_the_mode(site: Path) -> None:
    result = check(site, ip="192.0.2.66", mail_from="<any@stranger.example>")
    assert result.exit_code == 1
    assert "decision  none (monitor mode; would be reject) by dmarc-fail" in result.output
    (site / "assay.toml").write_text('mode = "enforce"\n')
    result = check(site, ip="192.0.2.66", mail_from="any@stranger.example")
    assert result.exit_code == 1
    assert "decision  reject by dmarc-fail" in result.output
    assert "reply     550 5.7.26 rejected by DMARC policy of good.example" in result.output


def test_held_mail_ends_with_1_and_says_how(site: Path) -> None:
    (site / "assay.toml").write_text('mode = "enforce"\n')
    (site / "message.eml").write_bytes(MESSAGE.replace(b"good", b"careful"))
    assert "held by the MTA" in check(site, ip="192.0.2.66").output
    (site / "policies" / "default.toml").write_text('[quarantine]\nhow = "header"\n')
    result = check(site, ip="192.0.2.66")
    assert result.exit_code == 1
    assert "marked by a header field" in result.output
    assert "added     X-Assay-Quarantine: dmarc-fail" in result.output


def test_deferred_mail_ends_with_75(site: Path) -> None:
    (site / "policies" / "default.toml").write_text('[dmarc]\non_reject = "tempfail"\n')
    assert check(site, ip="192.0.2.66", mail_from="").exit_code == 75


def test_a_fault_of_ours_ends_with_75_since_the_daemon_would_defer_the_message(
    site: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def judge(*_: object) -> NoReturn:
        raise RuntimeError("planted by a test")

    monkeypatch.setattr(sys.modules[command.callback.__module__], "judge", judge)
    result = check(site)
    assert (result.exit_code, result.stdout) == (75, "")
    (line,) = capfd.readouterr().err.splitlines()
    assert "planted by a test" in line


def test_both_ways_to_the_organizational_domain_are_shown(site: Path) -> None:
    (site / "message.eml").write_bytes(MESSAGE.replace(b"good", b"news.good"))
    (site / "assay.toml").write_text("[dmarc]\nshadow = true\n")
    output = check(site).output
    assert "DMARC     pass from=news.good.example" in output
    steps = (
        "organizational domain of news.good.example is good.example: by the list of public suffixes",
        "record for news.good.example: _dmarc.news.good.example: no record",
        "record for news.good.example: _dmarc.good.example: record",
        "spf good.example is aligned with news.good.example: both have the same organizational domain",
    )
    lines = [f"shadow    {step}" for step in steps] + ["SHADOW    pass psl from=news.good.example: spf proves"]
    places = [output.index(line) for line in lines]
    assert places == sorted(places)
    assert places[0] > output.index("DMARC     pass")
    assert output.count("DMARC     pass") == 1
    shadow = json.loads(check(site, "--json").output)["shadow"]
    assert (shadow["value"], shadow["discovery"]) == ("pass", "psl")


def test_what_the_guard_did_is_shown(site: Path) -> None:
    (site / "zone").write_text(ZONE + '_dmarc TXT "v=DMARC1; p=reject"\nvictim A 192.0.2.1\n')
    (site / "message.eml").write_bytes(MESSAGE.replace(b"good", b"victim"))
    result = check(site)
    assert result.exit_code == 1
    assert "dmarc     organizational domain of victim.example is victim.example: example is a public" in result.output


def test_exempt_mail_ends_with_0_and_says_so(site: Path) -> None:
    result = check(site, ip="127.0.0.1")
    assert result.exit_code == 0
    assert "decision  none by exempt: exempt: network" in result.output


def test_a_forged_field_is_shown_as_removed(site: Path) -> None:
    (site / "message.eml").write_bytes(b"Authentication-Results: mx.receiver.example; dmarc=pass\r\n" + MESSAGE)
    assert "removed   Authentication-Results #1" in check(site).output


def test_json_holds_the_whole_judgement(site: Path) -> None:
    result = check(site, "--json")
    judgement = json.loads(result.output)
    assert judgement["type"] == "Judgement"
    assert judgement["results"]["dmarc"]["value"] == "pass"
    assert judgement["decision"]["rule"] == "dmarc-pass"
    assert {step["type"] for step in judgement["trace"]} >= {"Query", "SpfDone", "ArcDone", "DmarcDone", "RuleStep"}
    assert judgement["answers"][0]["answer"]["records"] == ["v=spf1 ip4:192.0.2.10 -all"]
    assert judgement["stamp"]["insertions"][0]["name"] == "Authentication-Results"


def test_nothing_from_outside_reaches_the_terminal_as_a_control(site: Path) -> None:
    hostile = 'evil TXT "v=spf1 \\027[2J\\007 -all" "\\155\\226"\n_dmarc.evil TXT "v=DMARC1; p=\\027[31m"\n'
    (site / "zone").write_text(ZONE + hostile)
    (site / "message.eml").write_bytes(
        MESSAGE.replace(b"good", b"evil") + b"\x1b[2J" + b"DKIM-Signature: \x1b]0;x\x07\r\n"
    )
    for options in ((), ("--json",)):
        result = check(site, *options, mail_from="\x1b[2J@evil.example")
        assert all(char.isprintable() or char in "\n\t" for char in result.output)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--ip", "192.0.2"], "neither an IPv4 nor an IPv6 address"),
        (["--zone", "/nonexistent"], "does not exist"),
        (["--config", "/nonexistent"], "/nonexistent: cannot be read"),
        (["--unknown"], "No such option"),
    ],
)
def test_wrong_usage_ends_with_2(site: Path, options: list[str], says: str) -> None:
    result = check(site, *options)
    assert result.exit_code == 2
    assert says in result.output


def test_a_fault_in_the_zone_file_ends_with_2_and_names_the_place(site: Path) -> None:
    (site / "zone").write_text("$ORIGIN example.\ngood NONSENSE x\n")
    result = check(site)
    assert result.exit_code == 2
    assert str(site / "zone") in result.output


def test_a_message_may_come_from_standard_input(site: Path) -> None:
    arguments = ["check", "-", "--ip", "192.0.2.10", "--mail-from", "a@good.example", "--zone", str(site / "zone")]
    result = CliRunner().invoke(main, [*arguments, "--config", str(site / "assay.toml")], input=MESSAGE)
    assert result.exit_code == 0


def test_smtputf8_lets_a_u_label_stand_in_from(site: Path) -> None:
    (site / "zone").write_text(ZONE + '_dmarc.xn--bcher-kva TXT "v=DMARC1; p=none"\n')
    (site / "message.eml").write_bytes("From: a@bücher.example\r\n\r\n".encode())
    assert "from=xn--bcher-kva.example" in check(site, "--smtputf8", mail_from="a@bücher.example").output
