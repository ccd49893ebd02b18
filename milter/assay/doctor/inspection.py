"""What was read, as values: all that a check may know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from assay.config.model import Config
from assay.dns.nameservers import Nameserver
from assay.doctor.postfix import Postfix, PostfixFault
from assay.doctor.sendmail import Sendmail
from assay.doctor.unit import Unit
from assay.errors import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """Something that could not be looked at.

    Attributes:
        what: the thing.
        why: in words.
        remedy: what would let us look.
    """

    what: str
    why: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One part of a path, a link already followed.

    Attributes:
        path: as seen from the machine that is looked at.
        mode: permission bits and no file type.
        acl: it has an access control list, which the mode does not tell.
        modified: when its content last changed, in seconds since 1970.
    """

    path: str
    mode: int
    uid: int
    gid: int
    directory: bool
    acl: bool = False
    modified: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A path from the root directory on.

    Attributes:
        path: what was walked to.
        real: the same without links, as far as it exists.
        steps: the directories and, last, the file; they end where the path does.
        missing: the first part that is not there; empty if all is.
        denied: the first part that we may not look at; empty if none.
    """

    path: str
    real: str
    steps: tuple[Step, ...]
    missing: str = ""
    denied: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user as programs run as it.

    Attributes:
        uid: None for one that exists only while its service runs (DynamicUser).
        gids: its own group and those that it is a member of.
    """

    name: str
    uid: int | None
    gids: frozenset[int]


class Contact(StrEnum):
    """What became of a connection to the milter's socket."""

    SPEAKS = "speaks"
    """A milter that takes what we need answered."""
    STRANGE = "strange"
    """Something answered, or kept silent, that is no such milter."""
    NOBODY = "nobody"
    """No connection."""
    DENIED = "denied"
    """We ourselves may not connect, so nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketView:
    """The milter's own socket.

    Attributes:
        why: of a contact that failed.
        walk: to a unix socket; None for the others.
    """

    contact: Contact
    why: str = ""
    walk: Walk | None = None


class Outcome(StrEnum):
    """What a name server did with a question."""

    ANSWERED = "answered"
    FAILED = "failed"
    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolverView:
    """One name server, asked only for what it knows without asking others.

    Attributes:
        outcome: of the question for the name servers of the root.
        why: the response code or the error, where it did not answer.
        milliseconds: of a repeated question, so of its cache.
        validates: it set AD on the signed answer.
        tcp: it answers over TCP too.
        invents: it has an address for a name below "invalid", which cannot exist (RFC 6761 6.4).
        forwards: whom it asks, as far as that is known: of the stub of systemd-resolved.
    """

    server: Nameserver
    outcome: Outcome
    why: str = ""
    milliseconds: float = 0.0
    validates: bool = False
    tcp: bool = False
    invents: bool = False
    forwards: tuple[Nameserver, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A message that the MTA keeps because we asked for it.

    Postfix keeps no reason: there it is one in the hold queue that carries our field.

    Attributes:
        reason: of Sendmail: the rule that decided.
        since: seconds since 1970.
        author_domain: of the message; empty if the field does not say.
    """

    queue_id: str
    since: int
    author_domain: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A distribution that assay is built on.

    Attributes:
        required: the specifiers, such as ``<2,>=1.1.8``.
        installed: None if it is not.
    """

    name: str
    required: str
    installed: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The rest of what is known of the machine.

    Attributes:
        now: seconds since 1970, by its clock.

        synchronised: whether the kernel says that something keeps the clock; None where it cannot be asked.
        suffixes: the date of the list of public suffixes; None if it does not say.
        systemd: whether services are run by it.
    """

    now: float
    synchronised: bool | None
    suffixes: date | None
    libraries: tuple[Library, ...]
    python: str
    libmilter: str
    systemd: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """All that was read.

    Attributes:
        config: ours; None if it cannot be used, as ``problems`` say.
        mta: whether there is a configuration of Postfix or Sendmail, readable or not.
        trusted_uids: who counts as root: files of these are no risk.
        trusted_gids: whose write permission is none.
        mail_user: the account that Postfix's smtpd runs as; None if it does not exist.
        daemon_user: the account that assay runs as; None if it is not known.
        walks: to the sockets of milters, by the path and by the chroot that the walk did not leave.
        files: of the configuration and the policies.
        program: the walks to what the unit starts: the program, its interpreter, and that one's home.
        held: mail that we had put on hold.
        programs: which program listens at a port (``:8891``) or a path.
        signers: what the configurations of other milters say, by product: key to value.
    """

    config: Config | None
    problems: tuple[Problem, ...] = ()
    socket: SocketView | None = None
    resolvers: tuple[ResolverView, ...] = ()
    machine: Machine
    mta: bool
    postfix: Postfix | None = None
    postfix_fault: PostfixFault | None = None
    sendmail: Sendmail | None = None
    unit: Unit | None = None
    trusted_uids: frozenset[int] = frozenset({0})
    trusted_gids: frozenset[int] = frozenset({0})
    mail_user: Account | None = None
    daemon_user: Account | None = None
    walks: Mapping[tuple[str, str], Walk] = field(default_factory=dict)
    files: tuple[Walk, ...] = ()
    program: tuple[Walk, ...] = ()
    held: tuple[Held, ...] = ()
    programs: Mapping[str, str] = field(default_factory=dict)
    signers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unread: tuple[Unread, ...] = ()

    def real(self, path: str, chroot: str = "") -> str:
        """Return a path without links, as far as it was walked."""
        walked = self.walks.get((path, chroot))
        return path if walked is None else walked.real
