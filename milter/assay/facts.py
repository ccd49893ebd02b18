"""What is known of one message when it is judged; frozen, small, and free of any connection to the MTA."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

IPAddress = IPv4Address | IPv6Address


class Canonicalization(StrEnum):
    """RFC 6376 3.4."""

    SIMPLE = "simple"
    RELAXED = "relaxed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """The SMTP client, as the MTA reports it.

    Attributes:
        address: an IPv4-mapped IPv6 address is given as IPv4 (RFC 7208 5); None for local submission (a unix socket
            or an unknown family).
        name: the verified host name, or the address in brackets; never evidence, only for logs.
    """

    address: IPAddress | None
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The SMTP envelope.

    Attributes:
        helo: the argument of HELO or EHLO as it was sent; empty if none was.
        mail_from: the argument of MAIL as typed, angle brackets included (``b"<>"``: the null sender).
        parameters: the ESMTP parameters of MAIL, such as ``b"SMTPUTF8"``.
        authenticated: the login of an authenticated client (macro ``{auth_authen}``), None without.
        mail_addr: the MTA's own reading of the path (macro ``{mail_addr}``), None where it sent none. Where it names
            another domain than ours, neither is believed (standards G.5.10).
    """

    helo: bytes
    mail_from: bytes
    parameters: tuple[bytes, ...] = ()
    authenticated: str | None = None
    mail_addr: str | None = None

    @property
    def smtputf8(self) -> bool:
        """Whether the sender announced internationalised mail (RFC 6531 3.4)."""
        return any(parameter.upper() == b"SMTPUTF8" for parameter in self.parameters)


@dataclass(frozen=True, slots=True)
class HeaderField:
    """One header field as received.

    Attributes:
        name: without the colon, case kept.
        value: everything after the colon, the leading space included, folds as CRLF and white space, without the
            final CRLF.
        key: the name as h= and all comparisons have it: lower case, no white space before the colon (RFC 5322 4.5.8).
            Made once, since every method looks through the names of all fields.
    """

    name: bytes
    value: bytes
    key: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.name.rstrip(b" \t").lower())


@dataclass(frozen=True, slots=True)
class BodyHashSpec:
    """A body hash that a signature asks for.

    Attributes:
        canonicalization: of the body.
        limit: octets of the canonical body that are hashed (l=); None for all.
        algorithm: its name for :mod:`hashlib`; only ``sha256`` is ever asked for (RFC 8301 3.1).
    """

    canonicalization: Canonicalization
    limit: int | None = None
    algorithm: str = "sha256"


@dataclass(frozen=True, slots=True)
class BodyHash:
    """A computed body hash.

    Attributes:
        digest: raw octets.
        length: octets of the whole canonical body, whatever the limit was.
    """

    digest: bytes
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFacts:
    """Everything that :func:`assay.daemon.judge.judge` knows of a message apart from the DNS.

    Attributes:
        headers: every field, in the order received, the topmost first.
        body_hashes: exactly those that the message's signatures and ARC sets ask for.
        receiver: the host name of the receiving MTA (macro ``j``); SPF's ``%{r}``.
        authserv_id: our name in Authentication-Results.
        queue_id: of the MTA, for logs; ``-`` where unknown.
    """

    client: Client
    envelope: Envelope
    headers: tuple[HeaderField, ...]
    body_hashes: Mapping[BodyHashSpec, BodyHash] = field(default_factory=dict)
    receiver: str = "localhost"
    authserv_id: str = "localhost"
    queue_id: str = "-"
