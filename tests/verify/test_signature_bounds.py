"""Limits of what is read of signatures, keys and chains: up to the last octet allowed, and not one more."""

import base64
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from assay.answers import Found
from assay.facts import BodyHashSpec, Canonicalization, HeaderField
from assay.limits import (
    MAX_KEY_RECORD_OCTETS,
    MAX_KEY_RECORDS_READ,
    MAX_NAME_OCTETS,
    MAX_SIGNATURE_FIELD_OCTETS,
    MAX_SIGNATURE_OCTETS,
    MAX_SIGNED_HEADERS,
)
from assay.results import ArcValue, DkimResult, DkimValue
from assay.trace import Trace
from assay.verify.arc import verify_arc
from assay.verify.dkim import verify_dkim
from assay.verify.keys import KeyRecord, Keys, KeyType, UnusableKey, find_keys, parse_key_record
from support.dict_resolver import DictResolver, found
from support.signed_messages import BODY, HEADERS, OPTIONS, facts
from support.signer import NOW, body_hash, rsa_key, seal, sign

KEY = rsa_key()
RECORD = KEY.record()
NAME = b"sel._domainkey.example.com"
HASH = base64.b64encode(body_hash(BODY, BodyHashSpec(Canonicalization.RELAXED, None)).digest)


def stretched(text: bytes, length: int) -> bytes:
    """Put white space into the middle of an encoded value, up to ``length`` octets in all."""
    return text[:20] + b" " * (length - len(text)) + text[20:]


def verify(signature: HeaderField, name: bytes = NAME) -> DkimResult:
    headers = (signature, *HEADERS)
    (result,) = verify_dkim(facts(headers), DictResolver({name: found(RECORD)}), NOW, OPTIONS, Trace())
    return result


def with_tag(tag: bytes, value: bytes) -> HeaderField:
    return sign(HEADERS, BODY, KEY, {tag: value})


def with_long_b(length: int) -> HeaderField:
    signature = sign(HEADERS, BODY, KEY)
    before, _, b = signature.value.rpartition(b"b=")
    return HeaderField(signature.name, before + b"b=" + stretched(b, length))


def of_octets(length: int) -> HeaderField:
    return with_tag(b"n", b"x" * (length - len(with_tag(b"n", b"").value)))


