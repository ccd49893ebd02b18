"""DKIM key records (RFC 6376 3.6.1, RFC 8301, RFC 8463) and the OpenSSL key objects that they hold.

dkimpy's key reader is not used: its ASN.1 parser lets AssertionError and IndexError escape, it ignores ``h=`` and
``t=s``, reads ``s=*:email`` as an unknown service, and verifies RSA in pure Python at ten times the price
(docs/library-traps.md D4, D5, D9, D14).
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import assert_never

from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from assay.answers import Absent, Found, Resolver, RRType, Unavailable
from assay.limits import (
    MAX_KEY_RECORD_OCTETS,
    MAX_KEY_RECORDS,
    MAX_KEY_RECORDS_READ,
    MAX_RSA_BITS,
    MAX_RSA_EXPONENT_BITS,
    MAX_SELECTOR_BITS,
    MIN_RSA_BITS,
)
from assay.message.tags import TagListError, parse_tags
from assay.verify.encoding import decode_base64, without_white_space

REVOKED = "the key is revoked"
"""The reason of a key whose p= is empty (RFC 6376 3.6.1)."""

_ED25519_OCTETS = 32  # RFC 8463 4: the raw key, in no ASN.1 wrapping
_ED25519_BITS = 256
_CACHED_RECORDS = 1024  # of at most MAX_KEY_RECORD_OCTETS each, so at most 8 MiB
_PADDING = PKCS1v15()
_DIGEST = Prehashed(SHA256())
_LINE_ENDS_TO_SPACES = bytes.maketrans(b"\r\n", b"  ")


class KeyType(StrEnum):
    """k= of a key record, and the first part of a= of a signature."""

    RSA = "rsa"
    ED25519 = "ed25519"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """A key record that can verify mail.

    Attributes:
        type: k=.
        key: the OpenSSL key.
        bits: of the RSA modulus; 256 for ed25519.
        testing: t=y.
        strict: t=s: the domain of i= must be d= itself.
    """

    type: KeyType
    key: RSAPublicKey | Ed25519PublicKey
    bits: int
    testing: bool = False
    strict: bool = False

    def verifies(self, signature: bytes, digest: bytes) -> bool:
        """Whether ``signature`` is this key's over the SHA-256 ``digest``.

        RSA is PKCS#1 v1.5 (RFC 6376 3.3); ed25519 signs the digest itself (RFC 8463 3).
        """
        try:
            match self.key:
                case RSAPublicKey():
                    self.key.verify(signature, digest, _PADDING, _DIGEST)
                case Ed25519PublicKey():
                    self.key.verify(signature, digest)
                case _:
                    assert_never(self.key)
        except (InvalidSignature, InternalError, ValueError):
            # the last two: OpenSSL may object to the numbers of a hostile key only when it uses them
            return False
        return True


@dataclass(frozen=True, slots=True)
class UnusableKey:
    """A TXT record that is no key record, or one that must not verify mail.

    Attributes:
        reason: why.
        bits: of the key, where one was read.
    """

    reason: str
    bits: int | None = None


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that may have made the signature: 1 to ``MAX_KEY_RECORDS``, of ``MAX_SELECTOR_BITS`` together."""

    records: tuple[KeyRecord, ...]


@dataclass(frozen=True, slots=True)
class KeyUnknown:
    """The DNS said nothing definite: temperror in DKIM."""

    why: str


KeyLookup = Keys | UnusableKey | KeyUnknown


def find_keys(resolver: Resolver, name: bytes, wanted: KeyType) -> KeyLookup:
    """Ask for the key records at ``name`` (RFC 6376 3.6.2).

    RFC 6376 3.6.2.2 leaves several TXT records open: here the first :data:`~assay.limits.MAX_KEY_RECORDS` that can
    verify mail are kept, in the order of their octets, so that the order in which the DNS gave them decides nothing;
    one that would bring them beyond :data:`~assay.limits.MAX_SELECTOR_BITS` is passed over.

    Args:
        resolver: of the message.
        name: ``<s>._domainkey.<d>``, validated.
        wanted: the type that a= of the signature names; other keys at the name are left out.

    Returns:
        Keys, or why there are none.
    """
    answer = resolver.resolve(name, RRType.TXT)
    match answer:
        case Unavailable():
            return KeyUnknown(answer.why)
        case Absent():
            return UnusableKey("no key: the name does not exist" if answer.nxdomain else "no key: no TXT record")
        case Found():
            return _select(answer, wanted)
        case _:
            assert_never(answer)


