"""Postfix, through its own programs: postconf for the configuration, postqueue and postcat for held mail."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from assay.doctor.inspection import Held, Unread
from assay.doctor.look.places import AS_ROOT, Places, UnreadError, output_of, outputs_of
from assay.doctor.postfix import Postfix, PostfixFault, parse_parameters, parse_services

MAX_HELD: Final = 200
"""Messages of the hold queue that are looked at: each costs a start of postcat."""

_REMEDY: Final = f"{AS_ROOT}; a Postfix before 2.11, whose postconf cannot be asked so, is too old"
_UNUSED = re.compile(r"warning: (\S+: )unused parameter: (\w*milter\w*)")
_NUMBER = re.compile(r"\d+")
_RESULTS = re.compile(r"^Authentication-Results:((?:.*\n)(?:[ \t].*\n)*)", re.MULTILINE | re.IGNORECASE)
_FROM = re.compile(r"\sheader\.from=\"?([^\s;\"]+)")


def directory_of(places: Places) -> Path:
    """Return where main.cf should be."""
    return (places.under("/etc/postfix") if places.postfix is None else places.postfix).absolute()


def look(places: Places) -> Postfix | PostfixFault | None:
    """Read main.cf and master.cf as Postfix itself does; None if there is no Postfix.

    Raises:
        UnreadError: there is one, and we may not read it.
    """
    directory = directory_of(places)
    if not (directory / "main.cf").exists():
        if places.postfix is None:
            return None
        raise UnreadError(Unread(what=f"{directory}/main.cf", why="it does not exist", remedy="name its directory"))
    postconf = ["postconf", "-c", str(directory)]
    what = f"the configuration of Postfix in {directory}"
    try:
        main, main_complaints = outputs_of(what, [*postconf, "-x"], _REMEDY)
        options, options_complaints = outputs_of(what, [*postconf, "-x", "-P"], _REMEDY)
        master = output_of(what, [*postconf, "-M"], _REMEDY)
    except UnreadError as error:
        if "fatal:" in error.unread.why and "ermission denied" not in error.unread.why:
            return PostfixFault(directory=str(directory), why=error.unread.why.partition("fatal: ")[2])
        raise
    parameters = parse_parameters(main)
    old = _old_defaults(parameters.get("compatibility_level", ""))
    return Postfix(
        directory=str(directory),
        parameters=parameters,
        services=parse_services(master, options, chroot=old),
        unused=tuple(_UNUSED.findall(main_complaints + options_complaints)),
    )


def _old_defaults(level: str) -> bool:
    """Whether an open column of master.cf means a chroot, as it did before Postfix 3.0 (compatibility_level 0)."""
    number = _NUMBER.match(level)
    return number is None or int(number[0]) == 0


def held(postfix: Postfix, authserv_id: str) -> tuple[Held, ...]:
    """Return the messages on hold that carry our field with the disposition quarantine.

    Postfix keeps no reason with a message on hold, so the field that assay wrote into it has to tell.

    Raises:
        UnreadError: the queue cannot be read, or only the beginning of it was.
    """
    queue = output_of(
        "the hold queue",
        ["postqueue", "-c", postfix.directory, "-j"],
        f"{AS_ROOT}; if Postfix is stopped: postfix start",
    )
    entries = [entry for line in queue.splitlines() if (entry := json.loads(line))["queue_name"] == "hold"]
    if not entries:
        return ()
    if os.geteuid() != 0:
        why = f"{len(entries)} messages are on hold, and only root may read why"
        raise UnreadError(Unread(what="the hold queue", why=why, remedy=AS_ROOT))
    return tuple(_ours(postfix, entries[:MAX_HELD], authserv_id))


def _ours(postfix: Postfix, entries: list[dict[str, Any]], authserv_id: str) -> Iterator[Held]:
    for entry in entries:
        queue_id = entry["queue_id"]
        try:
            header = output_of("a held message", ["postcat", "-c", postfix.directory, "-h", "-q", queue_id])
        except UnreadError:
            continue  # released or deleted since
        for field in _RESULTS.findall(header):
            name, _, results = field.partition(";")
            if name.strip().lower() == authserv_id and "disposition=quarantine" in results:
                author = _FROM.search(results)
                domain = "" if author is None else author[1]
                yield Held(queue_id=queue_id, since=entry["arrival_time"], author_domain=domain)
                break
