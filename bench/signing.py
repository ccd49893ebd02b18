"""Keys, DKIM signatures and ARC sets for the corpus; the same seed gives the same octets.

It shares no line with ``assay.verify``, so what assay says about the corpus is a second opinion.
"""

import base64
import hashlib
import itertools
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Field = tuple[bytes, bytes]
"""Name and value of a header field; the value begins with the space after the colon, its folds are CRLF."""

CRLF = b"\r\n"
SIGNED_AT = 1_700_000_000
"""t= of every signature: long ago for whatever clock the benchmark meets, so that nothing comes from the future."""

SIGNED_FIELDS = b"From:To:Subject:Date:Message-ID:MIME-Version:Content-Type:Reply-To"
_PRIME_BITS = 1024
_EXPONENT = 65537
_LINE = 72


@dataclass(frozen=True, slots=True)
class RsaKey:
    """An RSA key pair of 2,048 bits."""

    private: rsa.RSAPrivateKey
    algorithm: bytes = b"rsa-sha256"

    def sign(self, digest: bytes) -> bytes:
        return self.private.sign(digest, padding.PKCS1v15(), Prehashed(SHA256()))

    def record(self) -> str:
        octets = self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return "v=DKIM1; k=rsa; p=" + base64.b64encode(octets).decode()


@dataclass(frozen=True, slots=True)
class Ed25519Key:
    """An ed25519 key pair."""

    private: ed25519.Ed25519PrivateKey
    algorithm: bytes = b"ed25519-sha256"

    def sign(self, digest: bytes) -> bytes:
        return self.private.sign(digest)

    def record(self) -> str:
        octets = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return "v=DKIM1; k=ed25519; p=" + base64.b64encode(octets).decode()


