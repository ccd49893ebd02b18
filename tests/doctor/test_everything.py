"""All of it together: what cannot be read is listed, and the rest is looked at."""

import os
from pathlib import Path
from typing import NoReturn

import pytest

from assay.dns.nameservers import NameserverError
from assay.doctor.look import everything, postfix
from assay.doctor.look.places import Places
from support.doctor_world import Machine
from support.doctor_world import machine as good_machine


def denied(*_: object, **__: object) -> NoReturn:
    raise PermissionError(13, "Permission denied")


def look(made: Machine) -> everything.Looker:
    return everything.Looker(Places(root=made.root))


def test_name_servers_that_cannot_be_read_are_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(_: Path) -> NoReturn:
        raise NameserverError("/etc/resolv.conf: cannot be read")

    monkeypatch.setattr(everything, "system_nameservers", unreadable)
    with good_machine(lambda made: made.main.clear()) as made:
        made.config.write_text('socket = "unix:/var/spool/postfix/assay/assay.sock"\n')
        inspection = look(made).inspect(None)
    assert inspection.resolvers == ()
    assert [each.what for each in inspection.unread] == ["/etc/resolv.conf"]


def test_without_a_configuration_the_rest_is_read(tmp_path: Path) -> None:
    inspection = everything.Looker(Places(root=tmp_path)).inspect(None)
    assert inspection.config is None
    assert str(tmp_path / "etc/assay/assay.toml") in str(inspection.problems[0])
    assert inspection.machine.python


def test_a_configuration_that_is_closed_to_us_is_no_fault_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: denied() if path.suffix == ".toml" else real(path))
    with good_machine(lambda made: made.main.clear()) as made:
        inspection = look(made).inspect(None)
    assert (inspection.config, inspection.problems) == (None, ())
    assert [each.what for each in inspection.unread] == [f"{made.root}/etc/assay/assay.toml"]


def test_what_we_may_not_see_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.lstat
    with good_machine(lambda made: made.main.clear()) as made:
        monkeypatch.setattr("assay.doctor.look.socket.MilterClient.connect_to", denied)
        monkeypatch.setattr(os, "lstat", lambda path, **_: denied() if str(path).endswith("policies") else real(path))
        inspection = look(made).inspect(None)
    assert [(each.what, each.why) for each in inspection.unread] == [
        ("unix:/var/spool/postfix/assay/assay.sock", "Permission denied"),
        ("/etc/assay/policies", "permission denied"),
    ]


def test_a_configuration_outside_of_the_copy_is_walked_to_where_it_is(tmp_path: Path) -> None:
    with good_machine(lambda made: made.main.clear()) as made:
        other = tmp_path / "assay.toml"
        other.write_text(made.config.read_text())
        (tmp_path / "policies").mkdir()
        (tmp_path / "policies/default.toml").write_text("")
        inspection = look(made).inspect(other)
    assert inspection.files[0].real == str(other.resolve())


@pytest.mark.usefixtures("without_postconf")
def test_on_the_machine_itself_the_queue_and_the_programs_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postfix, "held", lambda found, name: (found.directory, name))
    with good_machine() as made:
        looker = everything.Looker(Places(postfix=made.root / "etc/postfix"))
        inspection = looker.inspect(made.config)
    assert inspection.held == (f"{made.root}/etc/postfix", "mx.dest.example")
    assert inspection.programs
