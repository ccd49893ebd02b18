"""The arguments of MAIL and HELO (RFC 5321 4.1.2, standards A.1, G.5.10, H.1 E3 to E5, E12)."""

from dataclasses import dataclass
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.domain import Domain
from assay.message.reverse_path import NullSender, ReversePath, UnusablePath, parse_helo, parse_reverse_path
from support.steps import steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    id: str
    section: str
    path: bytes
    local: bytes
    domain: str | None


SENDERS = [
    Sender(id="a mailbox", section="RFC 5321 4.1.2", path=b"<a@b.example>", local=b"a", domain="b.example"),
    Sender(id="upper case and a final dot", section="H.1 E12", path=b"<A@B.Example.>", local=b"A", domain="b.example"),
    Sender(id="without brackets", section="RFC 5321 4.1.2", path=b"a@b.example", local=b"a", domain="b.example"),
    Sender(
        id="every octet of an atom",
        section="RFC 5321 4.1.2",
        path=b"<a!#$%&'*+-/=?^_`{|}~.1@b.example>",
        local=b"a!#$%&'*+-/=?^_`{|}~.1",
        domain="b.example",
    ),
    Sender(
        id="dots anywhere", section="reverse_path.py", path=b"<.a..b.@c.example>", local=b".a..b.", domain="c.example"
    ),
    Sender(
        id="a quoted local part with @, a bracket and an escaped quote",
        section="RFC 5321 4.1.2",
        path=b'<"a b@c>\\"\\\\"@b.example>',
        local=b'"a b@c>\\"\\\\"',
        domain="b.example",
    ),
    Sender(
        id="an empty quoted local part",
        section="RFC 5321 4.1.2",
        path=b'<""@b.example>',
        local=b'""',
        domain="b.example",
    ),
    Sender(id="a single label", section="standards A.1", path=b"<a@localhost>", local=b"a", domain="localhost"),
    Sender(id="an IPv4 literal", section="RFC 5321 4.1.3", path=b"<a@[192.0.2.1]>", local=b"a", domain=None),
    Sender(id="an IPv6 literal", section="RFC 5321 4.1.3", path=b"<a@[IPv6:2001:db8::1]>", local=b"a", domain=None),
    Sender(
        id="postmaster without a domain",
        section="RFC 5321 4.5.1",
        path=b"<Postmaster>",
        local=b"Postmaster",
        domain=None,
    ),
    Sender(
        id="a source route is dropped",
        section="H.1 E5",
        path=b"<@one.example,@two.example:a@b.example>",
        local=b"a",
        domain="b.example",
    ),
    Sender(
        id="a source route before a literal with colons",
        section="H.1 E5",
        path=b"<@one.example:a@[IPv6:2001:db8::1]>",
        local=b"a",
        domain=None,
    ),
    Sender(
        id="UTF-8",
        section="RFC 6531 3.3",
        path="<ü@例え.example>".encode(),
        local="ü".encode(),
        domain="xn--r8jz45g.example",
    ),
]


@pytest.mark.parametrize("case", SENDERS, ids=lambda case: case.id)
def test_a_sender_is_read(case: Sender) -> None:
    domain = None if case.domain is None else Domain(case.domain)
    assert parse_reverse_path(case.path) == ReversePath(case.local, domain)


def test_only_the_empty_path_is_the_null_sender() -> None:
    """RFC 5321 4.1.2."""
    assert parse_reverse_path(b"<>") == NullSender()


