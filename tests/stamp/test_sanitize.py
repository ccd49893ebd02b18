"""One escaping function per sink: whatever goes in, nothing that comes out can end its sink or break its line."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given

from assay.stamp.sanitize import (
    MAX_HEADER_VALUE,
    MAX_REPLY_LINE,
    MAX_REPLY_LINES,
    MAX_VALUE,
    comment,
    explanation,
    header_value,
    identity,
    printable,
    quoted_string,
    reply_lines,
    token_or_quoted,
)
from support.judged import HOSTILE


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("plain words", "plain words"),
        ("a\r\n\tb\u2028c", "a b c"),
        ("a\x00b\x7fc\x1b[31m", "abc[31m"),
        ("a \x00 b", "a b"),
        ("größe \ud800\U0001f600", "gre"),
        ("x" * 300, "x" * 255),
        (" " * 254 + "a b", "a b"),
        (" a", "a"),
        ("a ", "a"),
        ("a  b", "a b"),
    ],
)
def test_printable(text: str, clean: str) -> None:
    assert printable(text) == clean


def test_four_times_the_limit_is_read_of_a_text() -> None:
    """Standards E.2.5: what an outsider wrote costs no more than that."""
    assert printable("\x00" * (4 * MAX_VALUE - 1) + "ab") == "a"


@given(HOSTILE)
def test_printable_twice_is_printable_once(text: str) -> None:
    clean = printable(text)
    assert printable(clean) == clean
    assert clean.isascii()
    assert clean.isprintable()
    assert len(clean) <= MAX_VALUE


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("x; dkim=pass header.d=bank.example", "x, dkim:pass header.d=bank.example"),
        ("DMARC = PASS", "DMARC : PASS"),
        ("p=reject", "p=reject"),
    ],
)
def test_an_explanation_holds_no_result(text: str, clean: str) -> None:
    assert explanation(text) == clean


@pytest.mark.parametrize("word", ["none", "pass", "fail", "softfail", "neutral", "policy", "temperror", "permerror"])
def test_no_result_of_any_method_stands_in_an_explanation(word: str) -> None:
    """RFC 8601 2.7; less than the whole word is none."""
    assert explanation(f"x={word} y= {word} z={word.upper()}") == f"x:{word} y: {word} z:{word.upper()}"
    assert explanation(f"x={word[:-1]}") == f"x={word[:-1]}"


@given(HOSTILE)
def test_an_explanation_survives_being_cleaned_again(text: str) -> None:
    assert printable(explanation(text)) == explanation(text)


def test_a_comment_cannot_be_closed_from_inside() -> None:
    assert comment("a) b (c\\") == "a\\) b \\(c\\\\"


@given(HOSTILE)
def test_every_parenthesis_and_backslash_of_a_comment_is_escaped(text: str) -> None:
    assert re.fullmatch(r"(?:[^()\\]|\\[()\\])*", comment(text))


@given(HOSTILE)
def test_a_quoted_string_ends_at_its_last_quote(text: str) -> None:
    assert re.fullmatch(r'"(?:[^"\\]|\\["\\])*"', quoted_string(text))


LIMITS = [
    ("printable text", printable, "a b" * 9, "a b"),
    ("an explanation", explanation, ";;;;", ",,,"),
    ("a comment", comment, "((((", "\\(\\(\\("),
    ("a quoted-string", quoted_string, '""""', '"\\"\\"\\""'),
    ("a token", token_or_quoted, "abcd", '"abc"'),
    ("a token of the longest", token_or_quoted, "abc", "abc"),
]


@pytest.mark.parametrize(("escape", "text", "cut"), [case[1:] for case in LIMITS], ids=[case[0] for case in LIMITS])
def test_a_limit_counts_characters_before_they_are_escaped(
    escape: Callable[[str, int], str], text: str, cut: str
) -> None:
    """Standards E.2.5."""
    assert escape(text, 3) == cut


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("token-1", "token-1"),
        ("!#$%&'*+.^_`{|}~-", "!#$%&'*+.^_`{|}~-"),
        ("2001:db8::1", '"2001:db8::1"'),
        ("", '""'),
        ("a b", '"a b"'),
        ("a\n", '"a"'),
    ],
)
def test_token_or_quoted(text: str, value: str) -> None:
    assert token_or_quoted(text) == value


