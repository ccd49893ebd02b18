"""What holds for any message: nothing forged passes, nothing raises, nothing is unbounded."""

import base64
import re
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from assay.facts import Canonicalization, HeaderField
from assay.message.header import field_from_milter
from assay.results import ArcResult, ArcValue, DkimResult, DkimValue
from assay.trace import Trace
from assay.verify.arc import verify_arc
from assay.verify.demands import demands
from assay.verify.dkim import verify_dkim
from assay.verify.encoding import decode_base64, decode_quoted_printable
from assay.verify.hashing import HeaderHasher, canonical, unsigned
from support.dict_resolver import DictResolver, found
from support.signed_messages import BODY, HEADERS, OPTIONS, facts
from support.signer import NOW, canonical_body, canonical_field, ed25519_key, rsa_key, seal, sign

KEYS = {
    b"sel._domainkey.example.com": found(rsa_key().record()),
    b"ed._domainkey.example.com": found(ed25519_key().record()),
    b"sel._domainkey.example.net": found(rsa_key().record()),
}
ALL_NAMES = {b"h": b"from:to:subject:date"}
SIGNED = (
    sign(HEADERS, BODY, rsa_key(), ALL_NAMES),
    sign(HEADERS, BODY, ed25519_key(), {b"s": b"ed", b"c": b"simple/simple"}),
    *HEADERS,
)
SEALED = seal(seal(HEADERS, BODY, rsa_key(), 1), BODY, rsa_key(), 2)

OCTETS = st.one_of(
    st.binary(max_size=60),
    st.text(" \t;=:bhdsailvctxq@.%/\r\n0123456789exampl-_()", max_size=80).map(str.encode),
)
NAMES = st.sampled_from(
    (
        b"DKIM-Signature",
        b"dkim-signature ",
        b"ARC-Seal",
        b"ARC-Message-Signature",
        b"arc-authentication-results",
        b"From",
        b"Subject",
    )
)
TAG = st.tuples(
    st.sampled_from((b"v", b"a", b"b", b"bh", b"c", b"d", b"h", b"i", b"l", b"q", b"s", b"t", b"x", b"z", b"cv")),
    st.one_of(
        st.sampled_from(
            (
                b"1",
                b"2",
                b"rsa-sha256",
                b"ed25519-sha256",
                b"relaxed/simple",
                b"example.com",
                b"sel",
                b"from:to",
                b"pass",
                b"none",
                b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
                b"@example.com",
            )
        ),
        OCTETS,
    ),
)
TAG_LIST = st.lists(TAG, max_size=12).map(lambda tags: b"; ".join(b"%b=%b" % tag for tag in tags))
FIELD = st.builds(field_from_milter, NAMES, st.one_of(TAG_LIST, OCTETS))


def judge(headers: Sequence[HeaderField], body: bytes) -> tuple[tuple[DkimResult, ...], ArcResult, DictResolver]:
    message = facts(headers, body)
    resolver = DictResolver(KEYS)
    dkim = verify_dkim(message, resolver, NOW, OPTIONS, Trace())
    return dkim, verify_arc(message, resolver, NOW, OPTIONS, Trace()), resolver


@given(st.lists(FIELD, max_size=14), st.binary(max_size=20))
@settings(max_examples=300, deadline=None)
def test_any_fields_are_a_result_and_pass_nothing(headers: list[HeaderField], body: bytes) -> None:
    dkim, arc, resolver = judge(headers, body)
    assert all(result.value is not DkimValue.PASS for result in dkim)
    assert arc.value is not ArcValue.PASS
    assert len(resolver.asked) <= OPTIONS.max_signatures + 2 * len(headers)
    assert {name for name, _ in resolver.asked} <= set(demands(headers, OPTIONS).key_names)
    count = sum(field.name.strip().lower() == b"dkim-signature" for field in headers)
    assert len(dkim) == min(count, OPTIONS.max_signatures + 1)


def mutated(data: st.DataObject, text: bytes) -> bytes:
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 3))
    return text[:at] + data.draw(st.binary(max_size=3)) + text[at + cut :]


def same_signature(one: bytes, other: bytes) -> bool:
    """Whether two signature fields differ in nothing but how b= is written, folds included."""
    if unsigned_relaxed(one) != unsigned_relaxed(other) or re.search(rb"\r\n(?![ \t])|\r(?!\n)", other):
        return False
    texts = [re.search(rb";[ \t\r\n]*b[ \t\r\n]*=(.*)", value, re.DOTALL) for value in (one, other)]
    return all(texts) and len({decode_base64(text[1]) for text in texts if text}) == 1


