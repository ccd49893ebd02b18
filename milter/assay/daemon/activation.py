"""The listening socket that systemd opened and hands over (sd_listen_fds(3)).

It outlives us: what connects while we are away, as over a restart, waits in its backlog and is served by who comes
next. So it is never unlinked and never shut down here, only closed.
"""

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from assay.config.socket import SocketAddress, SocketFamily
from assay.daemon.listener import ListenError, address_of
from assay.log import get_logger

log = get_logger()

FIRST: Final = 3
"""The number of the first descriptor that is handed over (SD_LISTEN_FDS_START)."""

_VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")


def inherited_listener(configured: SocketAddress, environment: MutableMapping[str, str]) -> socket.socket | None:
    """Take the socket that systemd opened for this process.

    It becomes non-blocking and, on TCP, gets TCP_NODELAY, as one of our own (:mod:`assay.daemon.listener` says why).

    Args:
        configured: the key ``socket``. Where it names another socket a warning says so; that of systemd is used.
        environment: of the process; the variables of the hand-over are removed from it.

    Returns:
        The socket; None where nothing was handed over to this process.

    Raises:
        ListenError: what was handed over is not exactly one listening stream socket of a family that we know.
    """
    pid, count, *_ = [environment.pop(name, "") for name in _VARIABLES]
    # Variables for another process are those of a parent that did not remove them: its descriptors are not ours.
    if pid != str(os.getpid()) or not count.isdigit() or int(count) == 0:
        return None
    if int(count) > 1:
        raise ListenError(
            f"systemd hands over {count} sockets, and assay serves one: leave a single ListenStream= in assay.socket"
        )
    listener = _checked(FIRST)
    listener.set_inheritable(False)
    listener.settimeout(0)
    if listener.family != socket.AF_UNIX:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    used = address_of(listener)
    if not _same(used, configured):
        log.warning(
            "systemd hands over another socket than the configuration names; that of systemd is served:"
            " make ListenStream= in assay.socket and the key socket agree",
            served=used.libmilter,
            configured=configured.libmilter,
        )
    return listener


def _checked(descriptor: int) -> socket.socket:
    """Look at what was handed over.

    Raises:
        ListenError: it is of no use to us; the message names the line of assay.socket to change.
    """
    try:
        listener = socket.socket(fileno=descriptor)
    except OSError as error:
        raise ListenError(
            f"systemd hands over a descriptor that is no socket ({error.strerror}): assay.socket needs ListenStream="
            " and nothing else of its kind"
        ) from error
    problem = _problem(listener)
    if problem is not None:
        listener.close()
        raise ListenError(f"systemd hands over {problem}")
    return listener


def _problem(listener: socket.socket) -> str | None:
    if listener.family not in {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6}:
        return "a socket that is neither a unix socket nor TCP: name a path or an address in ListenStream="
    if listener.type != socket.SOCK_STREAM:
        return "a socket for datagrams or packets: write ListenStream= in assay.socket"
    if listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) != 1:
        return "a socket that does not listen: remove Accept=yes from assay.socket"
    return None


def _same(used: SocketAddress, configured: SocketAddress) -> bool:
    if used.family is not configured.family:
        return False
    if used.family is SocketFamily.UNIX:
        # /var/run is another name of /run
        return Path(used.path).resolve() == Path(configured.path).resolve()
    return used.port == configured.port and used.host in _addresses(configured)


def _addresses(configured: SocketAddress) -> set[str]:
    """Return the addresses that the configured host has; none where its name is unknown."""
    family = socket.AF_INET6 if configured.family is SocketFamily.INET6 else socket.AF_INET
    with suppress(OSError):
        found = socket.getaddrinfo(configured.host, configured.port, family, socket.SOCK_STREAM)
        return {str(address[0]) for *_, address in found}
    return set()
