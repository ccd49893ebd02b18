"""The Debian package where no systemd runs: in a container, a chroot, or while a machine is being installed.

The last test takes the package away again.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from support import mail_server
from support.debian import Machine, clean_root
from support.process import Process

pytestmark = pytest.mark.real

AS_ASSAY = "setpriv --reuid=assay --regid=assay --init-groups --no-new-privs"


@pytest.fixture(scope="module")
def empty() -> Iterator[Machine]:
    with Machine(clean_root(), systemd=False) as machine:
        yield machine


@pytest.fixture(scope="module")
def before(empty: Machine) -> Mapping[str, str]:
    return empty.files()


@pytest.fixture(scope="module")
def container(empty: Machine, before: Mapping[str, str], deb: Path) -> Machine:
    assert before
    empty.apt("install", empty.put(deb))
    return empty


def test_it_is_enabled_for_the_next_boot_and_not_started(container: Machine) -> None:
    wanted = "/etc/systemd/system/multi-user.target.wants/assay.service"

    assert container.run("realpath", wanted) == "/usr/lib/systemd/system/assay.service"
    assert container.exists("/etc/systemd/system/sockets.target.wants/assay.socket")
    assert not container.exists("/run/assay")


def test_its_user_is_there(container: Machine) -> None:
    assert container.run("getent", "passwd", "assay").endswith(":/var/lib/assay:/usr/sbin/nologin")


def test_it_runs_as_its_user(container: Machine, tmp_path: Path) -> None:
    start = f"{AS_ASSAY} assay run & echo $! >/tmp/pid; wait $!; echo ended with $?"
    with Process(container.command("sh", "-c", start), log=tmp_path / "log") as daemon:
        daemon.wait_for_output("worker started")
        field = mail_server.converse(container)
        container.run("sh", "-c", "kill $(cat /tmp/pid)")
        daemon.wait_for_output("ended with 0")

    assert "spf=temperror" in field  # there is no name server


def test_a_purge_leaves_nothing_of_it(container: Machine, before: Mapping[str, str], deb: Path) -> None:
    container.apt("purge", "assay")

    after = container.files()
    copies = {f"/etc/{name}-" for name in ("passwd", "shadow", "group", "gshadow")}
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    assert changed - copies == {f"/srv/{deb.name}"}
