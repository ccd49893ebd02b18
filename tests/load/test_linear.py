"""No pattern and no parser of what comes from outside works longer than its length accounts for (issue 3).

Each is given text of one unit again and again, at growing sizes. The work of eight times the text must stay below
twenty times the work; what grows with the square needs sixty-four times as much. Only ratios count, in CPU of this
process, and what seems too much is measured again. Nobody has to list a pattern: all that the code compiles are found.
"""

import ast
import importlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import assay
from assay.answers import RRType
from assay.dns.names import fold, parents, to_wire
from assay.dns.wire import is_reply, parse_response
from assay.domain import Domain
from assay.errors import AssayError
from assay.facts import BodyHashSpec, Canonicalization, Client, HeaderField
from assay.log import _values
from assay.message.auth_results import parse_auth_results
from assay.message.author import parse_author
from assay.message.body import BodyHasher
from assay.message.header import field_from_milter, indirect_signs, split_message, unfold
from assay.message.lexer import RESULT_WORD, tokenize
from assay.message.literal import is_address_literal
from assay.message.reverse_path import agreed_path, parse_helo, parse_reverse_path
from assay.message.tags import parse_tags
from assay.message.white_space import collapse
from assay.stamp import sanitize
from assay.stamp.auth_results import authentication_results
from assay.stamp.removal import forged_fields
from assay.verify.arc_chain import parse_results, read_chain
from assay.verify.dmarc_record import parse_record as parse_policy_record
from assay.verify.encoding import decode_base64, decode_quoted_printable
from assay.verify.hashing import HeaderHasher, canonical, unsigned
from assay.verify.keys import parse_key_record
from assay.verify.signature import parse_dkim
from assay.verify.spf_record import Macro, parse_macros, parse_record, target_name
from support.judged import DELIVERED, judged, signature

SOURCES = Path(assay.__file__).parent
SMALL = 1000
FACTOR = 8
MOST = 20
TRIES = 4

UNITS = (
    *(bytes((octet,)) for octet in b"ab0 \t\r\n\0()\"\\=;:.,-_@%[]<>/!?+*'\x80\xff"),
    b"\r\n ",
    b"\r\n",
    b"a ",
    b" \t",
    b"a.",
    b"a,",
    b"a=",
    b"a-",
    b"a@",
    b"a/",
    b"a:",
    b"a=b;",
    b"; b =",
    b"=?",
    b"=pass",
    b"%40",
    b"%{l}",
    b"!1",
    b"()",
    b'"a"',
    b"\\a",
    b"\\(",
    b"//1",
    b"a;b=",
    b"\xc3\xa9",
)
"""What hostile text is made of."""

ENDS = (b"", b"\0", b"!", b";", b'"')
"""What may stand at its end, so that a match that was nearly whole fails."""


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def floor() -> float:
    """CPU below which a ratio says nothing: of some work whose size is known."""
    return max(seconds(lambda: sum(range(20_000))) for _ in range(3))


FLOOR = floor()


def is_linear(work: Callable[[int], object]) -> bool:
    """Whether the work for eight times the text is less than twenty times as much; never runs what explodes."""
    for size in range(8, 64, 2):  # what doubles with each octet would never end at more
        if min_of(lambda: work(size), enough=MOST * FLOOR) > MOST * FLOOR:  # noqa: B023 - called at once
            return False
    few = min(seconds(lambda: work(SMALL)) for _ in range(2))
    enough = MOST * max(few, FLOOR)
    return min_of(lambda: work(FACTOR * SMALL), enough=enough) <= enough


def min_of(work: Callable[[], object], *, enough: float) -> float:
    costs: list[float] = []
    while len(costs) < TRIES and (not costs or min(costs) > enough):
        costs.append(seconds(work))
    return min(costs)


# Patterns


TREES = {path.relative_to(SOURCES).as_posix(): ast.parse(path.read_text("utf-8")) for path in SOURCES.rglob("*.py")}


