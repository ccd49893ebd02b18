"""The fields that carry a signature, read strictly: DKIM-Signature, ARC-Message-Signature, ARC-Seal.

dkimpy's ``validate_signature_fields`` is not used: it reads the wall clock, lets ``rsa-sha1`` and a missing From
through, checks ``bh=`` against ``b=``, and ``i=`` by its last octets (docs/library-traps.md D6, D7, D9).
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from dkim.canonicalization import CanonicalizationPolicy, InvalidCanonicalizationPolicyError

from assay.domain import Domain
from assay.errors import DomainError
from assay.facts import BodyHashSpec, Canonicalization
from assay.limits import (
    MAX_ARC_SETS,
    MAX_NAME_OCTETS,
    MAX_SIGNATURE_FIELD_OCTETS,
    MAX_SIGNATURE_OCTETS,
    MAX_SIGNED_HEADERS,
    MAX_TAG_DIGITS,
)
from assay.message.tags import TagListError, parse_tags
from assay.results import DkimValue
from assay.verify.encoding import decode_base64, decode_quoted_printable, without_white_space
from assay.verify.keys import KeyType

Tags = dict[bytes, bytes]

_SHA256_OCTETS = 32
_CACHED_FIELDS = 32  # of at most MAX_SIGNATURE_FIELD_OCTETS each, so at most 2 MiB
_MIN_SDID_LABELS = 2
_ALGORITHMS = {f"{type_}-sha256".encode(): type_ for type_ in KeyType}
_RSA_SHA1 = b"rsa-sha1"
_TIME = re.compile(rb"[0-9]{1,%d}" % MAX_TAG_DIGITS)
_LENGTH = re.compile(rb"[0-9]{1,76}")  # RFC 6376 3.5 l=
_INSTANCE = re.compile(rb"[0-9]{1,2}")
_FIELD_NAME = re.compile(rb"[!-9;-~]+")  # RFC 5322 3.6.8
_BASE64_TEXT = re.compile(rb"[A-Za-z0-9+/]+=*")
_NOT_IN_ARC = frozenset(
    (b"authentication-results", b"arc-authentication-results", b"arc-message-signature", b"arc-seal")
)


class ChainStatus(StrEnum):
    """cv= of an ARC-Seal (RFC 8617 4.1.3)."""

    NONE = "none"
    FAIL = "fail"
    PASS = "pass"


_STATUSES = {status.encode(): status for status in ChainStatus}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What every signature has.

    Attributes:
        type: of the key, from a=; the hash is always SHA-256.
        signature: b=, decoded.
        selector: s=; a name like any other (RFC 6376 3.1).
        timestamp: t=, seconds since 1970.
        expiry: x=, seconds since 1970.
    """

    type: KeyType
    signature: bytes
    sdid: Domain
    selector: Domain
    timestamp: int | None
    expiry: int | None = None

    @property
    def key_name(self) -> bytes:
        """Where its key record is (RFC 6376 3.6.2.1)."""
        return b"%b._domainkey.%b" % (bytes(self.selector), bytes(self.sdid))

    def clock_problem(self, now: float, tolerance: int) -> str | None:
        """Say why it does not hold at ``now`` (RFC 6376 3.5 t=, x=); None if it does.

        Args:
            now: seconds since 1970.
            tolerance: seconds by which clocks may differ.
        """
        if self.timestamp is not None and self.timestamp > now + tolerance:
            return "t= is in the future"
        if self.expiry is not None and self.expiry < now - tolerance:
            return "expired"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature(Proof):
    """A DKIM-Signature or an ARC-Message-Signature.

    Attributes:
        body_hash: bh=, decoded, 32 octets.
        body: what bh= is the hash of.
        header: canonicalization of the header fields.
        names: h= in lower case, in its order.
        identity: the domain of i= of DKIM (d= where there is none); d= in ARC.
    """

    body_hash: bytes
    body: BodyHashSpec
    header: Canonicalization
    names: tuple[bytes, ...]
    identity: Domain

    @property
    def signs_from(self) -> bool:
        """Whether h= lists From."""
        return b"from" in self.names


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal(Proof):
    """An ARC-Seal."""

    status: ChainStatus


