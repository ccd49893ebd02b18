"""One SMTP session as a filter sees it: notes the facts, starts look-ups early, and lets the judge decide.

Knows nothing of libmilter: :mod:`assay.daemon.callbacks` feeds it, and a test can.
"""

import hmac
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

from assay.answers import Resolver, RRType
from assay.clock import Clock
from assay.daemon.counting import Stopwatch, count_fault, count_message
from assay.daemon.judge import Judgement, Settings, SpfJudgement, exemption, judge, judge_spf
from assay.daemon.shadow import ShadowTally
from assay.dns.known import KnownAnswers, NotKnownYetError
from assay.dns.reserved import ReservedResolver
from assay.facts import BodyHash, BodyHashSpec, Client, Envelope, HeaderField, IPAddress, MessageFacts
from assay.log import get_logger, message_line
from assay.message.body import BodyHasher
from assay.message.header import field_from_milter, header_problem
from assay.metrics.families import REFUSED_CONNECTIONS, Stage
from assay.metrics.table import Counters
from assay.policy.model import Exempt
from assay.stamp.removal import claiming_names
from assay.trace import Query
from assay.verify.demands import demands, policy_names

log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a worker hands to every session.

    Attributes:
        settings: what to judge by; never changed while the worker lives.
        new_resolver: makes the resolver of one message, with its own budget.
        background: evaluates SPF where it has to wait for the DNS.
        clock: the wall clock, for judgements.
        authserv_id: as configured; None takes the host name that the MTA sends.
        host_name: of this machine, where the MTA sends none.
        probe: queue id of the watchdog's probes, which are judged as any message but are no mail; empty: there is none.
        shadow: counts, for all sessions of the worker.
        counters: of the worker.
        out_of_memory: told whenever memory did not suffice for a message.
    """

    settings: Settings
    new_resolver: Callable[[], Resolver]
    background: Executor
    clock: Clock
    authserv_id: str | None
    host_name: str
    probe: str = ""
    shadow: ShadowTally = field(default_factory=ShadowTally)
    counters: Counters = field(default_factory=Counters)
    out_of_memory: Callable[[], None] = lambda: None


class OutOfOrderError(Exception):
    """The MTA sent a step that cannot follow the one before it; the message is deferred."""


@dataclass(slots=True, kw_only=True)
class _Message:
    """What belongs to one message and must not outlive it."""

    envelope: Envelope
    resolver: Resolver
    exempt: Exempt | None = None
    headers: list[HeaderField] = field(default_factory=list)
    header_octets: int = 0
    body_octets: int = 0
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    hasher: BodyHasher | None = None
    spf: SpfJudgement | Future[SpfJudgement] | None = None
    fault: BaseException | None = None

    @property
    def header_too_large(self) -> bool:
        return header_problem(len(self.headers), self.header_octets) is not None


@dataclass(frozen=True, slots=True)
class _Judged:
    """A message whose judgement is being carried out.

    Attributes:
        started: when its end of message began, in nanoseconds of the monotonic clock.
    """

    judgement: Judgement
    message: _Message
    started: int


class Session:
    """The facts of one connection, and at most one open message.

    Attributes:
        counted: what came last to its end is mail; False for a probe of the watchdog.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._claiming_names: frozenset[bytes] | None = None
        self._client: Client | None = None
        self._receiver = context.host_name
        self._helo = b""
        self._message: _Message | None = None
        self._fault: BaseException | None = None
        self._judged: _Judged | None = None
        self.counted = True

    def remember(self, fault: BaseException) -> None:
        """Keep the first fault: of the open message if there is one, else of the connection, for all its messages."""
        if self._message is None:
            self._fault = self._fault or fault
        else:
            self._message.fault = self._message.fault or fault
        self.heed(fault)  # last: where memory ran out this may fail, too

    def heed(self, fault: BaseException) -> None:
        """Look at any fault of this connection: where memory ran out, the worker is told."""
        if isinstance(fault, MemoryError):
            self._context.out_of_memory()

    def connect(self, name: str, address: str | None, receiver: str | None) -> None:
        """Note the client; ``address`` None is a local submission, ``receiver`` the MTA's host name.

        It ends an open message: what was noted of that, and whether it is judged, holds for the client before.
        """
        self.abort()
        self._client = Client(address=_parse_address(address), name=name)
        self._receiver = receiver or self._context.host_name

    def helo(self, name: bytes) -> None:
        """Note HELO; it ends an open message, and a later one replaces it (RFC 5321 4.1.4; STARTTLS)."""
        self._helo = name
        self.abort()

    def mail(
        self, path: bytes, parameters: tuple[bytes, ...], authenticated: str | None, mail_addr: str | None
    ) -> None:
        """Open a message; whatever an earlier one left behind is dropped."""
        self.abort()
        envelope = Envelope(
            helo=self._helo,
            mail_from=path,
            parameters=parameters,
            authenticated=authenticated or None,
            mail_addr=mail_addr,
        )
        message = self._message = _Message(envelope=envelope, resolver=self._context.new_resolver())
        # a fault from here on is one of this message, and the next one works
        message.exempt = exemption(self._known_client(), envelope, self._context.settings)

    def recipient(self) -> None:
        """Evaluate SPF at the first accepted recipient: before it the MTA may still refuse the whole transaction.

        Here and now if all its answers are cached, as those of busy senders are; else in the background.
        """
        message = self._open()
        if message.spf is not None or message.exempt is not None:
            return
        # It is handed no header fields: what waits for its turn must not hold on to what a sender can make large.
        facts, clock = self._facts(message, {}, "-"), self._context.clock
        stopwatch = message.stopwatch
        stopwatch.start()
        try:
            message.spf = judge_spf(facts, KnownAnswers(message.resolver), clock)
            stopwatch.lap(Stage.SPF)
        except NotKnownYetError:
            message.spf = self._context.background.submit(_timed_spf, facts, message.resolver, clock, stopwatch)

    def header(self, name: bytes, value: bytes) -> None:
        """Note a header field as the MTA hands it over.

        Of a header that is too large to be read no more is kept than shows it, and the names of all fields that may
        claim to be ours: without a value they are removed, whatever it was, if the message is let in.
        """
        message = self._open()
        if not message.header_too_large:
            message.header_octets += len(name) + len(value)
            message.headers.append(field_from_milter(name, value))
        elif name.strip().lower() in self._claiming():
            message.headers.append(HeaderField(name, b""))

    def end_of_headers(self) -> None:
        """Learn which body hashes are wanted, and start every look-up whose name is known by now."""
        message = self._open()
        if message.exempt is not None or message.header_too_large:
            return
        options = self._context.settings.options
        wanted = demands(message.headers, options)
        if wanted.body_hashes:
            message.hasher = BodyHasher(wanted.body_hashes)
        for name in wanted.key_names:
            message.resolver.prefetch(name, RRType.TXT)
        # By now the sender may have used up the message's budget: he chose the names that early SPF asks for.
        names = policy_names(message.headers, self._context.settings.dmarc, smtputf8=message.envelope.smtputf8)
        message.resolver = ReservedResolver(message.resolver, self._context.new_resolver(), names)

    def body(self, chunk: bytes) -> None:
        """Hash a chunk, if anything wants it hashed; it is never kept."""
        message = self._message
        if message is None:
            return
        message.body_octets += len(chunk)
        if message.hasher is not None:
            message.hasher.feed(chunk)

    def end_of_message(self, queue_id: str) -> Judgement:
        """Judge the open message, log it, and forget it.

        Raises:
            BaseException: the first fault that any step of this message or of its connection met, or one of the judge;
                the caller defers the message.
        """
        message = self._message
        self.abort()
        self.counted = not self._is_probe(queue_id)
        fault = self._fault or (message.fault if message is not None else None)
        if fault is not None:
            raise fault
        if message is None:
            raise OutOfOrderError("an end of message without MAIL before it")
        stopwatch = message.stopwatch
        started = stopwatch.start()
        hashes = message.hasher.finish() if message.hasher is not None else {}
        facts = self._facts(message, hashes, queue_id)
        spf = message.spf
        if isinstance(spf, Future):
            # one that did not get its turn is evaluated by the judge
            spf = None if spf.cancelled() else spf.result()
            stopwatch.lap(Stage.SPF_WAIT)
        if spf is not None and _asked_before_its_budget(spf, message.resolver):
            spf = None
        judgement = judge(facts, message.resolver, self._context.settings, self._context.clock, spf, stopwatch.lap)
        self._judged = _Judged(judgement, message, started)
        if not self.counted:
            log.debug("probe of the watchdog", rule=judgement.decision.rule)
            return judgement
        log.info(
            "message",
            **message_line(
                facts=facts,
                results=judgement.results,
                decision=judgement.decision,
                milliseconds=(stopwatch.start() - started) / 1e6,
                queries=len(judgement.answers),
                exempt=judgement.exempt,
            ),
            **self._context.shadow.count(judgement),
        )
        return judgement

    def carried_out(self) -> None:
        """Count the message that was judged last, as its answer is about to go."""
        judged, self._judged = self._judged, None
        if judged is not None and self.counted:
            count_message(
                self._context.counters,
                judged.judgement,
                judged.message.stopwatch,
                started=judged.started,
                body_octets=judged.message.body_octets,
            )

    def deferred(self) -> None:
        """Count a message that is deferred for a fault of ours, at whatever step of its end."""
        self._judged = None
        if self.counted:
            count_fault(self._context.counters)

    def refused(self) -> None:
        """Count the connection as one of an MTA that cannot do what we need."""
        self._context.counters.add(REFUSED_CONNECTIONS.cell)

    def abort(self) -> None:
        """Drop the open message; the connection's facts stay."""
        if self._message is not None and isinstance(self._message.spf, Future):
            self._message.spf.cancel()
        self._message = None

    def _is_probe(self, queue_id: str) -> bool:
        secret = self._context.probe.encode()
        return bool(secret) and hmac.compare_digest(queue_id.encode(errors="replace"), secret)

    def _known_client(self) -> Client:
        # Not even the absence of an address may be assumed: it would exempt the message.
        if self._client is None:
            raise OutOfOrderError("no client was reported, or one whose name is no UTF-8, which pymilter cannot read")
        return self._client

    def _claiming(self) -> frozenset[bytes]:
        if self._claiming_names is None:
            self._claiming_names = claiming_names(self._context.settings.policies.quarantine_fields)
        return self._claiming_names

    def _open(self) -> _Message:
        if self._message is None:
            raise OutOfOrderError("a step of a message without MAIL before it")
        return self._message

    def _facts(self, message: _Message, hashes: Mapping[BodyHashSpec, BodyHash], queue_id: str) -> MessageFacts:
        return MessageFacts(
            client=self._known_client(),
            envelope=message.envelope,
            headers=tuple(message.headers),
            body_hashes=hashes,
            receiver=self._receiver,
            authserv_id=self._context.authserv_id or self._receiver,
            queue_id=queue_id,
        )


def _timed_spf(facts: MessageFacts, resolver: Resolver, clock: Clock, stopwatch: Stopwatch) -> SpfJudgement:
    """Evaluate SPF in the background, once it is its turn."""
    started = time.monotonic_ns()
    result = judge_spf(facts, resolver, clock)
    stopwatch.note(Stage.SPF, started)
    return result


def _parse_address(text: str | None) -> IPAddress | None:
    """Read the client's address; an IPv4-mapped one is IPv4 (RFC 7208 5), a scope is dropped."""
    if text is None:
        return None
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _asked_before_its_budget(spf: SpfJudgement, resolver: Resolver) -> bool:
    """Whether SPF asked what has a budget of its own by now.

    The sender chooses what SPF asks, and when: a policy record for which there was no time left then is found now.
    A judgement must not rest on both answers, or it could not be made again from those that it tells of.
    """
    return isinstance(resolver, ReservedResolver) and any(
        resolver.reserves(step.name, step.rrtype) for step in spf.trace if isinstance(step, Query)
    )
