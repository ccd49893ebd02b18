"""Whole milter conversations, in process: any order of steps, and no way to pass for somebody else.

Only evil.example has a key that the fuzzer can sign with and an SPF record that its clients meet. So DMARC may pass
for an author under evil.example and for nobody else, and mail that names bank.example in From never comes through.
"""

from concurrent.futures import Executor, Future
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from assay import log
from assay.answers import Answer, RRType
from assay.daemon.judge import Judgement, Settings
from assay.daemon.session import Context, OutOfOrderError, Session
from assay.dns.message import MessageResolver
from assay.dns.names import from_wire
from assay.dns.zone import Zone
from assay.domain import Domain
from assay.limits import DNS_BUDGET, DNS_MAX_QUERIES
from assay.message.auth_results import parse_auth_results
from assay.message.header import field_from_milter
from assay.policy.load import load_policies
from assay.policy.model import Disposition, Mode
from assay.results import DkimValue, DmarcValue, Requested, SpfValue
from assay.stamp.sanitize import reply_lines
from fuzz.inputs import is_clean
from fuzz.resigned import KEY, MARK, MOST_FIELDS, NOW, resign
from support import ar_parser

EVIL = Domain.parse("evil.example")
MOST_STEPS = 400
_RECEIVER = "mx.receiver.example"
_CLIENTS = (
    "192.0.2.66",
    "198.51.100.7",
    "2001:db8::66",
    "::ffff:192.0.2.66",
    "fe80::1%eth0",
    "203.0.113.5",
    None,
    "127.0.0.1",
)
_ZONE = Zone(
    {
        (b"evil.example", RRType.TXT): [b"v=spf1 ip4:192.0.2.66 ip6:2001:db8::66 include:more.evil.example -all"],
        (b"more.evil.example", RRType.TXT): [b"v=spf1 a:%{l1}.%{d} exists:%{h} ptr:bank.example ?all"],
        (b"sel._domainkey.evil.example", RRType.TXT): [KEY.record()],
        (b"sel._domainkey.sub.evil.example", RRType.TXT): [KEY.record()],
        (b"sel._domainkey.other.test", RRType.TXT): [KEY.record()],
        (b"_dmarc.evil.example", RRType.TXT): [b"v=DMARC1; p=none; rua=mailto:x@evil.example"],
        (b"mail.evil.example", RRType.TXT): [b"v=spf1 +all"],
        (b"66.2.0.192.in-addr.arpa", RRType.PTR): [b"mail.bank.example", b"mail.evil.example"],
        (b"mail.evil.example", RRType.A): [],
        (b"bank.example", RRType.TXT): [b"v=spf1 ip4:203.0.113.77 -all"],
        (b"_dmarc.bank.example", RRType.TXT): [b"v=DMARC1; p=reject"],
        (b"sel._domainkey.bank.example", RRType.TXT): [b"v=DMARC1", b"v=DKIM1; p="],
        (b"_dmarc.example", RRType.TXT): [b"v=DMARC1; p=reject; psd=y"],
    },
    broken={b"dead.example": "SERVFAIL", b"sel._domainkey.dead.example": "timeout", b"_dmarc.dead.example": "timeout"},
)
_SHIPPED = Path(__file__).parents[3] / "policies"


class _Source:
    """The zone, as a worker's DNS client; names come as they stand on the wire."""

    def start(self, wire_name: bytes, rrtype: RRType) -> Answer:
        name = from_wire(wire_name)
        assert name is not None
        return _ZONE.resolve(name, rrtype)


