"""Key records: what is a key, what is none, and what a hostile zone can do."""

import base64
import hashlib
from dataclasses import dataclass, field
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.answers import Answer, Found, RRType
from assay.verify.keys import KeyRecord, Keys, KeyType, KeyUnknown, UnusableKey, find_keys, parse_key_record
from support.dict_resolver import NODATA, NXDOMAIN, SERVFAIL, DictResolver, found
from support.signer import ed25519_key, odd_rsa_record, rsa_key

NAME = b"sel._domainkey.example.com"
RSA = rsa_key().record(tags=b"")
PUBLIC = RSA.removeprefix(b"p=")
ED25519 = ed25519_key().record()


@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    id: str
    section: str
    record: bytes
    type: KeyType = KeyType.RSA
    bits: int = 1024
    testing: bool = False
    strict: bool = False


GOOD = [
    Good(id="p= alone is an RSA key", section="RFC 6376 3.6.1", record=RSA),
    Good(id="v=DKIM1 first", section="RFC 6376 3.6.1", record=b"v=DKIM1; k=rsa; " + RSA),
    Good(id="white space in p=", section="RFC 6376 3.6.1", record=b"p=" + PUBLIC[:30] + b" \t" + PUBLIC[30:]),
    Good(id="a line end in p=", section="RFC 6376 3.2", record=b"p=" + PUBLIC[:30] + b"\n" + PUBLIC[30:] + b"\r\n"),
    Good(id="lines", section="RFC 6376 3.2", record=b"v=DKIM1;\n\tk=rsa;\r\n" + RSA),
    Good(id="RSAPublicKey without its wrapping", section="B.3.5", record=rsa_key().record(pkcs1=True)),
    Good(id="2048 bits", section="RFC 8301 3.2", record=rsa_key(2048).record(), bits=2048),
    Good(id="4096 bits must verify", section="RFC 8301 3.2", record=odd_rsa_record(2**4096 - 1, 65537), bits=4096),
    Good(id="8192 bits are the cap", section="B.3.6", record=odd_rsa_record(2**8192 - 1, 65537), bits=8192),
    Good(id="exponent 3", section="B.3.6", record=odd_rsa_record(2**1024 - 1, 3)),
    Good(id="an exponent of 32 bits", section="B.3.6", record=odd_rsa_record(2**1024 - 1, 2**32 - 1)),
    Good(id="ed25519", section="RFC 8463 4", record=ED25519, type=KeyType.ED25519, bits=256),
    Good(id="h= lists sha256", section="RFC 6376 3.6.1", record=b"h=sha1 : sha256; " + RSA),
    Good(id="h= lists unknown hashes beside sha256", section="RFC 6376 3.6.1", record=b"h=sha512:sha256; " + RSA),
    Good(id="s=*", section="RFC 6376 3.6.1", record=b"s=*; " + RSA),
    Good(id="s=email", section="RFC 6376 3.6.1", record=b"s=email; " + RSA),
    Good(id="s=*:email is a legal list", section="library trap D5", record=b"s=*:email; " + RSA),
    Good(id="s= with email among others", section="RFC 6376 3.6.1", record=b"s=tlsrpt : email; " + RSA),
    Good(id="t=y is test mode", section="RFC 6376 3.6.1", record=b"t=y; " + RSA, testing=True),
    Good(id="t=s is strict", section="RFC 6376 3.6.1", record=b"t=s; " + RSA, strict=True),
    Good(id="both flags", section="RFC 6376 3.6.1", record=b"t=y : s; " + RSA, testing=True, strict=True),
    Good(
        id="test mode of ed25519",
        section="RFC 6376 3.6.1",
        record=b"t=y; " + ED25519.removeprefix(b"v=DKIM1; "),
        type=KeyType.ED25519,
        bits=256,
        testing=True,
    ),
    Good(
        id="a strict ed25519 key",
        section="RFC 6376 3.6.1",
        record=b"t=s; " + ED25519.removeprefix(b"v=DKIM1; "),
        type=KeyType.ED25519,
        bits=256,
        strict=True,
    ),
    Good(id="unknown flags are ignored", section="RFC 6376 3.6.1", record=b"t=yes:z; " + RSA),
    Good(id="unknown tags are ignored", section="RFC 6376 3.6.1", record=b"zz=1; n=notes; " + RSA),
    Good(id="one final semicolon", section="RFC 6376 3.2", record=RSA + b";"),
]


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.id)
def test_a_key_record_is_read(case: Good) -> None:
    key = parse_key_record(case.record)
    assert isinstance(key, KeyRecord), key
    assert (key.type, key.bits, key.testing, key.strict) == (case.type, case.bits, case.testing, case.strict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    id: str
    section: str
    record: bytes
    reason: str
    bits: int | None = None


BAD = [
    Bad(id="v= not first", section="RFC 6376 3.6.1 v=", record=b"k=rsa; v=DKIM1; " + RSA, reason="v="),
    Bad(id="v= in another case", section="RFC 6376 3.6.1 v=", record=b"v=dkim1; " + RSA, reason="v="),
    Bad(id="v=DKIM2", section="RFC 6376 3.6.1 v=", record=b"v=DKIM2; " + RSA, reason="v="),
    Bad(id="v= empty", section="RFC 6376 3.6.1 v=", record=b"v=; " + RSA, reason="v="),
    Bad(id="p= missing", section="RFC 6376 3.6.1 p=", record=b"v=DKIM1; k=rsa", reason="no p="),
    Bad(id="p= empty is a revoked key", section="RFC 6376 3.6.1 p=", record=b"v=DKIM1; p=", reason="revoked"),
    Bad(id="p= of white space is revoked too", section="RFC 6376 3.6.1 p=", record=b"p= ; k=rsa", reason="revoked"),
    Bad(id="p= is not base64", section="RFC 6376 3.6.1 p=", record=b"p=*" + PUBLIC[1:], reason="base64"),
    Bad(id="p= lost its padding", section="RFC 6376 2.8", record=b"p=YWI", reason="base64"),
    Bad(id="p= is no DER", section="B.3.5", record=b"p=YWJjZA==", reason="no RSA key"),
    Bad(id="p= is cut off", section="library trap D9", record=b"p=" + PUBLIC[:40], reason="no RSA key"),
    Bad(
        id="p= of k=rsa holds a wrapped ed25519 key",
        section="B.3.5",
        record=b"p="
        + base64.b64encode(b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00" + base64.b64decode(ED25519[-44:])),
        reason="no RSA key",
    ),
    Bad(id="k= unknown", section="RFC 6376 3.6.1 k=", record=b"k=dsa; " + RSA, reason="key type"),
    Bad(id="k= in another case", section="RFC 6376 3.2", record=b"k=RSA; " + RSA, reason="key type"),
    Bad(id="h= without sha256", section="RFC 6376 3.6.1 h=", record=b"h=sha1; " + RSA, reason="sha256"),
    Bad(id="h= empty", section="RFC 6376 3.6.1 h=", record=b"h=; " + RSA, reason="sha256"),
    Bad(id="s= for another service", section="RFC 6376 3.6.1 s=", record=b"s=tlsrpt; " + RSA, reason="email"),
    Bad(id="s= empty", section="RFC 6376 3.6.1 s=", record=b"s=; " + RSA, reason="email"),
    Bad(id="a tag twice", section="RFC 6376 3.2", record=RSA + b"; k=rsa; k=rsa", reason="no key record"),
    Bad(id="a wildcard's SPF record", section="H.3 K11", record=b"v=spf1 -all", reason="no key record"),
    Bad(id="a wildcard's plain text", section="H.3 K11", record=b"hello world", reason="no key record"),
    Bad(id="octets", section="H.3 K11", record=bytes(range(256)), reason="no key record"),
    Bad(id="nothing at all", section="H.3 K11", record=b"", reason="no key record"),
    Bad(id="512 bits", section="RFC 8301 3.2", record=odd_rsa_record(2**512 - 1, 65537), reason="512 bits", bits=512),
    Bad(id="768 bits", section="RFC 8301 3.2", record=odd_rsa_record(2**768 - 1, 65537), reason="768 bits", bits=768),
    Bad(id="1023 bits", section="RFC 8301 3.2", record=odd_rsa_record(2**1023 - 1, 65537), reason="1023", bits=1023),
    Bad(id="over the cap", section="H.3 K6", record=odd_rsa_record(2**8193 - 1, 65537), reason="8193 bits", bits=8193),
    Bad(
        id="a huge exponent",
        section="H.3 K6",
        record=odd_rsa_record(2**2048 - 1, 2**65 - 1),
        reason="exponent",
        bits=2048,
    ),
    Bad(id="an even exponent", section="H.3 K6", record=odd_rsa_record(2**1024 - 1, 65536), reason="no RSA key"),
    Bad(id="exponent 1", section="H.3 K6", record=odd_rsa_record(2**1024 - 1, 1), reason="no RSA key"),
    Bad(id="modulus 0", section="H.3 K6", record=odd_rsa_record(0, 65537), reason="no RSA key"),
    Bad(id="ed25519 of 31 octets", section="RFC 8463 4", record=b"k=ed25519; p=" + b"AAAA" * 10 + b"AA==", reason="32"),
    Bad(id="ed25519 of 33 octets", section="RFC 8463 4", record=b"k=ed25519; p=" + b"AAAA" * 11, reason="32"),
    Bad(id="a record without end", section="H.3 K6", record=RSA + b"; n=" + b"x" * 8192, reason="8192 octets"),
]


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.id)
def test_a_record_that_must_not_verify_mail_is_refused(case: Bad) -> None:
    key = parse_key_record(case.record)
    assert isinstance(key, UnusableKey)
    assert case.reason in key.reason
    assert key.bits == case.bits


@pytest.mark.parametrize("key", [rsa_key(), rsa_key(2048), ed25519_key()], ids=["rsa-1024", "rsa-2048", "ed25519"])
def test_a_signature_verifies_over_its_digest_only(key) -> None:  # noqa: ANN001 - any of the support keys
    record = parse_key_record(key.record())
    assert isinstance(record, KeyRecord)
    digest = hashlib.sha256(b"text").digest()
    signature = key.sign(digest)
    assert record.verifies(signature, digest)
    assert not record.verifies(signature, hashlib.sha256(b"other").digest())
    assert not record.verifies(signature[:-1], digest)
    assert not record.verifies(b"\0" + signature, digest)
    assert not record.verifies(b"", digest)
    assert not record.verifies(b"x" * 3000, digest)


def test_a_key_record_is_parsed_once() -> None:
    assert parse_key_record(RSA) is parse_key_record(RSA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    id: str
    section: str
    answer: Answer
    wanted: KeyType = KeyType.RSA
    types: tuple[KeyType, ...] = ()
    reason: str = ""
    lookup: type = field(default=Keys)


LOOKUPS = [
    Lookup(id="one record", section="RFC 6376 3.6.2", answer=found(RSA), types=(KeyType.RSA,)),
    Lookup(
        id="NXDOMAIN is no key",
        section="B.4",
        answer=NXDOMAIN,
        lookup=UnusableKey,
        reason="no key: the name does not exist",
    ),
    Lookup(
        id="NODATA is no key",
        section="B.4",
        answer=NODATA,
        lookup=UnusableKey,
        reason="no key: no TXT record",
    ),
    Lookup(
        id="an answer without a text is no key",
        section="B.4",
        answer=Found((), 60),
        lookup=UnusableKey,
        reason="no key: no TXT record",
    ),
    Lookup(
        id="SERVFAIL is not no key",
        section="library trap D1",
        answer=SERVFAIL,
        lookup=KeyUnknown,
        reason="SERVFAIL",
    ),
    Lookup(id="a stray TXT record beside the key", section="B.3.1", answer=found(b"junk", RSA), types=(KeyType.RSA,)),
    Lookup(
        id="only keys of the wanted type",
        section="B.3.7",
        answer=found(RSA, ED25519),
        wanted=KeyType.ED25519,
        types=(KeyType.ED25519,),
    ),
    Lookup(
        id="a key of another type alone",
        section="B.3.7",
        answer=found(RSA),
        wanted=KeyType.ED25519,
        lookup=UnusableKey,
        reason="type rsa",
    ),
    Lookup(
        id="four keys at most",
        section="B.3.1",
        answer=found(*(b"n=%d; " % number + RSA for number in range(6))),
        types=(KeyType.RSA,) * 4,
    ),
    Lookup(
        id="a flood of TXT records is not read to its end",
        section="H.3 K6",
        answer=found(*(b"a%d" % number for number in range(16)), RSA),
        lookup=UnusableKey,
        reason="no key record",
    ),
    Lookup(
        id="a weak key is named before an unrelated record",
        section="B.3.6",
        answer=found(b"junk", odd_rsa_record(2**512 - 1, 3)),
        lookup=UnusableKey,
        reason="512 bits",
    ),
    Lookup(
        id="two records that are no keys",
        section="H.3 K11",
        answer=found(b"a=b", b"v=spf1 -all"),
        lookup=UnusableKey,
        reason="no p=",
    ),
]


@pytest.mark.parametrize("case", LOOKUPS, ids=lambda case: case.id)
def test_keys_are_looked_up_and_chosen(case: Lookup) -> None:
    resolver = DictResolver({NAME: case.answer})
    lookup = find_keys(resolver, NAME, case.wanted)
    assert isinstance(lookup, case.lookup), lookup
    assert resolver.asked == [(NAME, RRType.TXT)]
    match lookup:
        case Keys():
            assert tuple(key.type for key in lookup.records) == case.types
        case UnusableKey():
            assert case.reason in lookup.reason
        case KeyUnknown():
            assert lookup.why == case.reason


def test_the_order_of_the_records_decides_nothing() -> None:
    records = [b"n=%d; " % number + RSA for number in range(3)] + [b"junk"]
    answers = [Found(order, 60) for order in permutations(records)]
    lookups = [find_keys(DictResolver({NAME: answer}), NAME, KeyType.RSA) for answer in answers]
    assert all(lookup == lookups[0] for lookup in lookups)


@given(st.one_of(st.binary(max_size=200), st.text("vkpths=DKIM1;rsaed25519: ", max_size=80).map(str.encode)))
@settings(deadline=None)
def test_any_octets_are_a_value(record: bytes) -> None:
    assert isinstance(parse_key_record(record), KeyRecord | UnusableKey)


@given(st.binary(max_size=400))
@settings(deadline=None)
def test_any_der_is_a_value(der: bytes) -> None:
    for tags in (b"p=", b"k=ed25519; p="):
        assert isinstance(parse_key_record(tags + base64.b64encode(der)), KeyRecord | UnusableKey)


@given(st.data())
@settings(deadline=None)
def test_a_damaged_key_never_raises(data: st.DataObject) -> None:
    der = bytearray(base64.b64decode(PUBLIC))
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    key = parse_key_record(b"p=" + base64.b64encode(bytes(der)))
    if isinstance(key, KeyRecord):
        assert not key.verifies(b"\x01" * 128, bytes(32))


def _of_bits(*sizes: int) -> list[bytes]:
    return [odd_rsa_record(2**bits - 1, 65537).replace(b"v=DKIM1;", b"n=%d;" % at) for at, bits in enumerate(sizes)]


@pytest.mark.parametrize(
    ("sizes", "tried"),
    [
        pytest.param([8192], [8192], id="one of the largest"),
        pytest.param([8192, 1024], [8192], id="none beside one of the largest"),
        pytest.param([1024, 8192, 2048], [1024, 2048], id="what is too large is passed over"),
        pytest.param([4096, 4096, 1024], [4096, 4096], id="two of 4096"),
        pytest.param([2048] * 5, [2048] * 4, id="four of 2048"),
        pytest.param([1024] * 5, [1024] * 4, id="four however small"),
    ],
)
def test_the_keys_of_one_selector_have_so_many_bits_together(sizes: list[int], tried: list[int]) -> None:
    """H.3 K6: what a chain of many sets may cost."""
    lookup = find_keys(DictResolver({NAME: found(*_of_bits(*sizes))}), NAME, KeyType.RSA)
    assert isinstance(lookup, Keys)
    assert [key.bits for key in lookup.records] == tried
