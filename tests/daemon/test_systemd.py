"""The shipped units under a real systemd, with all that they forbid: start, mail, reload, restart, watchdog, status.

A systemd of the tests' own runs them (:mod:`support.own_systemd`). Mail goes through a real Postfix whose smtpd is
chrooted, to the socket file below its queue directory, as the comment in assay.socket has it.
"""

import re
import signal
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

import pytest

from assay.daemon.milter_client import ConversationError, MilterClient
from support.mail import arrived, message, wait_for
from support.memory_limit import limited_memory
from support.own_systemd import OwnSystemd
from support.ports import free_port
from support.postfix import Postfix
from support.process import wait_until
from support.smtp_load import Load
from support.world import OWN, STRANGER

pytestmark = pytest.mark.real

SOCKET_FILE = "/var/spool/postfix/assay/assay.sock"
SOCKET = f"""\
[Socket]
ListenStream=
ListenStream={SOCKET_FILE}
SocketUser=assay
SocketGroup=postfix
SocketMode=0660
"""
SERVICE = "[Service]\nWatchdogSec=8\n"
"""Nobody should wait for a minute; all else is as shipped."""

CONFIG = """\
authserv_id = "mx.dest.example"
socket = "unix:{socket}"
mode = "enforce"
workers = 2
[dns]
nameservers = ["{nameserver}"]
[log]
level = "{level}"
[metrics]
address = "127.0.0.1:{port}"
"""


