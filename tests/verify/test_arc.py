"""ARC chains (standards D.1 to D.3, H.3 Q1, Q2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from assay.answers import Answer
from assay.facts import Canonicalization, HeaderField
from assay.results import ArcResult, ArcValue
from assay.trace import ArcDone, ArcStep, Trace
from assay.verify.arc import verify_arc
from assay.verify.demands import demands
from assay.verify.options import VerifyOptions
from support.dict_resolver import NXDOMAIN, SERVFAIL, DictResolver, found
from support.signed_messages import BODY, HEADERS, OPTIONS, facts
from support.signer import (
    NOW,
    SigningKey,
    canonical_body,
    ed25519_key,
    odd_rsa_record,
    rsa_key,
    seal,
    sign,
)

NAME = b"sel._domainkey.example.net"
KEY = rsa_key()
RECORD = KEY.record(tags=b"")
LENGTH = len(canonical_body(BODY, Canonicalization.RELAXED))
Headers = tuple[HeaderField, ...]
Tags = Mapping[bytes, bytes | None]


def chain(count: int, headers: Headers = HEADERS, body: bytes = BODY) -> Headers:
    """Give a genuine message that went through ``count`` sealers."""
    for instance in range(1, count + 1):
        headers = seal(headers, body, KEY, instance)
    return headers


def verify(
    headers: Headers,
    body: bytes = BODY,
    answers: Mapping[bytes, Answer] | None = None,
    options: VerifyOptions = OPTIONS,
) -> tuple[ArcResult, DictResolver, Trace]:
    resolver = DictResolver({NAME: found(RECORD)} if answers is None else answers)
    trace = Trace()
    result = verify_arc(facts(headers, body, options), resolver, NOW, options, trace)
    assert trace.steps[-1] == ArcDone(result)
    assert (result.oldest_pass is None) is (result.value is not ArcValue.PASS)
    return result, resolver, trace


def without(headers: Headers, position: int) -> Headers:
    return headers[:position] + headers[position + 1 :]


def replaced(headers: Headers, position: int, old: bytes, new: bytes) -> Headers:
    each = headers[position]
    assert old in each.value
    return (*headers[:position], HeaderField(each.name, each.value.replace(old, new, 1)), *headers[position + 1 :])


def test_a_message_without_arc_fields_is_none_and_asks_nothing() -> None:
    result, resolver, _ = verify(HEADERS)
    assert result == ArcResult(value=ArcValue.NONE, reason="no ARC fields")
    assert resolver.asked == []
    assert demands(HEADERS, OPTIONS).body_hashes == frozenset()


@pytest.mark.parametrize("count", [1, 2, 5, 50])
def test_a_genuine_chain_passes(count: int) -> None:
    headers = chain(count)
    assert demands(headers, OPTIONS).key_names == (NAME,)
    result, resolver, trace = verify(headers)
    assert result.value is ArcValue.PASS, result.reason
    assert (result.complete, result.oldest_pass) == (True, 0)
    assert [each.instance for each in result.sets] == list(range(1, count + 1))
    assert all(each.signs_from for each in result.sets)
    assert {(each.sealer.name, each.selector) for each in result.sets} == {("example.net", "sel")}
    assert len(resolver.asked) == 2 * count
    steps = [step for step in trace if isinstance(step, ArcStep)]
    assert {(step.passed, step.reason) for step in steps} == {(True, "verified")}
    # RFC 8617 5.2: the newest message signature, the older ones downwards, then the seals downwards
    assert [(step.field, step.instance) for step in steps] == [
        (kind, number) for kind in ("AMS", "AS") for number in range(count, 0, -1)
    ]


def test_what_a_sealer_claims_is_handed_on_as_it_stands() -> None:
    headers = seal(HEADERS, BODY, KEY, 1, results=b" i=1; mx.example.net (x);\r\n\tdmarc=pass header.from=a.example")
    result, _, _ = verify(headers)
    assert result.value is ArcValue.PASS
    assert result.sets[0].claims == b" mx.example.net (x);\r\n\tdmarc=pass header.from=a.example"


def test_long_claims_are_handed_on_whole() -> None:
    claims = b" mx.example.net;" + b" spf=none;" * 500 + b" dmarc=fail header.from=a.example"
    headers = seal(HEADERS, BODY, KEY, 1, results=b" i=1;" + claims)
    result, _, _ = verify(headers)
    assert (result.value, result.sets[0].claims) == (ArcValue.PASS, claims)


def test_a_forged_chain_of_unknown_sealers_may_pass_and_names_them() -> None:
    # Q1: passing proves only who handled it; whom to believe is the policy's business
    headers = seal(HEADERS, BODY, KEY, 1, message={b"h": b"subject"}, sealing={b"d": b"atk.example"})
    answers = {NAME: found(RECORD), b"sel._domainkey.atk.example": found(RECORD)}
    result, _, _ = verify(headers, answers=answers)
    assert result.value is ArcValue.PASS
    assert [(each.sealer.name, each.signs_from) for each in result.sets] == [("atk.example", False)]


# What happens on the way -----------------------------------------------------------------------------------------


def relayed() -> Headers:
    """A list that changes the subject and the body between two sealers."""
    headers = tuple(HeaderField(b"Subject", b" [list] dinner") if h.name == b"Subject" else h for h in chain(1))
    return seal(headers, b"list footer\r\n", KEY, 2)


def test_a_change_between_two_sealers_shows_as_oldest_pass() -> None:
    result, _, trace = verify(relayed(), b"list footer\r\n")
    assert (result.value, result.oldest_pass) == (ArcValue.PASS, 2)
    assert [step for step in trace if isinstance(step, ArcStep) and not step.passed] == [
        ArcStep(1, "AMS", passed=False, reason="body hash does not match")
    ]


def test_the_search_for_oldest_pass_stops_at_the_first_failure() -> None:
    headers = seal(relayed(), b"list footer\r\n", KEY, 3)
    result, _, trace = verify(headers, b"list footer\r\n")
    assert (result.value, result.oldest_pass) == (ArcValue.PASS, 2)
    headers = seal(headers, b"second footer\r\n", KEY, 4)
    result, _, trace = verify(headers, b"second footer\r\n")
    assert (result.value, result.oldest_pass) == (ArcValue.PASS, 4)
    assert [(step.field, step.instance) for step in trace if isinstance(step, ArcStep)][:2] == [("AMS", 4), ("AMS", 3)]


def test_an_older_message_signature_that_cannot_be_read_shows_as_oldest_pass() -> None:
    first = seal(HEADERS, BODY, KEY, 1, message={b"a": b"rsa-sha1"})
    result, _, _ = verify(seal(first, BODY, KEY, 2))
    assert (result.value, result.oldest_pass) == (ArcValue.PASS, 2)
    assert [each.instance for each in result.sets] == [2]


def test_the_key_of_an_older_message_signature_may_be_gone() -> None:
    first = seal(HEADERS, BODY, KEY, 1, message={b"s": b"old"})
    for answer in (NXDOMAIN, SERVFAIL):
        answers = {NAME: found(RECORD), b"old._domainkey.example.net": answer}
        result, _, _ = verify(seal(first, BODY, KEY, 2), answers=answers)
        assert (result.value, result.oldest_pass) == (ArcValue.PASS, 2)


def test_a_change_after_the_last_sealer_fails() -> None:
    headers = chain(2)
    result, resolver, trace = verify(headers, b"other\r\n")
    assert (result.value, result.complete) == (ArcValue.FAIL, True)
    assert result.reason == "ARC-Message-Signature i=2: body hash does not match"
    assert resolver.asked == []
    assert len(list(trace)) == 2  # nothing is looked at after the first failure
    changed = (*headers[:-2], HeaderField(b"Subject", b" x"), headers[-1])
    result, _, _ = verify(changed)
    assert result.reason == "ARC-Message-Signature i=2: signature does not match"


@pytest.mark.parametrize("position", [2, 3, 4, 5], ids=["AAR(2)", "AS(1)", "AMS(1)", "AAR(1)"])
def test_a_change_of_any_older_arc_field_breaks_a_seal(position: int) -> None:
    headers = list(chain(2))
    headers[position] = HeaderField(headers[position].name, headers[position].value + b"; zz=1")
    result, _, trace = verify(tuple(headers))
    assert result.value is ArcValue.FAIL
    assert result.complete
    assert result.reason.startswith("ARC-Seal i=2: signature does not match")
    *_, step, _ = trace
    assert step == ArcStep(2, "AS", passed=False, reason="signature does not match")


def test_a_first_seal_that_was_never_genuine_fails_the_chain() -> None:
    first = seal(HEADERS, BODY, rsa_key(number=1), 1, sealing={b"s": b"other"})
    headers = seal(first, BODY, KEY, 2)
    answers = {NAME: found(RECORD), b"other._domainkey.example.net": found(RECORD)}
    result, _, _ = verify(headers, answers=answers)
    assert result.reason == "ARC-Seal i=1: signature does not match"


# Structure ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    id: str
    section: str
    headers: Headers
    reason: str
    complete: bool = False
    sets: tuple[int, ...] = ()


TWO = chain(2)  # AS(2) AMS(2) AAR(2) AS(1) AMS(1) AAR(1) and the message
FIFTY = chain(50)
FIFTY_ONE = (*FIFTY[:3], *FIFTY)

BROKEN = [
    Broken(id="51 sets", section="Q2; D.2.1", headers=FIFTY_ONE, reason="more than 50 ARC sets"),
    *(
        Broken(
            id=f"i={value.decode()} of a seal",
            section="D.2.1",
            headers=replaced(TWO, 0, b"i=2", b"i=" + value),
            reason="instance",
            sets=(1,),
        )
        for value in (b"0", b"51", b"-1", b"2.0", b"100", b"002", b"x", b"", b"1 1")
    ),
    Broken(
        id="no i= in a message signature",
        section="D.2.1",
        headers=replaced(TWO, 1, b"i=2; ", b""),
        reason="arc-message-signature",
        sets=(1,),
    ),
    Broken(
        id="an upper-case I",
        section="D.2 (suite)",
        headers=replaced(TWO, 1, b"i=2", b"I=2"),
        reason="instance",
        sets=(1,),
    ),
    *(
        Broken(
            id=f"results that begin with {start.decode()!r}",
            section="D.1.2",
            headers=replaced(TWO, 2, b" i=2;", start),
            reason="arc-authentication-results",
            sets=(1,),
        )
        for start in (
            b"",
            b" x; i=2;",
            b" i 2;",
            b" i:2;",
            b" ix2;",
            b" Xi=2;",
            b" i=2X;",
            b" i=;",
            b" i=2",
            b" i=2 x;",
            b" i=2 \\;",
            b" \\i=2;",
            b" \\xi=2;",
            b" i=2\\x;",
            b" )( i=2;",
            b" i=002;",
            b" i=51;",
            b" i=(2;",
            b" I=2;",
            b" ) i=2;",
        )
    ),
    Broken(
        id="a comment without end before the results",
        section="D.1.2",
        headers=replaced(TWO, 2, b" i=2;", b" i=2 " + b"(" * 5000 + b";"),
        reason="arc-authentication-results",
        sets=(1,),
    ),
    *(
        Broken(
            id=f"a duplicate tag in {kind}",
            section="D.2 (suite)",
            headers=replaced(TWO, position, b"d=", b"d=a.example; d="),
            reason="no tag list",
            sets=(1,),
        )
        for position, kind in ((0, "a seal"), (1, "a message signature"))
    ),
    Broken(
        id="a stray semicolon in a seal",
        section="D.2 (suite)",
        headers=replaced(TWO, 0, b"d=", b"; d="),
        reason="no tag list",
        sets=(1,),
    ),
    Broken(
        id="a seal of a mebibyte",
        section="H.3 K10",
        headers=replaced(TWO, 0, b"d=", b"n=" + b"x" * 2**20 + b"; d="),
        reason="arc-seal",
        sets=(1,),
    ),
    *(
        Broken(
            id=f"{kind} missing",
            section="D.2.3",
            headers=without(TWO, position),
            reason=f"not 1 to {newest}",
            sets=sets,
        )
        for kind, position, newest, sets in (
            ("AS(2)", 0, 2, (1,)),
            ("AMS(2)", 1, 2, (1,)),
            ("AAR(2)", 2, 2, (1,)),
            ("AS(1)", 3, 2, (2,)),
            ("AMS(1)", 4, 2, (2,)),
            ("AAR(1)", 5, 2, (2,)),
        )
    ),
    *(
        Broken(
            id=f"{kind} repeated",
            section="D.2.3",
            headers=(TWO[position], *TWO),
            reason="not 1 to 2",
            sets=sets,
        )
        for kind, position, sets in (("AS(2)", 0, (1,)), ("AMS(2)", 1, (1,)), ("AAR(1)", 5, (2,)))
    ),
    Broken(id="a gap", section="Q2", headers=TWO[:3] + TWO[6:], reason="not 1 to 2", sets=(2,)),
    Broken(
        id="the newest seal says fail",
        section="D.2.2; library trap D10",
        headers=seal(chain(1), BODY, KEY, 2, status=b"fail"),
        reason="the ARC-Seal of i=2 says cv=fail",
        complete=True,
        sets=(1, 2),
    ),
    Broken(
        id="the newest seal says fail, and a set below is missing",
        section="D.2.2",
        headers=(*seal(chain(1), BODY, KEY, 2, status=b"fail")[:3], *HEADERS),
        reason="the ARC-Seal of i=2 says cv=fail",
        sets=(2,),
    ),
    Broken(
        id="the newest message signature is refused by its text",
        section="D.2; H.3 K1",
        headers=seal(chain(1), BODY, KEY, 2, message={b"a": b"rsa-sha1"}),
        reason="ARC-Message-Signature i=2: rsa-sha1",
        complete=True,
        sets=(1,),
    ),
    Broken(
        id="an older seal says fail",
        section="D.2.3",
        headers=seal(seal(chain(1), BODY, KEY, 2, status=b"fail"), BODY, KEY, 3),
        reason="ARC-Seal i=2: cv=fail is out of place",
        complete=True,
        sets=(1, 2, 3),
    ),
    Broken(
        id="the first seal says pass",
        section="D.2.3",
        headers=seal(HEADERS, BODY, KEY, 1, status=b"pass"),
        reason="ARC-Seal i=1: cv=pass is out of place",
        complete=True,
        sets=(1,),
    ),
    Broken(
        id="the second seal says none",
        section="D.2.3",
        headers=seal(chain(1), BODY, KEY, 2, status=b"none"),
        reason="ARC-Seal i=2: cv=none is out of place",
        complete=True,
        sets=(1, 2),
    ),
]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.id)
def test_a_broken_structure_fails_before_any_query(case: Broken) -> None:
    assert demands(case.headers, OPTIONS).body_hashes == frozenset()
    assert demands(case.headers, OPTIONS).key_names == ()
    result, resolver, _ = verify(case.headers)
    assert result.value is ArcValue.FAIL
    assert case.reason in result.reason
    assert result.complete is case.complete
    assert tuple(each.instance for each in result.sets) == case.sets
    assert resolver.asked == []


# One set --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """A chain of one set with something particular about it; ``reason`` is empty for pass."""

    id: str
    section: str
    reason: str = ""
    key: SigningKey = field(default_factory=rsa_key)
    message: Tags = field(default_factory=dict)
    sealing: Tags = field(default_factory=dict)
    results: bytes | None = None
    answer: Answer | None = None
    options: VerifyOptions = OPTIONS


SINGLE = [
    Single(id="ed25519 in both", section="library trap D11", key=ed25519_key()),
    Single(id="2048 bits", section="D.2 (suite)", key=rsa_key(2048)),
    Single(
        id="512 bits", section="D.2 (suite)", answer=found(odd_rsa_record(2**512 - 1, 65537)), reason="AMS: 512 bits"
    ),
    Single(id="unknown tags", section="D.2 (suite)", message={b"zz": b"1"}, sealing={b"zz": b"1"}),
    Single(id="v= is ignored", section="D.1.3", message={b"v": b"7"}),
    Single(id="t= in both", section="D.2 (suite)", message={b"t": b"1"}, sealing={b"t": b"1"}),
    Single(id="simple header in the message signature", section="D.2 (suite)", message={b"c": b"simple/simple"}),
    Single(id="c= absent", section="D.2 (suite)", message={b"c": None}),
    Single(id="c= of a seal says nothing", section="D.1.4", sealing={b"c": b"simple/simple"}),
    Single(id="an empty h=", section="D.1.3 (suite)", message={b"h": b""}),
    Single(id="h= without From", section="D.1.3 (suite)", message={b"h": b"to"}),
    Single(id="l= of the whole body", section="D.1.3", message={b"l": b"%d" % LENGTH}),
    Single(id="l= shorter than the body", section="B.5.6", message={b"l": b"3"}, reason="AMS: l= is not the length"),
    Single(
        id="l= shorter than the body where DKIM may leave text out",
        section="B.5.6",
        message={b"l": b"3"},
        options=VerifyOptions(count_partial_bodies=True),
        reason="AMS: l= is not the length",
    ),
    Single(id="l= over the body", section="B.1.2", message={b"l": b"999"}, reason="AMS: l= is not the length"),
    Single(id="i=01", section="D.1.1", message={b"i": b"01"}, sealing={b"i": b"01"}, results=b" i=01; x"),
    Single(
        id="white space around i= of the message signature", section="library trap D3", message={b"i": b"\t1 \r\n "}
    ),
    Single(id="white space around i= of the seal", section="library trap D3", sealing={b"i": b"\r\n\t1 "}),
    Single(id="comments around i= of the results", section="D.1.2", results=b"(a(b)\\)) i (c) = (d) 1 (e);x"),
    Single(id="results without a blank", section="D.1.2", results=b"i=1;x"),
    Single(id="empty results", section="D.1.2", results=b" i=1;"),
    Single(id="h= in a seal", section="D.1.4", sealing={b"h": b"from"}, reason="AS: h= in an ARC-Seal"),
    Single(id="cv= absent", section="D.1.4", sealing={b"cv": None}, reason="AS: cv= is missing"),
    Single(id="cv= unknown", section="D.1.4", sealing={b"cv": b"None"}, reason="AS: cv= is none of"),
    Single(id="cv= empty", section="D.1.4", sealing={b"cv": b""}, reason="AS: cv= is none of"),
    *(
        Single(
            id=f"h= of the message signature lists {name}",
            section="D.1.3; D.2 (suite)",
            message={b"h": b"from:" + name.encode()},
            reason="AMS: h= lists an ARC or Authentication-Results field",
        )
        for name in ("ARC-Seal", "arc-message-signature", "ARC-Authentication-Results", "Authentication-Results")
    ),
    *(
        Single(
            id=f"{tag}= missing in the message signature",
            section="D.1.3",
            message={tag.encode(): None},
            reason=f"AMS: {tag}= is missing",
        )
        for tag in ("a", "bh", "d", "h", "s")
    ),
    *(
        Single(
            id=f"{tag}= empty in the message signature",
            section="D.2 (suite)",
            message={tag.encode(): b""},
            reason=f"AMS: {tag}=",
        )
        for tag in ("a", "b", "bh", "d", "s", "t", "c")
    ),
    *(
        Single(id=f"{tag}= missing in the seal", section="D.1.4", sealing={tag.encode(): None}, reason=f"AS: {tag}=")
        for tag in ("a", "d", "s")
    ),
    *(
        Single(id=f"{tag}= empty in the seal", section="D.2 (suite)", sealing={tag.encode(): b""}, reason=f"AS: {tag}=")
        for tag in ("a", "d", "s", "t")
    ),
    Single(id="b= of the seal is no base64", section="library trap D9", sealing={b"b": b"*"}, reason="AS: b= is not"),
    Single(id="rsa-sha1 in the message signature", section="D.2", message={b"a": b"rsa-sha1"}, reason="AMS: rsa-sha1"),
    Single(id="rsa-sha1 in the seal", section="D.2", sealing={b"a": b"rsa-sha1"}, reason="AS: rsa-sha1"),
    Single(id="an unknown algorithm in the seal", section="D.1.5", sealing={b"a": b"what"}, reason="AS: a= names no"),
    Single(id="expired", section="B.3.3", message={b"x": b"%d" % (NOW - 301)}, reason="AMS: expired"),
    Single(id="sealed in the future", section="B.3.3", sealing={b"t": b"%d" % (NOW + 301)}, reason="AS: t= is in the"),
    Single(id="sealed by a clock that is fast", section="B.3.3", sealing={b"t": b"%d" % (NOW + 300)}),
    Single(id="no DNS", section="D.2", answer=SERVFAIL, reason="AMS: key not available: SERVFAIL"),
    Single(id="no key", section="D.2", answer=NXDOMAIN, reason="AMS: no key"),
    Single(id="another key", section="D.2", answer=found(rsa_key(number=1).record()), reason="AMS: signature does not"),
    Single(id="the right key among several", section="B.3.1", answer=found(rsa_key(number=1).record(), RECORD)),
    Single(id="test mode", section="B.3.3", answer=found(b"t=y; " + RECORD), reason="AMS: the key is in test mode"),
    Single(
        id="a key in test mode beside another for use",
        section="B.3.3",
        answer=found(b"t=y; " + RECORD, rsa_key(number=1).record()),
        reason="AMS: signature does not match",
    ),
    Single(
        id="test mode that counts by choice",
        section="B.3.3",
        answer=found(b"t=y; " + RECORD),
        options=VerifyOptions(count_test_mode_keys=True),
    ),
    Single(id="a strict key says nothing about i= of ARC", section="B.3.4", answer=found(b"t=s; " + RECORD)),
]


@pytest.mark.parametrize("case", SINGLE, ids=lambda case: case.id)
def test_one_set_that_is_particular(case: Single) -> None:
    headers = seal(HEADERS, BODY, case.key, 1, message=case.message, sealing=case.sealing, results=case.results)
    answers = {NAME: found(case.key.record()) if case.answer is None else case.answer}
    result, _, _ = verify(headers, answers=answers, options=case.options)
    kind, _, detail = case.reason.partition(": ")
    place = {"AMS": "ARC-Message-Signature i=1: ", "AS": "ARC-Seal i=1: ", "": "chain of 1 verified"}[kind]
    assert result.reason.startswith(place), result.reason
    assert detail in result.reason
    assert result.value is (ArcValue.FAIL if case.reason else ArcValue.PASS)
    assert result.complete


@pytest.mark.parametrize(("position", "place"), [(0, "ARC-Seal"), (1, "ARC-Message-Signature")])
def test_a_field_without_b_fails_the_chain(position: int, place: str) -> None:
    """RFC 8617 4.1.2, 4.1.3; RFC 6376 3.5: b= is required."""
    headers = list(chain(1))
    value = headers[position].value
    headers[position] = HeaderField(headers[position].name, value[: value.rindex(b"; b=")])
    result, resolver, _ = verify(tuple(headers))
    assert (result.value, result.reason) == (ArcValue.FAIL, f"{place} i=1: b= is missing")
    assert resolver.asked == []


def test_the_message_signature_may_be_of_another_domain_than_the_seal() -> None:
    headers = seal(HEADERS, BODY, KEY, 1, message={b"d": b"example.org", b"s": b"m"})
    assert demands(headers, OPTIONS).key_names == (b"m._domainkey.example.org", NAME)
    answers = {NAME: found(RECORD), b"m._domainkey.example.org": found(RECORD)}
    result, _, _ = verify(headers, answers=answers)
    assert result.value is ArcValue.PASS
    assert result.sets[0].sealer.name == "example.net"


def test_the_key_of_the_seal_alone_may_be_unavailable() -> None:
    headers = seal(HEADERS, BODY, KEY, 1, message={b"s": b"m"})
    answers = {NAME: SERVFAIL, b"m._domainkey.example.net": found(RECORD)}
    result, _, _ = verify(headers, answers=answers)
    assert result.reason == "ARC-Seal i=1: key not available: SERVFAIL"


def test_body_hashes_of_older_sets_and_of_dkim_are_asked_for_together() -> None:
    signed = (sign(HEADERS, BODY, KEY, {b"c": b"relaxed/simple"}), *HEADERS)
    first = seal(signed, BODY, KEY, 1, message={b"l": b"7"})
    specs = demands(seal(first, BODY, KEY, 2), OPTIONS).body_hashes
    assert {(spec.canonicalization.value, spec.limit) for spec in specs} == {
        ("simple", None),
        ("relaxed", 7),
        ("relaxed", None),
    }


def test_the_sets_may_stand_in_any_order() -> None:
    headers = chain(3)
    shuffled = (*reversed(headers[:9]), *headers[9:])
    result, _, _ = verify(shuffled)
    assert (result.value, result.oldest_pass) == (ArcValue.PASS, 0)
    assert [each.instance for each in result.sets] == [1, 2, 3]
