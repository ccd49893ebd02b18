"""dkimpy as the oracle: what it signs verifies here, what it verifies is what we verify, and where it is wrong.

The last part pins the faults of dkimpy that :mod:`assay.verify` works around (docs/library-traps.md D1 to D14): if a
new version mends one, its test says so.
"""

import re
from collections.abc import Sequence
from itertools import product

import dkim
import pytest

from assay.facts import HeaderField
from assay.results import ArcValue, DkimValue
from assay.trace import Trace
from assay.verify.arc import verify_arc
from assay.verify.dkim import verify_dkim
from support.dict_resolver import DictResolver, found
from support.signed_messages import BODY, HEADERS, OPTIONS, facts
from support.signer import fields, rsa_key, seal, sign, text_of

KEY = rsa_key()
RECORD = KEY.record()
NAMES = (b"sel._domainkey.example.com", b"sel._domainkey.example.net")
RESOLVER = DictResolver({name: found(RECORD) for name in NAMES})
# dkimpy writes and reads the wall clock; what is signed here is signed now, and 2286 is past nobody's tolerance
LATE = 9_999_999_999.0


def txt(name: bytes, timeout: int = 5) -> bytes | None:  # noqa: ARG001 - dkimpy's signature
    return RECORD if name.removesuffix(b".") in NAMES else None


def message(headers: Sequence[HeaderField], body: bytes) -> bytes:
    return text_of(headers) + b"\r\n" + body


def our_dkim(headers: Sequence[HeaderField], body: bytes) -> list[DkimValue]:
    return [result.value for result in verify_dkim(facts(headers, body), RESOLVER, LATE, OPTIONS, Trace())]


def our_arc(headers: Sequence[HeaderField], body: bytes) -> ArcValue:
    return verify_arc(facts(headers, body), RESOLVER, LATE, OPTIONS, Trace()).value


BODIES = (b"", b"\r\n", b"x", BODY, b" \t\r\n \r\n", b"a  b\t c \r\n\r\n\r\n", b".\r\n..\r\n\t\r\n")
FORMS = tuple(product((b"simple", b"relaxed"), repeat=2))


@pytest.mark.parametrize("body", BODIES, ids=repr)
@pytest.mark.parametrize("form", FORMS, ids=b"/".join)
def test_what_dkimpy_signs_verifies(form: tuple[bytes, bytes], body: bytes) -> None:
    signature = dkim.sign(
        message(HEADERS, body),
        b"sel",
        b"example.com",
        KEY.pem(),
        canonicalize=form,
        include_headers=[b"from", b"to", b"subject", b"date", b"from", b"cc"],
        length=body == BODY,
    )
    headers = (*fields(signature), *HEADERS)
    assert our_dkim(headers, body) == [DkimValue.PASS]
    assert our_dkim(headers, body + b"more\r\n") != [DkimValue.PASS]


@pytest.mark.parametrize("body", BODIES, ids=repr)
@pytest.mark.parametrize("form", FORMS, ids=b"/".join)
def test_dkimpy_verifies_what_the_test_signer_signs(form: tuple[bytes, bytes], body: bytes) -> None:
    headers = (sign(HEADERS, body, KEY, {b"c": b"/".join(form)}), *HEADERS)
    assert dkim.verify(message(headers, body), dnsfunc=txt)
    assert our_dkim(headers, body) == [DkimValue.PASS]


def sealed_by_dkimpy(headers: Sequence[HeaderField], body: bytes, result: bytes) -> tuple[HeaderField, ...]:
    claims = HeaderField(b"Authentication-Results", b" mx.example.net; spf=pass; arc=" + result)
    lines = dkim.arc_sign(
        message((claims, *headers), body),
        b"sel",
        b"example.net",
        KEY.pem(),
        b"mx.example.net",
        include_headers=[b"from", b"to", b"subject"],
    )
    return (*fields(b"".join(lines)), *headers)


def test_chains_that_dkimpy_seals_pass() -> None:
    headers = HEADERS
    for result in (b"none", b"pass", b"pass"):
        headers = sealed_by_dkimpy(headers, BODY, result)
        assert our_arc(headers, BODY) is ArcValue.PASS
    assert our_arc(headers, b"other\r\n") is ArcValue.FAIL
    mixed = seal(headers, BODY, KEY, 4)
    assert our_arc(mixed, BODY) is ArcValue.PASS
    assert dkim.arc_verify(message(mixed, BODY), dnsfunc=txt)[0] == b"pass"


