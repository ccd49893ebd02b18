"""No test leaves loopback: what Python opens itself is checked, in this process.

A refused call raises, and is remembered as well: code that survives a failing socket by design (a resolver that makes
temperror of it) would otherwise hide that it tried.
"""

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

import pytest


class NetworkDeniedError(AssertionError):
    """A test tried to reach something other than loopback."""


class NetworkGuard:
    """Checks every address that :class:`socket.socket` and the name service functions are given.

    Attributes:
        denied: one line for each refused call.
    """

    def __init__(self) -> None:
        self.denied: list[str] = []

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Put the checks in place; undoing the patch takes them away."""
        patch.setattr(socket.socket, "connect", self._connect(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", self._connect(socket.socket.connect_ex))
        patch.setattr(socket.socket, "sendto", self._sendto(socket.socket.sendto))
        patch.setattr(socket.socket, "sendmsg", self._sendmsg(socket.socket.sendmsg))
        for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr"):
            patch.setattr(socket, name, self._lookup(getattr(socket, name)))

    def check(self, family: int, address: object) -> None:
        """Refuse an address that is not of this machine.

        Raises:
            NetworkDeniedError: naming it.
        """
        if family == socket.AF_UNIX:
            return
        host = address[0] if isinstance(address, tuple) else address
        if family not in {socket.AF_INET, socket.AF_INET6} or not _is_loopback(host):
            self._deny(f"{address!r} is not on loopback")

    def _deny(self, what: str) -> None:
        self.denied.append(what)
        raise NetworkDeniedError(what)

    def _connect(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def connect(sock: socket.socket, address: object) -> Any:
            self.check(sock.family, address)
            return real(sock, address)

        return connect

    def _sendto(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def sendto(sock: socket.socket, data: Any, *rest: Any) -> Any:
            self.check(sock.family, rest[-1])  # sendto(data, address) or sendto(data, flags, address)
            return real(sock, data, *rest)

        return sendto

    def _sendmsg(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def sendmsg(sock: socket.socket, buffers: Any, ancdata: Any = (), flags: int = 0, address: Any = None) -> Any:
            if address is None:
                return real(sock, buffers, ancdata, flags)
            self.check(sock.family, address)
            return real(sock, buffers, ancdata, flags, address)

        return sendmsg

    def _lookup(self, real: Callable[..., Any]) -> Callable[..., Any]:
        # Its own name a machine finds without asking anybody; any other name is a question to the outside.
        def lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
            text = host.decode("ascii", "replace") if isinstance(host, bytes) else host
            if not (text in {None, "", "localhost", socket.gethostname()} or _is_address(text)):
                self._deny(f"looking up {host!r}")
            return real(host, *args, **kwargs)

        return lookup


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_loopback(host: object) -> bool:
    if host == "localhost":
        return True
    return isinstance(host, str) and _is_address(host) and ipaddress.ip_address(host.partition("%")[0]).is_loopback
