"""The listening socket that systemd hands over."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest

from assay.cli.exit_codes import ExitCode
from assay.config.socket import parse_socket
from assay.daemon import activation
from assay.daemon.activation import inherited_listener
from assay.daemon.listener import ListenError, address_of
from assay.daemon.milter_client import ConversationError, MilterClient
from support.ports import free_port
from support.process import Process
from support.service_manager import ActivatedDaemon, NotifySocket, handing_over

CONFIGURED = parse_socket("inet:8894@127.0.0.1", Path("/"))


def environment(count: int = 1, pid: int | None = None) -> dict[str, str]:
    return {
        "LISTEN_PID": str(os.getpid() if pid is None else pid),
        "LISTEN_FDS": str(count),
        "LISTEN_FDNAMES": "assay.socket",
        "HOME": "/",
    }


@pytest.fixture
def handed_over(monkeypatch: pytest.MonkeyPatch) -> "HandOver":
    return HandOver(monkeypatch)


class HandOver:
    """Makes a socket the one that systemd hands over; which descriptor that is pytest decides, not systemd."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    def __call__(self, given: socket.socket) -> None:
        self._patch.setattr(activation, "FIRST", given.detach())


def tcp(*, listens: bool = True) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.bind(("127.0.0.1", 0))
    if listens:
        opened.listen()
    fcntl.fcntl(opened, fcntl.F_SETFD, 0)
    return opened


def test_nothing_is_taken_that_was_not_handed_over() -> None:
    assert inherited_listener(CONFIGURED, {}) is None


@pytest.mark.parametrize("count", ["0", "", "two"])
def test_no_socket_is_no_socket(count: str) -> None:
    assert inherited_listener(CONFIGURED, environment() | {"LISTEN_FDS": count}) is None


def test_what_was_handed_to_a_parent_is_not_taken_and_not_handed_on() -> None:
    variables = environment(pid=os.getppid())
    assert inherited_listener(CONFIGURED, variables) is None
    assert variables == {"HOME": "/"}


def test_the_socket_is_taken_as_our_own_would_be(handed_over: HandOver) -> None:
    handed_over(tcp())
    variables = environment()
    with inherited_listener(CONFIGURED, variables) or pytest.fail("not taken") as listener:
        assert variables == {"HOME": "/"}
        assert not os.get_inheritable(listener.fileno())
        with pytest.raises(BlockingIOError):
            listener.accept()
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_the_file_of_a_unix_socket_stays_when_it_is_closed(handed_over: HandOver, tmp_path: Path) -> None:
    path = tmp_path / "s"
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    opened.bind(str(path))
    opened.listen()
    handed_over(opened)
    with inherited_listener(parse_socket(f"unix:{path}", tmp_path), environment()) or pytest.fail("not taken") as taken:
        assert address_of(taken).path == str(path)
    assert path.is_socket()


@pytest.mark.parametrize("configured", ["inet:{port}@127.0.0.1", "inet:{port}@localhost"])
def test_a_socket_that_is_the_configured_one_is_taken_without_a_word(
    handed_over: HandOver, configured: str, capfd: pytest.CaptureFixture[str]
) -> None:
    opened = tcp()
    configured = configured.format(port=opened.getsockname()[1])
    handed_over(opened)
    with inherited_listener(parse_socket(configured, Path("/")), environment()) or pytest.fail("not taken"):
        assert capfd.readouterr() == ("", "")


def test_a_directory_by_another_name_is_the_same_socket(
    handed_over: HandOver, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "other").symlink_to("run")
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    opened.bind(str(tmp_path / "run" / "s"))
    opened.listen()
    handed_over(opened)
    with inherited_listener(parse_socket(f"unix:{tmp_path}/other/s", tmp_path), environment()) or pytest.fail("no"):
        assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "configured", ["inet:1@127.0.0.1", "inet:{port}@192.0.2.1", "inet6:{port}@[::1]", "unix:/run/assay/assay.sock"]
)
def test_a_socket_other_than_the_configured_one_is_served_with_a_warning_that_names_both(
    handed_over: HandOver, configured: str, capfd: pytest.CaptureFixture[str]
) -> None:
    opened = tcp()
    port = opened.getsockname()[1]
    handed_over(opened)
    configured = configured.format(port=port)
    with inherited_listener(parse_socket(configured, Path("/")), environment()) or pytest.fail("not taken") as taken:
        assert address_of(taken).port == port
    said = "".join(capfd.readouterr())
    assert f"inet:{port}@127.0.0.1" in said
    assert configured in said
    assert "assay.socket" in said


def test_an_abstract_name_is_shown_with_its_mark(handed_over: HandOver) -> None:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    opened.bind("")
    opened.listen()
    handed_over(opened)
    with inherited_listener(CONFIGURED, environment()) or pytest.fail("not taken") as taken:
        assert address_of(taken).path[0] == "@"


