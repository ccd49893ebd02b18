"""The listening socket."""

import errno
import grp
import os
import socket
from pathlib import Path

import pytest

from assay.config.socket import SocketAddress, parse_socket
from assay.daemon.listener import ListenError, listening, open_listener
from support.ports import free_port


def _tcp(text: str = "inet:{port}@127.0.0.1") -> SocketAddress:
    return parse_socket(text.format(port=free_port()), Path("/"))


@pytest.fixture
def unix(tmp_path: Path) -> SocketAddress:
    return parse_socket(f"unix:{tmp_path}/assay.sock", tmp_path)


@pytest.mark.parametrize("text", ["inet:{port}@127.0.0.1", "inet:{port}@localhost", "inet6:{port}@[::1]"])
def test_accepted_tcp_connections_do_not_delay_small_writes(text: str) -> None:
    with (
        open_listener(_tcp(text), mode=0o660, group=None) as listener,
        socket.create_connection(listener.getsockname()[:2]),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_a_worker_that_finds_no_connection_does_not_block(unix: SocketAddress) -> None:
    with open_listener(unix, mode=0o660, group=None) as listener, pytest.raises(BlockingIOError):
        listener.accept()


def test_a_unix_socket_gets_its_mode_and_group(unix: SocketAddress) -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    with open_listener(unix, mode=0o620, group=group):
        status = Path(unix.path).stat()
    assert (status.st_mode & 0o777, status.st_gid) == (0o620, os.getgid())


def test_an_unknown_group_is_named(unix: SocketAddress) -> None:
    with pytest.raises(ListenError, match="there is no group 'nosuchgroup': create it"):
        open_listener(unix, mode=0o660, group="nosuchgroup")


def test_a_port_in_use_is_named_with_a_remedy() -> None:
    address = _tcp()
    says = f"inet:{address.port}@127.0.0.1: .*another process listens there"
    with open_listener(address, mode=0o660, group=None), pytest.raises(ListenError, match=says):
        open_listener(address, mode=0o660, group=None)


def test_an_address_of_another_machine_is_named_with_a_remedy() -> None:
    with pytest.raises(ListenError, match="not one of this machine"):
        open_listener(_tcp("inet:{port}@192.0.2.1"), mode=0o660, group=None)


def test_a_missing_directory_is_named_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(ListenError, match="RuntimeDirectory"):
        open_listener(parse_socket(f"unix:{tmp_path}/no/assay.sock", tmp_path), mode=0o660, group=None)


def test_a_file_that_is_no_socket_is_left_alone(unix: SocketAddress) -> None:
    Path(unix.path).write_text("precious")
    with pytest.raises(ListenError, match="move it away"):
        open_listener(unix, mode=0o660, group=None)
    assert Path(unix.path).read_text() == "precious"


def test_the_socket_of_a_living_process_is_left_alone(unix: SocketAddress) -> None:
    with open_listener(unix, mode=0o660, group=None), pytest.raises(ListenError, match="another process serves it"):
        open_listener(unix, mode=0o660, group=None)
    assert Path(unix.path).exists()


def test_the_socket_of_a_dead_process_is_replaced(unix: SocketAddress) -> None:
    open_listener(unix, mode=0o660, group=None).close()
    open_listener(unix, mode=0o660, group=None).close()


def test_the_file_of_a_unix_socket_goes_with_it(unix: SocketAddress) -> None:
    with listening(unix, mode=0o660, group=None):
        assert Path(unix.path).is_socket()
    assert not Path(unix.path).exists()


def test_the_file_of_a_daemon_that_took_our_name_stays(unix: SocketAddress) -> None:
    with listening(unix, mode=0o660, group=None):
        Path(unix.path).rename(f"{unix.path}.old")
        successor = open_listener(unix, mode=0o660, group=None)
    with successor:
        assert Path(unix.path).is_socket()


def test_a_file_that_somebody_removed_is_not_missed(unix: SocketAddress) -> None:
    with listening(unix, mode=0o660, group=None):
        Path(unix.path).unlink()


def test_a_socket_that_cannot_be_given_to_its_group_leaves_no_file(
    unix: SocketAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chown(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "chown", chown)
    with pytest.raises(ListenError, match="no member of the group"):
        open_listener(unix, mode=0o660, group=grp.getgrgid(os.getgid()).gr_name)
    assert not Path(unix.path).exists()
