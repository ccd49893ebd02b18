"""The files of the configuration: only root may change them, and the daemon may read them."""

from collections.abc import Iterator
from typing import Final

from assay.doctor.check.socket import permits
from assay.doctor.inspection import Account, Inspection, Step, Walk
from assay.doctor.model import Finding, error

WRITABLE: Final = error(
    "file-writable",
    "Somebody who is not root may change the configuration or a policy file, or put another in its place: a policy of"
    " one line lets forged mail in.",
    "chown root and chmod go-w.",
)
UNREADABLE: Final = error(
    "file-unreadable",
    "The user that assay runs as cannot read the configuration or a policy file: it does not start, or refuses to"
    " reload.",
    "Let that user read it.",
)
INVALID: Final = error(
    "configuration-invalid",
    "The configuration or a policy file has a fault: assay does not start with it, and a reload keeps the old one.",
    "`assay config` says where and what would be right.",
)
KINDS: Final = (WRITABLE, UNREADABLE, INVALID)

_READ: Final = 0o4
_PASS: Final = 0o1
_STICKY: Final = 0o1000


def check(inspection: Inspection) -> Iterator[Finding]:
    """Look at every file; a directory that several lie in is named once."""
    for problem in inspection.problems:
        yield INVALID.found(str(problem), "correct it, then: assay config && systemctl reload assay")
    seen: set[str] = set()
    for walk in inspection.files:
        for step in walk.steps:
            if step.path in seen:
                continue
            seen.add(step.path)
            if why := _changeable(step, inspection):
                yield WRITABLE.found(f"{step.path} (mode {step.mode:04o}) {why}", f"{_close(step)} {step.path}")
            if inspection.daemon_user is not None and not _readable(walk, step, inspection.daemon_user):
                yield UNREADABLE.found(
                    f"{step.path} (mode {step.mode:04o}, owner {step.uid}, group {step.gid}) does not let the user"
                    f" {inspection.daemon_user.name} of the daemon read",
                    f"chmod {'a+rx' if step.directory else 'a+r'} {step.path}",
                )


def _changeable(step: Step, inspection: Inspection) -> str:
    """Say who else may change a file, or what lies in a directory."""
    if step.uid not in inspection.trusted_uids:
        return f"belongs to the user {step.uid}"
    if step.directory and step.mode & _STICKY:
        return ""
    if step.mode & 0o002:
        return "may be changed by everybody"
    if step.mode & 0o020 and step.gid not in inspection.trusted_gids:
        return f"may be changed by the group {step.gid}"
    return ""


def _close(step: Step) -> str:
    return f"chown root {step.path} && chmod go-w"


def _readable(walk: Walk, step: Step, user: Account) -> bool:
    if not step.directory:
        return permits(step, user, _READ)
    # the directory of policies is listed, the others are only passed
    wanted = _READ | _PASS if step is walk.steps[-1] else _PASS
    return all(permits(step, user, bit) for bit in (_READ, _PASS) if bit & wanted)
