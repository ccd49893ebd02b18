"""The guard that keeps every test on loopback."""

import socket

import pytest

from support.network_guard import NetworkDeniedError, NetworkGuard
from support.ports import free_port


@pytest.fixture
def guard() -> NetworkGuard:
    """One of its own: what is refused here must not fail the test."""
    return NetworkGuard()


@pytest.fixture
def guarded(guard: NetworkGuard, monkeypatch: pytest.MonkeyPatch) -> NetworkGuard:
    guard.install(monkeypatch)
    return guard


@pytest.mark.parametrize(
    ("family", "address"),
    [
        pytest.param(socket.AF_INET, ("127.0.0.1", 53), id="loopback"),
        pytest.param(socket.AF_INET, ("127.8.9.10", 53), id="all of 127.0.0.0/8"),
        pytest.param(socket.AF_INET6, ("::1", 53, 0, 0), id="loopback of IPv6"),
        pytest.param(socket.AF_INET, ("localhost", 53), id="localhost by name"),
        pytest.param(socket.AF_UNIX, "/run/assay/assay.sock", id="a unix socket"),
    ],
)
def test_loopback_is_let_through(guard: NetworkGuard, family: int, address: object) -> None:
    guard.check(family, address)

    assert guard.denied == []


@pytest.mark.parametrize(
    ("family", "address"),
    [
        pytest.param(socket.AF_INET, ("192.0.2.1", 53), id="an address of the documentation"),
        pytest.param(socket.AF_INET, ("0.0.0.0", 53), id="the unspecified address"),
        pytest.param(socket.AF_INET, ("www.example.com", 80), id="a name"),
        pytest.param(socket.AF_INET6, ("2001:db8::1", 53, 0, 0), id="an address of IPv6"),
        pytest.param(socket.AF_INET6, ("::ffff:192.0.2.1", 53, 0, 0), id="IPv4 in IPv6"),
        pytest.param(socket.AF_NETLINK, (0, 0), id="another family"),
    ],
)
def test_everything_else_is_refused_and_remembered(guard: NetworkGuard, family: int, address: object) -> None:
    with pytest.raises(NetworkDeniedError):
        guard.check(family, address)

    assert len(guard.denied) == 1


def test_each_way_out_of_a_socket_is_guarded(guarded: NetworkGuard) -> None:
    outside = ("192.0.2.1", 9)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for attempt in (
            lambda: udp.connect(outside),
            lambda: udp.connect_ex(outside),
            lambda: udp.sendto(b"", outside),
            lambda: udp.sendto(b"", 0, outside),
            lambda: udp.sendmsg([b""], (), 0, outside),
        ):
            with pytest.raises(NetworkDeniedError):
                attempt()

    assert len(guarded.denied) == 5


@pytest.mark.parametrize("lookup", [socket.gethostbyname, socket.gethostbyaddr, socket.gethostbyname_ex])
def test_no_name_but_its_own_is_looked_up(guarded: NetworkGuard, lookup: object) -> None:
    name = getattr(lookup, "__name__", "")

    with pytest.raises(NetworkDeniedError):
        getattr(socket, name)("www.example.com")

    assert guarded.denied == ["looking up 'www.example.com'"]


def test_octets_reach_loopback_under_the_guard(guarded: NetworkGuard) -> None:
    port = free_port()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", port))
        receiver.settimeout(10)
        sender.sendto(b"one", ("127.0.0.1", port))
        sender.sendmsg([b"two"], (), 0, ("127.0.0.1", port))
        sender.connect(("127.0.0.1", port))
        sender.sendmsg([b"three"])
        received = [receiver.recv(10) for _ in range(3)]

    assert received == [b"one", b"two", b"three"]
    assert guarded.denied == []
