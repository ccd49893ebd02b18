"""The grammar of SPF records (RFC 7208 4.5, 4.6.1, 5, 6, 7.1, 12)."""

import re
from ipaddress import ip_network
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.limits import MAX_NAME_OCTETS, MAX_SPF_RECORD_OCTETS
from assay.verify.spf_record import (
    Directive,
    Macro,
    Network,
    SpfRecord,
    SpfSyntaxError,
    is_spf,
    parse_macros,
    parse_record,
    target_name,
)


@pytest.mark.parametrize("text", [b"v=spf1", b"v=spf1 ", b"V=SpF1 -all"])
def test_an_spf_record(text: bytes) -> None:
    assert is_spf(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"v=spf",
        b"v=spf1\n",
        b"v=spf1\t-all",
        b"v=spf10 -all",
        b"v=spf1-all",
        b" v=spf1 -all",
        b"spf2.0/mfrom -all",
    ],
)
def test_another_version_section_is_no_spf_record(text: bytes) -> None:
    assert not is_spf(text)


GOOD_TERMS = [
    "all",
    "+ALL",
    "~Include:example.com",
    "a",
    "A/0",
    "a//128",
    "a/32//0",
    "a/8",
    "mx//8",
    "a:example.com/24//64",
    "-a:museum.example.",
    "a:%{d}",
    "a:%{d}/24",
    "a:foo:bar/baz.example.com",
    "a:example.xn--zckzah",
    "a:example.1-2",
    "a:example.a1b",
    "mx:example.com",
    "?mx",
    "ptr",
    "PTR:example.com",
    "ip4:192.0.2.1",
    "ip4:0.0.0.0/0",
    "IP6:::1",
    "ip6:2001:DB8::/32",
    "ip6:::ffff:192.0.2.1/128",
    "exists:%{ir}.%{v}._spf.%{d2}",
    "exists:%{l1r+-}.%{D10R.,}.x.example.com",
    "exists:foo%%",
    "exists:foo%_%-%%",
    "exists:%{i0001}",
    "exists:%{i" + "9" * 5000 + "}",
    "exists:!#$&'()*;<=>?@[]^`{|}~.example.com",
    "x=",
    "X.y-z_9=man:dog/cat",
    "x=%{s}%%",
    "op=a.b",
    "default=pass",
    "a=example.com",
]  # fmt: skip

BAD_TERMS = {
    "all:example.com": '"all" takes nothing',
    "all/8": '"all" takes nothing',
    "all.": "unknown mechanism",
    "include": 'no ":"',
    "include/x.example": 'no ":"',
    "include:": "no domain name",
    "include:example.com/24": "no domain name",
    "a:": "no domain name",
    "a/": 'no ":"',
    "a/x.example": 'no ":"',
    "a/33": "prefix length out of range",
    "a//129": "prefix length out of range",
    "a/024": 'no ":"',
    "a/24/64": "prefix length out of range",
    "a/24/32": 'no ":"',
    "a:museum": "no domain name",
    "a:museum.": "no domain name",
    "a:example.123": "no domain name",
    "a:example.-com": "no domain name",
    "a:example.com-": "no domain name",
    "a:example.com:8080": "no domain name",
    "a:example.com,": "no domain name",
    "a:example..": "no domain name",
    "a:192.0.2.1": "no domain name",
    "a:%{d}com": "no domain name",
    "a:%{d": "no macro at",
    "a:%(d).example.com": "no macro at",
    "a:%%%d.example.com": "no macro at",
    "a:example.com%": "no macro at",
    "a:%{}.example.com": "no macro at",
    "a:%{d!}.example.com": "no macro at",
    "a:%{dr2}.example.com": "no macro at",
    "a:%{a}.example.com": "no macro letter here",
    "a:%{T}.example.com": "no macro letter here",
    "a:%{d0}.example.com": "zero parts",
    "a:%{d000r}.example.com": "zero parts",
    "mx:": "no domain name",
    "ptr:": "no domain name",
    "ptr/24": 'no ":"',
    "exists": 'no ":"',
    "exists:": "no domain name",
    "ip4": "no ip4 network",
    "ip4:192.0.2": "no ip4 network",
    "ip4:192.0.2.01": "no ip4 network",
    "ip4:192.0.2.1/33": "no ip4 network",
    "ip4:192.0.2.1/032": "no ip4 network",
    "ip4:192.0.2.1/": "no ip4 network",
    "ip4:192.0.2.1//32": "no ip4 network",
    "ip4:192.0.2.1:25": "no ip4 network",
    "ip4:::1": "no ip4 network",
    "ip6:192.0.2.1": "no ip6 network",
    "ip6:::1%eth0": "no ip6 network",
    "ip6:::1/129": "no ip6 network",
    "ip6::cafe::babe": "no ip6 network",
    "ipv4:192.0.2.1": "unknown mechanism",
    "192.0.2.1": "unknown mechanism",
    "++all": "unknown mechanism",
    "!all": "unknown mechanism",
    "-": "unknown mechanism",
    ":": "unknown mechanism",
    "moo": "unknown mechanism",
    "1up=foo": "unknown mechanism",
    "=all": "unknown mechanism",
    "x/y=z": "unknown mechanism",
    "redirect:example.com": "unknown mechanism",
    "redirect=": "no domain name",
    "Redirect=com": "no domain name",
    "exp=-all": "no domain name",
    "x=%abc": "no macro at",
    "default=%abc": "no macro at",
    "op=%{r}": "no macro letter here",
    "redirect=a.example redirect=b.example": "redirect= appears twice",
    "exp=a.example EXP=a.example": "exp= appears twice",
    "a\tmx": "not printable",
    "a\x7f": "not printable",
    "a:\xe9.example.com": "not printable",
    "a\0": "not printable",
}


