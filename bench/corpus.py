"""Writes the messages that are sent, what is known of each beforehand, and the DNS that they need.

Run: .venv/bin/python bench/corpus.py OUT [--domains N] [--sets NAME,..]

    OUT/messages/NAME.eml  with CRLF
    OUT/corpus.tsv         a heading, then for each message: name, set, file, client, helo, mail_from, rcpt, and the
                           results that SPF, DKIM (the best of the signatures), DMARC and ARC must have
    OUT/zone               master file for the root zone: whatever is asked, the answer is NOERROR or NXDOMAIN

Everything is made from fixed seeds: two runs write the same octets.
"""

import argparse
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from bodies import ALTERNATIVE, CRLF, MIXED, PLAIN, attachment, newsletter, single_spaced_text, spaced_text
from signing import Field, Signer, ed25519_keys, rsa_keys, seal, sign

KIB = 1 << 10
MIB = 1 << 20

COLUMNS = ("name", "set", "file", "client", "helo", "mail_from", "rcpt", "spf", "dkim", "dmarc", "arc")
RCPT = "user@receiver.example"
HEADER_FIELDS = 25
SENDERS = 20
COLD_DOMAINS = 500
STRANGER = "203.0.113.66"
"""A client that no SPF record names."""


class Kind(StrEnum):
    """How a message differs from a plain one, which has one rsa-sha256 relaxed/relaxed signature and passes all."""

    PLAIN = "plain"
    ESP = "signed by the author domain and by a mail service, whose domain the envelope sender has"
    TWO_KEYS = "signed with rsa and with ed25519"
    SIMPLE = "signed simple/simple"
    ARC_1 = "forwarded by one that sealed"
    ARC_3 = "forwarded three times, sealed each time"
    SPF_FAIL = "forwarded by one that changed nothing, not even the envelope sender"
    BODY_CHANGED = "forwarded so, and the body was changed"
    UNSIGNED = "not signed"
    FORGED = "not signed, from a client that the domain does not know"


# The mix of a set: the kinds in turn, from the most to the least frequent.
MIX = {
    40: [Kind.PLAIN] * 22
    + [Kind.ESP] * 5
    + [Kind.TWO_KEYS] * 3
    + [Kind.ARC_1] * 2
    + [Kind.SPF_FAIL] * 2
    + [Kind.FORGED] * 2
    + [Kind.ARC_3, Kind.SIMPLE, Kind.BODY_CHANGED, Kind.UNSIGNED],
    10: [Kind.PLAIN] * 5 + [Kind.ESP, Kind.TWO_KEYS, Kind.ARC_1, Kind.BODY_CHANGED, Kind.FORGED],
    4: [Kind.PLAIN, Kind.ESP, Kind.TWO_KEYS, Kind.PLAIN],
    2: [Kind.PLAIN] * 2,
}


@dataclass(frozen=True, slots=True)
class Shape:
    """The content of the messages of a set.

    Attributes:
        size: octets of the body.
        fields: header fields, signatures included.
        signatures: of as many domains, where the kind is PLAIN.
    """

    count: int
    size: int
    body: Callable[[random.Random, int], bytes] = newsletter
    content_type: bytes = ALTERNATIVE
    fields: int = HEADER_FIELDS
    signatures: int = 1


def _attached(count: int, size: int) -> Shape:
    return Shape(count, size, attachment, MIXED)


def _text(count: int, size: int) -> Shape:
    return Shape(count, size, single_spaced_text, PLAIN)


def _spaced(count: int, size: int) -> Shape:
    return Shape(count, size, spaced_text, PLAIN)