def _select(answer: Found, wanted: KeyType) -> Keys | UnusableKey:
    texts = sorted(record for record in answer.records if isinstance(record, bytes))
    usable: list[KeyRecord] = []
    bits_left = MAX_SELECTOR_BITS
    problem = UnusableKey("no key: no TXT record")
    for position, text in enumerate(texts[:MAX_KEY_RECORDS_READ]):
        key = parse_key_record(text)
        if isinstance(key, KeyRecord) and key.type is not wanted:
            # RFC 6376 3.6.1 k=: the key must fit a= of the signature
            key = UnusableKey(f"the key is of type {key.type}, the signature is not", key.bits)
        if isinstance(key, KeyRecord):
            if key.bits <= bits_left and len(usable) < MAX_KEY_RECORDS:
                usable.append(key)
                bits_left -= key.bits
        elif position == 0 or key.bits is not None:
            problem = key  # a record that held a key says more than an unrelated TXT record beside it
    return Keys(tuple(usable)) if usable else problem


def parse_key_record(text: bytes) -> KeyRecord | UnusableKey:
    """Read a key record (RFC 6376 3.6.1); the results are cached by ``text``, in a bounded cache.

    Args:
        text: a TXT record, its strings joined.
    """
    if len(text) > MAX_KEY_RECORD_OCTETS:
        return UnusableKey(f"the TXT record is longer than {MAX_KEY_RECORD_OCTETS} octets")
    return _parse(text)


@lru_cache(maxsize=_CACHED_RECORDS)
def _parse(text: bytes) -> KeyRecord | UnusableKey:
    try:
        # Folding white space may stand in a record (RFC 6376 3.6.1), and in a TXT record a pasted line end is one: what
        # else could it mean? Other verifiers read it so, and the signer's mail should not depend on it.
        tags = parse_tags(text.translate(_LINE_ENDS_TO_SPACES))
    except TagListError as error:
        return UnusableKey(f"the TXT record is no key record: {error}")
    if tags.get(b"v", b"DKIM1") != b"DKIM1" or b"v" in list(tags)[1:]:
        # RFC 6376 3.6.1 v=: first and exact, or the record is discarded
        return UnusableKey("the TXT record is no key record: v= is not DKIM1, or not first")
    public = tags.get(b"p")
    if public is None:
        return UnusableKey("the TXT record is no key record: it has no p=")
    if not public:
        return UnusableKey(REVOKED)  # RFC 6376 3.6.1 p=
    if b"sha256" not in _values(tags.get(b"h", b"sha256")):
        return UnusableKey("the key does not allow sha256")  # RFC 6376 3.6.1 h=
    if not {b"*", b"email"} & _values(tags.get(b"s", b"*")):
        return UnusableKey("the key is not for email")  # RFC 6376 3.6.1 s=
    octets = decode_base64(public)
    if octets is None:
        return UnusableKey("p= is not base64")
    flags = _values(tags.get(b"t", b""))
    match tags.get(b"k", b"rsa"):
        case b"rsa":
            return _rsa(octets, testing=b"y" in flags, strict=b"s" in flags)
        case b"ed25519":
            return _ed25519(octets, testing=b"y" in flags, strict=b"s" in flags)
        case _:
            return UnusableKey("the key type is unknown")  # RFC 6376 3.6.1 k=


def _values(value: bytes) -> set[bytes]:
    return {without_white_space(item) for item in value.split(b":")}


def _rsa(octets: bytes, *, testing: bool, strict: bool) -> KeyRecord | UnusableKey:
    try:
        # reads both RSAPublicKey, which RFC 6376 3.6.1 writes, and SubjectPublicKeyInfo, which everybody publishes
        key = load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm, InternalError):
        return UnusableKey("p= holds no RSA key")
    if not isinstance(key, RSAPublicKey):
        return UnusableKey("p= holds no RSA key")
    bits = key.key_size
    if bits < MIN_RSA_BITS:
        return UnusableKey(f"the RSA key has {bits} bits, fewer than {MIN_RSA_BITS}", bits)  # RFC 8301 3.2
    if bits > MAX_RSA_BITS:
        return UnusableKey(f"the RSA key has {bits} bits, more than {MAX_RSA_BITS}", bits)
    if key.public_numbers().e.bit_length() > MAX_RSA_EXPONENT_BITS:
        return UnusableKey(f"the public exponent has more than {MAX_RSA_EXPONENT_BITS} bits", bits)
    return KeyRecord(type=KeyType.RSA, key=key, bits=bits, testing=testing, strict=strict)


def _ed25519(octets: bytes, *, testing: bool, strict: bool) -> KeyRecord | UnusableKey:
    if len(octets) != _ED25519_OCTETS:
        return UnusableKey(f"the ed25519 key has not {_ED25519_OCTETS} octets")  # RFC 8463 4
    key = Ed25519PublicKey.from_public_bytes(octets)
    return KeyRecord(type=KeyType.ED25519, key=key, bits=_ED25519_BITS, testing=testing, strict=strict)
