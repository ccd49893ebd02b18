"""Address literals (RFC 5321 4.1.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.message.literal import is_address_literal


@pytest.mark.parametrize(
    "content", [b"192.0.2.1", b"IPv6:2001:db8::1", b"ipv6:::1", b"IPv6:::ffff:192.0.2.1"], ids=repr
)
def test_addresses(content: bytes) -> None:
    assert is_address_literal(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"192.0.2",
        b"192.0.2.256",
        b"192.0.2.01",
        b"192.0.2.1/24",
        b" 192.0.2.1",
        b"::1",
        b"IPv6:",
        b"IPv6:192.0.2.1",
        b"IPv6:fe80::1%eth0",
        b"brand.example",
        b"x:brand.example",
        b"\xff",
        "IPv6:é".encode(),
    ],
    ids=repr,
)
def test_everything_else(content: bytes) -> None:
    assert not is_address_literal(content)


@given(st.one_of(st.binary(max_size=40), st.text("IPv6:0123456789abcdef./%", max_size=40).map(str.encode)))
def test_any_octets_have_an_answer(content: bytes) -> None:
    assert is_address_literal(content) in (True, False)