def _is_compile(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "re.compile"


def _patterns() -> Iterator[tuple[str, "re.Pattern[Any]"]]:
    """Yield every pattern that a module assigns to a name of its own."""
    for path, tree in TREES.items():
        module = "assay." + path.removesuffix(".py").replace("/", ".")
        for node in tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_compile(value):
                    yield f"{module}.{name}", getattr(importlib.import_module(module), name)
                case ast.AnnAssign(target=ast.Name(id=name), value=value) if _is_compile(value):
                    yield f"{module}.{name}", getattr(importlib.import_module(module), name)
                case _:
                    pass


PATTERNS = dict(_patterns())

METHODS = ("match", "fullmatch", "search", "sub", "subn", "findall", "finditer", "split")


def _calls(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the name and the method of each call of a method that patterns have; ``re`` is a name like any other."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in METHODS and isinstance(node.value, ast.Name):
            yield node.value.id, node.attr


USES: dict[str, set[str]] = {}
for _tree in TREES.values():
    for _name, _method in _calls(_tree):
        USES.setdefault(_name, set()).add(_method)


def test_every_pattern_that_is_compiled_is_found() -> None:
    assert sum(_is_compile(node) for tree in TREES.values() for node in ast.walk(tree)) == len(PATTERNS) > 50


def test_patterns_that_are_made_in_passing_are_known() -> None:
    inline = {(path, name, method) for path, tree in TREES.items() for name, method in _calls(tree) if name == "re"}
    assert inline == {
        ("stamp/removal.py", "re", "search"),  # test_a_parser: forged_fields
        ("stamp/sanitize.py", "re", "sub"),  # test_a_parser: comment, quoted_string; text of at most 255 characters
        ("verify/spf_record.py", "re", "split"),  # test_a_parser: the transformation of a macro
        ("tomlfile.py", "re", "findall"),  # words of pydantic about the administrator's own file
    }


READS_OURS = "assay.stamp.auth_results._ATOM"
"""Reads the field that we just rendered, in which every quote and parenthesis is closed; below, whole."""


@pytest.mark.parametrize("name", sorted(PATTERNS.keys() - {READS_OURS}))
def test_a_pattern(name: str) -> None:
    pattern = PATTERNS[name]
    short = name.rpartition(".")[2]
    # passed to tokenize() by other names, where it is matched
    methods = USES.get(short, set()) or {"match", "fullmatch"}
    for unit in UNITS:
        for end in ENDS:
            for method in sorted(methods):

                def work(size: int) -> None:
                    octets = (unit * size)[:size] + end  # noqa: B023 - called at once
                    text = octets.decode("latin-1") if isinstance(pattern.pattern, str) else octets
                    found = _apply(pattern, method, text)  # noqa: B023 - called at once
                    for _ in found if method == "finditer" else ():  # noqa: B023 - called at once
                        pass

                assert is_linear(work), f"{method} of {unit!r} again and again, then {end!r}"


def _apply(pattern: "re.Pattern[Any]", method: str, text: str | bytes) -> Any:
    function = getattr(pattern, method)
    return function(text[:0], text) if method in ("sub", "subn") else function(text)


# Parsers


def _hashed(value: bytes) -> None:
    hasher = BodyHasher([BodyHashSpec(form, limit) for form in Canonicalization for limit in (None, 5, 1000)])
    hasher.feed(value)
    hasher.finish()


def _one_by_one(value: bytes) -> None:
    hasher = BodyHasher([BodyHashSpec(form) for form in Canonicalization])
    for start in range(0, len(value), 7):
        hasher.feed(value[start : start + 7])
    hasher.finish()


def _signed(value: bytes) -> None:
    field = HeaderField(b"X", value)
    hasher = HeaderHasher((field, HeaderField(b"DKIM-Signature", value)))
    hasher.digest(1, [b"x"] * 20, Canonicalization.RELAXED)
    hasher.digest(1, [b"x"] * 20, Canonicalization.SIMPLE)


def _stamped(value: bytes) -> None:
    text = value.decode("latin-1")
    results = judged(dkim=(signature(b=text, reason=text, auid=text + "@sender.example"),) * 3)
    authentication_results(results, authserv_id="mx.example", client=Client(address=None), decision=DELIVERED)


def _packet(value: bytes) -> None:
    question = b"\1a\4test\0\0\x10\0\1"
    parse_response(
        b"\1\2\x81\x80\0\1\0\1\0\0\0\0" + question + b"\xc0\x0c\0\x10\0\1\0\0\0\1" + len(value).to_bytes(2) + value
    )


def _names_of_packet(value: bytes) -> None:
    parse_response(b"\1\2\x81\x80\0\1\x10\0\x10\0\x10\0" + b"\1a\4test\0\0\x10\0\1" + value)


PARSERS: dict[str, Callable[[bytes], object]] = {
    "unfold": unfold,
    "field_from_milter": lambda value: field_from_milter(b"X", value),
    "split_message": split_message,
    "split_message, behind a field": lambda value: split_message(b"X: y\r\n" + value),
    "indirect_signs": lambda value: indirect_signs([HeaderField(value, b"")]),
    "collapse": collapse,
    "tokenize, atoms": lambda value: tuple(tokenize(value)),
    "tokenize, words of results": lambda value: tuple(tokenize(value, RESULT_WORD)),
    "parse_author": lambda value: parse_author([HeaderField(b"From", value)]),
    "parse_author, an address behind it": lambda value: parse_author([HeaderField(b"From", value + b" <a@b.example>")]),
    "parse_author, SMTPUTF8": lambda value: parse_author(
        [HeaderField(b"From", b"a@b.example, " + value)], smtputf8=True
    ),
    "parse_tags": parse_tags,
    "parse_auth_results": parse_auth_results,
    "parse_auth_results, behind the id": lambda value: parse_auth_results(b"a; b=c " + value),
    "parse_reverse_path": parse_reverse_path,
    "parse_reverse_path, in brackets": lambda value: parse_reverse_path(b"<" + value + b"@a.example>"),
    "parse_reverse_path, a quoted local part": lambda value: parse_reverse_path(b'<"' + value + b'"@a.example>'),
    "parse_reverse_path, a route": lambda value: parse_reverse_path(b"<@" + value + b":a@b.example>"),
    "agreed_path": lambda value: agreed_path(b"<a@b.example>", value.decode("latin-1")),
    "parse_helo": parse_helo,
    "Domain.parse": Domain.parse,
    "Domain.parse, text": lambda value: Domain.parse(value.decode("latin-1")),
    "is_address_literal": is_address_literal,
    "is_address_literal, IPv6": lambda value: is_address_literal(b"IPv6:" + value),
    "BodyHasher": _hashed,
    "BodyHasher, in pieces": _one_by_one,
    "canonical": lambda value: canonical(HeaderField(b"X", value), Canonicalization.RELAXED),
    "unsigned": lambda value: unsigned(HeaderField(b"X", value)),
    "HeaderHasher": _signed,
    "parse_dkim": parse_dkim,
    "parse_dkim, behind a tag": lambda value: parse_dkim(b"v=1; b=" + value),
    "read_chain": lambda value: read_chain([HeaderField(b"ARC-Seal", b"i=1; " + value)]),
    "read_chain, fields": lambda value: read_chain([HeaderField(value[:1], value[:20])] * len(value)),
    "parse_results": parse_results,
    "parse_key_record": parse_key_record,
    "parse_key_record, p=": lambda value: parse_key_record(b"p=" + value),
    "policy record": lambda value: parse_policy_record(b"v=DMARC1;" + value),
    "policy record, rua=": lambda value: parse_policy_record(b"v=DMARC1;p=none;rua=mailto:a" + value),
    "policy record, rua= of a host": lambda value: parse_policy_record(b"v=DMARC1;p=none;rua=http://a" + value),
    "policy record, version": lambda value: parse_policy_record(b"v=DMARC1" + value),
    "SPF record": lambda value: parse_record(b"v=spf1 " + value),
    "SPF record, a term": lambda value: parse_record(b"v=spf1 exists:" + value),
    "SPF record, a:": lambda value: parse_record(b"v=spf1 a:" + value),
    "SPF record, ip4:": lambda value: parse_record(b"v=spf1 ip4:" + value),
    "SPF record, a modifier": lambda value: parse_record(b"v=spf1 x=" + value),
    "macros": lambda value: parse_macros(value.decode("latin-1"), explanation=True),
    "a macro's delimiters": lambda value: parse_macros("%{l1r" + value.decode("latin-1") + "}"),
    "a macro's value": lambda value: Macro(letter="l", delimiters="-.", reverse=True).transform(
        value.decode("latin-1")
    ),
    "the name of a domain-spec": lambda value: target_name([value.decode("latin-1")] * 2),
    "the name of a domain-spec, parts": lambda value: target_name(value.decode("latin-1")),
    "decode_base64": decode_base64,
    "decode_quoted_printable": decode_quoted_printable,
    "forged_fields": lambda value: forged_fields([HeaderField(b"Authentication-Results", value)], {"mx.example"}),
    "forged_fields, many": lambda value: forged_fields(
        [HeaderField(b"Authentication-Results", value[:40])] * (len(value) // 40), {"mx.example", "mx"}
    ),
    "printable": lambda value: sanitize.printable(value.decode("latin-1"), len(value)),
    "explanation": lambda value: sanitize.explanation(value.decode("latin-1"), len(value)),
    "comment": lambda value: sanitize.comment(value.decode("latin-1"), len(value)),
    "quoted_string": lambda value: sanitize.quoted_string(value.decode("latin-1"), len(value)),
    "token_or_quoted": lambda value: sanitize.token_or_quoted(value.decode("latin-1"), len(value)),
    "identity": lambda value: sanitize.identity(value.decode("latin-1") + "@a.example"),
    "reply_lines": lambda value: sanitize.reply_lines(value.decode("latin-1")),
    "Authentication-Results": _stamped,
    "a line of the log": lambda value: _values({"a": value, "b": value.decode("latin-1")}),
    "to_wire": to_wire,
    "fold": fold,
    "parents": lambda value: parents((to_wire(value[:250]) or b"") + b"\0"),
    "is_reply": lambda value: is_reply(value, 0, b"\1a\0", RRType.TXT),
    "parse_response": parse_response,
    "parse_response, TXT": _packet,
    "parse_response, records": _names_of_packet,
}


@pytest.mark.parametrize("parse", PARSERS.values(), ids=PARSERS)
def test_a_parser(parse: Callable[[bytes], object]) -> None:
    for unit in UNITS:

        def work(size: int) -> None:
            with suppress(AssayError, ValueError):
                parse((unit * size)[:size])  # noqa: B023 - called at once

        assert is_linear(work), f"{unit!r} again and again"


def test_what_grows_faster_is_noticed() -> None:
    pattern = re.compile(rb"(?:\A|;)[ \t]*b[ \t]*=|[ \t]+x")  # as a library's pattern for b= was
    assert not is_linear(lambda size: pattern.search(b" " * size))
    assert not is_linear(lambda size: re.search(r"(a+)+b", "a" * size))
    assert not is_linear(lambda size: [(b"a." * size)[each:] for each in range(size)])
    assert is_linear(lambda size: (b"a." * size).split(b"."))
