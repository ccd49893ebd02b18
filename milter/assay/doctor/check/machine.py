"""The rest of the machine: its clock, the age of the list of public suffixes, the libraries, and held mail."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from assay.doctor.inspection import Held, Inspection, Library, Machine
from assay.doctor.model import Finding, error, notice, warning

NO_MTA: Final = notice(
    "mta-not-found",
    "Neither a main.cf of Postfix nor a sendmail.mc was found: how mail gets to assay is not known.",
    "Name it: --postfix-config DIRECTORY or --sendmail-mc FILE.",
)
UNSYNCHRONISED: Final = warning(
    "clock-not-synchronised",
    "Nothing keeps the clock. Signatures that are from the future (t=) or expired (x=) by more than [dkim]"
    " clock_tolerance do not count.",
    "Run chrony or systemd-timesyncd.",
)
IN_THE_PAST: Final = error(
    "clock-in-the-past",
    "The clock is behind the date of the list of public suffixes that is installed, so it is wrong: genuine signatures"
    " look as if they came from the future.",
    "Set the clock, and run chrony or systemd-timesyncd.",
)
OLD_SUFFIXES: Final = warning(
    "suffix-list-old",
    "The list of public suffixes is old: who registers a name below a suffix that is newer could be aligned with others"
    " who do.",
    "Upgrade the package publicsuffixlist.",
)
OLD_LIBRARY: Final = error(
    "library-unsuitable",
    "A library that assay is built on is missing or of a version that it was not written for: results may be wrong.",
    "Install what setup.cfg asks for.",
)
HELD: Final = warning(
    "mail-on-hold",
    "Messages wait in the queue because a policy said quarantine: nobody gets them until they are released or deleted."
    " (Sendmail keeps our reason. Postfix keeps none: that it was assay is known from the field in each.)",
    "Postfix: postsuper -H ID && postqueue -i ID releases one, postsuper -d ID deletes it. Sendmail: sendmail -qQ -Q"
    " -qIID. Quarantine by a header field needs no such care.",
)
UNREAD: Final = notice(
    "not-looked-at",
    "Something could not be read, so nothing is said of it.",
    "Run the command as root.",
)
KINDS: Final = (NO_MTA, UNSYNCHRONISED, IN_THE_PAST, OLD_SUFFIXES, OLD_LIBRARY, HELD, UNREAD)

MAX_SUFFIX_DAYS: Final = 365
"""Age of the list of public suffixes (local choice); it changes some ten times a month."""

_DAY: Final = 86400
_RELEASE = re.compile(r"\d+(?:\.\d+)*")
_SPECIFIER = re.compile(r"(>=|<=|<|>|==|!=)\s*([0-9][0-9.]*)")
_SHOWN: Final = 5


def check(inspection: Inspection) -> Iterator[Finding]:
    """Look at the machine."""
    machine = inspection.machine
    if not inspection.mta:
        yield NO_MTA.found(
            "there is neither /etc/postfix/main.cf nor /etc/mail/sendmail.mc",
            "assay doctor --postfix-config DIRECTORY, or --sendmail-mc FILE",
        )
    yield from _clock(machine)
    for library in machine.libraries:
        if not suits(library):
            yield OLD_LIBRARY.found(
                f"{library.name} is {library.installed or 'not installed'}, and {library.required} is needed",
                f"pip install '{library.name}{library.required}' in the environment of assay, or upgrade its package",
            )
    yield from _held(inspection)
    for unread in inspection.unread:
        yield UNREAD.found(f"{unread.what}: {unread.why}", unread.remedy)


def suits(library: Library) -> bool:
    """Whether what is installed meets the specifiers; only releases count, as setup.cfg names no others."""
    if library.installed is None:
        return False
    installed = _version(library.installed)
    for operator, text in _SPECIFIER.findall(library.required):
        wanted = _version(text)
        length = max(len(installed), len(wanted))
        have, want = (each + (0,) * (length - len(each)) for each in (installed, wanted))
        holds = {
            ">=": have >= want,
            "<=": have <= want,
            "<": have < want,
            ">": have > want,
            "==": have == want,
            "!=": have != want,
        }
        if not holds[operator]:
            return False
    return True


def _version(text: str) -> tuple[int, ...]:
    match = _RELEASE.match(text)
    return () if match is None else tuple(int(part) for part in match[0].split("."))


def _clock(machine: Machine) -> Iterator[Finding]:
    today = datetime.fromtimestamp(machine.now, UTC).date()
    if machine.suffixes is not None and today < machine.suffixes:
        yield IN_THE_PAST.found(
            f"the clock says {today}, and the list of public suffixes is of {machine.suffixes}",
            "apt-get install chrony && chronyc makestep",
        )
    elif machine.suffixes is not None and (age := (today - machine.suffixes).days) > MAX_SUFFIX_DAYS:
        yield OLD_SUFFIXES.found(
            f"the list of public suffixes is of {machine.suffixes}, {age} days old",
            "pip install --upgrade publicsuffixlist in the environment of assay, or upgrade its package",
        )
    if machine.synchronised is False:
        yield UNSYNCHRONISED.found(
            "the kernel says that nothing keeps the clock (adjtimex: TIME_ERROR)", "apt-get install chrony"
        )


def _held(inspection: Inspection) -> Iterator[Finding]:
    if not inspection.held:
        return
    held = sorted(inspection.held, key=lambda message: message.since)
    days = int((inspection.machine.now - held[0].since) // _DAY)
    some = ", ".join(map(_named, held[:_SHOWN]))
    more = "" if len(held) <= _SHOWN else ", ..."
    first = held[0].queue_id
    at = "" if inspection.postfix is None else inspection.postfix.instance
    yield HELD.found(
        f"{len(held)} kept in the queue by a decision of assay, the oldest for {days} days: {some}{more}",
        f"postcat{at} -q {first} shows one, postsuper{at} -H {first} && postqueue{at} -i {first} releases it,"
        f" postsuper{at} -d {first} deletes it"
        if inspection.postfix is not None
        else f"mailq -qQ shows them; sendmail -qQ -Q -qI{first} && sendmail -qI{first} releases one",
    )


def _named(held: Held) -> str:
    reason = f", {held.reason}" if held.reason else ""
    return f"{held.queue_id} (from {held.author_domain or 'nobody'}{reason})"