def test_dkimpy_verifies_chains_of_the_test_signer() -> None:
    headers = seal(seal(HEADERS, BODY, KEY, 1), BODY, KEY, 2)
    assert dkim.arc_verify(message(headers, BODY), dnsfunc=txt)[0] == b"pass"
    assert our_arc(headers, BODY) is ArcValue.PASS


# Where the two part, and why ---------------------------------------------------------------------------------------


def test_d3_a_chain_without_the_usual_blank_raises_there_and_passes_here() -> None:
    headers = seal(HEADERS, BODY, KEY, 1, message={b"i": b"1 "})
    with pytest.raises(IndexError):
        dkim.arc_verify(message(headers, BODY), dnsfunc=txt)
    assert our_arc(headers, BODY) is ArcValue.PASS


def test_d6_rsa_sha1_verifies_there() -> None:
    signature = dkim.sign(message(HEADERS, BODY), b"sel", b"example.com", KEY.pem(), signature_algorithm=b"rsa-sha1")
    headers = (*fields(signature), *HEADERS)
    assert dkim.verify(message(headers, BODY), dnsfunc=txt)
    assert our_dkim(headers, BODY) == [DkimValue.PERMERROR]


def test_d7_d8_dkimpy_passes_what_is_not_covered() -> None:
    partial = (sign(HEADERS, BODY, KEY, {b"l": b"3"}), *HEADERS)
    second = (HeaderField(b"Subject", b" other"), sign(HEADERS, BODY, KEY), *HEADERS)
    for headers in (partial, second):
        assert dkim.verify(message(headers, BODY), dnsfunc=txt)
        assert our_dkim(headers, BODY) == [DkimValue.POLICY]


def test_d10_a_newest_seal_that_says_fail_has_no_value_there() -> None:
    headers = seal(seal(HEADERS, BODY, KEY, 1), BODY, KEY, 2, status=b"fail")
    assert dkim.arc_verify(message(headers, BODY), dnsfunc=txt)[0] is None
    assert our_arc(headers, BODY) is ArcValue.FAIL


def test_dkimpys_pattern_for_b_reads_other_tags_and_ours_does_not() -> None:
    template = b" v=1; a=rsa-sha256; d=example.com; s=sel; c=relaxed/relaxed; h=from; n=x b=yy; bh=%(bh)s; b=%(b)s"
    headers = (sign(HEADERS, BODY, KEY, template=template), *HEADERS)
    assert not dkim.verify(message(headers, BODY), dnsfunc=txt)
    assert our_dkim(headers, BODY) == [DkimValue.PASS]
    first = b"b=%(b)s; v=1; a=rsa-sha256; d=example.com; s=sel; c=relaxed/relaxed; h=from; bh=%(bh)s"
    headers = (sign(HEADERS, BODY, KEY, template=first), *HEADERS)
    assert not dkim.verify(message(headers, BODY), dnsfunc=txt)
    assert our_dkim(headers, BODY) == [DkimValue.PASS]


def test_dkimpy_takes_a_form_feed_for_white_space() -> None:
    signature = sign(HEADERS, BODY, KEY, {b"h": b"from:to"})
    changed = (signature, HEADERS[0], HeaderField(b"To", HEADERS[1].value + b"\x0c"), *HEADERS[2:])
    assert dkim.verify(message(changed, BODY), dnsfunc=txt)
    assert our_dkim(changed, BODY) == [DkimValue.FAIL]


@pytest.mark.parametrize("count", [1, 3])
def test_every_signature_is_judged_where_dkimpy_takes_one(count: int) -> None:
    headers = (*(sign(HEADERS, BODY, KEY) for _ in range(count)), *HEADERS)
    verifier = dkim.DKIM(message(headers, BODY))
    assert [bool(verifier.verify(idx=index, dnsfunc=txt)) for index in range(count)] == [True] * count
    assert our_dkim(headers, BODY) == [DkimValue.PASS] * count


def test_the_support_keys_are_what_dkimpy_reads() -> None:
    assert re.fullmatch(rb"v=DKIM1; p=[A-Za-z0-9+/=]+", RECORD)
    assert dkim.evaluate_pk(NAMES[0], RECORD)[1] == 1024
