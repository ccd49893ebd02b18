"""Three ways to hand in the message of a scenario, and what each can see of the outcome."""

import itertools
import json
import re
import smtplib
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Final

from assay.daemon.facts_of import facts_of_file
from assay.daemon.judge import Judgement, judge
from assay.daemon.milter_client import MAX_CHUNK, MilterClient, Verdict
from assay.daemon.session import Context, Session
from assay.daemon.setup import Setup, load_setup
from assay.facts import HeaderField, IPAddress
from assay.message.header import split_message, unfold
from support.conversation import ZoneDaemon
from support.mail import DELIVERY
from support.postfix import Postfix
from support.process import wait_until
from support.scenario import LOCAL, Scenario
from support.scenario_message import octets
from support.scenario_world import RECEIVER, World

STAMP: Final = "authentication-results"
OURS: Final = re.compile(rf"\s*{re.escape(RECEIVER)}\s*;", re.ASCII)
_LOG_VALUE: Final = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)')

Field = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a message, as far as the driver can see it.

    Attributes:
        reply: code, enhanced code and text of a refusal; None for a message that was taken.
        log: the values of the daemon's line about the message.
        header: of the message that was taken, unfolded; None for one that was not.
        removed: names of fields that were sent, and are not in ``header``.
    """

    reply: str | None
    held: bool
    log: dict[str, str]
    header: tuple[Field, ...] | None
    removed: tuple[str, ...] = ()

    @property
    def stamps(self) -> list[str]:
        """The value of every Authentication-Results field of ours, on one line."""
        return [
            " ".join(value.split()) for name, value in self.header or () if name.lower() == STAMP and OURS.match(value)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A scenario in octets.

    Attributes:
        mail_from: with its angle brackets.
        headers: as an MTA hands them over, folds as bare LF.
    """

    address: IPAddress | None
    helo: bytes
    mail_from: bytes
    authenticated: str | None
    smtputf8: bool
    message: bytes
    headers: tuple[HeaderField, ...]
    body: bytes

    @classmethod
    def of(cls, scenario: Scenario, message: bytes, now: float) -> "Letter":
        headers, body = split_message(message)
        client = scenario.client
        return cls(
            address=None if client.address == LOCAL else ip_address(client.address),
            helo=octets(client.helo, now),
            mail_from=octets(scenario.mail_from, now),
            authenticated=client.authenticated,
            smtputf8=scenario.smtputf8,
            message=message,
            headers=tuple(HeaderField(each.name, each.value.replace(b"\r\n", b"\n")) for each in headers),
            body=body,
        )

    @property
    def parameters(self) -> tuple[bytes, ...]:
        return (b"SMTPUTF8",) if self.smtputf8 else ()

    def fields(self) -> list[Field]:
        """What was sent, as :class:`Outcome` shows it."""
        return [_field(each.name, each.value) for each in self.headers]


class _AtOnce(Executor):
    """Runs the early SPF evaluation on the spot."""

    def submit(self, fn, /, *args, **kwargs) -> Future[object]:  # type: ignore[no-untyped-def, override] # noqa: ANN001, ANN002, ANN003 - as in Executor
        done: Future[object] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


class Core:
    """The session and the judge, without libmilter.

    Args:
        directory: for the files of the configuration; of a daemon that need not run.
        now: what the clock shows.
    """

    def __init__(self, world: World, directory: Path, now: float) -> None:
        self._resolver = world.resolver()
        self._setup: Setup = load_setup(world.daemon(directory).config)
        self._now = now

    def run(self, letter: Letter) -> Outcome:
        """Hand in a message step by step."""
        judgement = self._session(letter)
        if letter.authenticated is None:
            # what `assay check` calls must say the same of the same message
            again = self._file(letter)
            assert (again.results, again.decision, again.stamp) == (
                judgement.results,
                judgement.decision,
                judgement.stamp,
            )
        return _of_judgement(judgement, letter)

    def _session(self, letter: Letter) -> Judgement:
        context = Context(
            settings=self._setup.settings,
            new_resolver=lambda: self._resolver,
            background=_AtOnce(),
            clock=lambda: self._now,
            authserv_id=self._setup.config.authserv_id,
            host_name="this.machine.example",
        )
        session = Session(context)
        session.connect("client", None if letter.address is None else str(letter.address), RECEIVER)
        session.helo(letter.helo)
        session.mail(letter.mail_from, letter.parameters, letter.authenticated, None)
        session.recipient()
        for field in letter.headers:
            session.header(field.name, field.value)
        session.end_of_headers()
        for start in range(0, len(letter.body), 1000):
            session.body(letter.body[start : start + 1000])
        return session.end_of_message("Q1")

    def _file(self, letter: Letter) -> Judgement:
        settings = self._setup.settings
        facts = facts_of_file(
            letter.message,
            address=letter.address,
            helo=letter.helo,
            mail_from=letter.mail_from,
            smtputf8=letter.smtputf8,
            host_name=RECEIVER,
            options=settings.options,
        )
        return judge(facts, self._resolver, settings, lambda: self._now)


