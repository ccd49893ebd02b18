"""Tokens of structured header fields (RFC 5322 3.2)."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.message.lexer import RESULT_WORD, LexError, TokenKind, tokenize
from support.steps import steps

WORD, QUOTED, LITERAL, SEPARATOR = TokenKind.WORD, TokenKind.QUOTED, TokenKind.LITERAL, TokenKind.SEPARATOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    id: str
    section: str
    value: bytes
    tokens: list[tuple[TokenKind, bytes, bool]]


CASES = [
    Case(id="nothing", section="RFC 5322 3.2.2", value=b"", tokens=[]),
    Case(id="only comments and white space", section="RFC 5322 3.2.2", value=b" \t(a (b) c)\r\n ()", tokens=[]),
    Case(
        id="an address",
        section="RFC 5322 3.4.1",
        value=b" <a.b@c>",
        tokens=[
            (SEPARATOR, b"<", True),
            (WORD, b"a", False),
            (SEPARATOR, b".", False),
            (WORD, b"b", False),
            (SEPARATOR, b"@", False),
            (WORD, b"c", False),
            (SEPARATOR, b">", False),
        ],
    ),
    Case(
        id="a quoted string holds separators, quoted pairs and folds",
        section="RFC 5322 3.2.4",
        value=b'"a, \\" <(\\\\\r\n )"x',
        tokens=[(QUOTED, b'"a, \\" <(\\\\ )"', False), (WORD, b"x", False)],
    ),
    Case(
        id="a comment holds quotes, quoted pairs and comments",
        section="RFC 5322 3.2.2",
        value=b'a(" \\) \\( (b(c)))d',
        tokens=[(WORD, b"a", False), (WORD, b"d", True)],
    ),
    Case(
        id="a domain literal holds no brackets",
        section="RFC 5322 3.4.1",
        value=b"[a: b](c)[d]",
        tokens=[(LITERAL, b"[a: b]", False), (LITERAL, b"[d]", True)],
    ),
    Case(
        id="octets from 0x80 are word octets",
        section="RFC 6532 3.2",
        value=b"\xe4\xff(\xe4)a",
        tokens=[(WORD, b"\xe4\xff", False), (WORD, b"a", True)],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_tokens(case: Case) -> None:
    assert [(token.kind, token.text, token.spaced) for token in tokenize(case.value)] == case.tokens


def test_words_of_results_end_at_slash_equals_and_question_mark() -> None:
    """RFC 2045 5.1."""
    assert [token.text for token in tokenize(b"a/1=b?c", RESULT_WORD)] == [b"a", b"/", b"1", b"=", b"b", b"?", b"c"]
    assert [token.text for token in tokenize(b"a/1=b?c")] == [b"a/1=b?c"]


BROKEN = {
    "an open quote": b'a "b',
    "a quote left open by a quoted pair": b'"a\\"',
    "an open comment": b"a (b",
    "an open inner comment": b"(a (b)",
    "a comment that ends in a backslash": b"(a\\",
    "a closing parenthesis alone": b"a)",
    "an open bracket": b"[a",
    "a bracket in brackets": b"[a[b]]",
    "a closing bracket alone": b"]",
    "a backslash outside of quotes": b"a\\,b",
    "NUL": b"a\0",
    "NUL in quotes": b'"a\0"',
    "NUL in a quoted pair": b'"a\\\0"',
    "a bare CR": b"a\rb",
    "a bare LF in a comment": b"(a\n b)",
    "CRLF that is no fold": b"a\r\nb",
    "CRLF at the end": b"a\r\n",
    "a fold inside of CRLF, which unfolding must not make a fold of": b"a\r\n\r\n b",
    "DEL": b"a\x7f",
    "ESC, as in ISO-2022-JP": b"\x1b$B",
}


@pytest.mark.parametrize("value", BROKEN.values(), ids=BROKEN)
def test_broken_text_is_refused(value: bytes) -> None:
    with pytest.raises(LexError):
        list(tokenize(value))


def test_reading_is_lazy() -> None:
    tokens = tokenize(b"id; \0")
    assert next(tokens).text == b"id"
    assert next(tokens).text == b";"
    with pytest.raises(LexError):
        next(tokens)


def test_quoted_pairs_are_undone_only_in_quoted_strings() -> None:
    assert [token.unquoted() for token in tokenize(b'"a\\"\\b\\\\" [c] d')] == [b'a"b\\', b"[c]", b"d"]


octets = st.one_of(st.binary(max_size=60), st.text('()<>[]",;:@.\\ \t\r\nab', max_size=60).map(str.encode))


@given(octets, st.sampled_from([RESULT_WORD, None]))
def test_tokens_are_the_text_without_what_stands_between(value: bytes, word: None) -> None:
    try:
        tokens = list(tokenize(value, *([word] if word else [])))
    except LexError:
        return
    rest = value
    for token in tokens:
        if b"\r\n" not in value:
            between, found, rest = rest.partition(token.text)
            assert found
            assert token.spaced or not between
        assert token.text


@pytest.mark.parametrize(
    "unit",
    [b"(", b"()", b'"', b"a ", b"\\", b'"\\', b"(\\)", b"[", b"[]", b"\r\n ", b".", b"((a)", b'(a"'],
    ids=repr,
)
def test_work_grows_with_the_length_only(unit: bytes) -> None:
    def read(count: int) -> int:
        def work() -> None:
            try:
                for _ in tokenize(unit * count):
                    pass
            except LexError:
                pass

        return steps(work)

    few, many = read(500), read(5000)
    assert many <= 10 * few + 100


def test_nesting_is_bounded_by_length_only() -> None:
    assert [token.text for token in tokenize(b"(" * 100_000 + b")" * 100_000 + b"a")] == [b"a"]