@dataclass(frozen=True, slots=True)
class Refusal:
    """A signature that is refused for what it says, before any key is asked for.

    Attributes:
        value: what DKIM reports; ARC knows only fail.
        reason: why.
    """

    value: DkimValue
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What can be told of a DKIM signature for reports, refused or not; as in :class:`~assay.results.DkimResult`."""

    sdid: Domain | None = None
    auid: str | None = None
    selector: str | None = None
    algorithm: str | None = None
    signature: str = ""


class _RefusedError(Exception):
    """Leaves the reader at the first thing that is wrong; never leaves this module."""

    def __init__(self, reason: str, value: DkimValue = DkimValue.PERMERROR) -> None:
        super().__init__(reason)
        self.refusal = Refusal(value, reason)


def read_tags(value: bytes) -> Tags:
    """Read the tag list of a signature field.

    Raises:
        TagListError: it is none, or longer than :data:`~assay.limits.MAX_SIGNATURE_FIELD_OCTETS`.
    """
    if len(value) > MAX_SIGNATURE_FIELD_OCTETS:
        raise TagListError(f"the field is longer than {MAX_SIGNATURE_FIELD_OCTETS} octets")
    return parse_tags(value)


def parse_dkim(value: bytes) -> tuple[Labels, Signature | Refusal]:
    """Read the value of a DKIM-Signature field (RFC 6376 3.5, 6.1.1).

    A message's signatures are read at the end of its headers and again at the end of the message; a small cache by
    ``value`` makes the second time cheap.
    """
    try:
        return _parse_dkim(value)
    except TagListError as error:
        return Labels(), Refusal(DkimValue.PERMERROR, f"no tag list: {error}")


@lru_cache(maxsize=_CACHED_FIELDS)
def _parse_dkim(value: bytes) -> tuple[Labels, Signature | Refusal]:
    tags = read_tags(value)
    labels = _labels(tags)
    try:
        _require(tags, b"v", b"a", b"b", b"bh", b"d", b"h", b"s")
        _refuse_unless(tags[b"v"] == b"1", "v= is not 1")
        names = _names(tags[b"h"])
        _refuse_unless(b"from" in names, "h= does not list From")  # RFC 6376 5.4
        return labels, _signature(tags, names, tags.get(b"i"))
    except _RefusedError as error:
        return labels, error.refusal


def parse_message_signature(tags: Tags) -> Signature | Refusal:
    """Read an ARC-Message-Signature (RFC 8617 4.1.2): DKIM without v=, and i= is the instance.

    An empty h= is let through, as the public ARC test suite has it: see ``signs_from`` of
    :class:`~assay.results.ArcSet`.
    """
    try:
        _require(tags, b"a", b"b", b"bh", b"d", b"h", b"s")
        names = _names(tags[b"h"]) if tags[b"h"] else ()
        # RFC 8617 4.1.2
        _refuse_unless(_NOT_IN_ARC.isdisjoint(names), "h= lists an ARC or Authentication-Results field")
        return _signature(tags, names, None)
    except _RefusedError as error:
        return error.refusal


def parse_seal(tags: Tags) -> Seal | Refusal:
    """Read an ARC-Seal (RFC 8617 4.1.3). The canonicalization is always relaxed, so c= says nothing."""
    try:
        _require(tags, b"a", b"b", b"cv", b"d", b"s")
        _refuse_unless(b"h" not in tags, "h= in an ARC-Seal")  # RFC 8617 4.1.3: the chain fails
        _refuse_unless(tags[b"cv"] in _STATUSES, "cv= is none of none, fail and pass")
        type_, signature = _proof(tags)
        sdid, selector = _names_of_key(tags)
        return Seal(
            type=type_,
            signature=signature,
            sdid=sdid,
            selector=selector,
            timestamp=_time(tags, b"t"),
            status=_STATUSES[tags[b"cv"]],
        )
    except _RefusedError as error:
        return error.refusal


def parse_instance(text: bytes) -> int | None:
    """Read i= of ARC (RFC 8617 4.2.1): one or two digits, 1 to 50; None for anything else."""
    if _INSTANCE.fullmatch(text) is None or not 1 <= int(text) <= MAX_ARC_SETS:
        return None
    return int(text)


def _signature(tags: Tags, names: tuple[bytes, ...], identity: bytes | None) -> Signature:
    type_, signature = _proof(tags)
    sdid, selector = _names_of_key(tags)
    header, body = _canonicalization(tags)
    methods = tags.get(b"q", b"dns/txt").split(b":")
    if b"dns/txt" not in map(without_white_space, methods):
        # RFC 6376 3.5 q=: unknown methods are skipped, and here nothing else is left
        raise _RefusedError("q= names no method that is known", DkimValue.NEUTRAL)
    timestamp, expiry = _time(tags, b"t"), _time(tags, b"x")
    backwards = timestamp is not None and expiry is not None and expiry <= timestamp
    _refuse_unless(not backwards, "x= is not after t=")  # RFC 6376 3.5 x=
    return Signature(
        type=type_,
        signature=signature,
        sdid=sdid,
        selector=selector,
        timestamp=timestamp,
        expiry=expiry,
        body_hash=_body_hash(tags[b"bh"]),
        body=BodyHashSpec(body, _length(tags)),
        header=header,
        names=names,
        identity=sdid if identity is None else _identity(identity, sdid),
    )


def _refuse_unless(holds: bool, reason: str) -> None:  # noqa: FBT001 - a condition is what it is about
    if not holds:
        raise _RefusedError(reason)


def _require(tags: Tags, *names: bytes) -> None:
    for name in names:
        _refuse_unless(name in tags, f"{name.decode()}= is missing")


def _proof(tags: Tags) -> tuple[KeyType, bytes]:
    algorithm = tags[b"a"]
    if algorithm == _RSA_SHA1:
        raise _RefusedError("rsa-sha1 is no longer a signature")  # RFC 8301 3.1
    type_ = _ALGORITHMS.get(algorithm)
    if type_ is None:
        # RFC 6376 3.3: such a signature is ignored. An empty a= names no algorithm at all
        raise _RefusedError("a= names no known algorithm", DkimValue.NEUTRAL if algorithm else DkimValue.PERMERROR)
    return type_, _base64(tags[b"b"], "b=")


def _base64(value: bytes, name: str) -> bytes:
    _refuse_unless(len(value) <= MAX_SIGNATURE_OCTETS, f"{name} is longer than {MAX_SIGNATURE_OCTETS} octets")
    octets = decode_base64(value)
    if octets is None:
        raise _RefusedError(f"{name} is not base64")
    return octets


def _body_hash(value: bytes) -> bytes:
    octets = _base64(value, "bh=")
    _refuse_unless(len(octets) == _SHA256_OCTETS, "bh= has not the length of a SHA-256 hash")
    return octets


def _names_of_key(tags: Tags) -> tuple[Domain, Domain]:
    """Read d= and s=, both checked as names before anybody builds a query of them (standards H.3 K1, K2)."""
    sdid = _domain(tags[b"d"])
    if sdid is None:
        raise _RefusedError("d= is no domain name")
    # RFC 6376 6.1.1: a top-level domain signs for nobody
    _refuse_unless(len(sdid.labels) >= _MIN_SDID_LABELS, "d= has a single label")
    selector = _domain(tags[b"s"])
    if selector is None:
        raise _RefusedError("s= is no name")
    length = len(f"{selector}._domainkey.{sdid}")
    _refuse_unless(length <= MAX_NAME_OCTETS, "d= and s= make a name that is too long")
    return sdid, selector


def _domain(text: bytes) -> Domain | None:
    try:
        return Domain.parse(text)
    except DomainError:
        return None


def _names(value: bytes) -> tuple[bytes, ...]:
    names = tuple(without_white_space(name).lower() for name in value.split(b":", MAX_SIGNED_HEADERS))
    _refuse_unless(len(names) <= MAX_SIGNED_HEADERS, f"h= lists more than {MAX_SIGNED_HEADERS} names")
    _refuse_unless(all(map(_FIELD_NAME.fullmatch, names)), "h= is no list of field names")
    return names


def _canonicalization(tags: Tags) -> tuple[Canonicalization, Canonicalization]:
    try:
        # one name alone is the header's, the body's is then simple (RFC 6376 3.5 c=)
        policy = CanonicalizationPolicy.from_c_value(tags.get(b"c"))
    except InvalidCanonicalizationPolicyError as error:
        raise _RefusedError("c= is unknown") from error
    return (
        Canonicalization(policy.header_algorithm.name.decode()),
        Canonicalization(policy.body_algorithm.name.decode()),
    )


def _time(tags: Tags, name: bytes) -> int | None:
    text = tags.get(name)
    if text is None:
        return None
    readable = _TIME.fullmatch(text) is not None
    _refuse_unless(readable, f"{name.decode()}= is no number of up to {MAX_TAG_DIGITS} digits")
    return int(text)


def _length(tags: Tags) -> int | None:
    text = tags.get(b"l")
    if text is None:
        return None
    _refuse_unless(_LENGTH.fullmatch(text) is not None, "l= is no number of up to 76 digits")
    _refuse_unless(len(text.lstrip(b"0")) <= MAX_TAG_DIGITS, "l= is longer than the body")  # than any body
    return int(text)


def _identity(value: bytes, sdid: Domain) -> Domain:
    _, at, domain = (_decoded_identity(value) or b"").rpartition(b"@")
    identity = _domain(domain) if at else None
    if identity is None:
        raise _RefusedError("i= is no identity")
    _refuse_unless(identity.is_under(sdid), "i= is not under d=")  # RFC 6376 6.1.1
    return identity


def _decoded_identity(value: bytes) -> bytes | None:
    return decode_quoted_printable(value) if len(value) <= MAX_SIGNATURE_OCTETS else None


def _labels(tags: Tags) -> Labels:
    selector = _domain(tags.get(b"s", b""))
    auid = _decoded_identity(tags[b"i"]) if b"i" in tags else None
    algorithm = tags.get(b"a", b"")
    text = without_white_space(tags.get(b"b", b"")[: MAX_SIGNATURE_OCTETS + 1])
    shown = len(text) <= MAX_SIGNATURE_OCTETS and _BASE64_TEXT.fullmatch(text) is not None
    return Labels(
        sdid=_domain(tags.get(b"d", b"")),
        auid=None if auid is None else auid.decode("utf-8", "backslashreplace"),
        selector=None if selector is None else selector.name,
        algorithm=algorithm.decode() if algorithm in _ALGORITHMS or algorithm == _RSA_SHA1 else None,
        signature=text.decode() if shown else "",
    )
