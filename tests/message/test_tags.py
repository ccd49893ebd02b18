"""Tag lists (RFC 6376 3.2, standards B.1)."""

from contextlib import suppress

import pytest
from dkim.util import InvalidTagSpec, InvalidTagValueList, parse_tag_value
from hypothesis import given
from hypothesis import strategies as st

from assay.limits import MAX_TAGS
from assay.message.header import unfold
from assay.message.tags import TagListError, parse_tags
from support.steps import steps


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        pytest.param(b"a=b", {b"a": b"b"}, id="one tag"),
        pytest.param(b" v=1; a=b ;c = d e\tf;", {b"v": b"1", b"a": b"b", b"c": b"d e\tf"}, id="white space around all"),
        pytest.param(b"a=b; \t", {b"a": b"b"}, id="white space after the last semicolon"),
        pytest.param(b"a=b;\r\n ", {b"a": b"b"}, id="a fold after the last semicolon"),
        pytest.param(b"a=b;\r\n\tc=\r\n d\r\n e", {b"a": b"b", b"c": b"d e"}, id="folds"),
        pytest.param(b"a=b=c==", {b"a": b"b=c=="}, id="equals signs in a value"),
        pytest.param(b"a=;b= ", {b"a": b"", b"b": b""}, id="empty values are there"),
        pytest.param(b"a=1;A=2", {b"a": b"1", b"A": b"2"}, id="names are case-sensitive"),
        pytest.param(b"a_1=x", {b"a_1": b"x"}, id="digits and underscores in a name"),
        pytest.param("d=例え.jp".encode(), {b"d": "例え.jp".encode()}, id="UTF-8 in a value (RFC 8616)"),
        pytest.param(
            b"b=a!\"#$%&'()*+,-./:<=>?@[\\]^`{|}~", {b"b": b"a!\"#$%&'()*+,-./:<=>?@[\\]^`{|}~"}, id="VALCHAR"
        ),
    ],
)
def test_tag_list(value: bytes, tags: dict[bytes, bytes]) -> None:
    assert parse_tags(value) == tags
    assert list(parse_tags(value)) == list(tags)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b" \t", id="white space"),
        pytest.param(b";", id="a semicolon"),
        pytest.param(b"a", id="no equals sign"),
        pytest.param(b"a=b;c", id="no equals sign at the end"),
        pytest.param(b"a=b;;", id="two semicolons at the end"),
        pytest.param(b"a=b; ;", id="two semicolons with a space at the end"),
        pytest.param(b"a=b;;c=d", id="two semicolons in the middle"),
        pytest.param(b";a=b", id="a semicolon first"),
        pytest.param(b"=b", id="no name"),
        pytest.param(b"1a=b", id="a digit first"),
        pytest.param(b"_a=b", id="an underscore first"),
        pytest.param(b"a-b=c", id="a hyphen in a name"),
        pytest.param(b"a b=c", id="a space in a name"),
        pytest.param("ä=c".encode(), id="a letter that is none of ours in a name"),
        pytest.param(b"a=b;a=b", id="the same tag twice"),
        pytest.param(b"a=b;c=d;a=", id="the same tag twice, empty"),
        pytest.param(b"a=b\0c", id="NUL in a value"),
        pytest.param(b"a\0=b", id="NUL in a name"),
        pytest.param(b"a=b\x7f", id="DEL"),
        pytest.param(b"a=b\rc", id="a bare CR"),
        pytest.param(b"a=b\n c", id="a bare LF"),
        pytest.param(b"a=b\r\nc", id="CRLF that is no fold"),
        pytest.param(b"a=b;\r\n", id="CRLF at the end"),
        pytest.param(b"a=b\x0b", id="a vertical tab at the end"),
    ],
)
def test_no_tag_list(value: bytes) -> None:
    with pytest.raises(TagListError):
        parse_tags(value)


names = st.from_regex(rb"\A[A-Za-z][A-Za-z0-9_]{0,3}\Z")
contents = st.text("ab1=/+.: \t", max_size=8).map(str.encode)
lists = st.lists(st.builds(lambda name, content: name + b"=" + content, names, contents), min_size=1, max_size=8)


@given(lists, st.sampled_from([b";", b" ;", b"; ", b";\r\n "]), st.sampled_from([b"", b";", b" ; "]))
def test_agrees_with_dkimpy_on_lists_by_the_grammar(specs: list[bytes], joint: bytes, end: bytes) -> None:
    value = joint.join(specs) + end
    try:
        theirs = parse_tag_value(unfold(value))
    except InvalidTagValueList:  # a tag twice: the only fault that such a list can have
        theirs = None
    if theirs is None:
        with pytest.raises(TagListError):
            parse_tags(value)
    else:
        assert parse_tags(value) == theirs


odd = st.sampled_from([b"a=b", b"c=", b";", b"; ", b"\r\n ", b"=", b" d ", b"\t", b"\0", b"\r", b"\n", b"\x0b"])


@given(st.lists(odd, max_size=6).map(b"".join))
def test_whatever_is_accepted_means_the_same_to_dkimpy(rest: bytes) -> None:
    value = b"x=y" + rest
    try:
        ours = parse_tags(value)
    except TagListError:
        return
    assert parse_tag_value(unfold(value)) == ours


@given(st.binary(max_size=60))
def test_any_octets_are_a_list_or_an_error(value: bytes) -> None:
    try:
        tags = parse_tags(value)
    except TagListError:
        return
    assert tags
    assert all(content == content.strip(b" \t") for content in tags.values())


def test_dkimpy_accepts_what_we_refuse() -> None:
    """Why we read tags ourselves: a name with a space in it, and a semicolon too many at the start of a fold."""
    assert parse_tag_value(b"a b=c") == {b"a b": b"c"}
    with pytest.raises(TagListError):
        parse_tags(b"a b=c")
    with pytest.raises(InvalidTagSpec):
        parse_tag_value(b"a=b;;c=d")


@pytest.mark.parametrize("unit", [b";", b"=", b"a=b;", b"\r\n ", b" ", b"a"], ids=repr)
def test_work_grows_with_the_length_only(unit: bytes) -> None:
    def read(count: int) -> int:
        def work() -> None:
            with suppress(TagListError):
                parse_tags(unit * count)

        return steps(work)

    assert read(3000) <= 10 * read(300) + 100


def test_a_list_has_so_many_tags_and_no_more() -> None:
    tags = [b"t%d=" % number for number in range(MAX_TAGS)]
    assert len(parse_tags(b";".join(tags) + b";")) == MAX_TAGS
    with pytest.raises(TagListError, match="more than"):
        parse_tags(b";".join([*tags, b"x=", b""]))
