"""The author domains of a message (RFC 5322 3.4, RFC 6854, standards C.2, H.2 F1 to F15)."""

from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.domain import Domain
from assay.facts import HeaderField
from assay.limits import MAX_AUTHOR_DOMAINS, MAX_FROM_MAILBOXES, MAX_FROM_OCTETS, MAX_FROM_TOKENS
from assay.message.author import Author, parse_author
from assay.results import FromProblem
from support.steps import steps

BRAND, ATK = "brand.example", "atk.example"
UNPARSABLE = FromProblem.UNPARSABLE


def read(value: bytes, *, smtputf8: bool = False) -> Author:
    return parse_author([HeaderField(b"From", value)], smtputf8=smtputf8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    id: str
    section: str
    value: bytes
    domains: tuple[str, ...] = ()
    problem: FromProblem | None = None
    smtputf8: bool = False


GENUINE = [
    Case(id="an address", section="RFC 5322 3.4.1", value=b" ceo@brand.example", domains=(BRAND,)),
    Case(id="no leading space", section="RFC 5322 2.2", value=b"ceo@brand.example", domains=(BRAND,)),
    Case(id="an address in brackets", section="RFC 5322 3.4", value=b" <ceo@brand.example>", domains=(BRAND,)),
    Case(id="a display name", section="RFC 5322 3.4", value=b" The CEO <ceo@brand.example>", domains=(BRAND,)),
    Case(id="a dot in a display name", section="RFC 5322 4.1", value=b" J. Q. Doe <j@brand.example>", domains=(BRAND,)),
    Case(id="a quoted name", section="RFC 5322 3.4", value=b' "Doe, J" <j@brand.example>', domains=(BRAND,)),
    Case(
        id="a quoted name with an address in it",
        section="H.2 F8",
        value=b' "ceo@brand.example" <x@atk.example>',
        domains=(ATK,),
    ),
    Case(
        id="a quoted name that imitates a mailbox list",
        section="H.2 F8",
        value=b' "a@brand.example>, <" <x@atk.example>',
        domains=(ATK,),
    ),
    Case(
        id="an address in a comment",
        section="H.2 F8",
        value=b" ceo@brand.example (<x@atk.example>)",
        domains=(BRAND,),
    ),
    Case(
        id="a comment directly after the domain",
        section="H.2 F8",
        value=b" ceo@brand.example(comment)",
        domains=(BRAND,),
    ),
    Case(
        id="comments, nested and folded, between all parts",
        section="RFC 5322 3.2.2",
        value=b"(a(b)) N (c)\r\n <(d) ceo (e) @ (f)\r\n\tbrand (g) . (h) example (i)> (j \\) k)",
        domains=(BRAND,),
    ),
    Case(
        id="a quoted local part with @",
        section="H.2 F8",
        value=b' "x@atk.example"@brand.example',
        domains=(BRAND,),
    ),
    Case(
        id="a local part of words and quoted strings",
        section="RFC 5322 4.4 obs-local-part",
        value=b' a . "b c" .d@brand.example',
        domains=(BRAND,),
    ),
    Case(id="a folded address", section="H.2 F15", value=b" N\r\n\t<ceo@brand.example>", domains=(BRAND,)),
    Case(
        id="an encoded word stays a name",
        section="H.2 F5",
        value=b" =?utf-8?B?PGNlb0BicmFuZC5leGFtcGxlPg==?= <x@atk.example>",
        domains=(ATK,),
    ),
    Case(
        id="an address as the name of the same address",
        section="author.py",
        value=b" ceo@Brand.example <bounce@brand.example>",
        domains=(BRAND,),
    ),
    Case(id="a comma in an unquoted name", section="author.py", value=b" Doe, J. <j@brand.example>", domains=(BRAND,)),
    Case(
        id="several commas in an unquoted name",
        section="author.py",
        value=b" Foo Bar, Baz, [Inc] \xa9 <ceo@brand.example>, x@brand.example",
        domains=(BRAND,),
    ),
    Case(id="a name in brackets", section="author.py", value=b" [Shop] N [1.2] <o@brand.example>", domains=(BRAND,)),
    Case(
        id="separators in an encoded word",
        section="RFC 2047 5 (3)",
        value=b" =?utf-8?Q?Doe,_J.:;_[x]?= =?utf-8?b?w7w=?= <j@brand.example>",
        domains=(BRAND,),
    ),
    Case(
        id="an address in an encoded word is one of two",
        section="H.2 F5",
        value=b" =?utf-8?Q?ceo@brand.example,?= <x@atk.example>",
        domains=(BRAND, ATK),
    ),
    Case(id="upper case", section="H.1 E12", value=b" CEO@Brand.EXAMPLE", domains=(BRAND,)),
    Case(id="one final dot", section="H.2 F13", value=b" ceo@brand.example.", domains=(BRAND,)),
    Case(id="an A-label", section="H.1 E12", value=b" a@XN--R8JZ45G.example", domains=("xn--r8jz45g.example",)),
    Case(id="dots anywhere in the local part", section="author.py", value=b" .a..b.@brand.example", domains=(BRAND,)),
    Case(
        id="eight-bit octets in an unquoted name",
        section="author.py",
        value=b" J\xfcrgen \x80 <j@brand.example>",
        domains=(BRAND,),
    ),
    Case(
        id="eight-bit octets in a quoted name and a comment",
        section="author.py",
        value=b' "J\xfcrgen" <j@brand.example> (\xe4)',
        domains=(BRAND,),
    ),
    Case(
        id="a U-label with SMTPUTF8",
        section="H.2 F14",
        value=" ü@例え.example".encode(),
        domains=("xn--r8jz45g.example",),
        smtputf8=True,
    ),
    Case(
        id="an escape after UTF-8, where SMTPUTF8 settles the charset",
        section="author.py",
        value=' "ü\\"" <j@brand.example>'.encode(),
        domains=(BRAND,),
        smtputf8=True,
    ),
]

LISTS = [
    Case(
        id="two addresses of one domain",
        section="C.2.3",
        value=b" a@brand.example, B <b@BRAND.example>",
        domains=(BRAND,),
    ),
    Case(
        id="two domains, in order",
        section="H.2 F4",
        value=b" <a@atk.example>, <ceo@brand.example>",
        domains=(ATK, BRAND),
    ),
    Case(
        id="two domains, the first without brackets",
        section="H.2 F7",
        value=b" ceo@brand.example,<x@atk.example>",
        domains=(BRAND, ATK),
    ),
    Case(
        id="empty elements",
        section="RFC 5322 4.4 obs-mbox-list",
        value=b" , ,a@brand.example,,(c), b@atk.example , ",
        domains=(BRAND, ATK),
    ),
    Case(id="a group", section="H.2 F9", value=b" G: ceo@brand.example;", domains=(BRAND,)),
    Case(
        id="groups and mailboxes are flattened",
        section="RFC 6854",
        value=b' x@atk.example, "G:" H: <ceo@brand.example>,, ; (c), I:;',
        domains=(ATK, BRAND),
    ),
    Case(id="an empty group", section="H.2 F9", value=b" x:;", problem=FromProblem.EMPTY_GROUP),
    Case(id="two empty groups", section="H.2 F9", value=b" x: ,(c);, y:;", problem=FromProblem.EMPTY_GROUP),
    Case(
        id="as many domains as are judged",
        section="limits",
        value=b",".join(b"a@d%d.example" % n for n in range(MAX_AUTHOR_DOMAINS)),
        domains=tuple(f"d{n}.example" for n in range(MAX_AUTHOR_DOMAINS)),
    ),
    Case(
        id="one domain more",
        section="C.2.3",
        value=b",".join(b"a@d%d.example" % n for n in range(MAX_AUTHOR_DOMAINS + 1)),
        problem=FromProblem.TOO_MANY,
    ),
    Case(
        id="as many mailboxes as are read",
        section="H.2 F10",
        value=b",".join([b"a@brand.example"] * MAX_FROM_MAILBOXES),
        domains=(BRAND,),
    ),
    Case(
        id="one mailbox more",
        section="H.2 F10",
        value=b",".join([b"a@brand.example"] * (MAX_FROM_MAILBOXES + 1)),
        problem=UNPARSABLE,
    ),
    Case(
        id="as long as is read",
        section="limits",
        value=b"a@brand.example".rjust(MAX_FROM_OCTETS),
        domains=(BRAND,),
    ),
    Case(
        id="one octet longer",
        section="H.2 F10",
        value=b"a@brand.example".rjust(MAX_FROM_OCTETS + 1),
        problem=UNPARSABLE,
    ),
]

INTERNAL = [
    Case(id=f"no domain that DMARC knows: {value.decode()}", section="C.2.3", value=value)
    for value in (
        b" root@localhost",
        b" Cron <root@localhost.>",
        b" x@[192.0.2.1]",
        b" x@[ 192.0.2.1 ]",
        b" <x@[IPv6:2001:db8::1]>",
        b" x@com",
        b" root",
        b" Cron Daemon <root>",
        b" G: john.doe, www-data, a_b+c;",
        b" root@localhost, admin@localhost, x@[192.0.2.1], cron",
    )
]

BROKEN = [
    Case(id=identifier, section=section, value=value, problem=UNPARSABLE)
    for identifier, section, value in (
        ("nothing", "C.2.3", b""),
        ("white space", "C.2.3", b" \t"),
        ("a comment", "C.2.3", b" (ceo@brand.example)"),
        ("commas", "C.2.3", b" ,,"),
        ("empty brackets", "C.2.3", b" <>"),
        ("a name and empty brackets", "C.2.3", b" ceo <>"),
        ("brackets in brackets", "H.2 F7", b" <<ceo@brand.example>>"),
        ("an open bracket", "H.2 F7", b" <ceo@brand.example"),
        ("a closing bracket alone", "H.2 F7", b" ceo@brand.example>"),
        ("an address after brackets", "H.2 F7", b" <x@atk.example>ceo@brand.example"),
        ("an address before brackets", "H.2 F7", b" ceo@brand.example <x@atk.example>"),
        ("a word after an address", "H.2 F7", b" ceo@brand.example x"),
        ("an escaped comma", "H.2 F7", b" <ceo@brand.example>\\,<x@atk.example>"),
        ("two bracketed addresses without a comma", "H.2 F7", b" <ceo@brand.example> <x@atk.example>"),
        ("two @", "H.2 F7", b" ceo@brand.example@atk.example"),
        ("a semicolon for a comma", "H.2 F7", b" ceo@brand.example; x@atk.example"),
        ("an encoded word where an address should be", "H.2 F5", b" =?utf-8?B?PGNlb0BicmFuZC5leGFtcGxlPg==?="),
        (
            "an encoded word as one element of two",
            "H.2 F5",
            b" =?utf-8?B?PGNlb0BicmFuZC5leGFtcGxlPg==?=, <x@atk.example>",
        ),
        ("a source route", "H.2 F6", b" <@atk.example,@any.example:ceo@brand.example>"),
        ("a quoted address without a domain", "author.py", b' "ceo@brand.example"'),
        ("a quoted address without a domain in brackets", "author.py", b' <"ceo@brand.example">'),
        ("a percent hack without a domain", "author.py", b" ceo%brand.example"),
        ("a bang path", "author.py", b" brand.example!ceo"),
        ("only dots", "author.py", b" ..."),
        ("two words", "RFC 5322 3.4.1", b" John Doe"),
        ("two words in brackets", "RFC 5322 3.4.1", b" <John Doe>"),
        ("no local part", "RFC 5322 3.4.1", b" @brand.example"),
        ("no local part in brackets", "RFC 5322 3.4.1", b" N <@brand.example>"),
        ("a local part of dots", "RFC 5322 3.4.1", b" .@brand.example"),
        ("a local part of two words", "RFC 5322 3.4.1", b" a b@brand.example"),
        ("no domain after the @", "RFC 5322 3.4.1", b" ceo@"),
        ("no domain after the @ in brackets", "RFC 5322 3.4.1", b" <ceo@>"),
        ("a domain of two words", "RFC 5322 3.4.1", b" ceo@brand example"),
        ("a quoted domain", "RFC 5322 3.4.1", b' ceo@"brand.example"'),
        ("an empty label", "H.2 F13", b" ceo@brand..example"),
        ("two final dots", "H.2 F13", b" ceo@brand.example.."),
        ("a dot first", "H.2 F13", b" ceo@.brand.example"),
        ("a label of 64 octets", "H.2 F13", b" ceo@" + b"a" * 64 + b".example"),
        ("a name of 254 octets", "H.2 F13", b" ceo@" + b"a." * 127 + b"b"),
        ("specials in the domain", "H.1 E4", b" ceo@brand.example'.atk.example"),
        ("a slash in the domain", "H.1 E4", b" ceo@brand.example/atk.example"),
        ("a name in brackets", "author.py", b" ceo@[brand.example]"),
        ("a general address literal", "literal.py", b" ceo@[x:brand.example]"),
        ("a literal before a name", "H.2 F7", b" ceo@[192.0.2.1].brand.example"),
        ("an address in brackets as a name", "H.2 F7", b" [<ceo@brand.example>] <x@atk.example>"),
        ("a name in brackets as a local part", "RFC 5322 3.4.1", b" [x]@brand.example"),
        ("a name in brackets alone", "RFC 5322 3.4.1", b" [x]"),
        ("an address of another domain before brackets and a comma", "H.2 F7", b" a@brand.example <a@atk.example>, x"),
        ("an address as the name of an internal mailbox", "H.2 F7", b" ceo@brand.example <root>"),
        ("an internal address as a name", "H.2 F7", b" root@localhost <x@atk.example>"),
        ("a name of plain words before brackets alone", "parse_author", b" ceo, <x@atk.example>"),
        ("plain words before an internal mailbox", "parse_author", b" Foo Bar, Inc. <root>"),
        ("plain words at the end", "parse_author", b" <x@atk.example>, Foo Bar"),
        ("a quoted name beside one in brackets", "H.2 F8", b' "ceo@brand.example" [x] <x@atk.example>'),
        ("a quoted name beside separators", "H.2 F8", b' "ceo@brand.example" =?utf-8?Q?a,b?= <x@atk.example>'),
        ("a quoted piece of a name", "H.2 F5", b' "ceo@brand.example", John <x@atk.example>'),
        ("an encoded piece of a name", "H.2 F5", b" =?utf-8?Q?ceo=40brand.example?=, John <x@atk.example>"),
        ("a piece of a name before a group", "parse_author", b" ceo, G: John <x@atk.example>;"),
        ("a piece of a name in a group that ended", "parse_author", b" G: ceo; , John <x@atk.example>"),
        ("an encoded word with separators as a local part", "H.2 F5", b" =?utf-8?Q?a,b?=@brand.example"),
        ("an internal and a usable domain", "parse_author", b" root@localhost, ceo@brand.example"),
        ("a literal and a usable domain", "parse_author", b" x@[192.0.2.1], ceo@brand.example"),
        ("a bare name and a usable domain", "parse_author", b" ceo, x@atk.example"),
        ("an open group", "RFC 5322 3.4", b" G: ceo@brand.example"),
        ("an open empty group", "RFC 5322 3.4", b" G:"),
        ("a group in a group", "RFC 5322 3.4", b" G: H: ceo@brand.example;;"),
        ("a group without a name", "RFC 5322 3.4", b" :ceo@brand.example;"),
        ("a mailbox after a group without a comma", "RFC 5322 3.4", b" G:; ceo@brand.example"),
        ("a group closed twice", "RFC 5322 3.4", b" G:;;"),
        ("a semicolon without a group", "RFC 5322 3.4", b" ;"),
        ("an open quote", "H.2 F8", b' "ceo <ceo@brand.example>'),
        ("an open comment", "H.2 F8", b" ceo@brand.example (c"),
        ("NUL", "H.2 F11", b" ceo@brand.example\0@atk.example"),
        ("NUL in a name", "H.2 F11", b' "a\0b" <ceo@brand.example>'),
        ("a bare CR", "H.2 F11", b" ceo@brand.example\r"),
        ("a bare LF", "H.2 F11", b" a\n <ceo@brand.example>"),
        ("a line end that is no fold", "H.2 F15", b" a\r\nb <ceo@brand.example>"),
        ("a fold made of two line ends", "H.2 F15", b" a\r\n\r\n <ceo@brand.example>"),
        ("an escape sequence in a comment", "H.2 F11", b" ceo@brand.example (\x1b[1m)"),
        ("eight-bit octets in the local part", "H.2 F11", " ü@brand.example".encode()),
        ("eight-bit octets in the domain", "H.2 F11", " ceo@bränd.example".encode()),
        ("an escape after an eight-bit octet", "author.py", b' "\x95\\" <x@atk.example>, "y" <ceo@brand.example>'),
        ("an escape after UTF-8 that may be Shift_JIS", "author.py", ' "あ\\"" <ceo@brand.example>'.encode()),
    )
]

BROKEN_UTF8 = [
    Case(id=identifier, section=section, value=value, problem=UNPARSABLE, smtputf8=True)
    for identifier, section, value in (
        ("no UTF-8 in the local part", "H.2 F11", b" \xfc@brand.example"),
        ("no UTF-8 in the domain", "H.2 F14", b" ceo@br\xe4nd.example"),
        ("right-to-left override in the domain", "H.2 F14", " ceo@br\u202eand.example".encode()),
        ("an escape after octets that are no UTF-8", "author.py", b' "\x95\\"" <ceo@brand.example>'),
    )
]


@pytest.mark.parametrize("case", [*GENUINE, *LISTS, *INTERNAL, *BROKEN, *BROKEN_UTF8], ids=lambda case: case.id)
def test_from_field(case: Case) -> None:
    author = read(case.value, smtputf8=case.smtputf8)
    assert author == Author(tuple(Domain(name) for name in case.domains), case.problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    id: str
    section: str
    names: tuple[bytes, ...]
    problem: FromProblem | None = None
    domains: tuple[Domain, ...] = field(default=())


FIELDS = [
    Fields(id="no field at all", section="C.2.3", names=(), problem=FromProblem.MISSING),
    Fields(
        id="Sender and Resent-From do not stand in",
        section="H.2 F3",
        names=(b"Sender", b"Resent-From", b"X-From", b"From-"),
        problem=FromProblem.MISSING,
    ),
    Fields(id="any case", section="H.2 F2", names=(b"fRoM",), domains=(Domain(BRAND),)),
    Fields(id="white space around the name", section="H.2 F2", names=(b" From\t ",), domains=(Domain(BRAND),)),
    Fields(id="two fields", section="H.2 F1", names=(b"From", b"To", b"From"), problem=FromProblem.REPEATED),
    Fields(id="a hidden second field", section="H.2 F2", names=(b"From", b"FROM "), problem=FromProblem.REPEATED),
    Fields(id="ten fields", section="H.2 F1", names=(b"From",) * 10, problem=FromProblem.REPEATED),
]


@pytest.mark.parametrize("case", FIELDS, ids=lambda case: case.id)
def test_fields_are_counted(case: Fields) -> None:
    author = parse_author([HeaderField(name, b" ceo@brand.example") for name in case.names])
    assert author == Author(case.domains, case.problem)


octets = st.one_of(
    st.binary(max_size=80),
    st.lists(
        st.sampled_from(
            [
                b"a",
                b"b.example",
                b"@",
                b"<",
                b">",
                b",",
                b";",
                b":",
                b".",
                b'"q"',
                b"(c)",
                b"[192.0.2.1]",
                b" ",
                b"\xe4",
            ]
        ),
        max_size=14,
    ).map(b"".join),
)


@given(octets, st.booleans())
def test_any_octets_give_an_author(value: bytes, smtputf8: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
    author = read(value, smtputf8=smtputf8)
    assert not (author.domains and author.problem)
    assert len(author.domains) <= MAX_AUTHOR_DOMAINS
    assert all(len(domain.labels) > 1 and Domain.parse(domain.name) == domain for domain in author.domains)
    for domain in author.domains:
        if value.isascii() and b"(" not in value and b" " not in value and b"\t" not in value and b"\r" not in value:
            assert b"@" + bytes(domain) in value.lower()


@given(octets)
def test_what_a_sound_field_says_survives_another_mailbox(value: bytes) -> None:
    alone = read(value)
    if not alone.domains:
        return
    both = read(value + b", x@other.example")
    assert both.domains == tuple(dict.fromkeys([*alone.domains, Domain("other.example")]))


@pytest.mark.parametrize("unit", [b"(", b"<", b'"', b"a ", b"a.", b",", b"a:;,", b"\\", b"(a)", b"a,", b"@a"], ids=repr)
def test_work_grows_with_the_length_only(unit: bytes) -> None:
    few, many = (steps(partial(read, unit * count)) for count in (300, 3000))
    assert many <= 10 * few + 100


@pytest.mark.parametrize(("more", "problem"), [(0, None), (1, FromProblem.UNPARSABLE)], ids=["as many", "one more"])
def test_so_many_tokens_are_read(more: int, problem: FromProblem | None) -> None:
    address = b"<a@brand.example>"  # of seven tokens
    assert read(b"word " * (MAX_FROM_TOKENS - 7 + more) + address).problem is problem
