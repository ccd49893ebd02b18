"""The clock, the installed libraries, and the list of public suffixes."""

import ctypes
import ctypes.util
import platform
import re
import time
from collections.abc import Iterable, Iterator
from datetime import date
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Final

from assay.config.suffixes import SHIPPED
from assay.doctor.inspection import Library, Machine
from assay.doctor.look import unit
from assay.doctor.look.places import Places

_TIMEX_OCTETS: Final = 1024
"""More than struct timex has anywhere; its first member says what to change, and 0 is nothing."""
_TIME_ERROR: Final = 5
"""Of adjtimex(2): the clock is not synchronised."""
_HEAD_LINES: Final = 30
_VERSION = re.compile(r"//\s*VERSION:\s*(\d{4})-(\d\d)-(\d\d)")
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*(?:\[[^]]*\])?\s*([<>=!~][^;]*)?")


def look(places: Places) -> Machine:
    """Read what there is without the network."""
    return Machine(
        now=time.time(),
        synchronised=synchronised(),
        suffixes=suffix_date(SHIPPED),
        libraries=tuple(libraries(metadata.requires("assay") or ())),
        python=platform.python_version(),
        libmilter=libmilter_version(),
        systemd=unit.runs(places),
    )


def synchronised() -> bool | None:
    """Ask the kernel whether something keeps the clock; None where that is not possible."""
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjtimex is None:
        return None
    state = adjtimex(ctypes.create_string_buffer(_TIMEX_OCTETS))
    return None if state < 0 else bool(state != _TIME_ERROR)


def suffix_date(path: Path) -> date | None:
    """Return the date that a list of public suffixes gives of itself; None if it gives none."""
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            head = "".join(islice(lines, _HEAD_LINES))
    except OSError:
        return None
    match = _VERSION.search(head)
    return None if match is None else date(int(match[1]), int(match[2]), int(match[3]))


def libraries(requirements: Iterable[str]) -> Iterator[Library]:
    """Compare what a distribution asks for with what is installed; extras are no matter here."""
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement)
        if match is None or "extra ==" in requirement:
            continue
        try:
            installed: str | None = metadata.version(match[1])
        except metadata.PackageNotFoundError:
            installed = None
        yield Library(name=match[1], required=(match[2] or "").strip(), installed=installed)


def libmilter_version() -> str:
    """Return the version of the library that pymilter was built on, as it tells it; empty if it is not found."""
    name = ctypes.util.find_library("milter")
    if name is None:
        return ""
    parts = [ctypes.c_uint() for _ in range(3)]
    ctypes.CDLL(name).smfi_version(*(ctypes.byref(part) for part in parts))
    return ".".join(str(part.value) for part in parts)
