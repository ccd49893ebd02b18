"""The Debian package on a minimal Debian with systemd and Postfix: installed, used, upgraded, removed, purged.

The tests follow the life of one machine; each state of it is a fixture that rests on the one before.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import mail_server
from support.debian import Machine, clean_root
from support.mail_server import OWN, STRANGER, Traffic
from support.process import wait_until

pytestmark = pytest.mark.real

Files = Mapping[str, str]

EDITED = "/etc/assay/assay.toml"
BY_SYSTEM = re.compile(
    r"/etc/(passwd|shadow|group|gshadow)-?$|/etc/systemd/system/[a-z-]+\.target\.wants(/assay\.(service|socket))?$"
    r"|/var/lib/systemd/deb-systemd-helper-enabled(/|$)|/usr/lib/systemd/system/assay\.(service|socket)$"
    r"|/var/lib/assay$|/var/tmp/systemd-private-|/srv/"
)
"""What an installation changes that is in no package: the user, what is enabled, the directories of the service. (dpkg
knows the units by another name of the same directory.)"""


def postfix_of(files: Files) -> Files:
    return {path: what for path, what in files.items() if path.startswith("/etc/postfix")}


def changed(before: Files, after: Files) -> set[str]:
    return {path for path in {*before, *after} if before.get(path) != after.get(path)}


def main_pid(machine: Machine) -> str:
    return machine.run("systemctl", "show", "--property=MainPID", "--value", "assay.service")


def active(machine: Machine) -> list[str]:
    return machine.run("systemctl", "is-active", "assay.service", "assay.socket", check=False).split()


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What one step on the machine did.

    Attributes:
        machine: where.
        output: what apt said.
        before: the files before the step.
        after: the files after it.
    """

    machine: Machine
    output: str
    before: Files
    after: Files


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine(clean_root()) as booted:
        yield booted


@pytest.fixture(scope="module")
def installed(machine: Machine, deb: Path) -> State:
    before = machine.files()
    output = machine.apt("install", machine.put(deb))
    return State(machine=machine, output=output, before=before, after=machine.files())


# -- installed


def test_it_is_installed_without_a_network_beside_what_a_mail_server_has(installed: State) -> None:
    assert installed.machine.run("dpkg-query", "--show", "--showformat=${Status}", "assay") == "install ok installed"
    assert "assay is installed, in monitor mode" in installed.output


def test_nothing_changed_but_what_is_its_own(installed: State) -> None:
    own = set(installed.machine.run("dpkg", "--listfiles", "assay").splitlines())
    others = {path for path in changed(installed.before, installed.after) - own if not BY_SYSTEM.match(path)}

    assert others == set()


def test_postfix_is_left_alone(installed: State) -> None:
    assert len(postfix_of(installed.before)) > 5
    assert postfix_of(installed.after) == postfix_of(installed.before)
    assert installed.machine.run("postconf", "-h", "smtpd_milters") == ""


def test_every_file_is_as_the_package_has_it(installed: State) -> None:
    assert installed.machine.run("dpkg", "--verify", "assay") == ""


@pytest.mark.parametrize("unit", ["assay.service", "assay.socket"])
def test_it_runs_and_will_after_a_boot(unit: str, installed: State) -> None:
    assert installed.machine.run("systemctl", "is-active", unit) == "active"
    assert installed.machine.run("systemctl", "is-enabled", unit) == "enabled"


def test_its_user_can_do_nothing_else(installed: State) -> None:
    name, _, uid, _, _, home, shell = installed.machine.run("getent", "passwd", "assay").split(":")
    password = installed.machine.run("getent", "shadow", "assay").split(":")[1]

    assert (name, home, shell) == ("assay", "/var/lib/assay", "/usr/sbin/nologin")
    assert int(uid) < 1000
    assert password.startswith("!")
    assert installed.machine.run("id", "--groups", "--name", "assay") == "assay"


