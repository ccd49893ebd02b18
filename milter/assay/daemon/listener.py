"""The listening socket, opened by the supervisor and shared by every worker.

It is ours and not libmilter's, so that workers can come and go (new ones over a reload, dead ones replaced) while
it stays open, and so that no worker that ends can unlink a unix socket that the others still serve.
"""

import errno
import grp
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from assay.config.socket import SocketAddress, SocketFamily
from assay.errors import AssayError

BACKLOG = 1024
"""Connections that may wait; the kernel caps it at net.core.somaxconn."""


class ListenError(AssayError):
    """The listening socket cannot be opened; the message names the socket and the remedy."""


@contextmanager
def listening(address: SocketAddress, *, mode: int, group: str | None) -> Iterator[socket.socket]:
    """Open the listening socket as :func:`open_listener` does; at the end close it and remove its file.

    Only the file that was made here is removed: its name may belong to another daemon by then.
    """
    with open_listener(address, mode=mode, group=group) as listener:
        made = _file_of(address)
        try:
            yield listener
        finally:
            if made is not None and _file_of(address) == made:
                with suppress(OSError):
                    Path(address.path).unlink()


def open_listener(address: SocketAddress, *, mode: int, group: str | None) -> socket.socket:
    """Open, bind and listen.

    The descriptor is non-blocking: of the workers that wake up for one connection all but one find nothing, and
    must not block in accept (docs/library-traps.md P6). On TCP it has TCP_NODELAY, which accepted sockets inherit on
    Linux: without it libmilter's small writes wait for the MTA's delayed ACK, some 40 ms for each message (P5).

    Args:
        address: where to listen.
        mode: permissions of a unix socket.
        group: group of a unix socket, None to leave it.

    Raises:
        ListenError: the address is in use, not ours, or the path cannot be made.
    """
    try:
        match address.family:
            case SocketFamily.UNIX:
                return _open_unix(Path(address.path), mode, group)
            case SocketFamily.INET:
                return _open_tcp(socket.AF_INET, address.host, address.port)
            case SocketFamily.INET6:
                return _open_tcp(socket.AF_INET6, address.host, address.port)
    except OSError as error:
        raise ListenError(f"cannot listen on {address.libmilter}: {error.strerror or error}{_remedy(error)}") from error


def address_of(listener: socket.socket) -> SocketAddress:
    """Say where a listening socket really listens; an abstract name gets an ``@`` in front."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        path = os.fsdecode(name)
        return SocketAddress(family=SocketFamily.UNIX, path=f"@{path[1:]}" if path.startswith("\0") else path)
    family = SocketFamily.INET6 if listener.family == socket.AF_INET6 else SocketFamily.INET
    return SocketAddress(family=family, host=name[0], port=name[1])


def _file_of(address: SocketAddress) -> tuple[int, int] | None:
    """Say which file a unix socket has now: its device and inode; None where there is none."""
    if address.family is not SocketFamily.UNIX:
        return None
    try:
        status = Path(address.path).lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _open_tcp(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((host, port))
        return _listen(listener)
    except OSError:
        listener.close()
        raise


def _open_unix(path: Path, mode: int, group: str | None) -> socket.socket:
    group_id = -1
    if group is not None:
        try:
            group_id = grp.getgrnam(group).gr_gid
        except KeyError as error:
            raise ListenError(f"cannot listen on unix:{path}: there is no group {group!r}: create it") from error
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # nobody may connect between bind and chmod
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
    except OSError:
        listener.close()
        raise
    try:
        if group_id != -1:
            _give_to(path, group_id, group)
        path.chmod(mode)
        return _listen(listener)
    except (OSError, ListenError):
        listener.close()
        path.unlink()
        raise


def _give_to(path: Path, group_id: int, group: str | None) -> None:
    try:
        os.chown(path, -1, group_id)
    except PermissionError as error:
        raise ListenError(
            f"cannot listen on unix:{path}: the daemon's user is no member of the group {group!r}: make it one"
            " (under systemd: SupplementaryGroups=)"
        ) from error


def _listen(listener: socket.socket) -> socket.socket:
    listener.listen(BACKLOG)
    listener.settimeout(0)
    return listener


def _remove_stale(path: Path) -> None:
    """Remove the socket that a killed daemon left behind; never a file, and never the socket of a living one."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise ListenError(f"cannot listen on unix:{path}: something that is no socket has that name: move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        else:
            raise ListenError(f"cannot listen on unix:{path}: another process serves it: stop it first")


def _remedy(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "; another process listens there: stop it or choose another port"
        case errno.EACCES | errno.EPERM:
            return "; the daemon's user may not: choose a directory of its own, or a port above 1023"
        case errno.ENOENT:
            return "; the directory does not exist: create it (under systemd: RuntimeDirectory=assay)"
        case errno.EADDRNOTAVAIL:
            return "; that address is not one of this machine"
        case _:
            return ""