class Site:
    """Postfix, and the systemd that runs assay for it."""

    def __init__(self, directory: Path, nameserver: str) -> None:
        self.metrics = free_port()
        self.nameserver = nameserver
        self.postfix = Postfix("unix:assay/assay.sock", {"smtpd_client_connection_count_limit": "0"}, chroot=True)
        self.systemd = OwnSystemd(
            directory,
            self.text(),
            {"assay.socket": SOCKET, "assay.service": SERVICE},
            self.postfix.queue_directory,
        )

    def text(self, *, level: str = "info") -> str:
        return CONFIG.format(socket=SOCKET_FILE, nameserver=self.nameserver, level=level, port=self.metrics)

    def send(self, token: str, address: str = OWN) -> int:
        return self.postfix.send(message(token), mail_from="a@genuine.example", address=address).verdict.code

    def forge(self, token: str) -> int:
        return self.send(token, STRANGER)

    @property
    def socket(self) -> Path:
        """The socket file, seen from outside."""
        return self.postfix.queue_directory / "assay/assay.sock"

    @contextmanager
    def unreadable(self, name: str) -> Iterator[None]:
        """Close a file or directory below /etc/assay to all but root."""
        path = f"/etc/assay/{name}"
        mode = self.systemd.run("stat", "--format=%a", path)
        self.systemd.run("chmod", "000", path)
        try:
            yield
        finally:
            self.systemd.run("chmod", mode, path)

    def metric(self, sample: str) -> float:
        """A number of the metrics, by the name of the sample and its labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return float(next(line.rpartition(" ")[2] for line in lines if line.startswith(f"{sample} ")))


@pytest.fixture(scope="module")
def running(nameserver: str, open_directory: Callable[[], Path]) -> Iterator[Site]:
    """Booted, with the socket open and no service started."""
    site = Site(open_directory(), nameserver)
    with site.systemd as systemd:
        systemd.run("systemctl", "start", "assay.socket")
        with site.postfix:
            yield site


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    """With the service as after an installation: started, and nothing in its journal yet that a test would meet."""
    systemd = running.systemd
    running.systemd.config.write_text(running.text(), "utf-8")
    systemd.run("systemctl", "stop", "assay.service")
    systemd.run("systemctl", "reset-failed", check=False)
    systemd.run("journalctl", "--rotate")
    systemd.run("journalctl", "--vacuum-time=1us", "--quiet", check=False)
    systemd.run("systemctl", "start", "assay.socket", "assay.service")
    try:
        yield running
    except BaseException as error:
        error.add_note(systemd.journal())
        raise


def test_it_starts_under_all_that_the_unit_forbids_and_misses_nothing(site: Site) -> None:
    systemd = site.systemd
    assert systemd.show("ActiveState") == "active"
    assert "opened_by=systemd" in systemd.journal()
    assert f"socket=unix:{SOCKET_FILE}" in systemd.journal()
    # no core that cannot be chosen, no notice that cannot be sent
    assert "level=warning" not in systemd.journal()
    assert "level=error" not in systemd.journal()
    for pid in (systemd.main_pid(), *systemd.workers()):
        status = systemd.process_status(pid)
        assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
        assert {int(status[key], 16) for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
        assert status["Uid"].split()[0] != "0"
    cores = [systemd.process_status(pid)["Cpus_allowed_list"] for pid in systemd.workers()]
    assert all(re.fullmatch(r"\d+", each) for each in cores)
    assert (
        systemd.run("stat", "--format=%U", "/run/assay", "/var/lib/assay", "/var/cache/assay").split() == ["assay"] * 3
    )


def test_mail_through_a_chrooted_postfix_is_judged_and_shows_in_the_status(site: Site) -> None:
    assert site.send("genuine") == 250
    assert wait_for(site.postfix, "genuine").methods()["dmarc"] == "pass"
    assert site.forge("forged") == 550
    assert arrived(site.postfix, "forged") == []
    said = "2 messages in the last minute: 1 accepted, 0 quarantined, 1 rejected, 0 deferred; workers 2"
    wait_until(lambda: site.systemd.show("StatusText") == said, said)


def test_the_metrics_are_read_beside_the_sandbox(site: Site) -> None:
    assert site.metric('assay_workers{state="serving"}') == 2


def test_a_reload_takes_the_new_configuration(site: Site) -> None:
    before = site.systemd.workers()
    site.systemd.config.write_text(site.text(level="debug"), "utf-8")
    site.systemd.run("systemctl", "reload", "assay.service")
    site.systemd.wait_for_journal("event=reloaded")
    assert "event=changed file=assay.toml key=log.level old=info new=debug" in site.systemd.journal()
    wait_until(lambda: site.systemd.show("ActiveState") == "active", "the end of the reload")
    assert len(site.systemd.workers()) == 2 * len(before)
    site.systemd.wait_for_journal("probe of the watchdog")


def test_a_reload_that_is_refused_fails_and_everything_says_so_until_one_succeeds(site: Site) -> None:
    site.systemd.config.write_text(site.text() + "[dmarc]\nshadowy = true\n", "utf-8")
    assert site.systemd.fails("systemctl", "reload", "assay.service")
    # of the daemon and of the check; each is there when it is
    site.systemd.wait_for_journal("shadowy", times=2)
    site.systemd.wait_for_journal('"reload refused, the old configuration stays"')
    refused = "; the last reload was refused, see the log"
    wait_until(lambda: site.systemd.show("StatusText").endswith(refused), "the status")
    assert site.metric('assay_reloads_total{outcome="refused"}') == 1
    assert site.systemd.show("ActiveState") == "active"
    assert site.send("unimpressed") == 250
    site.systemd.config.write_text(site.text(), "utf-8")
    site.systemd.run("systemctl", "reload", "assay.service")
    wait_until(lambda: not site.systemd.show("StatusText").endswith(refused), "the status")


UNREADABLE = pytest.mark.parametrize(
    ("closed", "named"),
    [
        pytest.param("", "/etc/assay/assay.toml", id="the directory of all"),
        pytest.param("assay.toml", "/etc/assay/assay.toml", id="the configuration"),
        pytest.param("policies", "/etc/assay/policies", id="the directory of policies"),
        pytest.param("policies/default.toml", "/etc/assay/policies/default.toml", id="a policy file"),
    ],
)


@UNREADABLE
def test_a_reload_that_may_not_read_something_names_it_and_changes_nothing(site: Site, closed: str, named: str) -> None:
    # what would be taken if it could be read; the unit's own user is not root, and so mode 000 is closed to it
    site.systemd.config.write_text(site.text().replace("enforce", "monitor"), "utf-8")
    with site.unreadable(closed):
        assert site.systemd.fails("systemctl", "reload", "assay.service")
        site.systemd.wait_for_journal(f"assay: {named}: ")
        site.systemd.wait_for_journal(f'"reload refused, the old configuration stays" place={named} ')
        assert site.systemd.journal().count("Permission denied") == 2
        assert site.send("readable") == 250
        assert site.forge("unreadable") == 550
    site.systemd.run("systemctl", "reload", "assay.service")
    site.systemd.wait_for_journal("key=mode old=enforce new=monitor")


def test_restarts_and_reloads_under_load_defer_nothing(site: Site) -> None:
    with Load(site.postfix) as load:
        load.wait_for_more(100)
        for count in (1, 2):
            site.systemd.run("systemctl", "restart", "assay.service")
            load.wait_for_more(100)
            site.systemd.run("systemctl", "reload", "assay.service")
            site.systemd.wait_for_journal("event=reloaded", count)
            load.wait_for_more(100)

    assert load.deferred() == []
    assert "level=error" not in site.systemd.journal()
    genuine = sorted(offer.token for offer in load.offers() if not offer.forged)
    wait_until(lambda: len(load.delivered()) >= len(genuine), "the last delivery")
    assert sorted(dict(each.fields)["Subject"] for each in load.delivered()) == genuine


def test_a_worker_that_hangs_is_replaced_while_the_service_goes_on(site: Site) -> None:
    main, (first, *_) = site.systemd.main_pid(), site.systemd.workers()
    site.systemd.signal(first, signal.SIGSTOP)
    site.systemd.wait_for_journal(f'"worker does not answer, it is killed" pid={first}')
    wait_until(lambda: len(site.systemd.workers()) == 3, "another worker")
    assert (site.systemd.main_pid(), site.systemd.show("NRestarts")) == (main, "0")
    assert site.send("afterwards") == 250


def test_a_service_that_gives_no_verdict_for_too_long_is_killed_and_comes_back(site: Site) -> None:
    main = site.systemd.main_pid()
    site.systemd.signal(main, signal.SIGSTOP)
    wait_until(lambda: site.systemd.show("NRestarts") == "1", "a restart by the watchdog")
    assert "Watchdog timeout" in site.systemd.journal()
    wait_until(lambda: site.systemd.show("ActiveState") == "active", "the service")
    assert site.systemd.main_pid() != main
    assert site.send("risen") == 250


def test_a_worker_that_grows_beyond_the_memory_of_the_service_is_killed_and_no_other_process(site: Site) -> None:
    systemd = site.systemd
    main, first = systemd.main_pid(), systemd.workers()
    # two workers share what comes in, and one must outgrow the supervisor, which begins with 20 MiB more
    with limited_memory(systemd, 128 << 20), ExitStack() as open_messages:

        def one_is_killed() -> bool:
            client = open_messages.enter_context(MilterClient.connect_to(str(site.socket)))
            with suppress(OSError, ConversationError):
                fill(client)
            return not all(map(systemd.lives, first))

        wait_until(one_is_killed, "the end of a worker")
    systemd.wait_for_journal("exit=-9 ")
    wait_until(lambda: len(systemd.workers()) >= 3, "another worker")
    assert (systemd.main_pid(), systemd.show("NRestarts")) == (main, "0")
    assert (site.send("room again"), site.forge("as before")) == (250, 550)


def fill(client: MilterClient) -> None:
    """Begin a message with as much header as is read, and leave it open."""
    client.negotiate()
    client.connect(ip_address(OWN))
    client.helo(b"client.example")
    client.mail(b"<a@genuine.example>")
    client.rcpt(b"<user@dest.example>")
    for _ in range(30):
        client.header(b"X-Long", b" " + 60_000 * b"x")


def test_the_death_of_the_supervisor_costs_a_restart_and_no_connection(site: Site) -> None:
    site.systemd.signal(site.systemd.main_pid(), signal.SIGKILL)
    # in the backlog until the next one serves
    assert site.send("orphan") == 250
    assert site.systemd.show("NRestarts") == "1"


def test_what_is_open_when_the_supervisor_dies_is_deferred_and_systemd_says_why(site: Site) -> None:
    workers = site.systemd.workers()
    with site.postfix.connect(address=OWN) as client:
        assert (client.mail("a@genuine.example")[0], client.rcpt("user@dest.example")[0]) == (250, 250)
        site.systemd.signal(site.systemd.main_pid(), signal.SIGKILL)
        wait_until(lambda: not any(map(site.systemd.lives, workers)), "the end of the workers")
        assert client.data(message("unfinished"))[0] == 451
    assert "code=killed, status=9/KILL" in site.systemd.journal()


def test_a_connection_starts_a_service_that_is_not_running(site: Site) -> None:
    site.systemd.run("systemctl", "stop", "assay.service")
    assert site.send("waker") == 250
    # one of its workers serves before all of them do, and systemd hears of them all
    wait_until(lambda: site.systemd.show("ActiveState") == "active", "the service")


def test_a_configuration_that_is_refused_is_not_tried_again_and_again(site: Site) -> None:
    site.systemd.run("systemctl", "stop", "assay.service")
    site.systemd.config.write_text("workerz = 1\n", "utf-8")
    assert site.systemd.fails("systemctl", "start", "assay.service")
    assert (site.systemd.show("ActiveState"), site.systemd.show("NRestarts")) == ("failed", "0")
    assert "workerz" in site.systemd.journal()


@UNREADABLE
def test_what_may_not_be_read_at_the_start_is_named_and_not_tried_again_and_again(
    site: Site, closed: str, named: str
) -> None:
    site.systemd.run("systemctl", "stop", "assay.service")
    with site.unreadable(closed):
        assert site.systemd.fails("systemctl", "start", "assay.service")
    assert (site.systemd.show("ActiveState"), site.systemd.show("NRestarts")) == ("failed", "0")
    assert re.search(rf"assay: {named}: .*Permission denied", site.systemd.journal())


def test_a_configuration_that_is_gone_is_not_replaced_by_the_one_that_was_shipped(site: Site) -> None:
    site.systemd.run("systemctl", "stop", "assay.service")
    site.systemd.run("mkdir", "-p", "/opt/assay/share/assay/conf")
    site.systemd.run("cp", "-r", "/etc/assay/policies", "/opt/assay/share/assay")
    site.systemd.run("mv", "/etc/assay/assay.toml", "/opt/assay/share/assay/conf")
    # what is there would let everything in
    shipped = "/opt/assay/share/assay/conf/assay.toml"
    site.systemd.run("sed", "-i", "s/enforce/monitor/", shipped)
    assert f"configuration {shipped}: good" in site.systemd.run("/opt/assay/bin/assay", "config")
    assert site.systemd.fails("systemctl", "start", "assay.service")
    assert "assay: /etc/assay/assay.toml: cannot be read: No such file or directory" in site.systemd.journal()
    assert site.forge("unguarded") == 451


def test_mail_that_meets_a_refused_configuration_is_deferred_and_a_restart_mends_it(site: Site) -> None:
    site.systemd.run("systemctl", "stop", "assay.service")
    site.systemd.config.write_text("workerz = 1\n", "utf-8")
    # each connection is a reason for systemd to start the service, until it has enough of that
    assert site.send("too early") == 451
    wait_until(lambda: site.systemd.show("ActiveState", "assay.socket") == "failed", "the end of the attempts")
    assert site.send("still too early") == 451
    site.systemd.config.write_text(site.text(), "utf-8")
    site.systemd.run("systemctl", "reset-failed", "assay.service")
    site.systemd.run("systemctl", "restart", "assay.service")
    assert site.send("in time") == 250


def test_a_socket_that_the_watchdog_cannot_reach_is_told_at_the_start(site: Site) -> None:
    site.systemd.run("systemctl", "stop", "assay.service")
    site.systemd.run("chown", "root:postfix", SOCKET_FILE)
    try:
        assert site.systemd.fails("systemctl", "start", "assay.service")
        assert "write SocketUser=assay in assay.socket" in site.systemd.journal()
    finally:
        site.systemd.run("chown", "assay:postfix", SOCKET_FILE)
