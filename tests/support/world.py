"""The domains of the end-to-end tests, served by a real knot; in front of it, one name is slow and some are dead.

An authoritative server answers at once or not at all, so what is slow is made so on the way to it.
"""

import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import dkim
import dns.query
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from support.dnsserver import Behaviour, DnsServer, Exchange, Reply, dead
from support.knot import Knot, knot, txt, zone_text

OWN: Final = "192.0.2.10"
"""The address that every domain here sends from, but for near.example."""
STRANGER: Final = "192.0.2.66"
"""The address of who may send for nobody."""
NEAR: Final = "127.0.0.2"
"""The address that near.example sends from: an MTA without XCLIENT sees only addresses of loopback."""
SLOW: Final = 1.5
"""Seconds that a slow name takes; a query may take longer than that."""
SELECTOR: Final = b"s1"

_KEY: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _records() -> list[str]:
    public = base64.b64encode(_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    records = []
    for name, policy, address in (
        ("genuine", "reject", OWN),
        ("near", "reject", NEAR),
        ("careful", "quarantine", OWN),
        ("relaxed", "none", OWN),
        ("slow", "reject", OWN),
        ("dead", "none", OWN),
        ("list", "none", OWN),
    ):
        records += [
            f"{name} TXT {txt(f'v=spf1 ip4:{address} -all'.encode())}",
            f"_dmarc.{name} TXT {txt(f'v=DMARC1; p={policy}'.encode())}",
            f"{SELECTOR.decode()}._domainkey.{name} TXT {txt(b'v=DKIM1; k=rsa; p=' + public)}",
        ]
    return records


def sign(message: bytes, domain: bytes, *, header: bytes = b"relaxed") -> bytes:
    """Put a DKIM signature of a domain of this world on a message with CRLF line ends; dkimpy signs.

    ``header`` is the canonicalization of the header; that of the body is simple.
    """
    pem = _KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    signature: bytes = dkim.sign(message, SELECTOR, domain, pem, canonicalize=(header, b"simple"))
    return signature + message


@contextmanager
def bare_dns(directory: Path, *, ttl: int) -> Iterator[Knot]:
    """Serve the world with nothing in front of it; every record is kept for so many seconds."""
    with knot(directory, {"example.": zone_text("example", _records(), ttl=ttl)}) as server:
        yield server


@contextmanager
def real_dns(directory: Path) -> Iterator[str]:
    """Serve the world; give its address as ``[dns] nameservers`` spells it."""
    with knot(directory, {"example.": zone_text("example", _records())}) as server:
        from_knot = _forward(server.port)
        behaviours = {b"slow.example": _delayed(from_knot, SLOW), b"dead.example": dead, b"_dmarc.lost.example": dead}
        with DnsServer(behaviours=behaviours, everything=from_knot) as front:
            yield str(front.nameserver)


def _forward(port: int) -> Behaviour:
    def behave(exchange: Exchange) -> list[Reply]:
        ask = dns.query.tcp if exchange.seen.stream else dns.query.udp
        return [(0, ask(exchange.query, "127.0.0.1", port=port, timeout=10).to_wire())]

    return behave


def _delayed(behaviour: Behaviour, seconds: float) -> Behaviour:
    # From the first time that the name is asked: a repetition joins it, or it would hide that the name is slow.
    def behave(exchange: Exchange) -> list[Reply]:
        wait = max(0.0, exchange.first_at + seconds - time.monotonic())
        return [(wait, reply) for _, reply in behaviour(exchange)]

    return behave
