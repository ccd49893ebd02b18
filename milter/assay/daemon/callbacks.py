"""pymilter callbacks: they translate, note and carry out; they decide nothing (docs/architecture.md).

Three traps of the library shape this module (docs/library-traps.md P1, P9, P10):

* An exception in a no-reply callback becomes "no reply", and the MTA hangs; SystemExit even ends the process. So every
  callback catches everything, remembers the first fault in the session, and end of message answers tempfail for it.
* The library's own macro lists do not work and turn leading space and no-reply off in silence. So macro lists are
  asked for here, and what was negotiated is checked.
* The library decodes octets in methods whose names end in ``_bytes``; our registration calls the methods below
  themselves, with the octets as they came (see :mod:`assay.daemon.workers`).
"""

import functools
from collections.abc import Callable
from contextlib import suppress
from typing import Concatenate, Final, ParamSpec, cast

import Milter

from assay.daemon.judge import Judgement
from assay.daemon.session import Session
from assay.log import get_logger
from assay.policy.model import INTERNAL_ERROR, Disposition, Reply
from assay.stamp.sanitize import reply_lines

log = get_logger()

ACTIONS: Final[int] = Milter.ADDHDRS | Milter.CHGHDRS | Milter.QUARANTINE
"""What we may do at end of message (standards G.1.3)."""

# All that is read of the MTA's macros; every other one would be sent only to be thrown away. A stage without a list
# of ours gets the MTA's default list, and libmilter refuses an empty one, so HELO and RCPT ask for a short macro.
MACROS: Final = {
    Milter.M_CONNECT: "j",
    Milter.M_HELO: "j",
    Milter.M_ENVFROM: "{auth_authen} {mail_addr}",
    Milter.M_ENVRCPT: "i",
    Milter.M_EOH: "i",
    Milter.M_EOM: "i",
}

_Arguments = ParamSpec("_Arguments")


