"""What is read, and what is said of what cannot be read."""

import os
import socket
import threading
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NoReturn

import pytest

from assay.config.socket import SocketAddress, SocketFamily
from assay.dns.nameservers import parse_nameserver
from assay.doctor.inspection import Contact, Library, Outcome, Unread
from assay.doctor.look import listeners, machine, paths, places, postfix, program, resolver, signers, unit
from assay.doctor.look import socket as socket_look
from assay.doctor.look.places import Places, UnreadError
from assay.doctor.postfix import Postfix
from assay.doctor.unit import State
from support.dnsserver import DnsServer, Exchange, Reply, dead, first_then, plain
from support.doctor_world import ZONE, authentic
from support.ports import free_port


def denied(*_: object, **__: object) -> NoReturn:
    raise PermissionError(13, "Permission denied")


class TestPaths:
    def test_links_are_followed_inside_the_copy(self, tmp_path: Path) -> None:
        (tmp_path / "run/assay").mkdir(parents=True)
        (tmp_path / "run/assay/sock").touch()
        (tmp_path / "var").mkdir()
        (tmp_path / "var/run").symlink_to("/run")
        (tmp_path / "var/here").symlink_to("../run/assay")

        for path in ("/var/run/assay/sock", "/var/here/sock", "/var/../run/./assay/sock"):
            walk = paths.walk(Places(root=tmp_path), path)
            assert walk.real == "/run/assay/sock"
            assert walk.steps[-1].path == "/run/assay/sock"
            assert not walk.missing

    def test_what_is_not_there_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir()
        walk = paths.walk(Places(root=tmp_path), "/run/assay/sock")

        assert (walk.missing, walk.real) == ("/run/assay", "/run/assay/sock")
        assert [step.path for step in walk.steps] == ["/", "/run"]

    def test_a_file_is_no_directory(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        assert paths.walk(Places(root=tmp_path), "/file/sock").missing == "/file/sock"

    def test_links_that_lead_to_each_other_end(self, tmp_path: Path) -> None:
        (tmp_path / "a").symlink_to("b")
        (tmp_path / "b").symlink_to("a")
        assert paths.walk(Places(root=tmp_path), "/a").steps[-1].path in {"/a", "/b"}

    def test_what_we_may_not_see_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = os.lstat
        monkeypatch.setattr(os, "lstat", lambda path: denied() if str(path).endswith("closed") else real(path))
        walk = paths.walk(Places(root=tmp_path), "/closed/sock")

        assert (walk.denied, walk.missing) == ("/closed", "")

    def test_an_access_control_list_is_noticed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "getxattr", lambda *_, **__: b"\2\0\0\0")
        assert paths.walk(Places(root=tmp_path), "/").steps[0].acl

    def test_an_account_has_the_groups_that_it_is_a_member_of(self, tmp_path: Path) -> None:
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc/passwd").write_text("short\npostfix:x:103:106::/:/bin/false\nodd:x:x:x::/:/bin/false\n")
        (tmp_path / "etc/group").write_text("assay:x:110:opendkim,postfix\nodd:x:x:postfix\nother:x:9:\n")
        copy = Places(root=tmp_path)

        found = paths.account(copy, "postfix")
        assert found is not None
        assert (found.uid, found.gids) == (103, {106, 110})
        assert paths.account(copy, "odd") is None
        assert paths.account(copy, "nobody-here") is None
        assert paths.group_ids(copy, frozenset({"assay", "missing"})) == {110}


class TestPrograms:
    def test_what_is_not_installed_is_said(self) -> None:
        with pytest.raises(UnreadError) as caught:
            places.output_of("the thing", ["no-such-program"])
        assert caught.value.unread.why == "no-such-program is not installed"

    @pytest.mark.parametrize(
        ("program", "why"), [("false", "false ended with 1"), ("cat", "cat: /nonexistent/x: No such file or directory")]
    )
    def test_a_program_that_fails_is_quoted(self, program: str, why: str) -> None:
        with pytest.raises(UnreadError) as caught:
            places.output_of("the thing", [program, "/nonexistent/x"], "do this")
        assert caught.value.unread.why.endswith(why)
        assert caught.value.unread.remedy == "do this"

    def test_what_a_program_says_and_what_it_complains_of(self) -> None:
        assert places.outputs_of("the thing", ["echo", "words"]) == ("words\n", "")
        assert places.output_of("the thing", ["echo", "words"]) == "words\n"

    def test_a_postfix_that_is_closed_to_us_is_no_broken_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "main.cf").touch()
        why = "postconf: fatal: open main.cf: Permission denied"

        def closed(*_: object) -> NoReturn:
            raise UnreadError(Unread(what="", why=why, remedy=""))

        monkeypatch.setattr(postfix, "outputs_of", closed)
        with pytest.raises(UnreadError, match=why):
            postfix.look(Places(postfix=tmp_path))

    def test_a_program_that_hangs_is_left(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(places, "PATIENCE", 0.05)
        with pytest.raises(UnreadError, match="timed out"):
            places.output_of("the thing", ["sleep", "30"])

    def test_a_file_that_is_closed_to_us_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Path, "read_text", denied)
        with pytest.raises(UnreadError) as caught:
            signers.look(Places(root=tmp_path))
        assert caught.value.unread.what == str(tmp_path / "etc/opendkim.conf")
        assert "root" in caught.value.unread.remedy


