"""The milter's socket: whether it answers, whether Postfix gets there, and who else does."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from assay.config.model import Config
from assay.config.socket import SocketFamily
from assay.doctor.inspection import Account, Contact, Inspection, SocketView, Step, Walk
from assay.doctor.milters import is_at
from assay.doctor.model import Finding, error, notice, warning
from assay.doctor.postfix import Postfix, Service
from assay.doctor.unit import listens_elsewhere

SILENT: Final = error(
    "socket-silent",
    "Nobody answers at the socket of the configuration: assay does not run, or listens elsewhere. The MTA does what it"
    " is told for that (Postfix: milter_default_action, Sendmail: F=).",
    "systemctl start assay; then journalctl -u assay.",
)
NOT_MILTER: Final = error(
    "socket-not-a-milter",
    "Something answers at the socket, and it is no milter as assay is one: another program has the port, or assay"
    " hangs.",
    "Look who listens (ss -ltnp, ss -lxp), and give one of the two another socket.",
)
DENIED: Final = error(
    "socket-denied",
    "The user that Postfix's smtpd runs as may not get to the unix socket: every message is treated as if assay were"
    " away.",
    'Set socket_group to the group of that user and socket_mode = "0660", and let it through the directories.',
)
OPEN: Final = notice(
    "socket-open-to-all",
    "Every local user may write to the unix socket. The milter protocol knows no passwords: whoever gets there can use"
    " up its connections.",
    'socket_mode = "0660" and socket_group = "postfix".',
)
ON_NETWORK: Final = warning(
    "socket-on-network",
    "assay listens on every address of the machine. The milter protocol knows no passwords: whoever gets there can use"
    " up its connections and ask the DNS through it.",
    "Listen on 127.0.0.1, or let a firewall see to it that only the MTAs connect.",
)
ELSEWHERE: Final = error(
    "unit-socket-differs",
    "systemd opens another socket for assay than the configuration names; that of systemd holds, and where the MTA asks"
    " by the configuration nobody answers.",
    "The same socket in assay.socket (ListenStream=) and in assay.toml (socket).",
)
KINDS: Final = (SILENT, NOT_MILTER, DENIED, OPEN, ON_NETWORK, ELSEWHERE)

_WRITE: Final = 0o2
_PASS: Final = 0o1


def check(inspection: Inspection) -> Iterator[Finding]:
    """Look at the socket that the configuration names."""
    config, view = inspection.config, inspection.socket
    if config is None or view is None:
        return
    socket = config.socket
    if view.contact is Contact.NOBODY:
        yield _nobody(inspection, config, view)
    elif view.contact is Contact.STRANGE:
        program = inspection.programs.get(socket.path or f":{socket.port}", "")
        yield NOT_MILTER.found(
            f"{socket.libmilter}{f' ({program})' if program else ''}: {view.why}", _who_listens(config)
        )
    if socket.family is not SocketFamily.UNIX:
        try:
            every = ip_address(socket.host).is_unspecified
        except ValueError:
            every = False
        if every:
            yield ON_NETWORK.found(
                f"{config.source}: socket is {socket.libmilter}",
                f'socket = "inet:{socket.port}@127.0.0.1", or a rule of the firewall for port {socket.port}',
            )
        return
    if view.walk is None or view.walk.missing:
        return
    if _lets_others_write(view.walk):
        yield OPEN.found(
            f"{socket.path} has mode {view.walk.steps[-1].mode:04o}",
            _set_mode(inspection, config, "postfix"),
        )
    if inspection.postfix is not None and inspection.mail_user is not None:
        yield from _denied(inspection, inspection.postfix, inspection.mail_user, config, view.walk)


def _nobody(inspection: Inspection, config: Config, view: SocketView) -> Finding:
    """Say why nobody answers: systemd listens elsewhere, or the daemon does not run."""
    unit, socket = inspection.unit, config.socket
    if unit is not None and listens_elsewhere(unit, socket):
        return ELSEWHERE.found(
            f'assay.socket has ListenStream={unit.listens}, and {config.source} socket = "{socket.libmilter}"',
            f"write the same in both (systemctl edit assay.socket, or {config.source}), then: systemctl daemon-reload"
            " && systemctl restart assay.socket assay",
        )
    return SILENT.found(f"{socket.libmilter}: {view.why}", "systemctl start assay; journalctl -u assay")


def _denied(inspection: Inspection, postfix: Postfix, user: Account, config: Config, walk: Walk) -> Iterator[Finding]:
    queue = postfix.value("queue_directory")
    closed: dict[Step, list[str]] = {}
    for service in postfix.receivers:
        listed = any(is_at(each, config.socket, inspection.real) for each in postfix.milters(service))
        step = _closed(walk, user, queue, service) if listed else None
        if step is not None:
            closed.setdefault(step, []).append(service.label)
    for step, labels in closed.items():
        yield DENIED.found(
            f"{step.path} (mode {step.mode:04o}, owner {step.uid}, group {step.gid}) does not let {user.name} in,"
            f" as which Postfix runs {', '.join(labels)}",
            _way_in(inspection, step, user, config),
        )


def _closed(walk: Walk, user: Account, queue: str, service: Service) -> Step | None:
    """Return the first step that a service may not take; what is outside of its chroot does not matter to it.

    Every smtpd runs as the mail owner: one that master.cf makes privileged ends at once.
    """
    for step in walk.steps:
        outside = service.chroot and not f"{step.path}/".startswith(f"{queue}/")
        if not outside and not permits(step, user, _PASS if step.directory else _WRITE):
            return step
    return None


def permits(step: Step, user: Account, bit: int) -> bool:
    """Whether a user has a permission: 4 to read, 2 to write, 1 to pass. An access control list may say anything."""
    if user.uid == 0 or step.acl:
        return True
    if step.uid == user.uid:
        return bool(step.mode >> 6 & bit)
    if step.gid in user.gids:
        return bool(step.mode >> 3 & bit)
    return bool(step.mode & bit)


def _way_in(inspection: Inspection, step: Step, user: Account, config: Config) -> str:
    if step.directory:
        return f"chmod o+x {step.path}, or another directory for the socket"
    return _set_mode(inspection, config, user.name)


def _set_mode(inspection: Inspection, config: Config, group: str) -> str:
    """Say where the mode of the socket comes from: systemd, if that opens it, else the configuration."""
    if inspection.unit is not None and inspection.unit.listens:
        # systemctl edit would write a file that one with a later name overrules
        access = inspection.unit.access
        where = f"edit {access}" if access else "systemctl edit assay.socket"
        lines = f"below [Socket] write SocketUser=assay, SocketGroup={group} and SocketMode=0660, each in a line"
        return f"{where}: {lines}; then: systemctl daemon-reload && systemctl restart assay.socket assay"
    return f'in {config.source}: socket_group = "{group}" and socket_mode = "0660", then: systemctl restart assay'


def _lets_others_write(walk: Walk) -> bool:
    nobody = Account(name="nobody", uid=None, gids=frozenset())
    return all(not each.acl and permits(each, nobody, _PASS if each.directory else _WRITE) for each in walk.steps)


def _who_listens(config: Config) -> str:
    if config.socket.family is SocketFamily.UNIX:
        return f"ss -lxp | grep {config.socket.path}"
    return f"ss -ltnp 'sport = :{config.socket.port}'"