SETS = (
    {
        "2k": Shape(40, 2 * KIB),
        "30k": Shape(40, 30 * KIB),
        "1m": _attached(10, MIB),
        "10m": _attached(4, 10 * MIB),
        "1m-text": _text(4, MIB),
        "10m-text": _text(4, 10 * MIB),
        "1m-spaced": _spaced(4, MIB),
        "10m-spaced": _spaced(4, 10 * MIB),
        "size-2k": Shape(2, 2 * KIB),
        "size-8k": Shape(2, 8 * KIB),
    }
    | {
        f"size-{name}": _attached(2, size)
        for name, size in (("32k", 32 * KIB), ("128k", 128 * KIB), ("512k", MIB // 2))
    }
    | {f"size-{number}m": _attached(2, number * MIB) for number in (2, 8)}
    | {f"fields-{number}": Shape(2, 2 * KIB, fields=number) for number in (25, 100, 400, 1000)}
    | {f"sigs-{number}": Shape(2, 2 * KIB, signatures=number) for number in (1, 2, 4, 8)}
)
COLD = "cold"
COLD_SIZE = 30 * KIB
ALL_SETS = (*SETS, COLD)


@dataclass(slots=True)
class Sender:
    """A domain that sends mail: its server, its keys and its records.

    Attributes:
        author: the domain of From; below ``domain`` for some.
    """

    domain: str
    author: str
    client: str
    rsa: Signer
    ed25519: Signer
    records: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def helo(self) -> str:
        return f"mta.{self.domain}"


@dataclass(slots=True)
class Mail:
    """A message in the making, with its envelope and what must come out."""

    fields: list[Field]
    body: bytes
    client: str
    helo: str
    mail_from: str
    spf: str = "pass"
    dkim: str = "pass"
    dmarc: str = "pass"
    arc: str = "none"


def write_corpus(out: Path, *, domains: int = COLD_DOMAINS, sets: Iterable[str] = ALL_SETS) -> None:
    """Write it.

    Args:
        out: made if missing; what is in it is overwritten.
        domains: messages of the set ``cold``, each from a domain of its own.
        sets: which ones.

    Raises:
        ValueError: there is no such set.
    """
    wanted = set(sets)
    if unknown := wanted - set(ALL_SETS):
        raise ValueError(f"there is no set {', '.join(sorted(unknown))}; there are {', '.join(ALL_SETS)}")
    world = _World()
    (out / "messages").mkdir(parents=True, exist_ok=True)
    rows = [COLUMNS]
    for name in (each for each in ALL_SETS if each in wanted):
        mails = (_cold_mail(world, n) for n in range(domains)) if name == COLD else _mails(name, SETS[name], world)
        for number, mail in enumerate(mails):
            each = f"{name}-{number}"
            file = f"messages/{each}.eml"
            header = b"".join(key + b":" + value + CRLF for key, value in mail.fields)
            (out / file).write_bytes(header + CRLF + mail.body)
            envelope = (mail.client, mail.helo, mail.mail_from, RCPT)
            rows.append((each, name, file, *envelope, mail.spf, mail.dkim, mail.dmarc, mail.arc))
    (out / "corpus.tsv").write_text("".join("\t".join(row) + "\n" for row in rows), encoding="ascii")
    (out / "zone").write_text("".join(_zone(world.records())), encoding="ascii")


class _World:
    """All who send, forward and seal."""

    def __init__(self) -> None:
        self._rsa = rsa_keys(2048)
        self._ed25519 = ed25519_keys(25519)
        self.senders = [self._sender(number) for number in range(SENDERS)]
        self.services = [self._known(f"bench-service{number}.net", f"198.51.100.{101 + number}") for number in range(3)]
        self.forwarders = [self._known(f"bench-list{number}.org", f"198.51.100.{111 + number}") for number in range(3)]
        self.cold: list[Sender] = []

    def records(self) -> list[tuple[str, str, str]]:
        everybody = (*self.senders, *self.services, *self.forwarders, *self.cold)
        return [record for sender in everybody for record in sender.records]

    def _signers(self, domain: str) -> tuple[Signer, Signer]:
        return Signer(domain, "s2026", next(self._rsa)), Signer(domain, "e2026", next(self._ed25519))

    def _known(self, domain: str, client: str, author: str = "", policy: str = "none") -> Sender:
        sender = Sender(domain, author or domain, client, *self._signers(domain))
        sender.records += [
            (sender.helo, "A", client),
            (sender.helo, "TXT", "v=spf1 a -all"),
            (f"_dmarc.{domain}", "TXT", f"v=DMARC1; p={policy}; rua=mailto:dmarc@{domain}; fo=1"),
            *((signer.record_name, "TXT", signer.key.record()) for signer in (sender.rsa, sender.ed25519)),
        ]
        if domain == sender.author:
            sender.records += [(domain, "TXT", f"v=spf1 ip4:{client} -all"), (domain, "MX", f"10 {sender.helo}.")]
        return sender

    def _sender(self, number: int) -> Sender:
        """Make one of those who send again and again: policies and forms of SPF records in turn."""
        domain = f"bench-sender{number:02}.com"
        author = f"mail.{domain}" if number % 4 == 3 else domain
        client = f"198.51.100.{1 + number}"
        sender = self._known(domain, client, author, ("reject", "none", "quarantine", "reject")[number % 4])
        sender.records = [record for record in sender.records if record[0] != author]
        sender.records += [
            (author, "TXT", "google-site-verification=vHqL2xXbUo4bq8yqN0fQw7x1c9d3e5f7"),
            (author, "MX", f"10 {sender.helo}."),
        ]
        if number % 3 == 0:
            sender.records.append((author, "TXT", f"v=spf1 ip4:{client} ip4:192.0.2.0/24 -all"))
        elif number % 3 == 1:
            sender.records.append((author, "TXT", "v=spf1 mx -all"))
        else:
            sender.records += [
                (author, "TXT", f"v=spf1 include:_spf.{domain} -all"),
                (f"_spf.{domain}", "TXT", f"v=spf1 ip4:192.0.2.0/24 ip4:{client} ~all"),
            ]
        return sender

    def cold_sender(self, number: int) -> Sender:
        """Make one whom nobody asked about before: SPF by includes two deep, the policy at the parent of From."""
        domain = f"bench-cold{number:05}.com"
        author = f"news.{domain}"
        client = f"198.18.{number // 250 % 256}.{1 + number % 250}"
        sender = self._known(domain, client, author, "reject")
        sender.records += [
            (author, "TXT", f"v=spf1 include:_spf.{domain} -all"),
            (f"_spf.{domain}", "TXT", f"v=spf1 include:_net.{domain} ~all"),
            (f"_net.{domain}", "TXT", f"v=spf1 ip4:192.0.2.0/24 ip4:{client} ~all"),
        ]
        self.cold.append(sender)
        return sender


def _mails(name: str, shape: Shape, world: _World) -> Iterator[Mail]:
    kinds = (
        MIX[shape.count] if shape.count in MIX and name in {"2k", "30k", "1m", "10m"} else [Kind.PLAIN] * shape.count
    )
    for number, kind in enumerate(kinds):
        rng = random.Random(f"{name} {number}")
        # 7 is prime to the number of senders: neighbours in a set differ in everything that goes by the number
        sender = world.senders[number * 7 % SENDERS]
        body = shape.body(rng, shape.size)
        fields = _header(rng, sender, shape)
        yield _of_kind(kind, fields, body, sender, world, shape.signatures)


def _cold_mail(world: _World, number: int) -> Mail:
    sender = world.cold_sender(number)
    rng = random.Random(f"cold {number}")
    fields = _header(rng, sender, Shape(1, COLD_SIZE))
    return _of_kind(Kind.PLAIN, fields, newsletter(rng, COLD_SIZE), sender, world, 1)


def _header(rng: random.Random, sender: Sender, shape: Shape) -> list[Field]:
    """Make the fields of a message that is not signed yet."""
    unique = f"{rng.getrandbits(64):016x}"
    hop = f" from app{rng.randrange(9)}.{sender.domain} (app.{sender.domain} [192.0.2.{rng.randrange(1, 255)}])\r\n"
    hop += f"\tby {sender.helo} (Postfix) with ESMTPS id {unique[:10].upper()}\r\n"
    hop += "\tfor <user@receiver.example>; Tue, 14 Nov 2023 22:13:20 +0000 (UTC)"
    base = [
        ("Received", hop),
        ("Received", hop.replace("ESMTPS", "HTTP").replace("app", "web")),
        ("Date", " Tue, 14 Nov 2023 22:13:20 +0000"),
        ("From", f' "The News of {sender.domain}" <news@{sender.author}>'),
        ("To", " user@receiver.example"),
        ("Reply-To", f" <reply-{unique}@{sender.author}>"),
        ("Message-ID", f" <{unique}.{rng.getrandbits(48):012x}@{sender.domain}>"),
        (
            "Subject",
            " =?utf-8?Q?Your_order_has_been_sent_=E2=80=93_and_what_else_there?=\r\n =?utf-8?Q?_is_this_week?=",
        ),
        ("MIME-Version", " 1.0"),
        ("Content-Type", f" {shape.content_type.decode()}"),
        ("List-Unsubscribe", f" <https://www.{sender.domain}/u/{unique}>,\r\n <mailto:u-{unique}@{sender.domain}>"),
        ("List-Unsubscribe-Post", " List-Unsubscribe=One-Click"),
        ("Feedback-ID", f" {rng.randrange(10**6)}:{rng.randrange(10**4)}:{sender.domain}"),
        ("X-Mailer", " Bench Mailer 4.2 (build 20231114)"),
        ("X-Campaign", f" c{rng.getrandbits(64):016x}"),
        ("Authentication-Results", f" relay.{sender.domain}; auth=pass smtp.auth=app@{sender.domain}"),
    ]
    fields = [(name.encode(), value.encode()) for name, value in base]
    for number in range(shape.fields - len(fields) - shape.signatures):
        value = b" %016x %016x;\r\n\tfolded=%016x" % tuple(rng.getrandbits(64) for _ in range(3))
        fields.append((b"X-Bench-%d" % number, value))
    return fields


def _of_kind(  # noqa: PLR0913 - what a message is made of
    kind: Kind, fields: list[Field], body: bytes, sender: Sender, world: _World, signatures: int
) -> Mail:
    mail = Mail(fields, body, sender.client, sender.helo, f"bounce-{len(body)}@{sender.author}")
    if kind in {Kind.UNSIGNED, Kind.FORGED}:
        mail.dkim = "none"
    elif kind is Kind.SIMPLE:
        _add(mail, sender.rsa, form=b"simple")
    else:
        others = [*world.services, *world.forwarders, *world.senders]
        for other in [each for each in others if each is not sender][: signatures - 1]:
            _add(mail, other.rsa)
        if kind is Kind.TWO_KEYS:
            _add(mail, sender.ed25519)
        _add(mail, sender.rsa)
    match kind:
        case Kind.ESP:
            service = world.services[world.senders.index(sender) % len(world.services)]
            _send_by(mail, service)
            _add(mail, service.rsa)
        case Kind.ARC_1 | Kind.ARC_3:
            _forward(mail, world.forwarders[: 1 if kind is Kind.ARC_1 else 3], sender)
        case Kind.SPF_FAIL | Kind.BODY_CHANGED | Kind.FORGED:
            mail.client, mail.helo, mail.spf = STRANGER, "unknown.bench-stranger.net", "fail"
    if kind is Kind.BODY_CHANGED:
        mail.body += b"-- \r\nThis footer was added by a list.\r\n"
        mail.dkim = "fail"
    if kind in {Kind.BODY_CHANGED, Kind.FORGED}:
        mail.dmarc = "fail"
    return mail


def _add(mail: Mail, signer: Signer, form: bytes = b"relaxed") -> None:
    mail.fields.insert(0, sign(mail.fields, mail.body, signer, header=form, content=form))


def _send_by(mail: Mail, other: Sender) -> None:
    mail.client, mail.helo, mail.mail_from = other.client, other.helo, f"bounce-1234@{other.domain}"


def _forward(mail: Mail, forwarders: Sequence[Sender], sender: Sender) -> None:
    for forwarder in forwarders:
        results = (
            f"mx.{forwarder.domain};\r\n\tspf=pass smtp.mailfrom={sender.author};\r\n"
            f"\tdkim=pass header.d={sender.domain} header.s={sender.rsa.selector};\r\n"
            f"\tdmarc=pass header.from={sender.author}"
        )
        mail.fields = seal(mail.fields, mail.body, forwarder.rsa, results.encode())
        _send_by(mail, forwarder)
    mail.arc = "pass"


def _zone(records: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    yield "$ORIGIN .\n$TTL 3600\n"
    yield ". SOA ns.bench-root.net. hostmaster.bench-root.net. 1 3600 600 86400 3600\n"
    yield ". NS ns.bench-root.net.\nns.bench-root.net. A 127.0.0.1\n"
    for name, rrtype, value in records:
        text = value
        if rrtype == "TXT":
            text = " ".join(f'"{value[at : at + 255]}"' for at in range(0, len(value), 255))
        yield f"{name}. {rrtype} {text}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the corpus of the benchmark.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--domains", type=int, default=COLD_DOMAINS, help="messages of the set cold (%(default)s)")
    parser.add_argument("--sets", default=",".join(ALL_SETS), help="only these (%(default)s)")
    arguments = parser.parse_args()
    try:
        write_corpus(arguments.out, domains=arguments.domains, sets=arguments.sets.split(","))
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
