"""The guide for who moves has an answer for every setting of the programs that assay takes the place of."""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import pytest

from assay.config.model import ConfigFile
from assay.daemon.milter_client import MilterClient
from assay.policy.schema import PolicyFile
from sitegen.keys import Key, keys_of
from support.doc_blocks import ROOT
from support.doc_world import signer
from support.fake_milter import LEADING_SPACE, NO_REPLIES, FakeMilter
from support.ports import free_port
from support.postfix import Postfix
from support.process import Process, program

GUIDE: Final = (ROOT / "docs" / "guides" / "moving.md").read_text("utf-8")
SETTINGS: Final = Path(__file__).with_name("peer_settings.txt")
"""Every setting of Debian 12's packages: a line for each program, its name first."""
SPF_ENGINE: Final = Path("/usr/lib/python3/dist-packages/spf_engine")
NOT_BUILT_IN: Final = {
    *("IdentityHeader", "IdentityHeaderRemove", "POPDBFile", "ResignAll", "ResignMailTo"),
    *("SMTPURI", "StatisticsPolicyScript"),
}
"""Settings of opendkim's manual that Debian's program was built without."""
HEADS: Final = {"opendkim": "opendkim", "opendmarc": "opendmarc", "policyd-spf": "policyd-spf, pyspf-milter"}


def settings_of(peer: str) -> set[str]:
    lines = dict(line.split(": ") for line in SETTINGS.read_text("utf-8").splitlines() if not line.startswith("#"))
    return set(lines[peer].split())


def table_of(peer: str) -> list[tuple[str, str]]:
    """The rows of a table: its two columns."""
    [table] = re.findall(rf"(?m)^\| {re.escape(HEADS[peer])} \| assay \|\n\|---.*\n((?:\|.*\n?)+)", GUIDE)
    return re.findall(r"(?m)^\| (.+?) \| (.+) \|$", table)


def code(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


@pytest.mark.parametrize("peer", HEADS)
def test_each_setting_has_one_answer(peer: str) -> None:
    answered = [name for settings, _ in table_of(peer) for name in code(settings)]

    assert len(answered) == len(set(answered))
    assert set(answered) == settings_of(peer)


@pytest.mark.real
@pytest.mark.parametrize("peer", HEADS)
def test_the_program_knows_each_setting(peer: str) -> None:
    if peer == "policyd-spf":
        sources = b"".join(path.read_bytes() for path in SPF_ENGINE.glob("*.py"))
        assert sources, "spf_engine is not installed: run script/test"
    else:
        sources = Path(program(peer)).read_bytes()
    unknown = {name for name in settings_of(peer) if name.lower().encode() not in sources.lower()}

    assert unknown == (NOT_BUILT_IN if peer == "opendkim" else set())


@pytest.mark.parametrize("peer", HEADS)
def test_each_answer_names_keys_that_there_are_or_says_that_there_is_none(peer: str) -> None:
    ours = {("", key.name) for key in _keys() if not key.table} | {(key.table, key.name) for key in _keys()}
    tables = {key.table for key in _keys()}
    for settings, answer in table_of(peer):
        named = [re.fullmatch(r"(?:\[([a-z.]+)\] ?)?([a-z_]*)(?: = .*)?", each) for each in code(answer)]
        keys = [(match[1] or "", match[2]) for match in named if match]
        wrong = [key for key in keys if key[0] and key not in ours and not (key[0] in tables and not key[1])]
        assert wrong == [], settings
        assert any(key in ours for key in keys) or re.search(r"none|stay|as for|from now on|assay check|\[", answer), (
            answer
        )


def _keys() -> list[Key]:
    return [
        *keys_of(ConfigFile, ROOT / "conf" / "assay.toml"),
        *keys_of(PolicyFile, ROOT / "policies" / "default.toml"),
    ]


@pytest.mark.real
@pytest.mark.parametrize(
    ("mode", "removed"),
    [pytest.param("s", [], id="a signer"), pytest.param("sv", [b"Authentication-Results"], id="a verifier")],
)
def test_opendkim_takes_out_what_assay_wrote_only_as_a_verifier(
    mode: str, removed: list[bytes], tmp_path: Path
) -> None:
    port = free_port()
    config = tmp_path / "opendkim.conf"
    config.write_text(
        f"Mode {mode}\nSocket inet:{port}@127.0.0.1\nNameservers 127.0.0.1\nDNSTimeout 1\n{signer(tmp_path)}", "utf-8"
    )
    command = [program("opendkim"), "-f", "-x", str(config)]
    with Process(command, log=tmp_path / "opendkim.log") as opendkim:
        client = opendkim.wait_for(lambda: _connected(port), "opendkim to listen")
        with client:
            client.negotiate()
            client.macros(b"C", j="mx.your.domain")
            client.connect(ip_address("192.0.2.25"))
            client.helo(b"mail.bank.example")
            client.mail(b"<bounce@bank.example>")
            client.rcpt(b"<you@your.domain>")
            for name, value in (
                (b"Authentication-Results", b" mx.your.domain; spf=pass smtp.mailfrom=bank.example; dkim=none"),
                (b"From", b" ceo@bank.example"),
                (b"Date", b" Mon, 23 Nov 2026 18:00:00 +0000"),
            ):
                client.header(name, value)
            # "accept" here: it wants to see no more of a message that it does not sign
            changed = [] if client.end_of_headers() == b"a" else client.end_of_message().changed

    assert [name for name, *_ in changed] == removed


@pytest.mark.real
@pytest.mark.parametrize("first", [pytest.param(True, id="before it"), pytest.param(False, id="behind it")])
def test_what_opendmarc_refuses_is_seen_by_a_milter_only(first: bool) -> None:  # noqa: FBT001 - a row of a table
    """The end of a message, that is: so assay comes first in the week side by side."""
    with FakeMilter(LEADING_SPACE | NO_REPLIES) as assay, FakeMilter(LEADING_SPACE | NO_REPLIES, (b"r",)) as opendmarc:
        order = [assay, opendmarc] if first else [opendmarc, assay]
        with Postfix(", ".join(_in_postfix(milter) for milter in order)) as postfix:
            sent = postfix.send(b"From: ceo@bank.example\r\n\r\ntext\r\n", mail_from="ceo@bank.example")

        assert sent.verdict.code == 550
        assert len(opendmarc.of(b"E")) == 1
        assert len(assay.of(b"E")) == (1 if first else 0)


def _in_postfix(milter: FakeMilter) -> str:
    port, _, host = milter.place.removeprefix("inet:").partition("@")
    return f"inet:{host}:{port}"


def _connected(port: int) -> MilterClient | None:
    try:
        return MilterClient.connect_to(("127.0.0.1", port))
    except ConnectionRefusedError:
        return None
