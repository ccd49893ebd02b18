"""The unit of systemd: its files, as systemd finds them, and what systemd itself says."""

import os
import re
from pathlib import Path
from typing import Final

from assay.config.load import places as configurations
from assay.doctor.look.places import Places, UnreadError, output_of, text_of
from assay.doctor.unit import State, Unit, UnitFile, parse_settings

# systemd.unit(5), the first one wins
_DIRECTORIES: Final = (
    *("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system"),
    *("/usr/lib/systemd/system", "/lib/systemd/system"),
)
SERVICE: Final = "assay.service"
SOCKET: Final = "assay.socket"
_ACCESS = re.compile(r"^[ \t]*Socket(User|Group|Mode)[ \t]*=", re.MULTILINE)
_PROPERTIES: Final = ("NeedDaemonReload", "ActiveState", "StateChangeTimestamp")
"""The last one is set by a start and by a reload."""


def look(places: Places) -> Unit | None:
    """Read assay.service and its drop-ins; None if there is none.

    Raises:
        UnreadError: a file is there and cannot be read.
    """
    main = _first(places, SERVICE)
    if main is None:
        return None
    drop_ins = _drop_ins(places, SERVICE)
    socket = _first(places, SOCKET)
    sockets = [] if socket is None else [socket, *_drop_ins(places, SOCKET)]
    by_socket = _enabled(places, SOCKET)
    return Unit(
        path=main.path,
        drop_ins=tuple(file.path for file in drop_ins),
        settings=parse_settings([main, *drop_ins]),
        enabled=by_socket or _enabled(places, SERVICE),
        access=next((file.path for file in reversed(sockets[1:]) if _ACCESS.search(file.text)), ""),
        listens=parse_settings(sockets).get("ListenStream", "") if by_socket else "",
        state=_state(places),
        shipped=parse_settings([_shipped() or main]),
    )


def runs(places: Places) -> bool:
    """Whether systemd is the init of the machine (sd_booted(3)); a copy has none."""
    return places.live and Path("/run/systemd/system").is_dir()


def _first(places: Places, name: str) -> UnitFile | None:
    for directory in _DIRECTORIES:
        if (text := text_of(places.under(f"{directory}/{name}"))) is not None:
            return UnitFile(path=f"{directory}/{name}", text=text)
    return None


def _drop_ins(places: Places, name: str) -> list[UnitFile]:
    """Return the drop-ins in the order of their names; one in an earlier directory hides others of its name."""
    found: dict[str, UnitFile] = {}
    for directory in _DIRECTORIES:
        for path in places.under(f"{directory}/{name}.d").glob("*.conf"):
            if path.name not in found:
                where = f"{directory}/{name}.d/{path.name}"
                found[path.name] = UnitFile(path=where, text=text_of(path) or "")
    return [found[each] for each in sorted(found)]


def _enabled(places: Places, name: str) -> bool:
    # in a copy of a machine the links lead nowhere, and mean the same
    return any(
        os.path.lexists(wants / name)
        for directory in _DIRECTORIES
        for kind in ("wants", "requires")
        for wants in places.under(directory).glob(f"*.{kind}")
    )


def _state(places: Places) -> State | None:
    if not runs(places):
        return None
    show = ["systemctl", "show", "--timestamp=unix", f"--property={','.join(_PROPERTIES)}", SERVICE]
    try:
        said = parse_settings([UnitFile(path="", text=output_of("the unit", show))])
    except UnreadError:
        return None
    loaded, state, since = (said.get(each, "") for each in _PROPERTIES)
    stamp = since.removeprefix("@")
    return State(outdated=loaded == "yes", failed=state == "failed", since=float(stamp) if stamp.isdecimal() else None)


def _shipped() -> UnitFile | None:
    """Return the unit that came with this program: it lies beside the shipped configuration."""
    for path in configurations():
        unit = path.parents[1] / "systemd" / SERVICE
        if (text := text_of(unit)) is not None:
            return UnitFile(path=str(unit), text=text)
    return None