FIELD = (
    "Authentication-Results: {id};\n\tspf=none;\n\tdmarc=fail (p=quarantine disposition={disposition})\n"
    "\t header.from=a.example;\n\tarc=none\n"
)


class TestHeld:
    """What postqueue and postcat say, without Postfix; tests/doctor/test_live.py has the real ones."""

    POSTFIX = Postfix(directory="/etc/postfix", parameters={}, services=())

    @pytest.fixture(autouse=True)
    def programs(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
        headers: dict[str, str] = {}

        def answer(what: str, command: Sequence[str], _remedy: str = "") -> str:
            if command[0] == "postqueue":
                return "".join(
                    f'{{"queue_name": "{"deferred" if each == "D" else "hold"}", "queue_id": "{each}",'
                    ' "arrival_time": 7}\n'
                    for each in headers
                )
            if not headers[command[-1]]:
                return places.output_of(what, ["false"])
            return headers[command[-1]]

        monkeypatch.setattr(postfix, "output_of", answer)
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        return headers

    def test_ours_are_those_with_our_field_and_that_disposition(self, programs: dict[str, str]) -> None:
        programs["A"] = "X-Y: z\n" + FIELD.format(id="mx.example", disposition="quarantine") + "To: b\n\n"
        programs["B"] = FIELD.format(id="other.example", disposition="quarantine")
        programs["C"] = FIELD.format(id="mx.example", disposition="none")
        programs["D"] = programs["A"]
        programs["E"] = ""
        programs["F"] = "Authentication-Results: MX.example; dmarc=none (disposition=quarantine)\n"

        assert [
            (each.queue_id, each.author_domain, each.since) for each in postfix.held(self.POSTFIX, "mx.example")
        ] == [
            ("A", "a.example", 7),
            ("F", "", 7),
        ]

    def test_an_empty_queue_asks_for_no_root(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        assert postfix.held(self.POSTFIX, "mx.example") == ()

    def test_only_root_can_say_whose_they_are(self, programs: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        programs["A"] = "x"
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        with pytest.raises(UnreadError, match="1 messages are on hold, and only root may read why"):
            postfix.held(self.POSTFIX, "mx.example")


class TestResolver:
    def test_a_name_server_without_the_root_fails(self) -> None:
        with DnsServer("a.example. TXT x") as server:
            view = resolver.look(server.nameserver, 2)
        assert (view.outcome, view.why) == (Outcome.FAILED, "it knows no name servers of the root")

    def test_one_that_falls_silent_is_as_slow_as_we_wait(self) -> None:
        with DnsServer(ZONE, everything=first_then(authentic, dead), tcp=False) as server:
            view = resolver.look(server.nameserver, 0.05)
        assert (view.outcome, view.milliseconds, view.invents) == (Outcome.ANSWERED, 50, False)

    def test_rubbish_is_no_answer(self) -> None:
        def rubbish(exchange: Exchange) -> list[Reply]:
            return [(0, plain(exchange)[0][1][:14])]

        with DnsServer(ZONE, everything=rubbish) as server:
            view = resolver.look(server.nameserver, 0.5)
        assert view.outcome is Outcome.SILENT
        assert view.why

    def test_it_asks_for_the_root_and_what_cannot_exist_and_nothing_else(self) -> None:
        with DnsServer(ZONE, everything=authentic) as server:
            resolver.look(server.nameserver, 2)
        assert {(seen.name, seen.rrtype) for seen in server.seen} == {(b"", "NS"), (b"assay-doctor.invalid", "A")}


class TestSocket:
    @pytest.mark.parametrize(
        "says",
        [
            pytest.param(b"", id="nothing"),
            pytest.param(b"220 mail.example ESMTP\r\n", id="the greeting of an MTA, which is a length of 842 million"),
            pytest.param(b"\0\0\0\5O\0\0\0\6", id="half a negotiation"),
            pytest.param(b"\0\0\0\17O" + bytes(14), id="a negotiation and a bit"),
        ],
    )
    def test_a_port_that_says_nothing_of_a_milter_is_strange(self, says: bytes) -> None:
        port = free_port()
        address = SocketAddress(family=SocketFamily.INET, host="0.0.0.0", port=port)
        with socket.create_server(("127.0.0.1", port)) as listener:
            view = _while_saying(says, listener, address)
        assert view is Contact.STRANGE

    def test_nobody_there(self) -> None:
        address = SocketAddress(family=SocketFamily.INET, host="127.0.0.1", port=free_port())
        view = socket_look.look(Places(), address)
        assert (view.contact, view.why) == (Contact.NOBODY, "Connection refused")

    def test_what_we_may_not_do_is_no_fault_of_the_socket(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("assay.doctor.look.socket.MilterClient.connect_to", denied)
        address = SocketAddress(family=SocketFamily.UNIX, path="/run/assay/assay.sock")
        assert socket_look.look(Places(), address).contact is Contact.DENIED


def _while_saying(says: bytes, listener: socket.socket, address: SocketAddress) -> Contact:
    def serve() -> None:
        connection, _ = listener.accept()
        connection.recv(64)
        connection.sendall(says)
        connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    contact = socket_look.look(Places(), address).contact
    thread.join()
    return contact


class TestUnit:
    def test_a_drop_in_hides_those_of_its_name_in_later_directories(self, tmp_path: Path) -> None:
        for directory, text in (("etc", "KillMode=process"), ("usr/lib", "KillMode=none"), ("run", "Restart=no")):
            (tmp_path / directory / "systemd/system/assay.service.d").mkdir(parents=True)
            name = "b.conf" if directory == "run" else "a.conf"
            (tmp_path / directory / "systemd/system/assay.service.d" / name).write_text(text)
        (tmp_path / "usr/lib/systemd/system/assay.service").write_text("[Service]\nUser=assay\n")

        found = unit.look(Places(root=tmp_path))
        assert found is not None
        assert found.path == "/usr/lib/systemd/system/assay.service"
        assert found.drop_ins == (
            "/etc/systemd/system/assay.service.d/a.conf",
            "/run/systemd/system/assay.service.d/b.conf",
        )
        assert dict(found.settings) == {"User": "assay", "KillMode": "process", "Restart": "no"}
        assert not found.enabled

    def test_where_nothing_was_shipped_the_unit_itself_is_the_measure(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(unit, "configurations", lambda: (tmp_path / "conf/assay.toml",))
        (tmp_path / "etc/systemd/system").mkdir(parents=True)
        (tmp_path / "etc/systemd/system/assay.service").write_text("ProtectSystem=full\n")
        (tmp_path / "etc/systemd/system/assay.service.requires").mkdir()

        found = unit.look(Places(root=tmp_path))
        assert found is not None
        assert dict(found.shipped) == {"ProtectSystem": "full"}

    @pytest.mark.parametrize(
        ("said", "state"),
        [
            (
                "NeedDaemonReload=yes\nActiveState=active\nStateChangeTimestamp=@1700000000\n",
                State(outdated=True, failed=False, since=1_700_000_000),
            ),
            (
                "NeedDaemonReload=no\nActiveState=failed\nStateChangeTimestamp=\n",
                State(outdated=False, failed=True, since=None),
            ),
        ],
    )
    def test_systemd_says_how_the_service_is(
        self, said: str, state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "etc/systemd/system").mkdir(parents=True)
        (tmp_path / "etc/systemd/system/assay.service").write_text("")
        monkeypatch.setattr(unit, "runs", lambda _: True)
        monkeypatch.setattr(unit, "output_of", lambda *_: said)

        found = unit.look(Places(root=tmp_path))
        assert found is not None
        assert found.state == state

    def test_where_systemd_cannot_be_asked_nothing_is_said(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "etc/systemd/system").mkdir(parents=True)
        (tmp_path / "etc/systemd/system/assay.service").write_text("")
        monkeypatch.setattr(unit, "runs", lambda _: True)
        monkeypatch.setattr(unit, "output_of", lambda *_: places.output_of("x", ["false"]))

        found = unit.look(Places(root=tmp_path))
        assert found is not None
        assert found.state is None


class TestProgram:
    @pytest.mark.parametrize(
        ("line", "needed"),
        [
            pytest.param("", [], id="nothing is started"),
            pytest.param("assay run", [], id="systemd looks for it by itself"),
            pytest.param("/bin/gone run", ["/bin/gone"], id="what is not there leads nowhere"),
            pytest.param("-@/bin/binary assay run", ["/bin/binary"], id="a program without an interpreter"),
            pytest.param("/bin/script run", ["/bin/script", "/usr/bin/python3"], id="a script of the system's Python"),
            pytest.param(
                "/bin/linked run",
                ["/bin/linked", "/venv/bin/python", "/home/me/bin dir"],
                id="a link to a script of a virtual environment",
            ),
        ],
    )
    def test_what_is_needed_is_followed_to_the_end(self, line: str, needed: list[str], tmp_path: Path) -> None:
        for directory in ("bin", "venv/bin"):
            (tmp_path / directory).mkdir(parents=True)
        (tmp_path / "bin/binary").write_bytes(b"\x7fELF\2")
        (tmp_path / "bin/script").write_text("#! /usr/bin/python3 -I\n")
        (tmp_path / "venv/bin/assay").write_text("#!/venv/bin/python\n")
        (tmp_path / "bin/linked").symlink_to("/venv/bin/assay")
        (tmp_path / "venv/pyvenv.cfg").write_text("version = 3.11.2\nhome = /home/me/bin dir\n")
        (tmp_path / "etc/systemd/system").mkdir(parents=True)
        (tmp_path / "etc/systemd/system/assay.service").write_text(f"[Service]\nExecStart={line}\n")
        copy = Places(root=tmp_path)
        found = unit.look(copy)
        assert found is not None
        assert list(program.paths(copy, found)) == needed


class TestMachine:
    def test_the_kernel_is_asked_for_the_clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert machine.synchronised() in {True, False, None}
        for state, kept in ((0, True), (5, False), (-1, None)):
            library = type("Library", (), {"adjtimex": staticmethod(lambda _, state=state: state)})
            monkeypatch.setattr("ctypes.CDLL", lambda _, library=library: library)
            assert machine.synchronised() is kept
        monkeypatch.setattr("ctypes.CDLL", lambda _: object())
        assert machine.synchronised() is None

    def test_the_list_of_public_suffixes_has_a_date(self, tmp_path: Path) -> None:
        path = tmp_path / "list"
        assert machine.suffix_date(path) is None
        path.write_text("// no date\n")
        assert machine.suffix_date(path) is None
        path.write_text("// x\n// VERSION: 2026-10-22_08-36-41_UTC\ncom\n")
        assert machine.suffix_date(path) == date(2026, 10, 22)

    def test_libraries_are_compared_with_what_is_asked_for(self) -> None:
        requirements = ["no-such-thing>=1", "pytest[x]<99,>=1; extra == 'test'", "click>=8.1", "?"]
        missing, click = machine.libraries(requirements)
        assert missing == Library(name="no-such-thing", required=">=1", installed=None)
        assert (click.name, click.required, click.installed is None) == ("click", ">=8.1", False)

    def test_libmilter_says_its_version_if_it_is_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert machine.libmilter_version().startswith("1.")
        monkeypatch.setattr("ctypes.util.find_library", lambda _: None)
        assert machine.libmilter_version() == ""


class TestListeners:
    def test_a_program_is_found_by_what_it_listens_on(self, tmp_path: Path) -> None:
        own = Path("/proc/self/comm").read_text().strip()
        with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as local:
            local.bind(str(tmp_path / "s"))
            local.listen()
            found = listeners.look()
            assert found[f":{tcp.getsockname()[1]}"] == own
            assert found[str(tmp_path / "s")] == own

    def test_a_name_with_a_line_end_disturbs_nobody(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as hostile, socket.socket(socket.AF_UNIX) as local:
            hostile.bind(f"\0{tmp_path.name}\n0: 1 2 flags 5 6 7 8\n")
            local.bind(str(tmp_path / "s"))
            for each in (hostile, local):
                each.listen()
            assert str(tmp_path / "s") in listeners.look()

    def test_without_proc_nothing_is_known(self, tmp_path: Path) -> None:
        (tmp_path / "1").mkdir()
        assert listeners.look(tmp_path) == {}


@pytest.mark.parametrize(
    ("address", "written", "known"),
    [
        ("127.0.0.53", "nameserver 8.8.8.8\nnameserver 192.0.2.1\n", ["8.8.8.8:53", "192.0.2.1:53"]),
        ("127.0.0.54", "", []),
        ("127.0.0.53", None, []),
        ("127.0.0.1", "nameserver 8.8.8.8\n", []),
    ],
    ids=["the stub", "what cannot be read", "no file", "another name server of this machine"],
)
def test_behind_the_stub_of_systemd_resolved_are_those_that_it_asks(
    address: str, written: str | None, known: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "run/systemd/resolve/resolv.conf"
    if written:
        path.parent.mkdir(parents=True)
        path.write_text(written)
    elif written is not None:
        path.mkdir(parents=True)

    found = resolver.forwards(Places(root=tmp_path), parse_nameserver(address))

    assert [str(each) for each in found] == known