@pytest.mark.parametrize("term", GOOD_TERMS)
def test_a_good_term(term: str) -> None:
    texts = [directive.text for directive in parse_record(f"v=spf1  {term} ".encode("latin-1")).directives]
    assert texts == ([] if re.match("[A-Za-z._0-9-]+=", term) else [term])


@pytest.mark.parametrize(("term", "why"), BAD_TERMS.items())
def test_a_bad_term_anywhere_spoils_the_record(term: str, why: str) -> None:
    with pytest.raises(SpfSyntaxError, match=why):
        parse_record(f"v=spf1 +all {term}".encode("latin-1"))


def test_modifiers_are_told_from_directives() -> None:
    assert parse_record(b"v=spf1 EXP=why.example x=1 -a Redirect=%{d}.example x=2 ?all") == SpfRecord(
        directives=(Directive("-a"), Directive("?all")), redirect="%{d}.example", exp="why.example"
    )


@pytest.mark.parametrize(
    ("term", "network"),
    [
        ("-ip4:192.0.2.129/24", Network(4, 0xC00002, 8)),
        ("IP4:192.0.2.1", Network(4, 0xC0000201, 0)),
        ("ip4:192.0.2.1/0", Network(4, 0, 32)),
        ("?ip6:2001:db8::1/32", Network(6, 0x20010DB8, 96)),
        ("ip6:::ffff:192.0.2.1", Network(6, 0xFFFFC0000201, 0)),
    ],
)
def test_networks_are_read(term: str, network: Network) -> None:
    assert parse_record(f"v=spf1 {term}".encode()).directives == (Directive(term, network),)


@pytest.mark.parametrize(
    ("text", "result"), [("all", "pass"), ("+all", "pass"), ("-all", "fail"), ("~all", "softfail"), ("?all", "neutral")]
)
def test_qualifiers(text: str, result: str) -> None:
    assert Directive(text).result == result


@pytest.mark.parametrize("version", [4, 6])
@given(data=st.data())
def test_a_network_holds_what_the_standard_library_says(version: Literal[4, 6], data: st.DataObject) -> None:
    base, other = data.draw(st.ip_addresses(v=version)), data.draw(st.ip_addresses())
    bits = data.draw(st.integers(0, base.max_prefixlen))
    near = type(base)(int(base) ^ (1 << data.draw(st.integers(0, base.max_prefixlen - 1))))
    (directive,) = parse_record(f"v=spf1 ip{version}:{base}/{bits}".encode()).directives
    assert directive.network is not None
    for address in (base, near, other):
        assert directive.network.holds(address) is (address in ip_network((base, bits), strict=False))


def test_the_size_of_a_record_is_limited() -> None:
    assert parse_record(b"v=spf1".ljust(MAX_SPF_RECORD_OCTETS))
    with pytest.raises(SpfSyntaxError, match="longer than 8192 octets"):
        parse_record(b"v=spf1".ljust(MAX_SPF_RECORD_OCTETS + 1))


