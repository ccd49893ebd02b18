"""A DKIM and ARC signer for tests: a second opinion, which shares no line with ``assay.verify``.

It signs what it is told to sign, also what no signer should, and it needs no DNS and no clock.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from assay.facts import BodyHash, BodyHashSpec, Canonicalization, HeaderField

CRLF = b"\r\n"
NOW = 1_700_000_000.0


@dataclass(frozen=True, slots=True)
class RsaKey:
    """An RSA key pair."""

    private: rsa.RSAPrivateKey

    algorithm = b"rsa-sha256"

    def sign(self, digest: bytes) -> bytes:
        return self.private.sign(digest, padding.PKCS1v15(), Prehashed(SHA256()))

    def record(self, *, pkcs1: bool = False, tags: bytes = b"v=DKIM1; ") -> bytes:
        form = (Encoding.DER, PublicFormat.PKCS1 if pkcs1 else PublicFormat.SubjectPublicKeyInfo)
        return tags + b"p=" + base64.b64encode(self.private.public_key().public_bytes(*form))

    def pem(self) -> bytes:
        """For dkimpy."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


@dataclass(frozen=True, slots=True)
class Ed25519Key:
    """An ed25519 key pair."""

    private: ed25519.Ed25519PrivateKey

    algorithm = b"ed25519-sha256"

    def sign(self, digest: bytes) -> bytes:
        return self.private.sign(digest)

    def record(self, *, tags: bytes = b"v=DKIM1; k=ed25519; ") -> bytes:
        raw = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return tags + b"p=" + base64.b64encode(raw)


SigningKey = RsaKey | Ed25519Key


@cache
def rsa_key(bits: int = 1024, number: int = 0) -> RsaKey:
    """Return the ``number``-th RSA key of this size; made once per process, since making one is slow."""
    del number
    return RsaKey(rsa.generate_private_key(65537, bits))


@cache
def ed25519_key(seed: bytes = bytes(32)) -> Ed25519Key:
    return Ed25519Key(ed25519.Ed25519PrivateKey.from_private_bytes(seed))


def der_length(length: int) -> bytes:
    if length < 0x80:
        return bytes((length,))
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets


def der_integer(number: int) -> bytes:
    octets = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return b"\x02" + der_length(len(octets)) + octets


def odd_rsa_record(modulus: int, exponent: int) -> bytes:
    """Return a key record for numbers that no key generator makes."""
    content = der_integer(modulus) + der_integer(exponent)
    return b"v=DKIM1; p=" + base64.b64encode(b"\x30" + der_length(len(content)) + content)


def fields(text: bytes) -> tuple[HeaderField, ...]:
    """Split a header section with CRLF line ends into its fields."""
    logical = re.split(rb"\r\n(?![ \t])", text.removesuffix(CRLF))
    return tuple(HeaderField(*line.split(b":", 1)) for line in logical)


def text_of(headers: Iterable[HeaderField]) -> bytes:
    return b"".join(each.name + b":" + each.value + CRLF for each in headers)


def canonical_body(body: bytes, how: Canonicalization) -> bytes:
    lines = body.split(CRLF)
    if how is Canonicalization.RELAXED:
        lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        return CRLF if how is Canonicalization.SIMPLE else b""
    return CRLF.join(lines) + CRLF


def body_hash(body: bytes, spec: BodyHashSpec) -> BodyHash:
    canonical = canonical_body(body, spec.canonicalization)
    return BodyHash(hashlib.sha256(canonical[: spec.limit]).digest(), len(canonical))


def canonical_field(field: HeaderField, how: bytes) -> bytes:
    if how == b"simple":
        return field.name + b":" + field.value
    name = field.name.lower().rstrip(b" \t")
    return name + b":" + re.sub(rb"[ \t]+", b" ", re.sub(rb"\r\n(?=[ \t])", b"", field.value)).strip(b" ")


def header_digest(headers: Sequence[HeaderField], names: Iterable[bytes], own: HeaderField, how: bytes) -> bytes:
    """Hash what ``own``, whose b= is empty, signs; ``own`` is not among ``headers``."""
    left = list(headers)
    hashed = []
    for name in names:
        for at in range(len(left) - 1, -1, -1):
            if left[at].name.lower().rstrip(b" \t") == name.strip().lower():
                hashed.append(canonical_field(left.pop(at), how) + CRLF)
                break
    hashed.append(canonical_field(own, how))
    return hashlib.sha256(b"".join(hashed)).digest()