def selector(length: int) -> bytes:
    """Return a selector with which the name of the key has ``length`` octets."""
    octets = length - len(b"._domainkey.example.com")
    return b".".join([b"s" * 63] * 3 + [b"s" * (octets - 3 * 64)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    id: str
    section: str
    largest: int
    signature: Callable[[int], HeaderField]
    reason: str


BOUNDS = [
    Bound(
        id="names in h=",
        section="B.3.2",
        largest=MAX_SIGNED_HEADERS,
        signature=lambda count: with_tag(b"h", b"from" + b":x" * (count - 1)),
        reason="h= lists more than 500 names",
    ),
    Bound(
        id="octets of b= as written",
        section="H.3 K10",
        largest=MAX_SIGNATURE_OCTETS,
        signature=with_long_b,
        reason="b= is longer than 4096 octets",
    ),
    Bound(
        id="octets of bh= as written",
        section="H.3 K10",
        largest=MAX_SIGNATURE_OCTETS,
        signature=lambda length: with_tag(b"bh", stretched(HASH, length)),
        reason="bh= is longer than 4096 octets",
    ),
    Bound(
        id="octets of i= as written",
        section="H.3 K10",
        largest=MAX_SIGNATURE_OCTETS,
        signature=lambda length: with_tag(b"i", b"a" * (length - len(b"@example.com")) + b"@example.com"),
        reason="i= is no identity",
    ),
    Bound(
        id="octets of the field",
        section="H.3 K10",
        largest=MAX_SIGNATURE_FIELD_OCTETS,
        signature=of_octets,
        reason="no tag list: the field is longer than 65536 octets",
    ),
]


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda bound: bound.id)
def test_a_signature_may_reach_a_limit_and_not_pass_it(bound: Bound) -> None:
    assert verify(bound.signature(bound.largest)).value is DkimValue.PASS
    beyond = verify(bound.signature(bound.largest + 1))
    assert (beyond.value, beyond.reason) == (DkimValue.PERMERROR, bound.reason)


def test_the_name_of_a_key_may_have_253_octets() -> None:
    """RFC 1035 2.3.4."""
    longest = selector(MAX_NAME_OCTETS)
    name = longest + b"._domainkey.example.com"
    assert verify(with_tag(b"s", longest), name).value is DkimValue.PASS
    beyond = verify(with_tag(b"s", selector(MAX_NAME_OCTETS + 1)))
    assert (beyond.value, beyond.reason) == (DkimValue.PERMERROR, "d= and s= make a name that is too long")


@pytest.mark.parametrize(
    ("tag", "value", "reason"),
    [
        pytest.param(b"t", b"9" * 12, "t= is in the future", id="t= of 12 digits is a number"),
        pytest.param(b"x", b"0" * 11 + b"1", "expired", id="x= of 12 digits is a number"),
        pytest.param(b"l", b"9" * 12, "l= is longer than the body", id="l= of 12 digits is a number"),
    ],
)
def test_a_number_may_have_12_digits(tag: bytes, value: bytes, reason: str) -> None:
    """RFC 6376 3.5 t=, x=."""
    assert verify(with_tag(tag, value)).reason == reason


@pytest.mark.parametrize(
    ("b", "shown"),
    [
        pytest.param(b"A" * MAX_SIGNATURE_OCTETS, "A" * MAX_SIGNATURE_OCTETS, id="the longest"),
        pytest.param(b"A" * (MAX_SIGNATURE_OCTETS + 1), "", id="one more"),
        pytest.param(b"QUJDRA==", "QUJDRA==", id="padding"),
        pytest.param(b"=", "", id="padding alone"),
        pytest.param(b"QUJD*", "", id="a stranger at the end"),
        pytest.param(b"QU JD", "QUJD", id="white space"),
    ],
)
def test_b_is_shown_as_far_as_it_can_be_one(b: bytes, shown: str) -> None:
    """RFC 6008 4; the signature itself is refused by its v=."""
    result = verify(sign(HEADERS, BODY, KEY, {b"v": b"2", b"b": b}))
    assert (result.value, result.signature) == (DkimValue.PERMERROR, shown)


def test_a_key_record_may_have_8192_octets() -> None:
    """H.3 K6."""
    start = RECORD + b"; n="
    longest = start + b"x" * (MAX_KEY_RECORD_OCTETS - len(start))
    assert isinstance(parse_key_record(longest), KeyRecord)
    assert isinstance(parse_key_record(longest + b"x"), UnusableKey)


def test_the_sixteenth_record_of_a_selector_is_read_and_the_next_is_not() -> None:
    """H.3 K6: in the order of their octets."""
    junk = [b"a%02d" % number for number in range(MAX_KEY_RECORDS_READ)]
    looked_up = find_keys(DictResolver({NAME: Found((*junk[1:], RECORD), 60)}), NAME, KeyType.RSA)
    assert isinstance(looked_up, Keys)
    looked_up = find_keys(DictResolver({NAME: Found((*junk, RECORD), 60)}), NAME, KeyType.RSA)
    assert isinstance(looked_up, UnusableKey)


@pytest.mark.parametrize(("octets", "value"), [(1000, ArcValue.PASS), (1001, ArcValue.FAIL)])
def test_the_instance_of_arc_results_ends_within_1000_octets(octets: int, value: ArcValue) -> None:
    """RFC 8617 4.1.1: comments may stand before it; the bound is ours."""
    results = b" (" + b"x" * (octets - len(b" () i=1;")) + b") i=1; mx.example.net; spf=pass"
    assert results.index(b";") == octets - 1
    headers = seal(HEADERS, BODY, KEY, 1, results=results)
    resolver = DictResolver({b"sel._domainkey.example.net": found(RECORD)})
    assert verify_arc(facts(headers), resolver, NOW, OPTIONS, Trace()).value is value
