"""What the doctor says of a path is what becomes of mail: one real Postfix, a service for each way to be attached."""

import smtplib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from assay.doctor.catalogue import findings
from assay.doctor.look.everything import Looker
from assay.doctor.look.places import Places
from support.fake_milter import LEADING_SPACE, NO_REPLIES, FakeMilter
from support.mail import message, wait_for
from support.ports import free_port
from support.postfix import Postfix

pytestmark = pytest.mark.real


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to attach a milter.

    Attributes:
        claim: in words.
        listed: in smtpd_milters; ``{queue}`` is the queue directory.
        socket: below the queue directory, of the milter that is meant.
        columns: of master.cf: private, unprivileged, chroot.
        found: by the doctor; empty where mail gets through.
    """

    claim: str
    listed: str
    socket: str = "assay/open"
    columns: str = "n - n"
    found: str = ""


CHROOT = "n - y"

WAYS = (
    Way(claim="the whole path without a chroot", listed="unix:{queue}/assay/open"),
    Way(
        claim="the whole path in a chroot",
        listed="unix:{queue}/assay/open",
        columns=CHROOT,
        found="socket-outside-chroot",
    ),
    Way(claim="the path from the chroot on", listed="unix:/assay/open", columns=CHROOT),
    Way(claim="that path without a chroot", listed="unix:/assay/open", found="socket-path-for-chroot"),
    Way(claim="a relative path without a chroot", listed="unix:assay/open"),
    Way(claim="a relative path in a chroot", listed="unix:assay/open", columns=CHROOT),
    Way(claim="the other word for unix", listed="local:assay/open", columns=CHROOT),
    Way(claim="a socket for its owner alone", listed="unix:assay/closed", socket="assay/closed", found="socket-denied"),
    Way(
        claim="the same in a chroot",
        listed="unix:assay/closed",
        socket="assay/closed",
        columns=CHROOT,
        found="socket-denied",
    ),
    Way(claim="a closed directory", listed="unix:shut/open", socket="shut/open", found="socket-denied"),
    Way(claim="a link to the place", listed="unix:link/open"),
    Way(claim="an absolute link in a chroot", listed="unix:link/open", columns=CHROOT, found="socket-outside-chroot"),
    Way(claim="a relative link in a chroot", listed="unix:near/open", columns=CHROOT),
    Way(claim="a link that would leave the chroot", listed="unix:up/assay/open", columns=CHROOT),
    Way(claim="nothing is listed", listed="", found="milter-not-listed"),
    Way(claim="a path without its kind", listed="{queue}/assay/open", found="milter-spelling"),
    Way(claim="the kind in capitals", listed="UNIX:assay/open", found="milter-spelling"),
    Way(claim="a setting after a blank", listed="{{ unix:assay/open connect_timeout=20s }}"),
    Way(claim="a setting in braces of its own", listed="{{unix:assay/open,{{ connect_timeout = 20s }}}}"),
    Way(claim="two commas", listed="{{ unix:assay/open,, connect_timeout=20s }}"),
    Way(
        claim="a blank around =",
        listed="{{ unix:assay/open, connect_timeout = 20s }}",
        found="milter-spelling",
    ),
    Way(claim="a setting without a name", listed="{{ unix:assay/open, =20s }}", found="milter-spelling"),
    Way(
        claim="a setting that there is not",
        listed="{{ unix:assay/open, conect_timeout=20s }}",
        found="milter-spelling",
    ),
    Way(claim="empty braces", listed="{{ }}, unix:assay/open", found="milter-spelling"),
    Way(claim="text behind the braces", listed="{{ unix:assay/open }}x", found="milter-spelling"),
)


@dataclass(frozen=True, slots=True)
class Site:
    """One Postfix with a service for each way, by its claim."""

    postfix: Postfix
    ports: dict[str, int]
    milters: dict[str, FakeMilter]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    ports = {way.claim: free_port() for way in WAYS}
    postfix = Postfix("")
    queue = postfix.directory / "queue"
    lines = [
        f"{ports[way.claim]} inet {way.columns} - - smtpd -o {{ smtpd_milters = {way.listed.format(queue=queue)} }}\n"
        for way in WAYS
    ]
    with (postfix.directory / "config" / "master.cf").open("a", encoding="utf-8") as master:
        master.writelines(lines)
    for directory, mode in (("assay", 0o755), ("shut", 0o700)):
        (queue / directory).mkdir()
        (queue / directory).chmod(mode)
    (queue / "link").symlink_to(queue / "assay")
    (queue / "near").symlink_to("assay")
    (queue / "up").symlink_to("../../../../../..")
    with ExitStack() as stack:
        milters = {}
        for socket, mode in (("assay/open", 0o666), ("assay/closed", 0o600), ("shut/open", 0o666)):
            milters[socket] = stack.enter_context(FakeMilter(LEADING_SPACE | NO_REPLIES, path=queue / socket))
            (queue / socket).chmod(mode)
        stack.enter_context(postfix)
        yield Site(postfix, ports, milters)


def takes_mail(site: Site, way: Way) -> bool:
    """Whether the service asks that milter; without one it defers, but where none is listed, or ends at once."""
    milter = site.milters[way.socket]
    milter.packets.clear()
    with (
        suppress(smtplib.SMTPServerDisconnected),
        smtplib.SMTP("127.0.0.1", site.ports[way.claim], local_hostname="client.example", timeout=60) as client,
    ):
        client.ehlo()
        client.mail("a@client.example")
    return any(command == b"O" for command, _ in milter.packets)


def found(site: Site, way: Way, directory: Path) -> set[str]:
    """What the doctor says of this service, for a daemon at that socket."""
    config = directory / "assay.toml"
    socket = site.postfix.directory / "queue" / way.socket
    config.write_text(f'socket = "unix:{socket}"\n[dns]\nnameservers = ["127.0.0.1:1"]\ntimeout = 0.01\n')
    (directory / "policies").mkdir()
    (directory / "policies" / "default.toml").write_text("")
    inspection = Looker(Places(postfix=site.postfix.directory / "config")).inspect(config)
    label = f"{site.ports[way.claim]}/inet"
    ids = {"socket-outside-chroot", "socket-path-for-chroot", "socket-denied", "milter-not-listed", "milter-spelling"}
    return {each.id for each in findings(inspection) if each.id in ids and label in each.what}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.claim}: {way.found or 'works'}")
def test_postfix_and_the_doctor_agree(site: Site, way: Way, tmp_path: Path) -> None:
    assert found(site, way, tmp_path) == ({way.found} if way.found else set())
    assert takes_mail(site, way) is not bool(way.found)


def test_behind_a_proxy_filter_a_milter_sees_no_message() -> None:
    proxy = free_port()
    with (
        FakeMilter(LEADING_SPACE) as milter,
        Postfix(
            milter.place.replace("@127.0.0.1", "").replace("inet:", "inet:127.0.0.1:"),
            {"smtpd_proxy_filter": f"127.0.0.1:{proxy}"},
            services=f"127.0.0.1:{proxy} inet n - n - - smtpd -o smtpd_proxy_filter= -o smtpd_milters=\n",
        ) as postfix,
    ):
        postfix.send(message("proxied"), mail_from="a@client.example")
        wait_for(postfix, "proxied")

    assert milter.of(b"M")
    assert not milter.of(b"L")
    assert not milter.of(b"E")