Key = RsaKey | Ed25519Key


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: a key, and where its record is."""

    domain: str
    selector: str
    key: Key

    @property
    def record_name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"


def ed25519_keys(seed: int) -> Iterator[Ed25519Key]:
    """Make keys without end."""
    rng = random.Random(seed)
    while True:
        yield Ed25519Key(ed25519.Ed25519PrivateKey.from_private_bytes(rng.randbytes(32)))


def rsa_keys(seed: int) -> Iterator[RsaKey]:
    """Make keys without end, all different.

    A verifier may keep what it parsed by the text of the record, so each domain needs a key of its own. To make
    hundreds fast, they share primes two by two, which nobody who wants to keep a secret may do.
    """
    rng = random.Random(seed)
    primes: list[int] = []
    for second in itertools.count():
        primes.append(_prime(rng))
        for first in range(second):
            yield _rsa_key(primes[first], primes[second])


def _rsa_key(p: int, q: int) -> RsaKey:
    d = pow(_EXPONENT, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(_EXPONENT, p * q)
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), public
    )
    return RsaKey(numbers.private_key(unsafe_skip_rsa_key_validation=True))  # the primes are ours; it costs 60 ms a key


_SMALL_PRIMES = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]


def _prime(rng: random.Random) -> int:
    """Find a prime whose product with another one of this function has exactly 2,048 bits."""
    while True:
        candidate = rng.getrandbits(_PRIME_BITS) | 3 << (_PRIME_BITS - 2) | 1
        if candidate % _EXPONENT == 1 or any(candidate % small == 0 for small in _SMALL_PRIMES):
            continue
        # Miller and Rabin; of numbers of this size that are drawn at random one round lets through next to none.
        odd, twos = candidate - 1, 0
        while odd % 2 == 0:
            odd, twos = odd // 2, twos + 1
        if all(_is_no_witness(base, candidate, odd, twos) for base in (2, 3, 5, 7)):
            return candidate


def _is_no_witness(base: int, candidate: int, odd: int, twos: int) -> bool:
    power = pow(base, odd, candidate)
    if power in (1, candidate - 1):
        return True
    for _ in range(twos - 1):
        power = power * power % candidate
        if power == candidate - 1:
            return True
    return False


def body_hash(body: bytes, canonicalization: bytes) -> bytes:
    """Hash a body that ends in CRLF, in base64 (RFC 6376 3.4.3, 3.4.4)."""
    if canonicalization == b"relaxed":
        body = re.sub(rb"[ \t]+", b" ", body).replace(b" \r\n", CRLF)
    return base64.b64encode(hashlib.sha256(re.sub(rb"(\r\n)+\Z", CRLF, body)).digest())


def sign(
    fields: Sequence[Field], body: bytes, signer: Signer, *, header: bytes = b"relaxed", content: bytes = b"relaxed"
) -> Field:
    """Make a DKIM-Signature field for this message."""
    value = b" v=1; a=%s; c=%s/%s; d=%s; s=%s;\r\n\tt=%d; h=%s;\r\n\tbh=%s;\r\n\tb=" % (
        signer.key.algorithm,
        header,
        content,
        signer.domain.encode(),
        signer.selector.encode(),
        SIGNED_AT,
        SIGNED_FIELDS,
        body_hash(body, content),
    )
    return _signed((b"DKIM-Signature", value), fields, signer, header)


def seal(fields: Sequence[Field], body: bytes, signer: Signer, results: bytes) -> list[Field]:
    """Add an ARC set on top of a message whose chain, if it has one, passes.

    Args:
        fields: of the message as the sealer got it.
        body: of it.
        signer: seals.
        results: what goes into ARC-Authentication-Results, from the authserv-id on.

    Returns:
        The three fields of the set followed by ``fields``.
    """
    chain = [field for field in fields if field[0].startswith(b"ARC-")]
    instance = len(chain) // 3 + 1
    who = b"a=%s; d=%s; s=%s; t=%d" % (
        signer.key.algorithm,
        signer.domain.encode(),
        signer.selector.encode(),
        SIGNED_AT,
    )
    verdict = (b"ARC-Authentication-Results", b" i=%d; %s" % (instance, results))
    value = b" i=%d; %s; c=relaxed/relaxed;\r\n\th=%s;\r\n\tbh=%s;\r\n\tb=" % (
        instance,
        who,
        SIGNED_FIELDS + b":DKIM-Signature",
        body_hash(body, b"relaxed"),
    )
    message = _signed((b"ARC-Message-Signature", value), fields, signer, b"relaxed")
    value = b" i=%d; %s; cv=%s;\r\n\tb=" % (instance, who, b"pass" if chain else b"none")
    # RFC 8617 5.1.1: the sets in rising order, each as results, message signature, seal. On top of a message they
    # stand the other way round.
    text = b"".join(_relaxed(field) + CRLF for field in (*reversed(chain), verdict, message))
    own = (b"ARC-Seal", value)
    return [_with_value(own, signer, text + _relaxed(own)), message, verdict, *fields]


def _signed(own: Field, fields: Sequence[Field], signer: Signer, canonicalization: bytes) -> Field:
    """Complete a field that ends in ``b=`` with the signature over the fields that its h= names."""
    form = _relaxed if canonicalization == b"relaxed" else _simple
    left = list(fields)
    text = b""
    names = re.search(rb"h=([^;]+)", own[1])
    for name in names[1].split(b":") if names else ():
        for at in range(len(left) - 1, -1, -1):
            if left[at][0].lower() == name.lower():
                text += form(left.pop(at)) + CRLF
                break
    return _with_value(own, signer, text + form(own))


def _with_value(own: Field, signer: Signer, text: bytes) -> Field:
    signature = base64.b64encode(signer.key.sign(hashlib.sha256(text).digest()))
    lines = [signature[at : at + _LINE] for at in range(0, len(signature), _LINE)]
    return own[0], own[1] + b"\r\n\t ".join(lines)


def _simple(field: Field) -> bytes:
    return field[0] + b":" + field[1]


def _relaxed(field: Field) -> bytes:
    return field[0].lower() + b":" + re.sub(rb"[ \t]+", b" ", field[1].replace(CRLF, b"")).strip(b" ")
