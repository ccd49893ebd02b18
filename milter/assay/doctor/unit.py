"""A unit of systemd, with its drop-ins, as systemd would read it. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from assay.config.socket import SocketAddress, SocketFamily
from assay.doctor.milters import EVERY_HOST

_UNITS: Final = {"": 1.0, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "ms": 0.001, "us": 1e-6}
_TIME = re.compile(r"([0-9.]+)\s*([a-z]*)")
# Of these keys several lines add up, and an empty one takes back what was said before.
_LISTS: Final = frozenset(
    {
        *("SystemCallFilter", "SupplementaryGroups", "RestrictAddressFamilies", "CapabilityBoundingSet"),
        *("AmbientCapabilities", "ReadWritePaths", "ExecStart", "ExecReload", "ListenStream", "IPAddressAllow"),
        *("IPAddressDeny", "Environment", "SystemCallArchitectures", "RuntimeDirectory", "StateDirectory"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitFile:
    """One file: a unit or a drop-in."""

    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What systemd says of the service.

    Attributes:
        outdated: it runs with an older text of the unit than the files have.
        failed: it ended, and systemd gave up.
        since: when it was last started or reloaded, in seconds since 1970; None if never.
    """

    outdated: bool
    failed: bool
    since: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A service and what belongs to it.

    Attributes:
        path: of the unit file; empty if there is none.
        drop_ins: paths of the files that change it.
        settings: of all sections, values of keys that add up joined by blanks.
        enabled: it starts at boot.
        listens: ListenStream of the socket unit, if that is enabled.
        access: path of the drop-in that says who may use the socket; empty if none does.
        state: None if systemd cannot be asked.
        shipped: the settings of the unit that came with assay.
    """

    path: str
    drop_ins: tuple[str, ...] = ()
    settings: Mapping[str, str]
    enabled: bool
    listens: str = ""
    access: str = ""
    state: State | None = None
    shipped: Mapping[str, str]


def parse_settings(files: Iterable[UnitFile]) -> Mapping[str, str]:
    """Read a unit and its drop-ins, in that order: later lines count, but keys that are lists add up."""
    settings: dict[str, str] = {}
    for file in files:
        for line in file.text.replace("\\\n", " ").splitlines():
            key, equals, value = line.partition("=")
            key, value = key.strip(), value.strip()
            if not equals or key.startswith(("#", ";")):
                continue
            if key in _LISTS and value and settings.get(key):
                value = f"{settings[key]} {value}"
            settings[key] = value
    return settings


def listens_elsewhere(unit: Unit, socket: SocketAddress) -> bool:
    """Whether systemd opens another socket for the service than its configuration names."""
    return bool(unit.listens) and not any(_is_at(each, socket) for each in unit.listens.split())


def _is_at(stream: str, socket: SocketAddress) -> bool:
    """Compare a ListenStream of systemd.socket(5): a path, ``address:port``, or a port on every address."""
    if stream.startswith("/") or socket.family is SocketFamily.UNIX:
        return stream == socket.path
    host, _, port = stream.rpartition(":")
    same = host.strip("[]") == socket.host or (not host and socket.host in EVERY_HOST)
    return same and port == str(socket.port)


def seconds(text: str) -> float | None:
    """Read a time span of systemd.time(7), such as ``1min 30s``; None for ``infinity`` and what is no time."""
    parts = _TIME.findall(text.strip())
    if not parts or any(unit not in _UNITS for _, unit in parts) or _TIME.sub("", text).strip():
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def truth(text: str) -> bool:
    """Read a boolean of systemd."""
    return text.lower() in {"1", "yes", "true", "on"}


def words(settings: Mapping[str, str], key: str) -> Sequence[str]:
    """Return the words of a list."""
    return settings.get(key, "").split()
