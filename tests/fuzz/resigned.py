"""Messages whose signatures hold although a fuzzer wrote them, and a second opinion on what verifies.

A fuzzer cannot make signatures. So where a signature field of an input holds the marker ``%(b)s``, the test key signs
in its place, whatever the field says; everything behind the verification of signatures is then within reach.
"""

import base64
import re
from collections.abc import Sequence
from ipaddress import IPv4Address

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from assay.answers import Answer, Found, RRType, Unavailable
from assay.domain import Domain
from assay.facts import Client, Envelope, HeaderField, MessageFacts
from assay.message.body import BodyHasher
from assay.message.header import split_message
from assay.message.tags import TagListError, parse_tags
from assay.verify.demands import demands
from assay.verify.hashing import unsigned
from assay.verify.options import VerifyOptions
from assay.verify.signature import Proof, Signature
from support.dict_resolver import NXDOMAIN
from support.signed_messages import RFC8463_KEYS
from support.signer import body_hash, ed25519_key, header_digest, seal_digest, sign

KEY = ed25519_key(b"a key of the fuzzers, 32 octets.")
NOW = 1_700_000_000.0
MARK = b"%(b)s"
MOST_FIELDS = 60
OPTIONS = VerifyOptions()

_RSA_RECORD = RFC8463_KEYS[b"test._domainkey.football.example.com"]
_RSA_OCTETS = base64.b64decode(_RSA_RECORD.rpartition(b"p=")[2])
_ANSWERS: dict[bytes, Answer] = {
    b"sel": Found((KEY.record(),), 300),
    b"strict": Found((KEY.record(tags=b"k=ed25519; t=s; "),), 300),
    b"testing": Found((KEY.record(tags=b"k=ed25519; t=y; "),), 300),
    b"several": Found((b"unrelated", _RSA_RECORD, KEY.record(), b"p="), 300),
    b"test": Found((_RSA_RECORD,), 300),
    b"broken": Found((b"v=DKIM1; p=!",), 300),
    b"fail": Unavailable("SERVFAIL"),
}


class Selectors:
    """Answers for the keys of every domain by the selector alone, so that a fuzzer may write any d=.

    Attributes:
        asked: each name that was asked for.
    """

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def resolve(self, name: bytes, rrtype: RRType) -> Answer:
        assert rrtype is RRType.TXT
        self.asked.append(name)
        selector, under, _ = name.partition(b"._domainkey.")
        return _ANSWERS.get(selector, NXDOMAIN) if under else NXDOMAIN

    def prefetch(self, name: bytes, rrtype: RRType) -> None:
        raise AssertionError(f"verification does not prefetch: {name!r} {rrtype}")


def facts_of(data: bytes) -> tuple[MessageFacts, bytes]:
    """Read an input as a message, sign what wants to be signed, and hash the body; also return the body."""
    headers, body = split_message(data)
    headers = resign(headers[:MOST_FIELDS], body)
    hasher = BodyHasher(demands(headers, OPTIONS).body_hashes)
    hasher.feed(body)
    facts = MessageFacts(
        client=Client(address=IPv4Address("192.0.2.1")),
        envelope=Envelope(helo=b"client.example", mail_from=b"<a@example.com>"),
        headers=headers,
        body_hashes=hasher.finish(),
    )
    return facts, body


def resign(headers: Sequence[HeaderField], body: bytes) -> tuple[HeaderField, ...]:
    """Fill in the marks, from the bottom up, as signers on the way would have."""
    done: list[HeaderField] = []
    for field in reversed(headers):
        done.insert(0, _signed(field, done, body) if MARK in field.value else field)
    return tuple(done)


def _signed(field: HeaderField, below: Sequence[HeaderField], body: bytes) -> HeaderField:
    name = field.name.lower()
    if name in (b"dkim-signature", b"arc-message-signature"):
        return HeaderField(field.name, sign(below, body, KEY, name=field.name, template=field.value).value)
    if name == b"arc-seal" and len(below) >= 2:
        signature, claims, *rest = below
        digest = seal_digest(rest, claims, signature, unsigned(field))
        return HeaderField(field.name, field.value.replace(MARK, base64.b64encode(KEY.sign(digest)), 1))
    return field


def verifies(proof: Proof, digest: bytes) -> bool:
    """A second opinion: whether one of the two keys of the fuzzers made the signature over the digest."""
    try:
        KEY.private.public_key().verify(proof.signature, digest)
    except InvalidSignature:
        pass
    else:
        return True
    key = load_der_public_key(_RSA_OCTETS)
    assert isinstance(key, rsa.RSAPublicKey)
    try:
        key.verify(proof.signature, digest, padding.PKCS1v15(), Prehashed(SHA256()))
    except InvalidSignature:
        return False
    return True


def message_is_signed(signature: Signature, position: int, facts: MessageFacts, body: bytes) -> bool:
    """A second opinion: whether the signature holds for exactly this header and body."""
    own = facts.headers[position]
    rest = [field for at, field in enumerate(facts.headers) if at != position]
    empty = HeaderField(own.name, without_signature(own.value))
    digest = header_digest(rest, signature.names, empty, signature.header.value.encode())
    return body_hash(body, signature.body).digest == signature.body_hash and verifies(signature, digest)


def without_signature(value: bytes) -> bytes:
    """Empty the b= tag, tag by tag: slower than what it checks, and plain."""
    specs = []
    for spec in value.split(b";"):
        name, equals, _ = spec.partition(b"=")
        specs.append(name + equals if re.sub(rb"\s", b"", name) == b"b" else spec)
    return b";".join(specs)


def instance_of(field: HeaderField) -> bytes | None:
    """The i= of an ARC-Message-Signature or ARC-Seal."""
    try:
        return parse_tags(field.value).get(b"i")
    except TagListError:
        return None


def is_host_name(domain: Domain) -> bool:
    return len(domain.labels) > 1 and len(domain.name) <= 253
