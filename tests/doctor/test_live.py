"""A machine that lives: a real Postfix, the real daemon, a message on hold, looked at as an administrator would."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.daemon import Daemon
from support.dnsserver import DnsServer
from support.doctor_world import ZONE, authentic
from support.mail import message
from support.postfix import Postfix, administrator
from support.world import STRANGER

pytestmark = pytest.mark.real

CAREFUL = '_dmarc.careful.example. TXT "v=DMARC1; p=quarantine"\ncareful.example. TXT "v=spf1 -all"\n'


@dataclass(frozen=True, slots=True)
class Site:
    daemon: Daemon
    postfix: Postfix

    def doctor(self) -> Any:
        """What the command says, run as root."""
        done = subprocess.run(
            [
                *(*administrator(), sys.executable, "-m", "assay", "doctor", "--json"),
                *("--config", str(self.daemon.config), "--postfix-config", str(self.postfix.directory / "config")),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in {0, 1}, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with (
        tempfile.TemporaryDirectory(prefix="assay-dr-", dir="/tmp") as directory,
        DnsServer(f"{ZONE}\n{CAREFUL}", everything=authentic) as server,
        Daemon(Path(directory) / "daemon", nameserver=str(server.nameserver)) as daemon,
        Postfix(
            daemon.postfix_socket,
            {"smtpd_sender_restrictions": "check_sender_access inline:{ { kept@other.example = HOLD } }"},
        ) as postfix,
    ):
        yield Site(daemon, postfix)


def test_it_speaks_to_the_daemon_and_reads_the_running_postfix(site: Site) -> None:
    looked = {each["subject"]: each["text"] for each in site.doctor()["looked_at"]}

    assert looked["socket"].endswith(": answers")
    assert looked["postfix"].endswith(f", {site.postfix.directory}/config")
    assert "validates" in looked["resolver"]


def test_a_message_that_we_had_put_on_hold_is_known_by_our_field(site: Site) -> None:
    site.postfix.send(message("held", "a@careful.example"), mail_from="a@careful.example", address=STRANGER)
    [held] = site.postfix.held()
    [finding] = [each for each in site.doctor()["findings"] if each["id"] == "mail-on-hold"]

    assert finding["what"] == (
        f"1 kept in the queue by a decision of assay, the oldest for 0 days: {held.queue_id} (from careful.example)"
    )
    config = site.postfix.config
    [show, release, _] = finding["remedy"].split(", ")
    assert show == f"postcat -c {config} -q {held.queue_id} shows one"
    said = release.removesuffix(" releases it")
    assert said == f"postsuper -c {config} -H {held.queue_id} && postqueue -c {config} -i {held.queue_id}"
    assert subprocess.run([*administrator(), "sh", "-c", said], capture_output=True, check=False).returncode == 0
    site.postfix.wait_delivered(1)


def test_a_message_that_somebody_else_put_on_hold_is_no_matter_of_ours(site: Site) -> None:
    for held in site.postfix.held():
        site.postfix.release(held)
    site.postfix.send(message("kept", "kept@other.example"), mail_from="kept@other.example", address=STRANGER)
    assert [held.sender for held in site.postfix.held()] == ["kept@other.example"]

    assert not [each for each in site.doctor()["findings"] if each["id"] == "mail-on-hold"]
