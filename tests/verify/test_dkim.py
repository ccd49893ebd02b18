"""DKIM verdicts (standards B.2 to B.5, H.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from assay.answers import Answer
from assay.facts import Canonicalization, HeaderField
from assay.results import DkimResult, DkimValue
from assay.trace import DkimDone, Trace
from assay.verify.demands import demands
from assay.verify.dkim import verify_dkim
from assay.verify.options import VerifyOptions
from support.dict_resolver import NODATA, NXDOMAIN, SERVFAIL, DictResolver, found
from support.signed_messages import (
    BODY,
    HEADERS,
    OPTIONS,
    RFC8463_BODY,
    RFC8463_HEADERS,
    RFC8463_KEYS,
    facts,
)
from support.signer import (
    NOW,
    SigningKey,
    canonical_body,
    ed25519_key,
    fields,
    odd_rsa_record,
    rsa_key,
    sign,
)

NAME = b"sel._domainkey.example.com"
RSA = rsa_key().record(tags=b"")
LENGTH = len(canonical_body(BODY, Canonicalization.RELAXED))
LIST_NOTE = b"-- \r\nlist footer\r\n"


def verify(
    headers: tuple[HeaderField, ...],
    body: bytes,
    answers: Mapping[bytes, Answer],
    options: VerifyOptions = OPTIONS,
    now: float = NOW,
) -> tuple[DkimResult, ...]:
    resolver = DictResolver(answers)
    results = verify_dkim(facts(headers, body, options), resolver, now, options, Trace())
    assert len(resolver.asked) <= min(len(headers), options.max_signatures)
    return results


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A signed message, what happened to it, and what DKIM says."""

    id: str
    section: str
    value: DkimValue = DkimValue.PASS
    reason: str = ""
    key: SigningKey = field(default_factory=rsa_key)
    answer: Answer | None = None
    tags: Mapping[bytes, bytes | None] = field(default_factory=dict)
    signed: tuple[HeaderField, ...] = HEADERS
    received: tuple[HeaderField, ...] | None = None
    body: bytes = BODY
    received_body: bytes | None = None
    options: VerifyOptions = OPTIONS
    bits: int | None = 1024


def changed(name: bytes, value: bytes) -> tuple[HeaderField, ...]:
    return tuple(HeaderField(name, value) if each.name == name else each for each in HEADERS)


def added(name: bytes, value: bytes = b" other") -> tuple[HeaderField, ...]:
    return (HeaderField(name, value), *HEADERS)


SIMPLE: Mapping[bytes, bytes | None] = {b"c": b"simple/simple"}
FAIL, POLICY, PERMERROR, TEMPERROR = DkimValue.FAIL, DkimValue.POLICY, DkimValue.PERMERROR, DkimValue.TEMPERROR