def sign(
    headers: Sequence[HeaderField],
    body: bytes,
    key: SigningKey,
    tags: Mapping[bytes, bytes | None] | None = None,
    *,
    name: bytes = b"DKIM-Signature",
    template: bytes | None = None,
) -> HeaderField:
    """Sign a message.

    Args:
        headers: without the new field.
        body: with CRLF line ends.
        key: signs.
        tags: replace the default tags; None removes one. ``h`` may name anything, ``bh`` may be wrong.
        name: of the new field.
        template: the whole value instead, with ``%(bh)s`` and ``%(b)s`` where the two hashes go.

    Returns:
        The signature field.
    """
    chosen: dict[bytes, bytes | None] = {
        b"v": b"1",
        b"a": key.algorithm,
        b"c": b"relaxed/relaxed",
        b"d": b"example.com",
        b"s": b"sel",
        b"h": b"from:to:subject:date",
        b"bh": b"%(bh)s",
        b"b": b"%(b)s",
    } | dict(tags or {})
    chosen[b"b"] = chosen.pop(b"b")  # last, also behind tags that were added
    if template is None:
        template = b" " + b"; ".join(tag + b"=" + value for tag, value in chosen.items() if value is not None)
    said = {
        tag.strip(): value.strip()
        for tag, _, value in (part.partition(b"=") for part in template.replace(CRLF, b"").split(b";"))
    }
    header_how, _, body_how = (said.get(b"c") or b"simple").partition(b"/")
    limit = said.get(b"l")
    # of an unknown c= nobody will look at the hashes
    how = Canonicalization.RELAXED if body_how == b"relaxed" else Canonicalization.SIMPLE
    spec = BodyHashSpec(how, int(limit) if limit and limit.isdigit() else None)
    value = template.replace(b"%(bh)s", base64.b64encode(body_hash(body, spec).digest))
    empty = HeaderField(name, re.sub(rb"[ \t\r\n]*%\(b\)s[ \t\r\n]*", b"", value))
    names = [each for each in said.get(b"h", b"").split(b":") if each.strip()]
    digest = header_digest(headers, names, empty, header_how)
    return HeaderField(name, value.replace(b"%(b)s", base64.b64encode(key.sign(digest))))


def seal(
    headers: Sequence[HeaderField],
    body: bytes,
    key: SigningKey,
    instance: int,
    *,
    status: bytes | None = None,
    message: Mapping[bytes, bytes | None] | None = None,
    sealing: Mapping[bytes, bytes | None] | None = None,
    results: bytes | None = None,
) -> tuple[HeaderField, ...]:
    """Add an ARC set.

    Args:
        headers: without the new set; the sets below ``instance`` are found among them by ``i=N``.
        body: with CRLF line ends.
        key: signs both fields.
        instance: of the new set.
        status: cv=; by default what belongs there.
        message: replaces tags of the ARC-Message-Signature.
        sealing: replaces tags of the ARC-Seal.
        results: the value of the ARC-Authentication-Results.

    Returns:
        The whole header section, the new set on top.
    """
    number = b"%d" % instance
    claims = HeaderField(
        b"ARC-Authentication-Results", b" i=" + number + b"; mx.example.net; spf=pass" if results is None else results
    )
    # v= stays out of ARC; i= comes first, where dkimpy wants it
    signature = sign(
        headers,
        body,
        key,
        {b"v": None, b"d": b"example.net", b"i": number} | dict(message or {}),
        name=b"ARC-Message-Signature",
    )
    chosen: dict[bytes, bytes | None] = {
        b"i": number,
        b"a": key.algorithm,
        b"cv": status or (b"none" if instance == 1 else b"pass"),
        b"d": b"example.net",
        b"s": b"sel",
        b"b": b"",
    } | dict(sealing or {})
    chosen[b"b"] = chosen.pop(b"b")
    value = b" " + b"; ".join(tag + b"=" + text for tag, text in chosen.items() if text is not None)
    digest = seal_digest(headers, claims, signature, HeaderField(b"ARC-Seal", value))
    sealed = HeaderField(b"ARC-Seal", value + base64.b64encode(key.sign(digest)))
    return (sealed, signature, claims, *headers)


def seal_digest(headers: Sequence[HeaderField], claims: HeaderField, signature: HeaderField, own: HeaderField) -> bytes:
    """Hash all sets below, the two other fields of the set, and the seal ``own``, whose b= is empty."""
    order = (b"arc-authentication-results", b"arc-message-signature", b"arc-seal")
    below = sorted(
        (int(number[1]), order.index(each.name.lower()), canonical_field(each, b"relaxed"))
        for each in headers
        if each.name.lower() in order and (number := re.search(rb"(?:\A|;)\s*i\s*=\s*(\d+)", each.value))
    )
    hashed = [text for _, _, text in below]
    hashed += [canonical_field(each, b"relaxed") for each in (claims, signature, own)]
    return hashlib.sha256(CRLF.join(hashed)).digest()