@pytest.mark.parametrize(
    ("opened", "remedy"),
    [
        pytest.param(lambda: tcp(listens=False), "remove Accept=yes", id="a connection"),
        pytest.param(
            lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM), "write ListenStream=", id="a datagram socket"
        ),
        pytest.param(
            lambda: socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET), "write ListenStream=", id="a packet socket"
        ),
        pytest.param(
            lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW), "name a path or an address", id="no address"
        ),
    ],
)
def test_a_socket_of_no_use_is_refused_with_a_remedy(handed_over: HandOver, opened: object, remedy: str) -> None:
    assert callable(opened)
    handed_over(opened())
    with pytest.raises(ListenError, match=remedy):
        inherited_listener(CONFIGURED, environment())


def test_a_descriptor_that_is_no_socket_is_refused_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, other = os.pipe()
    monkeypatch.setattr(activation, "FIRST", pipe)
    try:
        with pytest.raises(ListenError, match=r"is no socket .*needs ListenStream="):
            inherited_listener(CONFIGURED, environment())
    finally:
        os.close(pipe)
        os.close(other)


def test_several_sockets_are_refused_with_a_remedy() -> None:
    with pytest.raises(ListenError, match=r"hands over 2 sockets.* leave a single ListenStream="):
        inherited_listener(CONFIGURED, environment(2))


def write_configuration(directory: Path, socket_key: str) -> Path:
    (directory / "policies").mkdir()
    (directory / "policies" / "default.toml").write_text("")
    path = directory / "assay.toml"
    path.write_text(f'socket = "{socket_key}"\nworkers = 1\n')
    return path


def test_run_refuses_a_socket_of_no_use_as_a_fault_that_may_pass(tmp_path: Path) -> None:
    path = write_configuration(tmp_path, "inet:1@127.0.0.1")
    command = [sys.executable, "-m", "assay", "run", "--config", str(path)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        done = subprocess.run(
            handing_over(datagrams, command),
            pass_fds=(datagrams.fileno(),),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == ExitCode.TEMPORARY
    assert "write ListenStream=" in done.stderr


def test_run_says_who_opened_its_socket_and_when_it_serves(tmp_path: Path) -> None:
    notify = NotifySocket(str(tmp_path / "n"))
    with tcp() as opened:
        port = opened.getsockname()[1]
        path = write_configuration(tmp_path, f"inet:{port}@127.0.0.1")
        command = [sys.executable, "-m", "assay", "run", "--config", str(path)]
        daemon = Process(handing_over(opened, command), log=tmp_path / "log", env=notify.environment)
        daemon.descriptors = (opened.fileno(),)
        with daemon:
            daemon.wait_for(lambda: "READY" in notify.words(), "READY")
            assert f"socket=inet:{port}@127.0.0.1 postfix=inet:127.0.0.1:{port}" in daemon.output()
            assert "opened_by=systemd" in daemon.output()
    assert notify.words() == ["READY", "STOPPING"]
    notify.close()


def test_a_stop_finishes_what_is_open_and_who_comes_later_waits_for_the_next_start(tmp_path: Path) -> None:
    daemon = ActivatedDaemon(tmp_path / "d", nameserver=f"127.0.0.1:{free_port()}")
    address = daemon.listener.getsockname()
    try:
        with daemon:
            client = open_session(address)
            client.mail(b"<>")
            client.rcpt(b"<user@dest.example>")
            daemon.signal(signal.SIGTERM)
            daemon.wait_for_output("event=stopping")
            late = MilterClient.connect_to(address)
            for name, value in ((b"From", b" nobody: ;"), (b"Subject", b" half of it came before the stop")):
                client.header(name, value)
            client.end_of_headers()
            assert client.end_of_message().quarantine == b"assay: from-unusable"
            client.quit()
            assert daemon.wait() == 0
            daemon.start()
            with late:
                late.negotiate()
    finally:
        daemon.close()


def test_a_stop_with_a_socket_of_systemd_takes_stop_timeout_at_most(tmp_path: Path) -> None:
    daemon = ActivatedDaemon(tmp_path / "d", nameserver=f"127.0.0.1:{free_port()}", settings="stop_timeout = 0.5")
    try:
        with daemon, open_session(daemon.listener.getsockname()) as client:
            client.mail(b"<>")
            daemon.signal(signal.SIGTERM)
            assert daemon.wait() == 0
            assert "did not finish in time" in daemon.output()
            with pytest.raises((ConversationError, ConnectionResetError)):
                client.rcpt(b"<user@dest.example>")
    finally:
        daemon.close()


def open_session(address: tuple[str, int]) -> MilterClient:
    client = MilterClient.connect_to(address)
    client.negotiate()
    client.connect(ip_address("192.0.2.10"))
    client.helo(b"[192.0.2.10]")
    return client
