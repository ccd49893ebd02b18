"""Header fields from a milter and from a file (standards G.5, library-traps)."""

import re
from dataclasses import dataclass
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.facts import HeaderField
from assay.limits import MAX_HEADER_FIELDS, MAX_HEADER_OCTETS
from assay.message.header import field_from_milter, header_problem, indirect_signs, split_message, unfold
from support.steps import steps


@pytest.mark.parametrize(
    ("value", "unfolded"),
    [
        pytest.param(b" a\r\n b\r\n\tc", b" a b\tc", id="folds"),
        pytest.param(b" a\r\n \r\n b", b" a  b", id="a line of white space"),
        pytest.param(b"a\r\nb", b"a\r\nb", id="CRLF without white space stays"),
        pytest.param(b"a\r\n", b"a\r\n", id="CRLF at the end stays"),
        pytest.param(b"a\n b\r c", b"a\n b\r c", id="bare LF and bare CR stay"),
        pytest.param(b"a\r\r\n b", b"a\r b", id="a CR before a fold stays"),
        pytest.param(b"a\r\n\r\n b", b"a\r\n b", id="what unfolding leaves is not unfolded again"),
    ],
)
def test_unfold(value: bytes, unfolded: bytes) -> None:
    """RFC 5322 2.2.3."""
    assert unfold(value) == unfolded


@pytest.mark.parametrize(
    ("value", "restored"),
    [
        pytest.param(b" a", b" a", id="one line"),
        pytest.param(b" a\n b\n\tc", b" a\r\n b\r\n\tc", id="folds as a milter hands them over (G.5.6)"),
        pytest.param(b" a\r\n b", b" a\r\n b", id="a CRLF stays"),
        pytest.param(b" a\nb\n", b" a\r\nb\r\n", id="an LF that is no fold"),
        pytest.param(b" a\r b\r\r\n\n", b" a\r b\r\r\n\r\n", id="a bare CR stays"),
    ],
)
def test_field_from_milter(value: bytes, restored: bytes) -> None:
    assert field_from_milter(b"Name", value) == HeaderField(b"Name", restored)


@given(st.text("\r\n a", max_size=20).map(str.encode))
def test_every_lf_of_a_field_follows_a_cr_and_nothing_else_changes(value: bytes) -> None:
    restored = field_from_milter(b"n", value).value
    assert restored.count(b"\n") == restored.count(b"\r\n") == value.count(b"\n")
    assert field_from_milter(b"n", restored).value == restored
    assert restored.replace(b"\r\n", b"\n") == value.replace(b"\r\n", b"\n")


def test_indirect_signs_in_their_order_and_spelling() -> None:
    names = (b"Subject", b"resent-sender", b"LIST-ID", b"List-Post ", b"List-Id", b"Resent-From")
    headers = [HeaderField(name, b" x") for name in names]
    assert indirect_signs(headers) == ("List-Id", "List-Post", "Resent-From", "Resent-Sender")
    assert indirect_signs(headers[1:2]) == ("Resent-Sender",)


def test_what_newsletters_write_is_no_sign() -> None:
    names = (b"List-Unsubscribe", b"List-Unsubscribe-Post", b"List-Help", b"Precedence", b"X-List-Id", b"List-Id2")
    assert indirect_signs([HeaderField(name, b" x") for name in names]) == ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    id: str
    section: str
    octets: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes = b""


A_B = [(b"A", b" 1"), (b"B", b" 2")]