def _guarded(
    callback: Callable[Concatenate["SmtpConnection", _Arguments], None],
) -> Callable[Concatenate["SmtpConnection", _Arguments], int]:
    """Catch everything, remember it in the session, and continue: end of message defers the message for it."""

    def wrapper(self: "SmtpConnection", /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> int:
        try:
            callback(self, *args, **kwargs)
        except BaseException as fault:  # noqa: BLE001 - as in every callback: mail is never lost (P10)
            self.session.remember(fault)
        return int(Milter.CONTINUE)

    return functools.update_wrapper(wrapper, callback)


def _silent(
    callback: Callable[Concatenate["SmtpConnection", _Arguments], None],
) -> Callable[Concatenate["SmtpConnection", _Arguments], int]:
    """Guard a callback that decides nothing, and spare the MTA its reply."""
    return cast(
        "Callable[Concatenate[SmtpConnection, _Arguments], int]",
        Milter.noreply(_guarded(callback)),
    )


@Milter.header_leading_space
class SmtpConnection(Milter.Base):  # type: ignore[misc] # pymilter ships no types
    """One connection of the MTA; libmilter calls its methods one after another."""

    # Steps that a class below has a callback for and this one has not: "leave it out" (SMFIP_NO*), which the library
    # found out about this class, does not hold there.
    STEPS = 0

    def __init__(self, session: Session) -> None:
        # No attribute may be named like a callback: it would shadow it in silence (P2).
        self.session = session

    def negotiate(self, opts: list[int]) -> int:
        """Agree on actions and steps; refuse an MTA that cannot hand over header fields as they were received."""
        try:
            offered = opts[0]
            if offered & Milter.SETSYMLIST:
                for stage, names in MACROS.items():
                    self._ctx.setsymlist(stage, names)
            verdict = super().negotiate(opts)
            opts[0] = self._actions = offered & (ACTIONS | Milter.SETSYMLIST)
            opts[1] = self._protocol = opts[1] & ~self.STEPS
        except BaseException:
            log.exception("negotiation failed, the connection is refused")
            self.session.refused()
            return int(Milter.REJECT)
        if verdict != Milter.CONTINUE or not self._protocol & Milter.P_HDR_LEADSPC:
            log.error(
                "the MTA does not hand over header fields with their leading space, without which DKIM cannot be"
                " verified: the connection is refused; use Postfix 2.6 or Sendmail 8.14, milter_protocol 6, or later"
            )
            self.session.refused()
            return int(Milter.REJECT)
        if opts[0] & ACTIONS != ACTIONS:
            log.error(
                "the MTA does not let us add and change header fields and quarantine: the connection is refused",
                offered=hex(offered),
            )
            self.session.refused()
            return int(Milter.REJECT)
        return int(Milter.CONTINUE)

    @_silent
    def connect(self, hostname: str, _family: int, hostaddr: object) -> None:
        """Note the client; anything but an internet address is a local submission."""
        address = hostaddr[0] if isinstance(hostaddr, tuple) else None
        self.session.connect(hostname, address, self._macro("j"))

    @_silent
    def hello(self, hostname: str) -> None:
        """Note HELO."""
        self.session.helo(hostname.encode())

    @_silent
    def envfrom(self, path: bytes, *parameters: bytes) -> None:
        """Open a message."""
        self.session.mail(path, parameters, self._macro("{auth_authen}"), self._macro("{mail_addr}"))

    @_guarded
    def envrcpt(self, _recipient: bytes, *_parameters: bytes) -> None:
        """Note that a recipient was accepted.

        It is replied to, since only that makes Postfix send what it has: what needs no reply waits in its buffer until
        DATA, and SPF would begin a round trip of the client later (docs/performance.md).
        """
        self.session.recipient()

    @_silent
    def header(self, name: str, value: bytes) -> None:
        """Note a header field."""
        self.session.header(name.encode(), value)

    @_silent
    def eoh(self) -> None:
        """Start what can be started."""
        self.session.end_of_headers()

    @_silent
    def body(self, chunk: bytes) -> None:
        """Hash a chunk."""
        self.session.body(chunk)

    def eom(self) -> int:
        """Judge the message, stamp it, act."""
        queue_id = "-"
        try:
            queue_id = self._macro("i") or "-"
            answer = self._carry_out(self.session.end_of_message(queue_id))
        except BaseException as fault:
            log.exception("internal error, message deferred", queue_id=queue_id)
            self.session.heed(fault)
            self.session.deferred()
            return self._refuse(INTERNAL_ERROR)
        self.session.carried_out()
        return answer

    @_guarded
    def abort(self) -> None:
        """Drop the open message."""
        self.session.abort()

    @_guarded
    def close(self) -> None:
        """Drop the connection."""
        self.session.abort()

    def _macro(self, name: str) -> str | None:
        """Return a macro, None if the MTA sent none; what is no UTF-8, at which the library raises, is escaped."""
        try:
            value: str | None = self.getsymval(name)
        except UnicodeDecodeError as error:
            return error.object.decode(errors="backslashreplace")
        return value

    def _carry_out(self, judgement: Judgement) -> int:
        decision = judgement.decision
        if decision.reply is not None and decision.disposition in {Disposition.REJECT, Disposition.TEMPFAIL}:
            return self._refuse(decision.reply)
        for removal in judgement.stamp.removals:
            self.chgheader(removal.name, removal.index, None)
        for insertion in judgement.stamp.insertions:
            self.addheader(insertion.name, insertion.value, insertion.index)
        if decision.disposition is Disposition.QUARANTINE and judgement.hold:
            self.quarantine(f"assay: {decision.rule}")
        return int(Milter.CONTINUE)

    def _refuse(self, reply: Reply) -> int:
        """Answer with ``reply``; a text that libmilter refuses is replaced, and the message still refused (P13)."""
        permanent = reply.code >= 500  # noqa: PLR2004 - the first digit of an SMTP reply
        try:
            self.setreply(str(reply.code), reply.enhanced, *reply_lines(reply.text))
        except Exception:
            log.exception("libmilter refuses this reply text, a fixed one is used", text=reply.text)
            with suppress(Exception):  # the verdict does not need a text
                self.setreply(str(reply.code), reply.enhanced, "message refused" if permanent else "try again later")
        return int(Milter.REJECT if permanent else Milter.TEMPFAIL)


class TcpConnection(SmtpConnection):
    """One connection of the MTA over TCP.

    Postfix writes the macros of DATA, then the header. Unless something is sent in reply to the first, Nagle's
    algorithm holds the second back until the first is acknowledged, which takes 40 ms (docs/performance.md).
    """

    STEPS = int(Milter.P_NODATA)

    @_guarded
    def data(self) -> None:
        """Reply, and do nothing else."""
