"""Sendmail: its sendmail.mc, and whether sendmail.cf was made of it."""

from pathlib import Path

from assay.doctor.inspection import Unread
from assay.doctor.look.places import Places, UnreadError, text_of
from assay.doctor.sendmail import Sendmail, parse_sendmail


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
    return parse_sendmail(text, str(path), stale=stale)