def test_the_daemon_runs_as_that_user_and_with_no_capability(installed: State) -> None:
    status = installed.machine.read(f"/proc/{main_pid(installed.machine)}/status")
    uid = installed.machine.run("id", "--user", "assay")

    assert re.search(rf"(?m)^Uid:(\s+{uid}){{4}}$", status)
    assert re.search(r"(?m)^CapEff:\s+0+$", status)
    assert re.search(r"(?m)^NoNewPrivs:\s+1$", status)


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        ("/etc/assay", "755 root:root"),
        ("/etc/assay/assay.toml", "644 root:root"),
        ("/etc/assay/policies", "755 root:root"),
        ("/etc/assay/policies/default.toml", "644 root:root"),
        ("/var/lib/assay", "750 assay:assay"),
        ("/var/cache/assay", "750 assay:assay"),
        ("/run/assay", "755 assay:assay"),
        ("/usr/lib/assay", "755 root:root"),
    ],
)
def test_who_may_do_what(path: str, mode: str, installed: State) -> None:
    assert installed.machine.run("stat", "--format=%a %U:%G", path) == mode


def test_every_file_of_its_configuration_is_one_that_dpkg_watches(installed: State) -> None:
    watched = installed.machine.run("dpkg-query", "--show", "--showformat=${Conffiles}", "assay")
    there = installed.machine.run("find", "/etc/assay", "-type", "f").splitlines()

    assert {line.split()[0] for line in watched.splitlines() if line} == set(there)


def test_its_configuration_is_good_and_only_watches(installed: State) -> None:
    found = installed.machine.run("setpriv", "--reuid=assay", "--regid=assay", "--init-groups", "assay", "config")

    assert "configuration /etc/assay/assay.toml: good" in found
    assert "policies /etc/assay/policies: mode monitor" in found


def test_it_answers_an_mta(installed: State) -> None:
    # there is no name server yet
    assert "spf=temperror" in mail_server.converse(installed.machine)


def test_it_reloads_on_a_machine_without_procps(installed: State) -> None:
    # a minimal Debian has no /bin/kill
    assert not installed.machine.exists("/bin/kill")

    installed.machine.run("systemctl", "reload", "assay")

    wait_until(lambda: "event=reloaded" in installed.machine.run("journalctl", "--unit=assay"), "the end of the reload")


def test_no_byte_code_is_written_while_it_runs(installed: State) -> None:
    # else dpkg would leave files behind
    listed = set(installed.machine.run("dpkg", "--listfiles", "assay").splitlines())
    found = installed.machine.run("find", "/usr/lib/assay", "-name", "*.pyc").splitlines()

    assert len(found) > 1000
    assert set(found) <= listed


# -- attached to Postfix, as it told the administrator


