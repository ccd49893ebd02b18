"""Sendmail: its sendmail.mc, whether sendmail.cf was made of it, and what is quarantined in its queue."""

import os
import re
from pathlib import Path
from typing import Final

from assay.doctor.inspection import Held, Unread
from assay.doctor.look.places import AS_ROOT, Places, UnreadError, text_of
from assay.doctor.sendmail import Sendmail, parse_sendmail

_REASON = re.compile(r"^qassay: (.*)$", re.MULTILINE)
_TIME = re.compile(r"^T([0-9]+)$", re.MULTILINE)
# at the beginning of a line: behind dnl it is a comment
_INCLUDE = re.compile(r"^s?include\(`([^`']+)'\)", re.MULTILINE)
_MAX_INCLUDES: Final = 8
"""Files that are named in one another; more is a circle."""
_FROM = re.compile(r"\sheader\.from=\"?([^\s;\"]+)")


def path_of(places: Places) -> Path:
    """Return where sendmail.mc should be."""
    return places.under("/etc/mail/sendmail.mc") if places.sendmail is None else places.sendmail


def look(places: Places) -> Sendmail | None:
    """Read sendmail.mc; None if there is none.

    Raises:
        UnreadError: it cannot be read.
    """
    path = path_of(places)
    text = text_of(path)
    if text is None:
        if places.sendmail is not None:
            raise UnreadError(Unread(what=str(path), why="it does not exist", remedy="name another file"))
        return None
    compiled = path.with_suffix(".cf")
    stale = not compiled.exists() or compiled.stat().st_mtime < path.stat().st_mtime
    return parse_sendmail(_included(text, places), str(path), stale=stale)


def _included(text: str, places: Places, depth: int = 0) -> str:
    """Put the files in the place of the ``include`` that names them; one that is not there is left out."""

    def content(match: re.Match[str]) -> str:
        inside = text_of(places.under(match[1])) or ""
        return _included(inside, places, depth + 1) if depth < _MAX_INCLUDES else inside

    return _INCLUDE.sub(content, text)


def held(places: Places, sendmail: Sendmail) -> tuple[Held, ...]:
    """Return the messages that were quarantined with a reason of ours, which Sendmail keeps in their queue files.

    Raises:
        UnreadError: the queue cannot be read.
    """
    # wildcards name the directories of queue groups, in each of which the control files may have one of their own
    fixed = sendmail.queue.partition("*")[0].rpartition("/")[0] if "*" in sendmail.queue else sendmail.queue
    top = places.under(fixed)
    if not top.is_dir():
        return ()
    if not os.access(top, os.R_OK | os.X_OK):
        raise UnreadError(Unread(what=str(top), why="permission denied", remedy=AS_ROOT))
    return tuple(message for path in sorted(top.glob("**/hf*")) if (message := _ours(path)) is not None)


def _ours(path: Path) -> Held | None:
    """Read a control file: a line ``q`` with the reason, one ``T`` with the time, and the header."""
    text = text_of(path) or ""
    reason = _REASON.search(text)
    if reason is None:
        return None
    since, author = _TIME.search(text), _FROM.search(text)
    return Held(
        queue_id=path.name.removeprefix("hf"),
        since=0 if since is None else int(since[1]),
        author_domain="" if author is None else author[1],
        reason=reason[1],
    )
