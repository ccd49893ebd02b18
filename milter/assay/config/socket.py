"""Where the milter listens, as libmilter spells it, and the same for Postfix.

libmilter itself takes ``inet:127.0.0.1:8894``, the spelling of Postfix, for port 127 on every address, and port 70000
for port 4464 (both seen with 8.17); so nothing but a complete and exact text is accepted here.
"""

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

from assay.domain import Domain
from assay.errors import AssayError, DomainError

MAX_UNIX_PATH: Final = 107
"""Octets: sun_path of unix(7) less its final NUL."""

QUEUE_DIRECTORY: Final = "/var/spool/postfix/"
"""Of Postfix, where nobody changed it; a relative path of a socket starts there (postconf(5), smtpd_milters)."""

_SPELLINGS: Final = 'write "inet:8894@127.0.0.1", "inet6:8894@[::1]" or "unix:/run/assay/assay.sock"'
_LOOPBACK_SPELLINGS: Final = 'write "127.0.0.1:9894" or "[::1]:9894"'
_MAX_PORT: Final = 65535
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_POSTFIX = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^@:\[\]]+):([0-9]{1,5})", re.ASCII)


class SocketError(AssayError):
    """The text names no socket; the message says what would be right."""


class SocketFamily(StrEnum):
    """What kind of socket it is, spelled as libmilter does."""

    INET = "inet"
    INET6 = "inet6"
    UNIX = "unix"


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketAddress:
    """A place to listen.

    Attributes:
        host: of inet an IPv4 address, of inet6 an IPv6 address without brackets, or a host name; empty for unix.
        port: 1 to 65535; 0 for unix.
        path: absolute path of a unix socket; empty for the others.
    """

    family: SocketFamily
    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def libmilter(self) -> str:
        """The spelling of libmilter and Sendmail: ``inet:8894@127.0.0.1``."""
        if self.family is SocketFamily.UNIX:
            return f"unix:{self.path}"
        return f"{self.family}:{self.port}@{_bracketed(self.host)}"

    @property
    def postfix(self) -> str:
        """The spelling of Postfix: ``inet:127.0.0.1:8894``, for IPv6 too.

        A file below Postfix's queue directory is named from there, which is right with and without a chroot.
        """
        if self.family is SocketFamily.UNIX:
            return f"unix:{self.path.removeprefix(QUEUE_DIRECTORY)}"
        return f"inet:{_bracketed(self._reachable)}:{self.port}"

    @property
    def destination(self) -> tuple[str, int] | str:
        """Where a program of this machine connects: host and port, or a path. An abstract name begins with NUL."""
        if self.family is SocketFamily.UNIX:
            return f"\0{self.path[1:]}" if self.path.startswith("@") else self.path
        return self._reachable, self.port

    @property
    def _reachable(self) -> str:
        # To listen on every address is fine, to connect to it is not: the MTA runs on this machine or is told another.
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - only compared


def parse_socket(text: str, directory: Path) -> SocketAddress:
    """Read ``inet:port@host``, ``inet6:port@host``, ``unix:path`` or ``local:path``.

    Args:
        text: brackets around an address are allowed.
        directory: absolute; what a relative path is relative to.

    Raises:
        SocketError: it is none of these.
    """
    kind, colon, rest = text.partition(":")
    match kind:
        case "inet":
            return _internet(SocketFamily.INET, rest)
        case "inet6":
            return _internet(SocketFamily.INET6, rest)
        case "unix" | "local":
            return _unix(rest, directory)
        case _:
            if text.startswith("/"):
                raise SocketError(f'{text!a} lacks its kind; did you mean "unix:{text}"?')
            kinds = f"{kind!a} is no kind of socket" if colon else f"{text!a} is no socket"
            raise SocketError(f"{kinds}; {_SPELLINGS}")


def parse_loopback(text: str) -> SocketAddress:
    """Read ``127.0.0.1:9894`` or ``[::1]:9894``, as Prometheus spells a target.

    Raises:
        SocketError: it is neither, or no address that only this machine reaches.
    """
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        address = ip_address(bare)
    except ValueError:
        raise SocketError(f"{text!a} is no address with a port; {_LOOPBACK_SPELLINGS}") from None
    if not colon or isinstance(address, IPv6Address) is (bare == host) or "%" in bare:
        raise SocketError(f"{text!a} is no address with a port; {_LOOPBACK_SPELLINGS}")
    if not address.is_loopback:
        raise SocketError(
            f"{text!a} can be reached from elsewhere, and whoever reaches it may read; {_LOOPBACK_SPELLINGS}, and for"
            " another machine an ssh tunnel or a web server with a password in front"
        )
    if _PORT.fullmatch(port) is None or not 0 < int(port) <= _MAX_PORT:
        raise SocketError(f"{port!a} is no port; write a number from 1 to {_MAX_PORT} after the address")
    family = SocketFamily.INET if isinstance(address, IPv4Address) else SocketFamily.INET6
    return SocketAddress(family=family, host=str(address), port=int(port))


def _internet(family: SocketFamily, rest: str) -> SocketAddress:
    port, at, host = rest.partition("@")
    if not at or not host:
        raise SocketError(_no_host(family, rest))
    if _PORT.fullmatch(port) is None or not 0 < int(port) <= _MAX_PORT:
        raise SocketError(f"{port!a} is no port; write a number from 1 to {_MAX_PORT} in front of the @")
    return SocketAddress(family=family, host=_host(family, host), port=int(port))


def _no_host(family: SocketFamily, rest: str) -> str:
    swapped = _POSTFIX.fullmatch(rest)
    if swapped is not None:
        host, port = swapped.groups()
        kind = SocketFamily.INET6 if host.startswith("[") else family
        return f'{f"{family}:{rest}"!a} is the spelling of Postfix; here it is "{kind}:{port}@{host}"'
    if _PORT.fullmatch(rest.removesuffix("@")) is not None:
        every = "0.0.0.0" if family is SocketFamily.INET else "[::]"  # noqa: S104 - named, not bound
        port = rest.removesuffix("@")
        return f'lacks the address; "{family}:{port}@{every}" listens on every address, if that is wanted'
    return f"{f'{family}:{rest}'!a} is no socket; {_SPELLINGS}"


def _host(family: SocketFamily, text: str) -> str:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        address = ip_address(bare)
    except ValueError:
        return _host_name(text)
    match family, address:
        case SocketFamily.INET, IPv6Address():
            raise SocketError(f'{text!a} is an IPv6 address; write "inet6:" in front')
        case SocketFamily.INET6, IPv4Address():
            raise SocketError(f'{text!a} is an IPv4 address; write "inet:" in front')
        case _:
            return str(address)


def _host_name(text: str) -> str:
    try:
        name = Domain.parse(text)
    except DomainError as error:
        raise SocketError(f"{text!a} is neither an IP address nor a host name: {error}") from None
    if name.labels[-1].isdigit():
        # inet_aton(3) takes 127.1 and 2130706433 for addresses; nobody else does.
        raise SocketError(f"{text!a} is no complete IPv4 address")
    return name.name


def _unix(text: str, directory: Path) -> SocketAddress:
    if not text or not text.isprintable():
        raise SocketError('lacks the path, as in "unix:/run/assay/assay.sock", or it holds unprintable characters')
    path = str(directory / text)
    if len(os.fsencode(path)) > MAX_UNIX_PATH:
        raise SocketError(f"the path is longer than {MAX_UNIX_PATH} octets, which a unix socket cannot have")
    return SocketAddress(family=SocketFamily.UNIX, path=path)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
