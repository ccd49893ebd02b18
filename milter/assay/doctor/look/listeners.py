"""Which program listens where, from /proc: that tells a milter whatever its port or path is called."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_LISTENING: Final = "0A"
"""State of a TCP socket in /proc/net/tcp."""
_ACCEPTS: Final = 0x10000
"""Flag of a unix socket in /proc/net/unix: it listens (__SO_ACCEPTCON)."""
_TCP_STATE, _TCP_INODE = 3, 9
_UNIX_FLAGS, _UNIX_INODE, _UNIX_PATH = 3, 6, 7


def look(proc: Path = _PROC) -> Mapping[str, str]:
    """Return the names of programs by what they listen on: ``:8891`` or a path.

    Only root sees the sockets of others; what we may not see is left out.
    """
    sockets = dict(_tcp(proc)) | dict(_unix(proc))
    return {sockets[inode]: name for inode, name in _owners(proc) if inode in sockets}


def _lines(path: Path) -> list[list[str]]:
    try:
        return [line.split() for line in path.read_text("utf-8", "replace").splitlines()[1:]]
    except OSError:
        return []


def _tcp(proc: Path) -> Iterator[tuple[str, str]]:
    for name in ("tcp", "tcp6"):
        for columns in _lines(proc / "net" / name):
            if columns[_TCP_STATE] == _LISTENING:
                yield columns[_TCP_INODE], f":{int(columns[1].rpartition(':')[2], 16)}"


def _unix(proc: Path) -> Iterator[tuple[str, str]]:
    for columns in _lines(proc / "net" / "unix"):
        # the name of a socket may hold a line end, and what follows it is then whatever its maker wrote
        with suppress(IndexError, ValueError):
            if int(columns[_UNIX_FLAGS], 16) & _ACCEPTS:
                yield columns[_UNIX_INODE], columns[_UNIX_PATH]


def _owners(proc: Path) -> Iterator[tuple[str, str]]:
    """Give the inode of each socket that a process has open, and the name of the process."""
    for process in proc.glob("[0-9]*"):
        try:
            name = (process / "comm").read_text("utf-8", "replace").strip()
            descriptors = list((process / "fd").iterdir())
        except OSError:
            continue  # it has ended, or is not ours to see
        for descriptor in descriptors:
            with suppress(OSError):  # closed since
                link = str(descriptor.readlink())
                if link.startswith("socket:["):
                    yield link.removeprefix("socket:[").removesuffix("]"), name
