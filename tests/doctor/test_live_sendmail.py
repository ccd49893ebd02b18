"""A real Sendmail and the real daemon: nothing is found, and then a message that waits in quarantine."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.doctor.catalogue import findings
from assay.doctor.look.everything import Looker
from assay.doctor.look.places import Places
from support.daemon import Daemon
from support.dnsserver import DnsServer
from support.doctor_world import ZONE, authentic
from support.mail import message
from support.sendmail import EXEMPT, Sendmail, Site, filter_lines
from support.sendmail_root import sendmail_root

pytestmark = pytest.mark.real

CAREFUL = '_dmarc.careful.example. TXT "v=DMARC1; p=quarantine"\ncareful.example. TXT "v=spf1 -all"\n'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with (
        sendmail_root() as root,
        DnsServer(f"{ZONE}\n{CAREFUL}", everything=authentic) as server,
        Daemon(tmp_path_factory.mktemp("d"), nameserver=str(server.nameserver), settings=EXEMPT) as daemon,
        Sendmail(root, filter_lines(daemon.libmilter_socket)) as sendmail,
    ):
        yield Site(daemon, sendmail)


@pytest.fixture
def seen(site: Site, tmp_path: Path) -> Places:
    """The files of Sendmail by the names that they have inside its root."""
    (tmp_path / "assay").symlink_to(site.sendmail.directory.parent)
    return Places(root=tmp_path, sendmail=site.sendmail.directory / "sendmail.mc")


def test_what_real_sendmail_took_is_attached_well(site: Site, seen: Places) -> None:
    (site.sendmail.directory / "sendmail.cf").touch()
    inspection = Looker(seen).inspect(site.daemon.config)
    about_sendmail = [each for each in findings(inspection) if "sendmail" in each.what]

    assert inspection.sendmail is not None
    assert [each.name for each in inspection.sendmail.filters] == ["assay"]
    assert about_sendmail == []


def test_a_message_that_we_had_quarantined_is_found_with_its_reason(site: Site, seen: Places) -> None:
    sent = site.send(message("held", "a@careful.example"), mail_from="a@careful.example")
    [held] = [entry for entry in site.sendmail.quarantined() if entry.queue_id in sent.text]
    [finding] = [each for each in findings(Looker(seen).inspect(site.daemon.config)) if each.id == "mail-on-hold"]

    assert finding.what == (
        "1 kept in the queue by a decision of assay, the oldest for 0 days:"
        f" {held.queue_id} (from careful.example, dmarc-fail)"
    )
    assert f"sendmail -qQ -Q -qI{held.queue_id}" in finding.remedy
    assert os.path.lexists(site.sendmail.directory / "queue" / f"hf{held.queue_id}")
