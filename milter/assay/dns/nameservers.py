"""Name servers as an administrator writes them, and those of the machine."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

from assay.errors import AssayError

DNS_PORT: Final = 53

_MAX_PORT: Final = 65535
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
# ipaddress takes any text for the zone; what no interface is called could not be written back either
_ZONE = re.compile(r"[A-Za-z0-9._-]+")


class NameserverError(AssayError):
    """The text names no name server; the message says what is wrong and what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nameserver:
    """A recursive name server: its address (with the zone of a link-local one, RFC 4007) and port."""

    address: IPv4Address | IPv6Address
    port: int = DNS_PORT

    def __str__(self) -> str:
        """Write it so that :func:`parse_nameserver` reads it back."""
        host = f"[{self.address}]" if isinstance(self.address, IPv6Address) else str(self.address)
        return f"{host}:{self.port}"


def parse_nameserver(text: str) -> Nameserver:
    """Read ``192.0.2.1``, ``192.0.2.1:5353``, ``::1``, ``[::1]`` or ``[::1]:53``.

    Raises:
        NameserverError: it is none of these; a host name is not allowed, since looking it up needs a name server.
    """
    address, port = _split(text)
    try:
        host = ip_address(address)
    except ValueError as error:
        raise NameserverError(
            f"{text!r} is no name server: {address!r} is not an IP address; write 192.0.2.1, 192.0.2.1:5353, "
            "::1 or [::1]:53"
        ) from error
    if isinstance(host, IPv6Address) and host.scope_id is not None and _ZONE.fullmatch(host.scope_id) is None:
        raise NameserverError(f"{text!r} is no name server: no interface is called {host.scope_id!r}")
    if text.startswith("[") and isinstance(host, IPv4Address):
        raise NameserverError(f"{text!r} is no name server: brackets are for IPv6 addresses")
    return Nameserver(address=host, port=port)


def _split(text: str) -> tuple[str, int]:
    if text.startswith("["):
        address, bracket, rest = text[1:].partition("]")
        if not bracket:
            raise NameserverError(f"{text!r} is no name server: the bracket is not closed; write [::1]:53")
        if not rest:
            return address, DNS_PORT
        if not rest.startswith(":"):
            raise NameserverError(f"{text!r} is no name server: after the bracket only :port may stand")
        return address, _port(text, rest[1:])
    if text.count(":") == 1:
        address, _, port = text.partition(":")
        return address, _port(text, port)
    return text, DNS_PORT


def _port(text: str, port: str) -> int:
    if _PORT.fullmatch(port) is None or not 0 < int(port) <= _MAX_PORT:
        raise NameserverError(f"{text!r} is no name server: {port!r} is not a port; write a number from 1 to 65535")
    return int(port)


def system_nameservers(path: str | Path = "/etc/resolv.conf") -> tuple[Nameserver, ...]:
    """Read the name servers of the machine, in the order of the file.

    Without a file, or without a usable line in it, it is the name server on this machine (resolv.conf(5)). A line
    that names no address is skipped, as the C library does. Search domains are not read: mail authentication asks
    for whole names only. (dnspython's reader is not used because it fails on a bad ``search`` line.)

    Raises:
        NameserverError: the file is there and cannot be read.
    """
    try:
        lines = Path(path).read_bytes().splitlines()
    except FileNotFoundError:
        lines = []
    except OSError as error:
        raise NameserverError(f"{path}: cannot be read: {error.strerror}; name servers can be configured") from error
    return tuple(_nameserver_lines(lines)) or (Nameserver(address=IPv4Address("127.0.0.1")),)


def _nameserver_lines(lines: Iterable[bytes]) -> Iterable[Nameserver]:
    for line in lines:
        match line.split():
            case [b"nameserver", address, *_]:
                try:
                    yield Nameserver(address=ip_address(address.decode("ascii")))
                except ValueError:
                    continue
            case _:
                continue
