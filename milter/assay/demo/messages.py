"""Four messages, made and signed anew each time, and the zone that holds their keys."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from ipaddress import IPv4Address

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

BANK = IPv4Address("192.0.2.25")
"""The mail server of bank.example, named in its SPF record."""

LIST = IPv4Address("192.0.2.99")
"""The mail server of lists.example."""

STRANGER = IPv4Address("198.51.100.66")
"""A client that nobody authorized."""

POLICY = """\
# policies/bank.example.toml: mail of bank.example that lists.example forwards, and vouches for, is let in
[arc]
trusted_sealers = ["lists.example"]
"""


@dataclass(frozen=True, slots=True)
class Key:
    """An RSA key at ``<selector>._domainkey.<domain>``."""

    domain: str
    selector: str
    pem: bytes
    record: str

    @classmethod
    def new(cls, domain: str, selector: str) -> "Key":
        """Make a key of 2048 bits."""
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return cls(
            domain=domain,
            selector=selector,
            pem=private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            ),
            record=f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}",
        )


@dataclass(frozen=True, slots=True)
class Example:
    """One message of the demonstration.

    Attributes:
        title: what it is, in words.
        octets: the message, lines ending in CRLF.
    """

    title: str
    client: IPv4Address
    helo: bytes
    mail_from: bytes
    octets: bytes


def zone_text(bank: Key, lists: Key) -> str:
    """Return the zone file of the demonstration: two domains that publish all that mail needs."""
    return f"""\
$ORIGIN example.
$TTL 300
@ SOA ns.example. hostmaster.example. 1 7200 900 1209600 300
@ NS ns.example.
bank TXT "v=spf1 ip4:{BANK} -all"
_dmarc.bank TXT "v=DMARC1; p=reject; rua=mailto:dmarc@bank.example"
{bank.selector}._domainkey.bank TXT {_strings(bank.record)}
lists TXT "v=spf1 ip4:{LIST} -all"
_dmarc.lists TXT "v=DMARC1; p=none"
{lists.selector}._domainkey.lists TXT {_strings(lists.record)}
"""


def examples(bank: Key, lists: Key) -> tuple[Example, ...]:
    """Return the four messages."""
    genuine = _sign(_letter("Your statement", "Your statement of this month is ready.\r\n"), bank)
    forged = _letter("Urgent", "Please confirm your password at once.\r\n")
    return (
        Example("a genuine message of bank.example", BANK, b"mail.bank.example", b"<bounce@bank.example>", genuine),
        Example(
            "the same message, its body changed on the way, from a stranger",
            STRANGER,
            b"stranger.example",
            b"<bounce@bank.example>",
            genuine.replace(b"this month", b"last month"),
        ),
        Example("a forged From, under p=reject", STRANGER, b"stranger.example", b"<any@stranger.example>", forged),
        Example(
            "the genuine message through a mailing list, which changed it and sealed what it had seen (ARC)",
            LIST,
            b"lists.example",
            b"<savers-bounces@lists.example>",
            _through_list(genuine, lists),
        ),
    )


def _letter(subject: str, body: str) -> bytes:
    return (
        f"From: Bank <service@bank.example>\r\nTo: user@receiver.example\r\nSubject: {subject}\r\n"
        f"Date: {format_datetime(datetime.now(UTC))}\r\nMessage-ID: <1@bank.example>\r\n\r\n{body}"
    ).encode()


def _sign(octets: bytes, key: Key) -> bytes:
    signature: bytes = dkim.sign(
        octets,
        key.selector.encode(),
        key.domain.encode(),
        key.pem,
        canonicalize=(b"relaxed", b"relaxed"),
        include_headers=[b"From", b"To", b"Subject", b"Date", b"Message-ID"],
    )
    return signature + octets


def _through_list(octets: bytes, lists: Key) -> bytes:
    """Do what a mailing list does: tag the subject, add a footer and a List-Id, and seal the result."""
    changed = octets.replace(b"Subject: ", b"List-Id: <savers.lists.example>\r\nSubject: [savers] ")
    changed += b"-- \r\nsavers mailing list\r\n"
    seen = (
        b"Authentication-Results: lists.example; arc=none;\r\n"
        b" dkim=pass header.d=bank.example; dmarc=pass header.from=bank.example\r\n"
    )
    arc_set: list[bytes] = dkim.arc_sign(
        seen + changed,
        lists.selector.encode(),
        lists.domain.encode(),
        lists.pem,
        b"lists.example",
        include_headers=[b"from", b"to", b"subject", b"date", b"message-id", b"list-id"],
    )
    return b"".join(arc_set) + changed


def _strings(record: str) -> str:
    """Cut a record into character-strings, which hold at most 255 octets."""
    return " ".join(f'"{record[start : start + 250]}"' for start in range(0, len(record), 250))