CASES = [
    Case(id="rsa-sha256 verifies", section="B.2.4", reason="signature verified"),
    Case(id="rsa of 2048 bits", section="RFC 8301 3.2", key=rsa_key(2048), bits=2048),
    Case(id="ed25519 verifies", section="RFC 8463 3", key=ed25519_key(), bits=256),
    Case(id="the key as RSAPublicKey", section="B.3.5", answer=found(rsa_key().record(pkcs1=True))),
    # canonicalization
    Case(id="simple/simple", section="B.2.2", tags=SIMPLE),
    Case(id="c= absent is simple/simple", section="B.1.2", tags={b"c": None}),
    Case(id="one name is the header's, the body is simple", section="B.1.2", tags={b"c": b"relaxed"}),
    Case(id="simple/relaxed", section="B.2.1", tags={b"c": b"simple/relaxed"}),
    Case(
        id="relaxed bears other case, folds and white space",
        section="RFC 6376 3.4.2",
        received=(
            HeaderField(b"FROM ", b"\tAlice\r\n  <alice@example.com> "),
            HeaderField(b"to", b"Bob <bob@example.org>"),
            HeaderField(b"Subject", b"  dinner on \t Friday\t"),
            HEADERS[3],
        ),
    ),
    Case(
        id="relaxed takes white space alone off both ends",
        section="RFC 6376 3.4.2",
        signed=(*HEADERS[:2], HeaderField(b"Subject", b" X marks the X "), HEADERS[3]),
    ),
    Case(
        id="relaxed keeps a form feed at the end",
        section="RFC 6376 3.4.2",
        received=changed(b"To", HEADERS[1].value + b"\x0c"),
        value=FAIL,
    ),
    Case(
        id="simple bears no other fold",
        section="RFC 6376 3.4.1",
        tags=SIMPLE,
        received=changed(b"Subject", b" dinner\r\n\t on  Friday"),
        value=FAIL,
        reason="signature does not match",
    ),
    Case(id="simple bears no lost leading space", section="P3", tags=SIMPLE, received=changed(b"To", b"x"), value=FAIL),
    Case(
        id="simple signs a leading tab and odd name",
        section="RFC 6376 3.4.1",
        tags=SIMPLE,
        signed=(*HEADERS[:2], HeaderField(b"SuBject", b"\t\r\n x "), HEADERS[3]),
    ),
    # body
    Case(id="an empty body, relaxed", section="B.2.1", body=b""),
    Case(id="an empty body, simple", section="B.2.1", tags=SIMPLE, body=b""),
    Case(id="a body of empty lines only", section="B.2.1", body=b"\r\n\r\n", received_body=b""),
    Case(id="a body of empty lines only, simple", section="B.2.1", tags=SIMPLE, body=b"", received_body=b"\r\n" * 3),
    Case(id="no final line end", section="B.2.1", tags=SIMPLE, body=b"x", received_body=b"x\r\n"),
    Case(
        id="another body",
        section="B.4",
        received_body=b"Hello Mallory\r\n",
        value=FAIL,
        reason="body hash does not match",
    ),
    Case(id="a changed signed field", section="B.4", received=changed(b"Subject", b" lunch"), value=FAIL),
    Case(id="a removed signed field", section="B.4", received=HEADERS[:2] + HEADERS[3:], value=FAIL),
    Case(id="a changed unsigned field", section="B.2.2", signed=added(b"X-A"), received=added(b"X-A", b" b")),
    # which fields are taken
    Case(
        id="the bottom-most instance is signed first",
        section="B.2.2",
        tags={b"h": b"from:comments:comments"},
        signed=(*HEADERS, HeaderField(b"Comments", b" 1"), HeaderField(b"Comments", b" 2")),
    ),
    Case(
        id="two instances in another order",
        section="B.2.2",
        tags={b"h": b"from:comments:comments"},
        signed=(*HEADERS, HeaderField(b"Comments", b" 1"), HeaderField(b"Comments", b" 2")),
        received=(*HEADERS, HeaderField(b"Comments", b" 2"), HeaderField(b"Comments", b" 1")),
        value=FAIL,
    ),
    Case(
        id="an unsigned instance above the signed one",
        section="B.2.2",
        tags={b"h": b"from:comments"},
        signed=added(b"Comments", b" 1"),
        received=(HeaderField(b"Comments", b" new"), *added(b"Comments", b" 1")),
    ),
    Case(id="absent names add nothing", section="B.2.2", tags={b"h": b"from:cc:resent-from:cc"}),
    Case(id="oversigned and not added to", section="B.2.5", tags={b"h": b"from:from:subject:subject:to"}),
    Case(
        id="an oversigned From added later",
        section="B.2.5",
        tags={b"h": b"from:from:to"},
        received=added(b"From", b" ceo@brand.example"),
        value=FAIL,
    ),
    Case(
        id="a second From that nobody signed",
        section="B.5.7; RFC 6376 8.15",
        received=added(b"From", b" ceo@brand.example"),
        value=POLICY,
        reason="From",
    ),
    Case(
        id="a second From spelled with a space before the colon",
        section="H.2 F2",
        received=added(b"fRoM ", b" ceo@brand.example"),
        value=POLICY,
        reason="From",
    ),
    Case(
        id="two From fields, both signed",
        section="B.5.7",
        tags={b"h": b"from:from"},
        signed=added(b"From"),
        value=POLICY,
        reason="From",
    ),
    Case(id="no From at all", section="B.5.7", signed=HEADERS[1:], value=POLICY, reason="From"),
    *(
        Case(
            id=f"a second {name} that nobody signed",
            section="H.3 K5; library trap D8",
            tags={b"h": b"from:" + name.encode()},
            signed=added(name.encode(), b" first"),
            received=(HeaderField(name.encode().upper(), b" second"), *added(name.encode(), b" first")),
            value=POLICY,
            reason=f"more {name.lower()} fields than were signed",
        )
        for name in ("Cc", "Reply-To", "Sender", "Message-ID", "Content-Type", "Content-Transfer-Encoding")
    ),
    Case(id="a second Subject", section="H.3 K5", received=added(b"Subject"), value=POLICY, reason="more subject"),
    Case(id="a second Date", section="H.3 K5", received=added(b"Date"), value=POLICY, reason="more date"),
    Case(id="a second To", section="H.3 K5", received=added(b"To"), value=POLICY, reason="more to"),
    Case(
        id="fields that were never signed may repeat",
        section="H.3 K5",
        tags={b"h": b"from"},
        received=(HeaderField(b"Subject", b" x"), *HEADERS),
    ),
    Case(
        id="both of two Subjects were signed",
        section="H.3 K5",
        tags={b"h": b"from:subject:subject"},
        signed=added(b"Subject"),
    ),
    # l=
    Case(id="l= covers the whole body", section="B.5.6", tags={b"l": b"%d" % LENGTH}, reason="covers the whole body"),
    Case(id="l= with leading zeros", section="B.1.2", tags={b"l": b"%076d" % LENGTH}),
    Case(
        id="text after l=",
        section="H.3 K4; library trap D7",
        tags={b"l": b"%d" % LENGTH},
        received_body=BODY.rstrip() + b"\r\n" + LIST_NOTE,
        value=POLICY,
        reason="l= leaves 17 octets",
    ),
    Case(id="l=0", section="H.3 K4", tags={b"l": b"0"}, value=POLICY, reason="l= leaves"),
    Case(
        id="text after l= that counts by choice",
        section="B.5.6",
        tags={b"l": b"%d" % LENGTH},
        received_body=BODY.rstrip() + b"\r\n" + LIST_NOTE,
        options=VerifyOptions(count_partial_bodies=True),
        reason="signature verified; l= leaves 17 octets",
    ),
    Case(
        id="text after l= that counts by choice, and a second From",
        section="H.3 K4, K5",
        tags={b"l": b"%d" % LENGTH, b"h": b"from"},
        received=added(b"From"),
        received_body=BODY.rstrip() + b"\r\n" + LIST_NOTE,
        options=VerifyOptions(count_partial_bodies=True),
        value=POLICY,
        reason="not exactly one From",
    ),
    Case(
        id="l= over the body where partial bodies count",
        section="RFC 6376 3.5 l=",
        tags={b"l": b"%d" % (LENGTH + 1)},
        options=VerifyOptions(count_partial_bodies=True),
        value=PERMERROR,
        reason="l= is longer than the body",
        bits=None,
    ),
    Case(id="l=0 of an empty body", section="B.5.6", tags={b"l": b"0"}, body=b""),
    Case(
        id="l= over the body",
        section="RFC 6376 3.5 l=",
        tags={b"l": b"%d" % (LENGTH + 1)},
        value=PERMERROR,
        reason="l= is longer than the body",
        bits=None,
    ),
    Case(
        id="a change before the end of l=",
        section="B.2.1",
        tags={b"l": b"20"},
        received_body=b"Jello" + BODY[5:],
        value=FAIL,
        reason="body hash",
    ),
    # i=
    Case(id="i= under d=", section="RFC 6376 3.5", tags={b"i": b"x@news.example.com"}),
    Case(id="i= without a local part", section="RFC 6376 3.5", tags={b"i": b"@example.com"}),
    Case(id="i= in another case", section="RFC 6376 3.5", tags={b"i": b"@EXAMPLE.com"}),
    Case(id="i= with a quoted at sign", section="RFC 6376 2.11", tags={b"i": b"a=40b@example.com"}),
    Case(
        id="t=s and i= in a subdomain",
        section="RFC 6376 3.6.1 t=s; library trap D4",
        tags={b"i": b"x@news.example.com"},
        answer=found(b"t=s; " + RSA),
        value=PERMERROR,
        reason="i= to be d=",
    ),
    Case(id="t=s and i= of d=", section="B.3.4", tags={b"i": b"x@Example.com"}, answer=found(b"t=s; " + RSA)),
    Case(id="t=s and no i=", section="B.3.4", answer=found(b"t=s; " + RSA)),
    # q=, names
    Case(id="q= with dns/txt among others", section="RFC 6376 3.5 q=", tags={b"q": b"x/y : dns/txt"}),
    Case(id="q= without white space", section="RFC 6376 3.5 q=", tags={b"q": b"x/y:dns/txt"}),
    Case(id="unknown tags are hashed and ignored", section="B.1.1", tags={b"zz": b"what=ever"}),
    Case(id="z= is not looked at", section="B.1.2", tags={b"z": b"From:a@b.example|Subject:b=AAAA"}),
    Case(id="h= in another case and with white space", section="B.1.2", tags={b"h": b"From :\r\n\tTO: subject"}),
    # clock
    Case(id="t= in the past", section="B.3.3", tags={b"t": b"1"}),
    Case(id="t= within the tolerance", section="B.3.3", tags={b"t": b"%d" % (NOW + 300)}),
    Case(
        id="t= in the future",
        section="H.3 K7",
        tags={b"t": b"%d" % (NOW + 301)},
        value=PERMERROR,
        reason="future",
        bits=None,
    ),
    Case(id="x= within the tolerance", section="B.3.3", tags={b"x": b"%d" % (NOW - 300)}),
    Case(
        id="expired", section="H.3 K7", tags={b"x": b"%d" % (NOW - 301)}, value=PERMERROR, reason="expired", bits=None
    ),
    Case(
        id="the tolerance is a choice",
        section="B.3.3",
        tags={b"x": b"%d" % (NOW - 301)},
        options=VerifyOptions(clock_tolerance=301),
    ),
    # keys
    Case(
        id="SERVFAIL is temperror",
        section="B.4; library trap D1",
        answer=SERVFAIL,
        value=TEMPERROR,
        reason="SERVFAIL",
        bits=None,
    ),
    Case(
        id="SERVFAIL does not save a broken body",
        section="H.5 D4",
        answer=SERVFAIL,
        received_body=b"other\r\n",
        value=FAIL,
        reason="body hash",
        bits=None,
    ),
    Case(id="NXDOMAIN", section="B.4", answer=NXDOMAIN, value=PERMERROR, reason="does not exist", bits=None),
    Case(id="NODATA", section="B.4", answer=NODATA, value=PERMERROR, reason="no TXT", bits=None),
    Case(id="revoked", section="B.4", answer=found(b"v=DKIM1; p="), value=PERMERROR, reason="revoked", bits=None),
    Case(id="key syntax", section="H.3 K11", answer=found(b"v=spf1 -all"), value=PERMERROR, reason="no key", bits=None),
    Case(
        id="the key's h= forbids sha256",
        section="B.3.2; library trap D4",
        answer=found(b"h=sha1; " + RSA),
        value=PERMERROR,
        reason="sha256",
        bits=None,
    ),
    Case(
        id="the key is for another service",
        section="B.3.2",
        answer=found(b"s=tlsrpt; " + RSA),
        value=PERMERROR,
        reason="email",
        bits=None,
    ),
    Case(
        id="the key is of another type",
        section="B.3.7",
        answer=found(ed25519_key().record()),
        value=PERMERROR,
        reason="type",
        bits=256,
    ),
    Case(
        id="fewer than 1024 bits",
        section="H.3 K6; RFC 8301 3.2",
        answer=found(odd_rsa_record(2**512 - 1, 65537)),
        value=PERMERROR,
        reason="512 bits",
        bits=512,
    ),
    Case(id="another key", section="B.4", answer=found(rsa_key(number=1).record()), value=FAIL, reason="signature"),
    Case(
        id="the right key among several",
        section="B.3.1",
        answer=found(b"junk", rsa_key(number=1).record(), rsa_key(2048).record(), RSA),
    ),
    Case(
        id="several keys, none right",
        section="B.3.1",
        answer=found(rsa_key(number=1).record(), rsa_key(number=2).record()),
        value=FAIL,
    ),
    Case(
        id="a refused key does not hide a failure",
        section="B.3.1",
        tags={b"i": b"@a.example.com"},
        answer=found(rsa_key(number=1).record(), b"t=s; " + RSA),
        value=FAIL,
    ),
    # test mode
    Case(
        id="test mode does not count",
        section="RFC 6376 3.6.1 t=y; H.3 K6",
        answer=found(b"t=y; " + RSA),
        value=POLICY,
        reason="test mode; otherwise pass",
    ),
    Case(
        id="test mode and a broken signature",
        section="RFC 6376 3.6.1 t=y",
        answer=found(b"t=y; " + RSA),
        received_body=b"other\r\n",
        value=POLICY,
        reason="test mode; otherwise fail",
    ),
    Case(
        id="test mode says more than a key that fails",
        section="B.3.1",
        answer=found(b"t=y; " + RSA, rsa_key(number=1).record()),
        value=POLICY,
        reason="test mode; otherwise pass",
    ),
    Case(
        id="a key in test mode beside the same one for use",
        section="B.3.1",
        answer=found(b"t=y; " + RSA, RSA),
        reason="signature verified",
    ),
    Case(
        id="test mode that counts by choice",
        section="B.3.3",
        answer=found(b"t=y; " + RSA),
        options=VerifyOptions(count_test_mode_keys=True),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_verdict_on_a_signature(case: Case) -> None:
    signature = sign(case.signed, case.body, case.key, case.tags)
    received = (signature, *(case.signed if case.received is None else case.received))
    body = case.body if case.received_body is None else case.received_body
    answers = {NAME: found(case.key.record()) if case.answer is None else case.answer}
    (result,) = verify(received, body, answers, case.options)
    assert result.value is case.value, result.reason
    assert case.reason in result.reason
    assert result.key_bits == case.bits
    assert (str(result.sdid), result.selector) == ("example.com", "sel")


@pytest.mark.parametrize("chunk", [0, 1, 7])
def test_the_message_of_rfc_8463_carries_two_signatures_that_verify(chunk: int) -> None:
    resolver = DictResolver({name: found(record) for name, record in RFC8463_KEYS.items()})
    message = facts(RFC8463_HEADERS, RFC8463_BODY, chunk=chunk)
    assert demands(RFC8463_HEADERS, OPTIONS).key_names == tuple(RFC8463_KEYS)
    assert len(message.body_hashes) == 1  # both ask for the same one
    trace = Trace()
    results = verify_dkim(message, resolver, NOW, OPTIONS, trace)
    assert [(result.value, result.key_bits, result.algorithm) for result in results] == [
        (DkimValue.PASS, 256, "ed25519-sha256"),
        (DkimValue.PASS, 1024, "rsa-sha256"),
    ]
    assert [result.auid for result in results] == ["@football.example.com"] * 2
    assert results[0].signature.startswith("/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3b")
    assert list(trace) == [DkimDone(index, result) for index, result in enumerate(results)]


def test_a_message_without_signature_has_no_result_and_no_query() -> None:
    resolver, trace = DictResolver(), Trace()
    assert verify_dkim(facts(HEADERS), resolver, NOW, OPTIONS, trace) == ()
    assert demands(HEADERS, OPTIONS).body_hashes == frozenset()
    assert demands(HEADERS, OPTIONS).key_names == ()
    assert (resolver.asked, list(trace)) == ([], [])


def test_signatures_beyond_the_limit_are_one_result_and_cost_nothing() -> None:
    signatures = tuple(sign(HEADERS, BODY, rsa_key(), {b"s": b"s%d" % number, b"l": b"1"}) for number in range(30))
    headers = (*signatures, *HEADERS)
    options = VerifyOptions(max_signatures=3)
    assert demands(headers, options).key_names == tuple(b"s%d._domainkey.example.com" % number for number in range(3))
    resolver = DictResolver()
    results = verify_dkim(facts(headers, options=options), resolver, NOW, options, Trace())
    assert [result.value for result in results] == [PERMERROR] * 3 + [POLICY]
    assert results[3].reason == "not verified: 27 signatures beyond the first 3"
    assert results[3].sdid is None
    assert len(resolver.asked) == 3


def test_exactly_the_limit_is_no_flood() -> None:
    headers = (*(sign(HEADERS, BODY, rsa_key()) for _ in range(10)), *HEADERS)
    results = verify(headers, BODY, {NAME: found(RSA)})
    assert [result.value for result in results] == [DkimValue.PASS] * 10


def test_each_signature_has_its_own_result() -> None:
    good = sign(HEADERS, BODY, rsa_key())
    other = sign(HEADERS, BODY, rsa_key(), {b"d": b"example.org"})
    broken = sign(HEADERS, b"other\r\n", rsa_key())
    results = verify((broken, other, good, *HEADERS), BODY, {NAME: found(RSA)})
    assert [result.value for result in results] == [FAIL, PERMERROR, DkimValue.PASS]
    assert results[2].reason == "signature verified"


def test_a_signature_signs_those_below_it_and_never_itself() -> None:
    first = sign(HEADERS, BODY, rsa_key())
    # RFC 6376 3.5 h=: other DKIM-Signature fields may be signed; one name more than there are freezes their number
    tags = {b"h": b"from:dkim-signature:dkim-signature"}
    second = sign((first, *HEADERS), BODY, rsa_key(), tags)
    both = (second, first, *HEADERS)
    assert [result.value for result in verify(both, BODY, {NAME: found(RSA)})] == [DkimValue.PASS] * 2
    third = sign(both, BODY, rsa_key())
    three = verify((third, *both), BODY, {NAME: found(RSA)})
    assert [result.value for result in three] == [DkimValue.PASS, FAIL, DkimValue.PASS]


def test_u_labels_are_asked_as_a_labels() -> None:
    tags = {b"d": "bücher.example".encode(), b"s": "schlüssel".encode(), b"i": "jörg@bücher.example".encode()}
    headers = (sign(HEADERS, BODY, rsa_key(), tags), *HEADERS)
    name = b"xn--schlssel-95a._domainkey.xn--bcher-kva.example"
    assert demands(headers, OPTIONS).key_names == (name,)
    (result,) = verify(headers, BODY, {name: found(RSA)})
    assert result.value is DkimValue.PASS
    assert str(result.sdid) == "xn--bcher-kva.example"
    assert result.auid == "jörg@bücher.example"


@pytest.mark.parametrize("how", [b"simple/simple", b"relaxed/relaxed"])
@pytest.mark.parametrize(
    "template",
    [
        b" v=1; a=rsa-sha256; d=example.com; s=sel; c=%(how)s; h=from; bh=%(bh)s; b=%(b)s",
        b"b=%(b)s;v=1;a=rsa-sha256;d=example.com;s=sel;c=%(how)s;h=from;bh=%(bh)s",
        b" v=1; b=%(b)s; a=rsa-sha256; d=example.com; s=sel; c=%(how)s; h=from; bh=%(bh)s;",
        b"\r\n\tb \t\r\n = \r\n %(b)s\r\n\t;v=1;a=rsa-sha256;d=example.com;s=sel; c=%(how)s; h=from; bh=%(bh)s;\r\n\t",
        b" v=1; a=rsa-sha256; d=example.com; s=sel; c=%(how)s; h=from; bh=%(bh)s; b=%(b)s  ",
        b" z=X: b=AAAA| b=B; v=1; a=rsa-sha256; d=example.com; s=sel; c=%(how)s; h=from; bh=%(bh)s; b=%(b)s; n= b=c",
    ],
    ids=["b last", "b first, no blank", "b in the middle", "b between folds", "blanks at the end", "b= in other tags"],
)
def test_only_the_value_of_b_is_left_out_of_the_hash(template: bytes, how: bytes) -> None:
    template = template.replace(b"%(how)s", how)
    headers = (sign(HEADERS, BODY, rsa_key(), template=template), *HEADERS)
    (result,) = verify(headers, BODY, {NAME: found(RSA)})
    assert result.value is DkimValue.PASS, result.reason


def test_a_missing_body_hash_is_a_fault_of_ours_and_not_a_verdict() -> None:
    headers = (sign(HEADERS, BODY, rsa_key()), *HEADERS)
    message = facts(HEADERS)
    broken = type(message)(client=message.client, envelope=message.envelope, headers=headers)
    with pytest.raises(KeyError):
        verify_dkim(broken, DictResolver({NAME: found(RSA)}), NOW, OPTIONS, Trace())


def test_the_constants_of_an_empty_body() -> None:
    # B.2.1 gives the two hashes in so many letters
    for how, constant in (
        (b"simple", b"frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="),
        (b"relaxed", b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    ):
        tags = {b"c": b"relaxed/" + how, b"bh": constant}
        headers = (sign(HEADERS, b"whatever", rsa_key(), tags), *HEADERS)
        (result,) = verify(headers, b"", {NAME: found(RSA)})
        assert result.value is DkimValue.PASS


def test_a_thousand_fields_and_a_long_signature_are_hashed() -> None:
    many = fields(b"".join(b"X-%d: %b\r\n" % (number, b" \t" * 500) for number in range(1000)))
    headers = (*many, HeaderField(b"X-Long", b" b " * 350_000), *HEADERS)
    signature = sign(headers, BODY, rsa_key(), {b"h": b"from:x-1:x-999:x-long", b"n": b"b " * 30_000})
    (result,) = verify((signature, *headers), BODY, {NAME: found(RSA)})
    assert result.value is DkimValue.PASS


def test_a_signature_field_of_a_mebibyte_is_not_read() -> None:
    signature = sign(HEADERS, BODY, rsa_key(), {b"n": b"b " * 500_000})
    (result,) = verify((signature, *HEADERS), BODY, {})
    assert result == DkimResult(value=PERMERROR, reason="no tag list: the field is longer than 65536 octets")
