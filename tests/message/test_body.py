"""Body canonicalisation and hashing (RFC 6376 3.4.3, 3.4.4, 3.7; standards B.2)."""

import hashlib
import re
import tracemalloc
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from dkim.canonicalization import Relaxed, Simple
from hypothesis import example, given
from hypothesis import strategies as st

from assay.facts import BodyHash, BodyHashSpec, Canonicalization
from assay.message import body as body_module
from assay.message.body import BodyHasher

SIMPLE = BodyHashSpec(Canonicalization.SIMPLE)
RELAXED = BodyHashSpec(Canonicalization.RELAXED)


WAYS = {
    "a small block": {},
    "a large block, what goes is few": {"_SMALL": 0, "_SPARSE": 1},
    "a large block, what goes is many": {"_SMALL": 0, "_SPARSE": 1 << 40},
}


@pytest.fixture(scope="module", params=WAYS, autouse=True)
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """White space is collapsed in three ways, by what the block is like; each of them meets every test."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in WAYS[request.param].items():
            patch.setattr(body_module, name, value)
        yield


def hashed(specs: list[BodyHashSpec], *chunks: bytes) -> dict[BodyHashSpec, BodyHash]:
    hasher = BodyHasher(specs)
    for chunk in chunks:
        hasher.feed(chunk)
    return hasher.finish()


def expected(canonical: bytes) -> BodyHash:
    return BodyHash(hashlib.sha256(canonical).digest(), len(canonical))


def slow_simple(body: bytes) -> bytes:
    """RFC 6376 3.4.3, sentence by sentence."""
    while body.endswith(b"\r\n"):
        body = body[:-2]
    return body + b"\r\n"


def slow_relaxed(body: bytes) -> bytes:
    """RFC 6376 3.4.4, sentence by sentence; the end of the body ends its last line."""
    lines = [re.sub(rb"[ \t]+", b" ", line).removesuffix(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    id: str
    section: str
    body: bytes
    simple: bytes
    relaxed: bytes


CASES = [
    Case(id="no body: simple has one line end", section="RFC 6376 3.4.3", body=b"", simple=b"\r\n", relaxed=b""),
    Case(id="only empty lines", section="RFC 6376 3.4.4", body=b"\r\n" * 5, simple=b"\r\n", relaxed=b""),
    Case(
        id="the example of the RFC",
        section="RFC 6376 3.4.5",
        body=b" C \r\nD \t E\r\n\r\n\r\n",
        simple=b" C \r\nD \t E\r\n",
        relaxed=b" C\r\nD E\r\n",
    ),
    Case(id="no final line end", section="RFC 6376 3.4.4", body=b"a", simple=b"a\r\n", relaxed=b"a\r\n"),
    Case(
        id="white space at the end of a body without final line end goes",
        section="RFC 6376 3.4.4 a",
        body=b"a \t",
        simple=b"a \t\r\n",
        relaxed=b"a\r\n",
    ),
    Case(
        id="a body of white space is an empty relaxed body",
        section="RFC 6376 3.4.4",
        body=b" \t \r\n\t\r\n ",
        simple=b" \t \r\n\t\r\n \r\n",
        relaxed=b"",
    ),
    Case(
        id="a line of white space in the middle becomes an empty line",
        section="RFC 6376 3.4.4 a",
        body=b"a\r\n \t\r\nb\r\n",
        simple=b"a\r\n \t\r\nb\r\n",
        relaxed=b"a\r\n\r\nb\r\n",
    ),
    Case(
        id="lines of white space at the end are empty lines",
        section="RFC 6376 3.4.4 b",
        body=b"a\r\n \r\n\t\r\n",
        simple=b"a\r\n \r\n\t\r\n",
        relaxed=b"a\r\n",
    ),
    Case(
        id="white space at the start of a line stays, as one space",
        section="RFC 6376 3.4.4 a",
        body=b"\t\t a\r\n",
        simple=b"\t\t a\r\n",
        relaxed=b" a\r\n",
    ),
    Case(
        id="a bare LF ends no line",
        section="standards H.4 R6",
        body=b"a \nb\n\n",
        simple=b"a \nb\n\n\r\n",
        relaxed=b"a \nb\n\n\r\n",
    ),
    Case(
        id="a bare CR ends no line",
        section="standards H.4 R6",
        body=b"a \r b\r\r\n\r",
        simple=b"a \r b\r\r\n\r\r\n",
        relaxed=b"a \r b\r\r\n\r\r\n",
    ),
    Case(
        id="white space before a bare CR at the end of the body stays",
        section="standards H.4 R6",
        body=b"a\t \r",
        simple=b"a\t \r\r\n",
        relaxed=b"a \r\r\n",
    ),
    Case(
        id="NUL, vertical tab, form feed and 8-bit octets are text",
        section="standards B.2.1",
        body=b"a\0 \x0b \x0c\xa0 \r\n",
        simple=b"a\0 \x0b \x0c\xa0 \r\n",
        relaxed=b"a\0 \x0b \x0c\xa0\r\n",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_canonical_form(case: Case) -> None:
    for cut in range(len(case.body) + 1):
        found = hashed([SIMPLE, RELAXED], case.body[:cut], case.body[cut:])
        assert found == {SIMPLE: expected(case.simple), RELAXED: expected(case.relaxed)}


def test_hashes_of_the_empty_body_are_those_of_the_rfc() -> None:
    """RFC 6376 3.4.3 and 3.4.4 print them."""
    found = hashed([SIMPLE, RELAXED])
    assert b64encode(found[SIMPLE].digest) == b"frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="
    assert b64encode(found[RELAXED].digest) == b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


pieces = st.sampled_from(
    [b"\r\n", b"\r", b"\n", b" ", b"\t", b"  ", b"a", b"bc", b"\0", b"\xff", b" \r\n", b"\r\n\r\n"]
)
bodies = st.lists(pieces, max_size=40).map(b"".join)


@given(bodies, st.data())
def test_any_cut_gives_the_form_of_the_rfc(body: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    chunks = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    found = hashed([SIMPLE, RELAXED], *chunks)
    assert found == {SIMPLE: expected(slow_simple(body)), RELAXED: expected(slow_relaxed(body))}


lines = st.text(alphabet="ab \t.", max_size=12).map(str.encode)


@given(st.lists(lines, max_size=20))
@example([b"", b""])
def test_agrees_with_dkimpy_where_every_line_ends(body_lines: list[bytes]) -> None:
    body = b"".join(line + b"\r\n" for line in body_lines)
    found = hashed([SIMPLE, RELAXED], body)
    assert found[SIMPLE] == expected(Simple.canonicalize_body(body))
    assert found[RELAXED] == expected(Relaxed.canonicalize_body(body))


@given(bodies, st.lists(st.integers(0, 60), max_size=4), st.integers(1, 7))
def test_every_limit_hashes_the_start_of_the_canonical_body(body: bytes, limits: list[int], size: int) -> None:
    specs = [BodyHashSpec(form, limit) for form in Canonicalization for limit in limits]
    found = hashed(specs, *(body[start : start + size] for start in range(0, len(body), size)))
    assert set(found) == set(specs)
    for spec in specs:
        canonical = (slow_simple if spec.canonicalization is Canonicalization.SIMPLE else slow_relaxed)(body)
        assert found[spec] == BodyHash(hashlib.sha256(canonical[: spec.limit]).digest(), len(canonical))


def test_limits_and_the_whole_share_one_pass() -> None:
    specs = [RELAXED, *(BodyHashSpec(Canonicalization.RELAXED, limit) for limit in (0, 1, 3, 5, 500))]
    found = hashed(specs, b"a ", b" b\r", b"\n", b"c")
    for spec in specs:
        assert found[spec] == BodyHash(hashlib.sha256(b"a b\r\nc\r\n"[: spec.limit]).digest(), 8)


def test_another_algorithm_has_its_own_hash() -> None:
    other = BodyHashSpec(Canonicalization.SIMPLE, algorithm="sha512")
    found = hashed([SIMPLE, other], b"a")
    assert found[SIMPLE] == expected(b"a\r\n")
    assert found[other].digest == hashlib.sha512(b"a\r\n").digest()


def test_idle_exactly_where_nothing_is_asked_for() -> None:
    assert BodyHasher([]).idle
    assert not BodyHasher([SIMPLE]).idle
    assert hashed([], b"a", b"b") == {}


RUNS = [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 200, 256, 300, 511, 2049, 40000]


@pytest.mark.parametrize(
    "body",
    [
        b"".join(b"a" + b" " * run for run in RUNS),
        b"".join(b"a" + b" " * run + b"\r\n" for run in RUNS),
        b"".join(b"\r\n" * run + b"a" for run in RUNS),
        b"a  " * 30000,
        b"a  \r\n" * 20000,
        b"  \r\n" * 20000,
        b" \t" * 50000 + b"a",
        b"a  " * 5000 + b" " * 40000 + b"a\t\t" * 5000,
        b"\r" * 70000,
        b"\n\r\n" * 30000,
    ],
    ids=[
        "runs of spaces of many lengths",
        "runs before a line end",
        "runs of empty lines",
        "so many double spaces that they are replaced run by run",
        "the same before each line end",
        "lines of white space",
        "spaces and tabs in turn",
        "a long run among many short ones",
        "only CR",
        "LF before each line end",
    ],
)
@pytest.mark.parametrize("size", [997, 65535, 10**6])
def test_hostile_bodies_keep_their_form(body: bytes, size: int) -> None:
    found = hashed([SIMPLE, RELAXED], *(body[start : start + size] for start in range(0, len(body), size)))
    assert found == {SIMPLE: expected(slow_simple(body)), RELAXED: expected(slow_relaxed(body))}


def repeated(block: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: (block for _ in range(300))


@pytest.mark.parametrize(
    "chunks",
    [
        repeated(b"\r\n" * 32767),
        repeated(b" " * 65535),
        repeated(b"\t " * 32767),
        repeated(b"x" * 65535),
        repeated(b"x  " * 21845),
    ],
    ids=["only line ends", "only spaces", "tabs and spaces", "one long line", "one long line of words"],
)
def test_twenty_megabytes_are_never_kept(chunks: Callable[[], Iterator[bytes]]) -> None:
    hasher = BodyHasher([SIMPLE, RELAXED])
    for chunk in chunks():  # what is made once, such as constants, is not counted
        hasher.feed(chunk)
        break
    tracemalloc.start()
    try:
        for chunk in chunks():
            hasher.feed(chunk)
        hasher.feed(b"x")
        kept, peak = tracemalloc.get_traced_memory()
        hasher.finish()
    finally:
        tracemalloc.stop()
    assert kept < 10_000
    assert peak < 1_000_000
