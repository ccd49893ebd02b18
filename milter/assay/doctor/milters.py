"""The milters of a list: which one is assay, and which are others that we know. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from assay.config.socket import SocketAddress, SocketFamily
from assay.doctor.postfix_milters import render

_LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "::1", "localhost"})
EVERY_HOST: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - only compared
"""What a daemon listens on that takes connections to any address of the machine."""
_INET = re.compile(r"inet:(?:(?:\[([0-9A-Fa-f:.]+)\]|([^@:\[\]]*)):)?([A-Za-z0-9-]+)")
_HERE: Final = {"": "localhost", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - only compared
"""Where a connection ends that Postfix makes to no host, or to every address (tried with 3.7)."""
_ANY_PLACE = re.compile(r"[:/@]")
_SWAPPED = re.compile(r"(?:inet6?:)?([0-9]{1,5})@(\[[0-9A-Fa-f:.]+\]|[^@:\[\]]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """Another milter that we know.

    Attributes:
        ports: on which its documentation puts it.
        words: one of these in a path or host name tells it.
        dmarc: it evaluates DMARC.
        changes: what it does to a message that a verifier must see before; empty for nothing.
        identifies: it writes Authentication-Results, with the host's name as authserv-id unless told otherwise.
    """

    name: str
    ports: frozenset[str] = frozenset()
    words: tuple[str, ...]
    dmarc: bool = False
    changes: str = ""
    identifies: bool = False


# Where each listens: the packages of Debian and the manuals of the products.
PRODUCTS: Final = (
    Product(name="opendmarc", ports=frozenset({"8893"}), words=("opendmarc",), dmarc=True, identifies=True),
    Product(name="opendkim", ports=frozenset({"8891"}), words=("opendkim",), identifies=True),
    Product(name="openarc", words=("openarc",), identifies=True),
    Product(name="dkimpy-milter", ports=frozenset({"8892"}), words=("dkimpy",), identifies=True),
    Product(
        name="rspamd",
        ports=frozenset({"11332"}),
        words=("rspamd",),
        dmarc=True,
        changes="may rewrite the subject",
    ),
    # writes Received-SPF, not Authentication-Results, unless told to
    Product(name="pyspf-milter", words=("pyspf",)),
    Product(name="clamav-milter", ports=frozenset({"7357"}), words=("clamav",)),
    Product(
        name="spamass-milter",
        words=("spamass",),
        changes="may rewrite the subject and the body",
    ),
    Product(name="amavisd-milter", words=("amavis",), changes="may rewrite the subject and the body"),
    Product(name="MIMEDefang", words=("mimedefang",), changes="may rewrite the body"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A milter as an MTA lists it.

    Attributes:
        spelled: the socket as it is written there.
        written: all of it as it is written in a list of Postfix, with braces and settings; empty for Sendmail.
        fault: why Postfix cannot read that; empty if it can.
        path: of a unix socket, where the MTA looks for it, seen from outside of any chroot; empty for others.
        chroot: the directory that links in the path do not lead out of, for an MTA that runs in a chroot.
        otherwise: where it would look if it were the other way round: without that chroot, or with one.
        settings: for this milter: connect_timeout, command_timeout, content_timeout, default_action, protocol.
        own: the settings that stand beside the socket, rather than holding for all milters.
    """

    spelled: str
    written: str = ""
    fault: str = ""
    path: str = ""
    chroot: str = ""
    otherwise: str = ""
    settings: Mapping[str, str]
    own: Mapping[str, str] = field(default_factory=dict)


def right_spelling(spelled: str) -> str:
    """Return what Postfix takes instead of a spelling that it does not take (tried with 3.7); empty if it takes it."""
    kind, _, rest = spelled.partition(":")
    if match := _SWAPPED.fullmatch(spelled):
        return f"inet:{match[2]}:{match[1]}"
    if kind in {"unix", "local", "inet"}:
        return ""
    if kind.lower() in {"unix", "local", "inet"}:
        return f"{kind.lower()}:{rest}"
    if spelled.startswith("/"):
        return f"unix:{spelled}"
    return f"inet:{rest if kind == 'inet6' else spelled}"


def mended(listed: Listed) -> str:
    """Return a milter of Postfix as it is written, or as Postfix takes it; empty for what names no socket at all."""
    if not _ANY_PLACE.search(listed.spelled):
        return ""  # a word such as "none": Postfix would need a kind and a place
    right = right_spelling(listed.spelled)
    if listed.fault:
        return render(right or listed.spelled, listed.own)
    return listed.written.replace(listed.spelled, right, 1) if right else listed.written


def with_settings(listed: Listed, values: Mapping[str, str]) -> Listed:
    """Return a milter of Postfix with other values of those settings that it has for itself."""
    own = {name: values.get(name, value) for name, value in listed.own.items()}
    return listed if own == listed.own else replace(listed, own=own, written=render(listed.spelled, own))


def is_at(listed: Listed, socket: SocketAddress, real: Callable[[str, str], str]) -> bool:
    """Whether a listed milter is the one at this socket.

    Args:
        listed: as an MTA lists it.
        socket: where a daemon listens.
        real: gives for a path, and the chroot in which it is followed, the same without links.
    """
    if socket.family is SocketFamily.UNIX:
        return bool(listed.path) and real(listed.path, listed.chroot) == real(socket.path, "")
    match = _INET.fullmatch(listed.spelled)
    if match is None or match[3] != str(socket.port):
        return False
    host = _host(match)
    if socket.host in EVERY_HOST:
        return True
    return host == socket.host or ({host, socket.host} <= _LOOPBACK_HOSTS and "localhost" in {host, socket.host})


def endpoint(listed: Listed) -> str:
    """Name what a program here would listen on: a path, or a port as ``:8891``; empty for another machine."""
    match = _INET.fullmatch(listed.spelled)
    if match is None:
        return listed.path
    return f":{match[3]}" if _host(match) in _LOOPBACK_HOSTS else ""


def _host(match: re.Match[str]) -> str:
    host = (match[1] or match[2] or "").lower()
    return _HERE.get(host, host)


def product_of(listed: Listed, programs: Mapping[str, str]) -> Product | None:
    """Recognise another milter by the program that listens there, by its name in the path, or by its usual port.

    Args:
        listed: as an MTA lists it.
        programs: which program listens at an endpoint, as far as it is known.
    """
    text = f"{listed.spelled} {programs.get(endpoint(listed), '')}".lower()
    match = _INET.fullmatch(listed.spelled)
    for product in PRODUCTS:
        if any(word in text for word in product.words) or (match is not None and match[3] in product.ports):
            return product
    return None
