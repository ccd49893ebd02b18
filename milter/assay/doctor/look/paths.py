"""Paths, step by step, as a process would take them; and the users and groups of the machine."""

import errno
import os
import stat
from pathlib import PurePosixPath
from typing import Final

from assay.doctor.inspection import Account, Step, Walk
from assay.doctor.look.places import Places, text_of

_MAX_LINKS: Final = 40
"""As many as Linux follows (path_resolution(7))."""
_PASSWD_FIELDS: Final = 7
_GROUP_FIELDS: Final = 4


def walk(places: Places, path: str, chroot: str = "") -> Walk:
    """Follow an absolute path from the root directory of the machine, and note what every step asks for.

    Args:
        places: what the machine is.
        path: seen from outside of the chroot.
        chroot: a directory above it, which links below it do not lead out of; empty for none.
    """
    jail = PurePosixPath(chroot or "/")
    todo = list(reversed(PurePosixPath(path).parts[1:]))
    current = PurePosixPath("/")
    steps = [_step(places, current)]
    links = 0
    while todo:
        part = todo.pop()
        if part == "..":
            current = current if current == jail else current.parent
            continue
        child = current / part
        try:
            status = os.lstat(places.under(child))
            if stat.S_ISLNK(status.st_mode) and links < _MAX_LINKS:
                links += 1
                target = PurePosixPath(places.under(child).readlink())
                current = _start(child, jail) if target.is_absolute() else current
                todo += reversed(target.parts[1:] if target.is_absolute() else target.parts)
                continue
            steps.append(_step(places, child))
        except OSError as error:
            real = str(child.joinpath(*reversed(todo)))
            denied = error.errno in {errno.EACCES, errno.EPERM}
            return Walk(
                path=path,
                real=real,
                steps=tuple(steps),
                missing="" if denied else str(child),
                denied=str(child) if denied else "",
            )
        current = child
    return Walk(path=path, real=str(current), steps=tuple(steps))


def _start(link: PurePosixPath, jail: PurePosixPath) -> PurePosixPath:
    """Return where an absolute link starts: below the chroot it is the chroot, on the way there the machine's root."""
    return jail if link.is_relative_to(jail) else PurePosixPath("/")


def _step(places: Places, path: PurePosixPath) -> Step:
    where = places.under(path)
    status = os.lstat(where)
    return Step(
        path=str(path),
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        directory=stat.S_ISDIR(status.st_mode),
        acl=_has_acl(str(where)),
        modified=status.st_mtime,
    )


def _has_acl(path: str) -> bool:
    try:
        return bool(os.getxattr(path, "system.posix_acl_access", follow_symlinks=False))
    except OSError:
        return False


def account(places: Places, name: str) -> Account | None:
    """Return a user of /etc/passwd with the groups that /etc/group gives it; None if there is none.

    Raises:
        UnreadError: one of the files cannot be read.
    """
    rows = _rows(places, "/etc/passwd", _PASSWD_FIELDS)
    row = next((row for row in rows if row[0] == name), None)
    if row is None or not (row[2].isdecimal() and row[3].isdecimal()):
        return None
    member = {int(gid) for _, gid, members in _groups(places) if name in members.split(",")}
    return Account(name=name, uid=int(row[2]), gids=frozenset(member | {int(row[3])}))


def group_ids(places: Places, names: frozenset[str]) -> frozenset[int]:
    """Return the numbers of the groups of /etc/group that have one of these names.

    Raises:
        UnreadError: the file cannot be read.
    """
    return frozenset(int(gid) for name, gid, _ in _groups(places) if name in names)


def _groups(places: Places) -> list[tuple[str, str, str]]:
    rows = _rows(places, "/etc/group", _GROUP_FIELDS)
    return [(row[0], row[2], row[3]) for row in rows if row[2].isdecimal()]


def _rows(places: Places, path: str, fields: int) -> list[list[str]]:
    lines = (text_of(places.under(path)) or "").splitlines()
    return [row for line in lines if len(row := line.split(":")) == fields]