MESSAGES = [
    Case(id="nothing", section="split_message", octets=b"", fields=[]),
    Case(id="a message", section="RFC 5322 2.1", octets=b"A: 1\r\nB: 2\r\n\r\nx\r\n", fields=A_B, body=b"x\r\n"),
    Case(
        id="a Unix file", section="split_message", octets=b"A: 1\nB: 2\n\nx\n\ny\n", fields=A_B, body=b"x\r\n\r\ny\r\n"
    ),
    Case(id="no body", section="RFC 5322 2.1", octets=b"A: 1\r\nB: 2\r\n", fields=A_B),
    Case(id="no final line end", section="RFC 5322 2.1", octets=b"A: 1\r\nB: 2", fields=A_B),
    Case(
        id="no final line end of the body", section="RFC 6376 3.4.3", octets=b"A: 1\nB: 2\n\nx", fields=A_B, body=b"x"
    ),
    Case(id="no header", section="RFC 5322 2.1", octets=b"\r\nA: 1\r\n", fields=[], body=b"A: 1\r\n"),
    Case(id="no header in a Unix file", section="RFC 5322 2.1", octets=b"\nx\n", fields=[], body=b"x\r\n"),
    Case(
        id="folds, and the leading space kept",
        section="G.5.6",
        octets=b"A:1\n\t2\n  \n 3\nB:  2\n\n",
        fields=[(b"A", b"1\r\n\t2\r\n  \r\n 3"), (b"B", b"  2")],
    ),
    Case(
        id="an empty value", section="RFC 5322 2.2", octets=b"A:\r\nB: 2\r\n\r\n", fields=[(b"A", b""), (b"B", b" 2")]
    ),
    Case(id="white space before the colon", section="G.5.6", octets=b"A : 1\r\nB\t: 2\r\n\r\n", fields=A_B),
    Case(id="an mbox line", section="G.5.9", octets=b"From a@b Thu Jan  1\nA: 1\nB: 2\n\nx", fields=A_B, body=b"x"),
    Case(id="a quoted mbox line", section="G.5.9", octets=b">From a@b\r\nA: 1\r\nB: 2\r\n\r\n", fields=A_B),
    Case(
        id="From with a space before the colon as the first line",
        section="library-traps, Postfix",
        octets=b"From : ceo@brand.example\r\nA: 1\r\nB: 2\r\n\r\n",
        fields=A_B,
    ),
    Case(
        id="From with a space before the colon as a later line",
        section="H.2 F2",
        octets=b"A: 1\r\nFrom : ceo@brand.example\r\n\r\n",
        fields=[(b"A", b" 1"), (b"From", b" ceo@brand.example")],
    ),
    Case(
        id="an mbox line further down",
        section="G.5.9",
        octets=b"A: 1\nB: 2\nFrom x\nC: 3\n",
        fields=A_B,
        body=b"From x\r\nC: 3\r\n",
    ),
    Case(
        id="a line that is no field ends the header",
        section="G.5.9",
        octets=b"A: 1\r\nB: 2\r\nFrom\r\n : x\r\n\r\ny",
        fields=A_B,
        body=b"From\r\n : x\r\n\r\ny",
    ),
    Case(
        id="white space first: all is body",
        section="G.5.9",
        octets=b" From: x\r\nA: 1\r\n\r\n",
        fields=[],
        body=b" From: x\r\nA: 1\r\n\r\n",
    ),
    Case(
        id="an eight-bit name ends the header",
        section="library-traps P11",
        octets=b"A: 1\r\nB: 2\r\n\xc4: 3\r\n",
        fields=A_B,
        body=b"\xc4: 3\r\n",
    ),
    Case(
        id="a colon first ends the header",
        section="RFC 5322 2.2",
        octets=b"A: 1\nB: 2\n: x\n",
        fields=A_B,
        body=b": x\r\n",
    ),
    Case(
        id="NUL cuts a value, all its lines",
        section="G.5.6",
        octets=b"A: 1\0x\r\n y\r\nB: 2\r\n\r\na\0b",
        fields=A_B,
        body=b"a\0b",
    ),
    Case(
        id="a bare CR in a value becomes a space",
        section="library-traps, Postfix",
        octets=b"A: x\ry\r\r\nB: 2\r\n\r\na\rb",
        fields=[(b"A", b" x y "), (b"B", b" 2")],
        body=b"a\rb",
    ),
    Case(
        id="a bare LF ends a header line of a CRLF file too, and stays in its body",
        section="H.4 R6",
        octets=b"A: 1\r\nB: 2\n\nx\ny\r\n",
        fields=A_B,
        body=b"x\ny\r\n",
    ),
    Case(
        id="a CRLF in a Unix file is one line end",
        section="split_message",
        octets=b"A: 1\nB: 2\r\n\nx\r\ny\n",
        fields=A_B,
        body=b"x\r\ny\r\n",
    ),
]


@pytest.mark.parametrize("case", MESSAGES, ids=lambda case: case.id)
def test_split_message(case: Case) -> None:
    headers, body = split_message(case.octets)
    assert [(field.name, field.value) for field in headers] == case.fields
    assert body == case.body


pieces = st.sampled_from([b"A:", b"From", b" ", b":", b"\r\n", b"\n", b"\r", b"\0", b"x", b"\xff", b"\r\n\r\n"])
messages = st.one_of(st.binary(max_size=60), st.lists(pieces, max_size=20).map(b"".join))


@given(messages)
def test_any_octets_are_a_message(octets: bytes) -> None:
    headers, body = split_message(octets)
    for field in headers:
        assert field.name
        assert not set(field.name) & set(b" \t:\0\r\n")
        assert b"\0" not in field.value
        assert unfold(field.value).count(b"\r") == unfold(field.value).count(b"\n") == 0
    assert body.replace(b"\r\n", b"\n") in octets.replace(b"\r\n", b"\n")


@given(messages)
def test_both_kinds_of_file_give_the_same_message(octets: bytes) -> None:
    unix = octets.replace(b"\r", b"")
    assert split_message(unix) == split_message(unix.replace(b"\n", b"\r\n"))


@pytest.mark.parametrize("unit", [b"A: 1\n", b" x\n", b"\n", b"\r", b"A", b"A:\n x\n"], ids=repr)
def test_work_grows_with_the_length_only(unit: bytes) -> None:
    few, many = (steps(partial(split_message, b"A: 1\n" + unit * count)) for count in (200, 2000))
    assert many <= 10 * few + 100


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b" ", b"\t", b"a"]), max_size=30).map(b"".join))
def test_unfolding_is_one_pass(value: bytes) -> None:  # RFC 5322 2.2.3
    assert unfold(value) == re.sub(rb"\r\n(?=[ \t])", b"", value)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        pytest.param([HeaderField(b"a", b"")] * MAX_HEADER_FIELDS, None, id="as many fields"),
        pytest.param(
            [HeaderField(b"a", b"")] * (MAX_HEADER_FIELDS + 1),
            f"the header has more than {MAX_HEADER_FIELDS} fields",
            id="one field more",
        ),
        pytest.param([HeaderField(b"abc", bytes(MAX_HEADER_OCTETS - 3))], None, id="as many octets"),
        pytest.param(
            [HeaderField(b"abc", bytes(MAX_HEADER_OCTETS - 2))],
            f"the header has more than {MAX_HEADER_OCTETS} octets",
            id="one octet more",
        ),
    ],
)
def test_what_is_too_large(fields: list[HeaderField], problem: str | None) -> None:
    assert header_problem(len(fields), sum(len(each.name) + len(each.value) for each in fields)) == problem