class _AtOnce(Executor):
    """Runs what is submitted before it returns, so that a conversation is the same each time."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class _LogLines:
    """Takes the log; every write is one line."""

    def write(self, data: memoryview, /) -> int:
        line = bytes(data)
        assert line.endswith(b"\n")
        assert is_clean(line[:-1].decode("ascii")), line
        assert b"failed" not in line.partition(b" ")[0]
        return len(line)


class _Resolvers:
    def __init__(self) -> None:
        self.made: list[MessageResolver] = []

    def __call__(self) -> MessageResolver:
        self.made.append(
            MessageResolver(_Source(), budget_seconds=DNS_BUDGET, max_queries=DNS_MAX_QUERIES, clock=lambda: 0.0)
        )
        return self.made[-1]


_SETTINGS = Settings(
    policies=load_policies(_SHIPPED, Mode.ENFORCE),
    exempt_networks=(ip_network("127.0.0.0/8"), ip_network("::1/128")),
)


def one_input(data: bytes) -> None:
    r"""Each line is a step: a letter, and what it carries.

    ``C number`` connect as the client with this number; ``H name``; ``M path``; ``A path`` MAIL of an authenticated
    client; ``P address`` what the MTA reads in the next MAIL; ``R`` recipient; ``L name:value`` header field; ``F
    text`` folded on to the field before it; ``N`` end of headers; ``B text`` body, in which ``\`` stands for CRLF;
    ``E`` end of message; ``X`` abort. Header fields are handed over at N, so that they can be signed over the body
    that follows.
    """
    log.configure(log.Format.TEXT, "info", _LogLines(), journal=False)
    _Conversation().run(data)


class _Conversation:
    def __init__(self) -> None:
        self.resolvers = _Resolvers()
        self.session = Session(
            Context(
                settings=_SETTINGS,
                new_resolver=self.resolvers,
                background=_AtOnce(),
                clock=lambda: NOW,
                authserv_id=None,
                host_name=_RECEIVER,
            )
        )
        self.fields: list[tuple[bytes, bytes]] = []
        self.body: list[bytes] = []
        self.mta: str | None = None
        self.judged = 0

    def run(self, data: bytes) -> None:
        lines = data.split(b"\n")[:MOST_STEPS]
        for at, line in enumerate(lines):
            try:
                self.step(line[:1], line[2:], lines[at + 1 :])
            except OutOfOrderError as fault:
                # as the callbacks do: remembered, and the end of message defers
                self.session.remember(fault)

    def step(self, letter: bytes, rest: bytes, following: list[bytes]) -> None:
        match letter:
            case b"C":
                client = _CLIENTS[(rest[0] if rest else 0) % len(_CLIENTS)]
                self.session.connect("client", client, _RECEIVER)
            case b"H":
                self.session.helo(rest)
            case b"M" | b"A":
                self.fields.clear()
                login = "user" if letter == b"A" else None
                self.session.mail(rest, (b"SMTPUTF8",) if b"\xc3" in rest else (), login, self.mta)
                self.mta = None
            case b"P":
                self.mta = rest.decode("utf-8", "backslashreplace")
            case b"R":
                self.session.recipient()
            case b"L":
                name, _, value = rest.partition(b":")
                self.fields.append((name.strip(b" \t\0") or b"X", value.replace(b"\0", b"")))
            case b"F" if self.fields:
                name, value = self.fields[-1]
                self.fields[-1] = (name, value + b"\n\t" + rest.replace(b"\0", b""))
            case b"N":
                self._hand_over(following)
                self.session.end_of_headers()
            case b"B":
                self.session.body(rest.replace(b"\\", b"\r\n"))
            case b"E":
                self._end_of_message()
            case b"X":
                self.session.abort()
            case _:
                pass

    def _hand_over(self, following: list[bytes]) -> None:
        """Give the session the collected fields, signed over the body chunks up to the next end of message."""
        chunks = []
        for line in following:
            if line[:1] in (b"E", b"X", b"M", b"A"):
                break
            if line[:1] == b"B":
                chunks.append(line[2:].replace(b"\\", b"\r\n"))
        fields = [field_from_milter(_header_name(name), value) for name, value in self.fields[:MOST_FIELDS]]
        if any(MARK in field.value for field in fields):
            fields = list(resign(fields, b"".join(chunks)))
        self.fields.clear()
        for field in fields:
            self.session.header(field.name, field.value.replace(b"\r\n", b"\n"))

    def _end_of_message(self) -> None:
        message = self.session._message
        resolver = self.resolvers.made[-1] if self.resolvers.made else None
        try:
            judgement = self.session.end_of_message("Q1")
        except OutOfOrderError:
            # deferred; a fault of the connection stays, one of the message goes with it
            assert self.session._message is None
            return
        assert message is not None
        assert resolver is not None
        assert self.session._message is None
        assert resolver.queries <= DNS_MAX_QUERIES
        self.judged += 1
        _check(judgement, [field.name for field in message.headers])


def _header_name(name: bytes) -> bytes:
    """What an MTA lets through as a name; pymilter hands it over as text."""
    return bytes(octet for octet in name if 32 < octet < 127 and octet != ord(":")) or b"X"


def _check(judgement: Judgement, names: list[bytes]) -> None:
    stamp = judgement.stamp
    counts = {name.lower(): [each.lower() for each in names].count(name.lower()) for name in names}
    for removal in stamp.removals:
        assert 1 <= removal.index <= counts[removal.name.lower().encode()]
    for insertion in stamp.insertions:
        assert insertion.value.isascii()
        assert insertion.value.startswith(" ")
        assert all(line.replace("\t", " ").isprintable() for line in insertion.value.split("\n"))
    if judgement.results is None:
        # let in unjudged, or refused unread
        expected = Disposition.REJECT if judgement.exempt is None else Disposition.NONE
        assert judgement.decision.disposition is expected
        assert not stamp.insertions
        return
    _check_stamp(judgement, stamp.insertions[-1].value)
    _check_proof(judgement)
    decision = judgement.decision
    assert is_clean(decision.reason)
    if decision.reply is not None:
        assert reply_lines(decision.reply.text)


def _check_stamp(judgement: Judgement, value: str) -> None:
    results = judgement.results
    assert results is not None
    ours = parse_auth_results(value.replace("\n", "\r\n").encode())
    strict = ar_parser.parse(value)
    assert ours is not None
    assert ours.authserv_id == strict.authserv_id == _RECEIVER
    found = [(each.method, each.result) for each in ours.results]
    assert found == [(each.method, each.result) for each in strict.results]
    assert ("spf", results.spf.value.value) in found
    assert ("dmarc", results.dmarc.value.value) in found
    assert found.count(("dmarc", "pass")) == (results.dmarc.value is DmarcValue.PASS)
    assert found.count(("dkim", "pass")) == sum(each.value is DkimValue.PASS for each in results.dkim)


def _check_proof(judgement: Judgement) -> None:
    """Nobody but evil.example and other.test can prove anything here."""
    results = judgement.results
    assert results is not None
    for result in results.dkim:
        assert result.value is not DkimValue.PASS or (result.sdid is not None and _is_open(result.sdid))
    if results.spf.value is SpfValue.PASS:
        assert results.spf.domain is not None
        assert results.spf.domain.is_under(EVIL)
    author = results.dmarc.author_domain
    if results.dmarc.value is DmarcValue.PASS:
        assert author is not None
        assert author.is_under(EVIL)
    if author is not None and author.is_under(Domain.parse("bank.example")):
        assert results.dmarc.value in {DmarcValue.FAIL, DmarcValue.TEMPERROR}
        assert results.dmarc.requested is Requested.REJECT
        assert judgement.decision.disposition is not Disposition.NONE


def _is_open(domain: Domain) -> bool:
    return domain.is_under(EVIL) or domain.name == "other.test"