def test_an_error_quotes_no_more_than_a_glance() -> None:
    with pytest.raises(SpfSyntaxError) as caught:
        parse_record(b"v=spf1 moo" + b"o" * 5000)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize(
    ("macro", "value", "expanded"),
    [
        ("%{d}", "email.example.com", "email.example.com"),
        ("%{d2}", "email.example.com", "example.com"),
        ("%{d9}", "email.example.com", "email.example.com"),
        ("%{d99999}", "email.example.com", "email.example.com"),
        ("%{dr}", "email.example.com", "com.example.email"),
        ("%{d2r}", "email.example.com", "example.email"),
        ("%{d1R}", "email.example.com", "email"),
        ("%{l}", "strong-bad", "strong-bad"),
        ("%{l-}", "strong-bad", "strong.bad"),
        ("%{lr-}", "strong-bad", "bad.strong"),
        ("%{l1r-}", "strong-bad", "strong"),
        ("%{l+-}", "a+b-c.d", "a.b.c.d"),
        ("%{l^}", "a", None),
        ("%{l_}", "a]b_c", "a]b.c"),
        ("%{L}", "~a&b=c d/e\xe9", "~a%26b%3Dc%20d%2Fe%E9"),
        ("%{l}", "", ""),
    ],
)
def test_transformers(macro: str, value: str, expanded: str | None) -> None:
    if expanded is None:
        with pytest.raises(SpfSyntaxError):
            parse_macros(macro)
        return
    (token,) = parse_macros(macro)
    assert isinstance(token, Macro)
    assert token.transform(value) == expanded


def test_c_r_and_t_are_macros_of_explanations_only() -> None:
    assert parse_macros("at %{T}, %{c} %%", explanation=True) == (
        "at ",
        Macro(letter="t", escape=True),
        ", ",
        Macro(letter="c"),
        " ",
        Macro(letter="%"),
    )


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (["a", ".example."], "a.example"),
        (["x" * 50 + "."] * 6 + ["example"], "x" * 50 + "." + ("x" * 50 + ".") * 3 + "example"),
        (["x" * 300], "x" * 300),
        ([], ""),
        (["y" * 49 + "."] * 5 + ["com"], "y" * 49 + "." + ("y" * 49 + ".") * 4 + "com"),
        (["x."] + ["y" * 49 + "."] * 5 + ["com"], ("y" * 49 + ".") * 5 + "com"),
        # The leftmost label is cut off as a whole, where it begins in another part too.
        (["x", "y" * 49 + "."] + ["y" * 49 + "."] * 4 + ["com."], ("y" * 49 + ".") * 4 + "com"),
    ],
)
def test_a_name_is_cut_from_the_left(parts: list[str], name: str) -> None:
    assert target_name(reversed(parts)) == name


@given(st.lists(st.sampled_from(["", ".", "a", "a.", "x" * 60, "x" * 60 + ".", "y." * 120]), max_size=12))
def test_a_name_loses_labels_until_it_fits(parts: list[str]) -> None:
    """RFC 7208 7.3, word for word; of a name that DNS cannot hold anyway any end will do."""
    name = "".join(parts).removesuffix(".")
    while len(name) > MAX_NAME_OCTETS and "." in name:
        name = name.partition(".")[2]
    ours = target_name(reversed(parts))
    assert ours == name or len(ours) > MAX_NAME_OCTETS < len(name)


def test_no_more_of_an_expansion_is_made_than_its_name_can_hold() -> None:
    parts = iter(["a." * 50] * 2000)
    target_name(parts)
    assert len(list(parts)) == 2000 - 3


@pytest.mark.parametrize(("text", "keep"), [("%{d10}", 10), ("%{d010}", 10), ("%{d20}", 20), ("%{d}", 0)])
def test_all_digits_say_how_many_parts_remain(text: str, keep: int) -> None:
    """RFC 7208 7.3."""
    assert parse_macros(text) == (Macro(letter="d", keep=keep),)


def test_delimiters_in_any_order_are_the_same_macro() -> None:
    assert (
        parse_macros("%{l1r-.-}")
        == parse_macros("%{l1r.-}")
        == (Macro(letter="l", keep=1, reverse=True, delimiters="-."),)
    )


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60))
def test_macros_are_read_without_loss_or_refused(text: str) -> None:
    try:
        tokens = parse_macros(text, explanation=True)
    except SpfSyntaxError:
        assert "%" in text
        return
    assert "".join(token for token in tokens if isinstance(token, str)) == re.sub(r"%(?:[%_-]|\{[^}]*\})", "", text)


@given(st.binary(max_size=80))
def test_a_record_is_read_or_refused(octets: bytes) -> None:
    try:
        record = parse_record(b"v=spf1 " + octets)
    except SpfSyntaxError:
        return
    assert octets.isascii()
    assert {directive.text for directive in record.directives} <= set(octets.decode().split(" "))
