"""What a DKIM-Signature says against itself (standards B.1): no key is asked for, no body hash either."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from assay.results import DkimResult, DkimValue
from assay.trace import Trace
from assay.verify.demands import demands
from assay.verify.dkim import verify_dkim
from support.dict_resolver import DictResolver
from support.signed_messages import HEADERS, OPTIONS, facts
from support.signer import NOW, rsa_key, sign

HASH = b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    id: str
    section: str
    tags: Mapping[bytes, bytes | None] = field(default_factory=dict)
    template: bytes | None = None
    reason: str
    value: DkimValue = DkimValue.PERMERROR


LABEL = b"a" * 63
CASES = [
    *(
        Case(id=f"{tag} missing", section="B.1.2", tags={tag.encode(): None}, reason=f"{tag}= is missing")
        for tag in ("v", "a", "bh", "d", "h", "s")
    ),
    Case(id="b missing", section="B.1.2", template=b" v=1; a=rsa-sha256", reason="b= is missing"),
    Case(id="a field without tags", section="B.1.1", template=b"", reason="no tag list"),
    Case(id="a tag twice", section="B.1.1", tags={b"x": b"1; x=1"}, reason="no tag list"),
    Case(id="b twice", section="H.3 K3", tags={b"q": b"dns/txt; b=AAAA"}, reason="no tag list"),
    Case(id="a stray semicolon", section="B.1.1", tags={b"q": b"dns/txt; "}, reason="no tag list"),
    Case(id="v=2", section="B.1.2", tags={b"v": b"2"}, reason="v= is not 1"),
    Case(id="v=01", section="B.1.2", tags={b"v": b"01"}, reason="v= is not 1"),
    Case(id="v empty is not v absent", section="B.1.1", tags={b"v": b""}, reason="v= is not 1"),
    Case(id="rsa-sha1", section="RFC 8301 3.1; library trap D6", tags={b"a": b"rsa-sha1"}, reason="rsa-sha1"),
    Case(
        id="an unknown algorithm is ignored",
        section="RFC 6376 3.3; B.4",
        tags={b"a": b"rsa-sha512"},
        reason="algorithm",
        value=DkimValue.NEUTRAL,
    ),
    Case(
        id="tag values are case-sensitive",
        section="RFC 6376 3.2",
        tags={b"a": b"RSA-SHA256"},
        reason="algorithm",
        value=DkimValue.NEUTRAL,
    ),
    Case(id="a empty", section="B.1.1", tags={b"a": b""}, reason="algorithm"),
    Case(id="b empty", section="B.1.2", tags={b"b": b""}, reason="b= is not base64"),
    Case(id="b is not base64", section="B.1.2", tags={b"b": b"***"}, reason="b= is not base64"),
    Case(id="b lost its padding", section="library trap D9", tags={b"b": b"YWI"}, reason="b= is not base64"),
    Case(id="b of absurd length", section="H.3 K10", tags={b"b": b"A" * 5000}, reason="b= is longer"),
    Case(id="bh empty", section="B.1.2", tags={b"bh": b""}, reason="bh= is not base64"),
    Case(id="bh too short", section="B.1.2", tags={b"bh": HASH[:40]}, reason="bh= has not the length"),
    Case(id="bh of a SHA-1", section="B.1.2", tags={b"bh": b"2jmj7l5rSw0yVb/vlWAYkK/YBwk="}, reason="bh= has not"),
    Case(id="bh of absurd length", section="H.3 K10", tags={b"bh": b"A" * 10_000}, reason="bh= is longer"),
    Case(id="d empty", section="B.1.2", tags={b"d": b""}, reason="d= is no domain"),
    Case(id="d a single label", section="H.3 K9", tags={b"d": b"com"}, reason="d= has a single label"),
    Case(id="d a single label and a dot", section="H.3 K9", tags={b"d": b"com."}, reason="d= has a single label"),
    Case(id="d with an empty label", section="library trap D2", tags={b"d": b"a..example"}, reason="d= is no domain"),
    Case(id="d with a quote", section="H.3 K2", tags={b"d": b"brand.example'a.atk.example"}, reason="d= is no domain"),
    Case(id="d with a parenthesis", section="H.3 K2", tags={b"d": b"brand.example(.atk.example"}, reason="d= is no"),
    Case(id="d with a space", section="H.3 K2", tags={b"d": b"brand .example"}, reason="d= is no domain"),
    Case(id="d over 253 octets", section="B.1.2", tags={b"d": b".".join([LABEL] * 5)}, reason="d= is no domain"),
    Case(id="d is not UTF-8", section="RFC 8616 4", tags={b"d": b"\xff.example"}, reason="d= is no domain"),
    Case(id="s empty", section="library trap D2", tags={b"s": b""}, reason="s= is no name"),
    Case(id="s with an empty label", section="library trap D2", tags={b"s": b"a..b"}, reason="s= is no name"),
    Case(id="s with a NUL", section="H.3 K1", tags={b"s": b"sel._domainkey.atk.example.\0.any"}, reason="no tag list"),
    Case(id="s with a space", section="H.3 K1", tags={b"s": b"se l"}, reason="s= is no name"),
    Case(id="s with a quote", section="H.3 K1", tags={b"s": b'se"l'}, reason="s= is no name"),
    Case(id="a label of s too long", section="library trap D2", tags={b"s": LABEL + b"a"}, reason="s= is no name"),
    Case(
        id="s and d together too long",
        section="RFC 1035 2.3.4",
        tags={b"s": b".".join([LABEL] * 2), b"d": b".".join([LABEL] * 2)},
        reason="too long",
    ),
    Case(id="h without From", section="H.3 K3", tags={b"h": b"to:subject"}, reason="From"),
    Case(id="h empty", section="H.3 K3", tags={b"h": b""}, reason="h= is no list"),
    Case(id="h with an empty name", section="RFC 6376 3.5 h=", tags={b"h": b"from::to"}, reason="h= is no list"),
    Case(id="h with a space in a name", section="RFC 5322 3.6.8", tags={b"h": b"from:r\xe4t"}, reason="h= is no list"),
    Case(
        id="h without end",
        section="B.3.2",
        tags={b"h": b"from" + b":x" * 500},
        reason="more than 500",
    ),
    Case(id="c unknown", section="B.1.2", tags={b"c": b"relaxed/nofws"}, reason="c= is unknown"),
    Case(id="c empty", section="B.1.1", tags={b"c": b""}, reason="c= is unknown"),
    Case(id="c of three", section="B.1.2", tags={b"c": b"simple/simple/simple"}, reason="c= is unknown"),
    Case(id="i under another domain", section="RFC 6376 6.1.1", tags={b"i": b"a@example.org"}, reason="i= is not"),
    Case(id="i ends like d", section="RFC 6376 6.1.1", tags={b"i": b"a@badexample.com"}, reason="i= is not under"),
    Case(id="i above d", section="RFC 6376 6.1.1", tags={b"i": b"a@com"}, reason="i= is not under"),
    Case(id="i without at sign", section="RFC 6376 3.5", tags={b"i": b"example.com"}, reason="i= is no identity"),
    Case(id="i empty", section="B.1.1", tags={b"i": b""}, reason="i= is no identity"),
    Case(id="i with a broken escape", section="RFC 6376 2.11", tags={b"i": b"=4@example.com"}, reason="i= is no"),
    Case(id="i of absurd length", section="H.3 K10", tags={b"i": b"=41" * 2000 + b"@example.com"}, reason="i= is no"),
    Case(id="i with no domain", section="RFC 6376 3.5", tags={b"i": b"a@b c"}, reason="i= is not under"),
    Case(id="i with a bad domain", section="RFC 6376 3.5", tags={b"i": b"a@.example.com"}, reason="i= is no identity"),
    Case(id="l with a sign", section="H.3 K10", tags={b"l": b"-1"}, reason="l= is no number"),
    Case(id="l empty", section="B.1.1", tags={b"l": b""}, reason="l= is no number"),
    Case(id="l of 77 digits", section="B.1.2", tags={b"l": b"0" * 77}, reason="l= is no number"),
    Case(id="l of 76 digits", section="H.3 K10", tags={b"l": b"9" * 76}, reason="l= is longer than the body"),
    Case(id="l of 13 digits", section="H.3 K10", tags={b"l": b"1" + b"0" * 12}, reason="l= is longer than the body"),
    Case(id="t of 13 digits", section="B.1.2", tags={b"t": b"1" * 13}, reason="t= is no number"),
    Case(id="t empty", section="B.1.1", tags={b"t": b""}, reason="t= is no number"),
    Case(id="t negative", section="H.3 K10", tags={b"t": b"-5"}, reason="t= is no number"),
    Case(id="x no number", section="B.1.2", tags={b"x": b"never"}, reason="x= is no number"),
    Case(id="x before t", section="H.3 K7", tags={b"t": b"1700000000", b"x": b"1699999999"}, reason="x= is not after"),
    Case(
        id="x equal to t", section="RFC 6376 3.5", tags={b"t": b"1700000000", b"x": b"1700000000"}, reason="x= is not"
    ),
    Case(
        id="no query method known",
        section="RFC 6376 3.5 q=",
        tags={b"q": b"http/txt:dns/naptr"},
        reason="q=",
        value=DkimValue.NEUTRAL,
    ),
    Case(id="q empty", section="B.1.1", tags={b"q": b""}, reason="q=", value=DkimValue.NEUTRAL),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_signature_that_its_text_refuses_asks_for_nothing(case: Case) -> None:
    headers = (sign(HEADERS, b"", rsa_key(), case.tags, template=case.template), *HEADERS)
    assert demands(headers, OPTIONS).body_hashes == frozenset()
    assert demands(headers, OPTIONS).key_names == ()
    resolver = DictResolver()
    (result,) = verify_dkim(facts(headers), resolver, NOW, OPTIONS, Trace())
    assert case.reason in result.reason
    assert result.value is case.value
    assert resolver.asked == []
    assert result.key_bits is None


def refused(tags: Mapping[bytes, bytes | None]) -> DkimResult:
    # v=2 refuses it whatever else it says, so what it says is reported without a key
    headers = (sign(HEADERS, b"", rsa_key(), {b"v": b"2"} | dict(tags)), *HEADERS)
    (result,) = verify_dkim(facts(headers), DictResolver(), NOW, OPTIONS, Trace())
    return result


def test_what_a_refused_signature_says_is_still_reported() -> None:
    result = refused({b"i": b"al=69=C3=A7e@News.example.com", b"b": b"QUJD\r\n\tREVG"})
    assert str(result.sdid) == "example.com"
    assert (result.selector, result.algorithm) == ("sel", "rsa-sha256")
    assert result.auid == "aliçe@News.example.com"
    assert result.signature == "QUJDREVG"


def test_of_a_signature_that_says_nothing_nothing_is_reported() -> None:
    headers = (sign(HEADERS, b"", rsa_key(), template=b" v=1"), *HEADERS)
    results = verify_dkim(facts(headers), DictResolver(), NOW, OPTIONS, Trace())
    assert results == (DkimResult(value=DkimValue.PERMERROR, reason="a= is missing"),)


@pytest.mark.parametrize(
    ("tags", "attribute", "shown"),
    [
        ({b"d": b"a b"}, "sdid", None),
        ({b"s": b"'"}, "selector", None),
        ({b"a": b"what"}, "algorithm", None),
        ({b"a": b"rsa-sha1"}, "algorithm", "rsa-sha1"),
        ({b"i": b"=zz@example.com"}, "auid", None),
        ({b"i": b"=FF@example.com"}, "auid", "\\xff@example.com"),
        ({b"b": b"(comment)"}, "signature", ""),
        ({b"b": b"A" * 5000}, "signature", ""),
    ],
    ids=str,
)
def test_what_cannot_be_shown_is_left_out(tags: Mapping[bytes, bytes], attribute: str, shown: str | None) -> None:
    assert getattr(refused(tags), attribute) == shown