def unsigned_relaxed(value: bytes) -> bytes:
    return canonical(unsigned(HeaderField(b"x", value)), Canonicalization.RELAXED)


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_no_mutation_of_what_is_signed_passes(data: st.DataObject) -> None:
    position = data.draw(st.integers(2, len(SIGNED)))
    headers, body = list(SIGNED), BODY
    if position == len(SIGNED):
        body = mutated(data, BODY)
    else:
        old = headers[position]
        headers[position] = field_from_milter(old.name, mutated(data, old.value))
    dkim, _, _ = judge(headers, body)
    same = {
        how: canonical_body(body, Canonicalization(how)) == canonical_body(BODY, Canonicalization(how))
        and all(
            canonical_field(old, how.encode()) == canonical_field(new, how.encode())
            for old, new in zip(SIGNED[2:], headers[2:], strict=True)
        )
        for how in ("relaxed", "simple")
    }
    assert (dkim[0].value is DkimValue.PASS) is same["relaxed"]
    assert (dkim[1].value is DkimValue.PASS) is same["simple"]


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_no_mutation_of_a_signature_field_passes(data: st.DataObject) -> None:
    value = mutated(data, SIGNED[0].value)
    field = field_from_milter(SIGNED[0].name, value)
    dkim, _, _ = judge((field, *SIGNED[1:]), BODY)
    assert (dkim[0].value is DkimValue.PASS) is same_signature(SIGNED[0].value, field.value)
    assert dkim[1].value is DkimValue.PASS


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_no_mutation_of_a_chain_passes(data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(SEALED) - 1))
    old = SEALED[position]
    new = field_from_milter(old.name, mutated(data, old.value))
    _, arc, _ = judge((*SEALED[:position], new, *SEALED[position + 1 :]), BODY)
    same = canonical_field(old, b"relaxed") == canonical_field(new, b"relaxed")
    # nothing covers the newest seal but itself
    same = same or (position == 0 and same_signature(old.value, new.value))
    assert (arc.value is ArcValue.PASS) is same


@given(OCTETS, st.sampled_from(list(Canonicalization)))
@settings(deadline=None)
def test_canonical_fields_are_those_of_the_second_opinion(value: bytes, how: Canonicalization) -> None:
    field = field_from_milter(b"SubJect ", value)
    assert canonical(field, how) == canonical_field(field, how.encode())


@given(st.lists(st.sampled_from((b"a", b"b", b"c", b"zz")), max_size=8))
@settings(deadline=None)
def test_each_field_is_taken_once_from_the_bottom(names: list[bytes]) -> None:
    fields = tuple(HeaderField(name, b"%d" % at) for at, name in enumerate((b"a", b"b", b"a", b"c", b"a", b"x")))
    taken, left = [], list(fields[:-1])
    for name in names:
        match = next((each for each in reversed(left) if each.name == name), None)
        if match is not None:
            left.remove(match)
            taken.append(match)
    hasher = HeaderHasher((*taken, fields[-1]))
    # the same fields, in the order taken, give the same hash when each is named from the bottom up
    upwards = HeaderHasher((*reversed(taken), fields[-1]))
    expected = upwards.digest(len(taken), [each.name for each in taken], Canonicalization.SIMPLE)
    assert HeaderHasher(fields).digest(len(fields) - 1, names, Canonicalization.SIMPLE) == expected
    assert hasher.count(b"x") == 1


@given(st.binary(max_size=40))
@settings(deadline=None)
def test_base64_is_read_back_and_never_raises(octets: bytes) -> None:
    assert decode_base64(base64.b64encode(octets)) == (octets or None)
    decoded = decode_base64(octets)
    assert (
        decoded is None or base64.b64encode(decoded)[:-2] == bytes(octets.translate(None, b" \t\r\n"))[:-2] or decoded
    )


@given(st.binary(max_size=40))
@settings(deadline=None)
def test_quoted_printable_is_read_back_and_never_raises(octets: bytes) -> None:
    assert decode_quoted_printable(b"".join(b"=%02X" % octet for octet in octets)) == octets
    decode_quoted_printable(octets)