@pytest.fixture(scope="module")
def attached(installed: State, tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    machine = installed.machine
    with mail_server.name_server(machine, tmp_path_factory.mktemp("dns")) as nameserver:
        machine.run("sed", "-i", f's|^nameservers = .*|nameservers = ["{nameserver}"]|', EDITED)
        machine.run("systemctl", "restart", "assay.service")
        lines = re.findall(r"(?m)^    (\w+ = .+)$", installed.output)
        machine.run("postconf", "-e", *lines, "smtpd_authorized_xclient_hosts = 127.0.0.1")
        machine.run("postfix", "reload")
        files = machine.files()
        yield State(machine=machine, output="", before=files, after=files)


def test_what_it_says_to_add_is_enough_for_postfix_to_use_it(attached: State) -> None:
    [(code, _, _), *_] = mail_server.send(attached.machine, client=OWN, count=1)

    assert code == 250
    assert "dmarc=pass" in mail_server.delivered(attached.machine)[-1]


def test_what_it_says_to_add_is_what_is_shipped(installed: State) -> None:
    shipped = installed.machine.read("/usr/share/assay/conf/postfix-main.cf").splitlines()
    said = re.findall(r"(?m)^    (\w+ = .+)$", installed.output)

    assert said == [line for line in shipped if re.match(r"\w+ = ", line)]


def test_the_doctor_finds_nothing_to_mend_in_what_the_package_and_its_advice_made(attached: State) -> None:
    found = json.loads(attached.machine.run("assay", "doctor", "--json", check=False))

    # The name server of this test is hardly one, the machine has no clock of its own, and its name is short.
    of_the_machine = re.compile("resolver-|clock-|authserv-id-not-unique")
    assert [each for each in found["findings"] if not of_the_machine.match(each["id"])] == []


def test_in_monitor_mode_a_forged_message_is_marked_and_nothing_else(attached: State) -> None:
    [(code, _, _), *_] = mail_server.send(attached.machine, client=STRANGER, count=1)
    log = attached.machine.run("journalctl", "--unit=assay.service", "--output=cat")

    assert code == 250
    assert "dmarc=fail" in mail_server.delivered(attached.machine)[-1]
    assert re.search(r"event=message .* dmarc=fail .* disposition=none would=reject", log)


# -- upgraded, with an edited configuration and mail coming in


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade(State):
    """An upgrade under load.

    Attributes:
        replies: what Postfix said to each message.
        marked: the Authentication-Results of each that was delivered meanwhile.
        pids: of the daemon, before and after.
    """

    replies: list[tuple[int, str, str]]
    marked: list[str]
    pids: tuple[str, str]


@pytest.fixture(scope="module")
def upgraded(attached: State, newer: Path, tmp_path_factory: pytest.TempPathFactory) -> Upgrade:
    machine = attached.machine
    delivered = len(mail_server.delivered(machine))
    package = machine.put(newer)
    pid = main_pid(machine)
    traffic = Traffic(machine, tmp_path_factory.mktemp("traffic"), senders=8)
    traffic.start()
    output = machine.apt("install", package)
    traffic.wait_for(50)
    replies = traffic.stop()
    return Upgrade(
        machine=machine,
        output=output,
        before=attached.after,
        after=machine.files(),
        replies=replies,
        marked=mail_server.delivered(machine)[delivered:],
        pids=(pid, main_pid(machine)),
    )


def test_an_upgrade_starts_the_new_daemon(upgraded: Upgrade) -> None:
    assert upgraded.pids[0] != upgraded.pids[1]
    assert active(upgraded.machine) == ["active", "active"]
    assert upgraded.machine.run("dpkg-query", "--show", "--showformat=${Version}", "assay").endswith("+newer")


def test_an_upgrade_defers_no_message_and_none_passes_unjudged(upgraded: Upgrade) -> None:
    assert [reply for reply in upgraded.replies if reply[0] != 250] == []
    assert len(upgraded.marked) == len(upgraded.replies)
    assert [field for field in upgraded.marked if "dmarc=pass" not in field] == []


def test_an_upgrade_keeps_an_edited_configuration_and_puts_the_new_one_beside_it(upgraded: Upgrade) -> None:
    assert upgraded.after[EDITED] == upgraded.before[EDITED]
    assert upgraded.machine.read(f"{EDITED}.dpkg-dist").endswith("# a line of the newer version")


def test_an_upgrade_replaces_what_was_not_edited(upgraded: Upgrade) -> None:
    assert upgraded.machine.read("/etc/assay/policies/README.md").endswith("# a line of the newer version")


def test_an_upgrade_leaves_postfix_alone(upgraded: Upgrade) -> None:
    assert postfix_of(upgraded.after) == postfix_of(upgraded.before)


def test_a_daemon_that_works_is_not_exchanged_for_one_that_refuses_its_configuration(
    upgraded: Upgrade, newer: Path
) -> None:
    machine = upgraded.machine
    pid = main_pid(machine)
    good = machine.read(EDITED)
    machine.write(EDITED, f'mood = "monitor"\n{good}'.encode())

    output = machine.apt("install", "--reinstall", f"/srv/{newer.name}")

    assert "mood" in output
    assert "systemctl restart assay" in output
    assert main_pid(machine) == pid
    assert "dmarc=pass" in mail_server.converse(machine)
    machine.write(EDITED, f"{good}\n".encode())


def test_a_service_that_an_administrator_stopped_and_disabled_stays_so(upgraded: Upgrade, newer: Path) -> None:
    machine = upgraded.machine
    machine.run("systemctl", "disable", "--now", "assay.socket", "assay.service")

    machine.apt("install", "--reinstall", f"/srv/{newer.name}")

    assert active(machine) == ["inactive", "inactive"]
    assert machine.run("systemctl", "is-enabled", "assay.service", check=False) == "disabled"
    machine.run("systemctl", "enable", "--now", "assay.socket", "assay.service")


# -- removed


@pytest.fixture(scope="module")
def removed(upgraded: Upgrade) -> State:
    machine = upgraded.machine
    machine.write("/etc/assay/policies/bank.example.toml", b'mode = "enforce"\n')
    before = machine.files()
    output = machine.apt("remove", "assay")
    return State(machine=machine, output=output, before=before, after=machine.files())


def test_a_removal_stops_it(removed: State) -> None:
    assert active(removed.machine) == ["inactive", "inactive"]
    code = 'import socket; print(socket.socket().connect_ex(("127.0.0.1", 8894)) != 0)'
    assert removed.machine.run("sh", "-c", f"/usr/bin/python3.* -c {shlex.quote(code)}") == "True"


def test_a_removal_says_that_postfix_still_asks_for_it(removed: State) -> None:
    assert "assay is gone, and /etc/postfix/main.cf still names it" in removed.output
    assert postfix_of(removed.after) == postfix_of(removed.before)


def test_a_removal_keeps_the_configuration_and_takes_the_programs(removed: State) -> None:
    kept = {
        path for path in removed.after if "assay" in path and not path.startswith(("/srv/", "/var/", "/etc/systemd"))
    }

    assert kept == {path for path in removed.before if path.startswith("/etc/assay")}
    assert f"{EDITED}.dpkg-dist" in kept


# -- purged


@pytest.fixture(scope="module")
def purged(removed: State, installed: State) -> State:
    output = removed.machine.apt("purge", "assay")
    return State(machine=removed.machine, output=output, before=installed.before, after=removed.machine.files())


def test_a_purge_leaves_nothing_of_it(purged: State) -> None:
    # Postfix's are the administrator's, who attached it, and the mail that came; a dash is the copy before a change.
    used = re.compile(
        r"/etc/postfix/|/var/(mail|lib/postfix|spool/postfix)/|/etc/(passwd|shadow|group|gshadow)-$|/srv/"
    )

    assert {path for path in changed(purged.before, purged.after) if not used.match(path)} == set()
    assert purged.machine.run("getent", "passwd", "assay", check=False) == ""
    assert purged.machine.run("getent", "group", "assay", check=False) == ""
    assert purged.machine.run("systemctl", "list-unit-files", "assay*", "--no-legend", check=False) == ""


def test_it_comes_back_as_if_it_had_never_been_there(purged: State, deb: Path) -> None:
    machine = purged.machine

    machine.apt("install", f"/srv/{deb.name}")

    assert active(machine) == ["active", "active"]
    assert mail_server.converse(machine)


def test_where_the_administrator_forbids_it_nothing_is_started(purged: State, deb: Path) -> None:
    machine = purged.machine
    machine.apt("purge", "assay")
    machine.write("/usr/sbin/policy-rc.d", b"#!/bin/sh\nexit 101\n")
    machine.run("chmod", "755", "/usr/sbin/policy-rc.d")

    machine.apt("install", f"/srv/{deb.name}")

    assert active(machine) == ["inactive", "inactive"]
    assert machine.run("systemctl", "is-enabled", "assay.service") == "enabled"