UNUSABLE = {
    "nothing at all": b"",
    "a space in brackets": b"< >",
    "a space before the brackets": b" <>",
    "two pairs of brackets": b"<<>>",
    "a comment in brackets": b"<()>",
    "one bracket": b"<",
    "H.1 E3: a parenthesis first": b"<(any@brand.example>",
    "H.1 E4: an open comment in the domain": b"<any@brand.example(a.atk.example>",
    "the same without brackets": b"any@brand.example(a.atk.example",
    "H.1 E4: a quote and a second @": b"<x@brand.example'@a.atk.example>",
    "the same second @ without brackets": b"x@brand.example'@a.atk.example",
    "H.1 E4: a route through a single label": b"<@brand.example,@b:'x@atk.example>",
    "the same route without brackets": b"@brand.example,@b:'x@atk.example",
    "a route without brackets": b"@one.example:a@b.example",
    "a route without a mailbox": b"<@one.example:>",
    "a route without a colon": b"<@one.example>",
    "a route of nothing": b"<@:a@b.example>",
    "a route with an empty hop": b"<@one.example,:a@b.example>",
    "a route with a hop without @": b"<@one.example,two.example:a@b.example>",
    "a route with a hop that is no name": b"<@one.example,@two(.example:a@b.example>",
    "two routes": b"<@one.example:@two.example:a@b.example>",
    "an open bracket": b"<a@b.example",
    "a closing bracket alone": b"a@b.example>",
    "text after the bracket": b"<a@b.example> SIZE=1",
    "a name before the bracket": b"A <a@b.example>",
    "no domain": b"<root>",
    "postmaster without brackets": b"postmaster",
    "an empty domain": b"<a@>",
    "an empty local part": b"<@b.example>",
    "an unquoted space": b"<a b@c.example>",
    "an open quote": b'<"a@b.example>',
    "text after the quote": b'<"a"b@c.example>',
    "a control character in quotes": b'<"a\tb"@c.example>',
    "NUL": b"<a\0@b.example>",
    "CR and LF": b"<a@b.example>\r\n",
    "CR and LF inside": b"<a@b.example\r\n>",
    "an empty label": b"<a@b..example>",
    "a label of 64 octets": b"<a@" + b"b" * 64 + b".example>",
    "an open literal": b"<a@[192.0.2.1>",
    "text after a literal": b"<a@[192.0.2.1].brand.example>",
    "a name in brackets": b"<a@[brand.example]>",
    "a general literal": b"<a@[x:brand.example]>",
    "a local part that is no UTF-8": b"<\xfc@b.example>",
    "a domain that is no UTF-8": b"<a@\xfc.example>",
}


@pytest.mark.parametrize("path", UNUSABLE.values(), ids=UNUSABLE)
def test_what_does_not_fit_names_nobody(path: bytes) -> None:
    found = parse_reverse_path(path)
    assert isinstance(found, UnusablePath)
    assert found.reason


pieces = st.sampled_from(
    [b"<", b">", b"@", b"a", b"b.example", b",", b":", b'"', b"\\", b"(", b"'", b" ", b"[192.0.2.1]", b"\xe4", b"\0"]
)
paths = st.one_of(st.binary(max_size=60), st.lists(pieces, max_size=12).map(b"".join))


@given(paths)
def test_any_octets_give_a_path(path: bytes) -> None:
    found = parse_reverse_path(path)
    assert isinstance(found, NullSender) == (path == b"<>")
    if isinstance(found, ReversePath) and found.domain is not None:
        assert Domain.parse(found.domain.name) == found.domain
        end = path.removeprefix(b"<").removesuffix(b">")
        if end.isascii():  # the identity is what stands last, after the local part and one @
            assert end.lower().removesuffix(b".").endswith((found.local + b"@" + bytes(found.domain)).lower())
        assert b"@" not in found.local or found.local.startswith(b'"')


@pytest.mark.parametrize("unit", [b"@a.b,", b'"', b"\\", b'"\\', b"a.", b"@", b"[", b"<"], ids=repr)
def test_work_grows_with_the_length_only(unit: bytes) -> None:
    few, many = (steps(partial(parse_reverse_path, b"<" + unit * count + b":>")) for count in (200, 2000))
    assert many <= 10 * few + 100


@pytest.mark.parametrize(
    ("helo", "name"),
    [
        (b"mail.example.com", "mail.example.com"),
        (b"MAIL.Example.com.", "mail.example.com"),
        (b"my_host.example", "my_host.example"),
        (b"192.0.2.1.example", "192.0.2.1.example"),
    ],
)
def test_a_host_name_is_read(helo: bytes, name: str) -> None:
    assert parse_helo(helo) == Domain(name)


@pytest.mark.parametrize(
    "helo",
    [
        b"",
        b"localhost",
        b"localhost.",
        b"[192.0.2.1]",
        b"[IPv6:::1]",
        b"192.0.2.1",
        b"mail..example",
        b".example.com",
        b"mail.example.com ",
        b"mail.exa(mple.com",
        b"a" * 64 + b".example",
        b"a." * 127 + b"b",
        "例え.example".encode(),
        b"\xff.example",
        b"mail.example\0.com",
    ],
    ids=repr,
)
def test_anything_else_is_no_helo_name(helo: bytes) -> None:
    """Standards A.1.4, A.1.7."""
    assert parse_helo(helo) is None


@given(st.binary(max_size=80))
def test_any_octets_are_a_helo_name_or_none(helo: bytes) -> None:
    name = parse_helo(helo)
    assert name is None or bytes(name) == helo.lower().removesuffix(b".")