def _of_judgement(judgement: Judgement, letter: Letter) -> Outcome:
    decision = judgement.decision
    log = {"rule": decision.rule, "disposition": str(decision.disposition), "reason": decision.reason}
    if decision.would is not decision.disposition:
        log["would"] = str(decision.would)
    if judgement.exempt is not None:
        log = {"exempt": str(judgement.exempt)}
    if judgement.results is not None:
        results = judgement.results
        log |= {"spf": results.spf.value, "arc": results.arc.value, "dmarc": results.dmarc.value}
        log["queries"] = str(len(judgement.answers))
        log["dkim"] = ",".join(f"{one.value}:{one.sdid or '-'}" for one in results.dkim) or "none"
    if decision.reply is not None:
        reply = f"{decision.reply.code} {decision.reply.enhanced} {decision.reply.text}"
        return Outcome(reply=reply, held=False, log=log, header=None)
    return _taken(
        letter,
        removals=[(each.name, each.index) for each in judgement.stamp.removals],
        insertions=[(each.index, (each.name, each.value)) for each in judgement.stamp.insertions],
        held=judgement.hold,
        log=log,
    )


class Libmilter:
    """The daemon, through real libmilter."""

    def __init__(self, daemon: ZoneDaemon) -> None:
        self._daemon = daemon
        self._numbers = itertools.count(1)

    def run(self, letter: Letter) -> Outcome:
        """Hand in a message as an MTA does."""
        queue_id = f"L{next(self._numbers)}"
        with self._daemon.session(letter.address, helo=letter.helo) as connection:
            verdict = _converse(connection, letter, queue_id)
        log = log_values(self._daemon, queue_id)
        match verdict.reply:
            case b"c":
                return _taken(
                    letter,
                    removals=[_removal(*change) for change in verdict.changed],
                    insertions=[(index, _field(name, value)) for index, name, value in verdict.inserted],
                    held=verdict.quarantine is not None,
                    log=log,
                )
            case b"y":
                return Outcome(reply=verdict.smtp.replace("%%", "%"), held=False, log=log, header=None)
            case _:
                raise AssertionError(f"libmilter answered {verdict.reply!r}\n{self._daemon.output()}")


def _converse(connection: MilterClient, letter: Letter, queue_id: str) -> Verdict:
    if letter.authenticated is not None:
        connection.macros(b"M", auth_authen=letter.authenticated)
    connection.mail(letter.mail_from, *letter.parameters)
    connection.rcpt(b"<user@dest.example>")
    for field in letter.headers:
        connection.header(field.name, field.value)
    connection.end_of_headers()
    for start in range(0, len(letter.body), MAX_CHUNK):
        connection.body(letter.body[start : start + MAX_CHUNK])
    connection.macros(b"E", i=queue_id)
    return connection.end_of_message()


def _removal(name: bytes, index: int, value: bytes) -> tuple[str, int]:
    assert value == b"", "a field is deleted, never changed"
    return name.decode(), index


def _taken(
    letter: Letter,
    *,
    removals: Iterable[tuple[str, int]],
    insertions: Iterable[tuple[int, Field]],
    held: bool,
    log: dict[str, str],
) -> Outcome:
    """Do to the header what an MTA would, which renumbers after each removal (standards G.5.4)."""
    header = letter.fields()
    removed = []
    for name, index in removals:
        same = [position for position, field in enumerate(header) if field[0].lower() == name.lower()]
        removed.append(header.pop(same[index - 1])[0])
    for position, (name, value) in insertions:
        header.insert(position, (name, _flat(value)))
    return Outcome(reply=None, held=held, log=log, header=tuple(header), removed=tuple(removed))