IDENTITIES = [
    ("only a domain", "@Sender.Example.", "@sender.example"),
    ("a dot-atom", "a.b+c@sender.example", "a.b+c@sender.example"),
    ("a quoted-string", '"a b\\"@c"@sender.example', '"a b\\"@c"@sender.example'),
    ("a U-label domain", "x@bücher.example", "x@xn--bcher-kva.example"),
    ("an equals sign that is no result", "prvs=1@sender.example", "prvs=1@sender.example"),
    ("no at sign", "sender.example", None),
    ("no domain", "x@", None),
    ("an address literal", "x@[192.0.2.1]", None),
    ("a result", "dkim=pass@sender.example", None),
    ("a quoted result", '"dkim= Pass"@sender.example', None),
    ("a semicolon", '"a; b"@sender.example', None),
    ("a bare space", "a b@sender.example", None),
    ("two dots", "a..b@sender.example", None),
    ("an open quote", '"a@sender.example', None),
    ("a quote after a backslash", '"a\\"@sender.example', None),
    ("a control in quotes", '"a\x00"@sender.example', None),
    ("a line end in quotes", '"a\r\n b"@sender.example', None),
    ("a line end after the local part", "a\n@sender.example", None),
    ("8 bits", "größe@sender.example", None),
    ("64 octets", "x" * 64 + "@sender.example", "x" * 64 + "@sender.example"),
    ("65 octets", "x" * 65 + "@sender.example", None),
]


@pytest.mark.parametrize(("text", "value"), [case[1:] for case in IDENTITIES], ids=[case[0] for case in IDENTITIES])
def test_an_identity_is_an_address_or_nothing(text: str, value: str | None) -> None:
    """RFC 8601 2.2, standards E.2.5."""
    assert identity(text) == value


@given(HOSTILE)
def test_a_header_value_is_one_short_line(text: str) -> None:
    value = header_value(text)
    assert re.fullmatch(r"[ -~]*", value)
    assert len(value) <= MAX_HEADER_VALUE


def test_a_header_value_is_cut_where_its_line_would_be_too_long() -> None:
    assert header_value("x" * 2000) == "x" * MAX_HEADER_VALUE


REPLIES = [
    ("one line", "rejected by policy", ("rejected by policy",)),
    ("percent signs are doubled", "100% of %s%%", ("100%% of %%s%%%%",)),
    ("lines stay lines", "one\r\ntwo\n\nthree\u2028four", ("one", "two", "three", "four")),
    ("a bare CR ends a line too", "one\rtwo", ("one", "two")),
    ("nothing printable is no line", "\x00\r\n\ud800 é", ()),
    ("a long word is cut", "x" * 500, ("x" * 480, "x" * 20)),
    ("a long text is wrapped between words", "ab " * 200, (("ab " * 160).strip(), ("ab " * 40).strip())),
    ("a name with a hyphen is not cut at it", "x" * 470 + " mail-gate.example", ("x" * 470, "mail-gate.example")),
]


@pytest.mark.parametrize(("text", "lines"), [case[1:] for case in REPLIES], ids=[case[0] for case in REPLIES])
def test_reply(text: str, lines: tuple[str, ...]) -> None:
    """Standards G.3.1."""
    assert reply_lines(text) == lines


def test_a_reply_has_32_lines_at_most() -> None:
    assert reply_lines("x\n" * 100) == ("x",) * MAX_REPLY_LINES
    assert len(reply_lines("x" * 100_000)) == MAX_REPLY_LINES


@given(HOSTILE.map(lambda text: text + "%" * 500 + text))
def test_any_reply_is_one_that_libmilter_takes(text: str) -> None:
    """Library-traps P13: 980 octets a line, no CR or LF, an even number of percent signs in each run."""
    for line in reply_lines(text):
        assert re.fullmatch(r"(?:[ -$&-~]|%%)+", line)
        assert len(line) <= 2 * MAX_REPLY_LINE <= 980
        assert len(line.replace("%%", "%")) <= MAX_REPLY_LINE
