"""Names as octets (RFC 1035 2.3.4, RFC 2181 11; standards C.3, H.3 K1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.dns.names import fold, from_wire, parents, to_wire

LONGEST = b".".join([b"a" * 63, b"b" * 63, b"c" * 63, b"d" * 61])

labels = st.binary(min_size=1, max_size=63).filter(lambda label: b"." not in label and b"\0" not in label)
names = st.lists(labels, min_size=1, max_size=6).map(b".".join).filter(lambda name: len(name) <= 253)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(b"", id="the empty name"),
        pytest.param(b"a..b", id="an empty label in the middle"),
        pytest.param(b".a", id="an empty label in front"),
        pytest.param(b"a.", id="a final dot"),
        pytest.param(b"a" * 64 + b".b", id="a label of 64 octets"),
        pytest.param(LONGEST + b"d", id="a name of 254 octets"),
        pytest.param(b"a\0b.test", id="a NUL, which a C library takes for the end"),
    ],
)
def test_a_name_that_no_server_could_hold_has_no_wire_form(name: bytes) -> None:
    assert to_wire(name) is None


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(b"a", id="one label"),
        pytest.param(b"a" * 63 + b".b", id="a label of 63 octets"),
        pytest.param(LONGEST, id="a name of 253 octets"),
        pytest.param(b"a b.%{x}!.test", id="space, percent, braces, exclamation mark"),
        pytest.param(b"\x01\xff\\.test", id="a control, an 8-bit octet, a backslash"),
    ],
)
def test_every_other_name_goes_to_the_wire_literally(name: bytes) -> None:
    wire = to_wire(name)
    assert wire is not None
    assert len(wire) == len(name) + 2
    assert from_wire(wire) == name


@given(names)
def test_the_wire_form_reads_back(name: bytes) -> None:
    wire = to_wire(name)
    assert wire is not None
    assert from_wire(wire) == name
    assert len(wire) <= 255


@given(st.binary(max_size=300))
def test_no_octets_raise(name: bytes) -> None:
    wire = to_wire(name)
    assert wire is None or from_wire(wire) == name


def test_a_dot_inside_a_label_is_not_written_as_if_it_parted_labels() -> None:
    assert from_wire(b"\x03a.b\x04test\x00") is None


def test_folding_leaves_length_octets_and_8_bit_octets_alone() -> None:
    wire = to_wire(b"A" * 63 + b".\xc0Z")
    assert wire is not None
    assert fold(wire) == to_wire(b"a" * 63 + b".\xc0z")


def test_the_parents_of_a_name_end_with_the_root() -> None:
    assert parents(b"\x01a\x01b\x00") == [b"\x01b\x00", b"\x00"]
    assert parents(b"\x00") == []