class RealPostfix:
    """The daemon, behind a real Postfix."""

    def __init__(self, daemon: ZoneDaemon, postfix: Postfix) -> None:
        self._daemon = daemon
        self._postfix = postfix
        self._numbers = itertools.count(1)

    def run(self, letter: Letter) -> Outcome:
        """Send a message over SMTP; each has a recipient of its own, by which it is found again."""
        recipient = f"r{next(self._numbers)}@dest.example"
        refusal = self.send(letter, recipient)
        if refusal is not None:
            command, reply = refusal
            assert command == ".", f"Postfix itself refuses {command}: {reply}"
            found = rf"(\w+): milter-reject: END-OF-MESSAGE .* to=<{re.escape(recipient)}>"
            queue_id = wait_until(lambda: re.search(found, self._postfix.log()), f"{recipient} in the log")[1]
            return Outcome(reply=reply, held=False, log=log_values(self._daemon, queue_id), header=None)
        held = [entry for entry in self._postfix.held() if recipient in entry.recipients]
        for entry in held:
            self._postfix.release(entry)
        raw = wait_until(lambda: self._delivered(recipient), f"the delivery to {recipient}")
        header = _delivered_fields(raw)
        queue_id = _queue_id(header)
        return Outcome(
            reply=None,
            held=bool(held),
            log=log_values(self._daemon, queue_id),
            header=header,
            removed=_missing(letter.fields(), header),
        )

    def connect(self) -> smtplib.SMTP:
        """A connection for :meth:`converse`."""
        return self._postfix.connect()

    def send(self, letter: Letter, recipient: str) -> tuple[str, str] | None:
        """Send a message on a connection of its own; answers as :meth:`converse`."""
        with self.connect() as client:
            return self.converse(client, letter, recipient)

    def converse(self, client: smtplib.SMTP, letter: Letter, recipient: str) -> tuple[str, str] | None:
        """Speak SMTP; answer the first command that is refused and how, None for a message that is taken."""
        attributes = [b"NAME=[UNAVAILABLE]"]
        if letter.address is not None:
            text = f"IPV6:{letter.address}" if isinstance(letter.address, IPv6Address) else str(letter.address)
            attributes.append(f"ADDR={text}".encode())
        if letter.authenticated is not None:
            attributes.append(f"LOGIN={letter.authenticated}".encode())
        for command, line in (
            ("XCLIENT", b"XCLIENT " + b" ".join(attributes)),
            ("EHLO", b"EHLO " + letter.helo),
            ("MAIL", b" ".join((b"MAIL FROM:" + letter.mail_from, *letter.parameters))),
            ("RCPT", f"RCPT TO:<{recipient}>".encode()),
            ("DATA", b"DATA"),
            (".", _stuffed(letter.message)),
        ):
            client.send(line + b"\r\n")
            code, reply = client.getreply()
            if code >= 400:
                return command, f"{code} {reply.decode('utf-8', 'replace')}"
        return None

    def _delivered(self, recipient: str) -> bytes | None:
        mark = f"X-Original-To: {recipient}\n".encode()
        return next((raw for raw in self._postfix.delivered() if mark in raw), None)


def _stuffed(message: bytes) -> bytes:
    dots = (b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:]
    return dots + (b"." if dots.endswith(b"\r\n") else b"\r\n.")


def _delivered_fields(raw: bytes) -> tuple[Field, ...]:
    headers, _ = split_message(raw)
    return tuple(field for field in (_field(each.name, each.value) for each in headers) if field[0] not in DELIVERY)


def _queue_id(header: Sequence[Field]) -> str:
    received = next(value for name, value in header if name == "Received")
    found = re.search(r"by mx\.dest\.example \(Postfix\) with \w+ id (\w+)", received)
    assert found is not None, received
    return found[1]


def _missing(sent: Iterable[Field], delivered: Iterable[Field]) -> tuple[str, ...]:
    """Which fields were sent and did not arrive; white space may change on the way."""
    left = Counter((name, " ".join(value.split())) for name, value in sent)
    left.subtract((name, " ".join(value.split())) for name, value in delivered)
    return tuple(name for name, _ in (+left).elements())


def log_values(daemon: ZoneDaemon, queue_id: str) -> dict[str, str]:
    """Read the daemon's line about a message."""

    def find() -> dict[str, str] | None:
        for line in daemon.lines(f"queue_id={queue_id} event=message "):
            return {name: _unquoted(value) for name, value in _LOG_VALUE.findall(line)}
        return None

    return wait_until(find, f"the log line of {queue_id}")


def _unquoted(value: str) -> str:
    return str(json.loads(value)) if value.startswith('"') else value


def _field(name: bytes, value: bytes) -> Field:
    return name.decode("ascii", "replace"), _flat(value.decode("utf-8", "replace"))


def _flat(value: str) -> str:
    return unfold(value.replace("\r\n", "\n").replace("\n", "\r\n").encode()).decode().replace("\t", " ")
