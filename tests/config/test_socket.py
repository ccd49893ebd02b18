"""Sockets as libmilter spells them, and as Postfix does."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.config.socket import SocketAddress, SocketError, SocketFamily, parse_loopback, parse_socket

BASE = Path("/etc/assay")

GOOD = [
    ("inet:8894@127.0.0.1", "inet:8894@127.0.0.1", "inet:127.0.0.1:8894"),
    ("inet:8894@[127.0.0.1]", "inet:8894@127.0.0.1", "inet:127.0.0.1:8894"),
    ("inet:8894@0.0.0.0", "inet:8894@0.0.0.0", "inet:127.0.0.1:8894"),
    ("inet:8894@LocalHost", "inet:8894@localhost", "inet:localhost:8894"),
    ("inet6:8894@[::1]", "inet6:8894@[::1]", "inet:[::1]:8894"),
    ("inet6:8894@::1", "inet6:8894@[::1]", "inet:[::1]:8894"),
    ("inet6:8894@[0:0::1]", "inet6:8894@[::1]", "inet:[::1]:8894"),
    ("inet6:1@[::]", "inet6:1@[::]", "inet:[::1]:1"),
    ("inet6:65535@mx.example", "inet6:65535@mx.example", "inet:mx.example:65535"),
    ("unix:/run/assay/assay.sock", "unix:/run/assay/assay.sock", "unix:/run/assay/assay.sock"),
    ("local:/run/assay.sock", "unix:/run/assay.sock", "unix:/run/assay.sock"),
    ("unix:assay.sock", "unix:/etc/assay/assay.sock", "unix:/etc/assay/assay.sock"),
    # where smtpd finds it with and without a chroot
    ("unix:/var/spool/postfix/assay/s", "unix:/var/spool/postfix/assay/s", "unix:assay/s"),
    ("unix:/run/a:b@c", "unix:/run/a:b@c", "unix:/run/a:b@c"),
]

BAD = [
    ("inet:127.0.0.1:8894", 'is the spelling of Postfix; here it is "inet:8894@127.0.0.1"'),
    ("inet:[::1]:8894", 'is the spelling of Postfix; here it is "inet6:8894@[::1]"'),
    ("inet:localhost:8894", 'is the spelling of Postfix; here it is "inet:8894@localhost"'),
    ("inet:8894", 'lacks the address; "inet:8894@0.0.0.0" listens on every address'),
    ("inet:8894@", 'lacks the address; "inet:8894@0.0.0.0" listens on every address'),
    ("inet6:8894", 'lacks the address; "inet6:8894@[::]" listens on every address'),
    ("inet:", "'inet:' is no socket; write \"inet:8894@127.0.0.1\""),
    ("inet:somewhere", "'inet:somewhere' is no socket; write"),
    ("inet:70000@127.0.0.1", "'70000' is no port"),
    ("inet:65536@127.0.0.1", "'65536' is no port"),
    ("inet:0@127.0.0.1", "'0' is no port"),
    ("inet:-1@127.0.0.1", "'-1' is no port"),
    ("inet:smtp@127.0.0.1", "'smtp' is no port"),
    ("inet:\u0661@127.0.0.1", "is no port"),
    ("inet:@127.0.0.1", "'' is no port"),
    ("inet:8894@[::1]", 'is an IPv6 address; write "inet6:" in front'),
    ("inet6:8894@127.0.0.1", 'is an IPv4 address; write "inet:" in front'),
    ("inet:8894@127.1", "is no complete IPv4 address"),
    ("inet:8894@2130706433", "is no complete IPv4 address"),
    ("inet:8894@256.0.0.1", "is no complete IPv4 address"),
    ("inet:8894@[localhost]", "is neither an IP address nor a host name"),
    ("inet6:8894@[::1", "is neither an IP address nor a host name"),
    ("inet6:8894@::1]", "is neither an IP address nor a host name"),
    ("inet:8894@a b", "is neither an IP address nor a host name"),
    ("/run/assay.sock", 'did you mean "unix:/run/assay.sock"?'),
    ("8894", "'8894' is no socket; write"),
    ("", "'' is no socket; write"),
    ("tcp:8894@127.0.0.1", "'tcp' is no kind of socket; write"),
    ("unix:", "lacks the path"),
    ("unix:/run/\x00", "unprintable characters"),
    ("unix:/run/" + "a" * 103, "longer than 107 octets"),
]


LOOPBACK = [
    ("127.0.0.1:9894", SocketAddress(family=SocketFamily.INET, host="127.0.0.1", port=9894)),
    ("127.8.9.1:1", SocketAddress(family=SocketFamily.INET, host="127.8.9.1", port=1)),
    ("[::1]:65535", SocketAddress(family=SocketFamily.INET6, host="::1", port=65535)),
]

NOT_LOOPBACK = [
    ("0.0.0.0:9894", "'0.0.0.0:9894' can be reached from elsewhere"),
    ("[::]:9894", "can be reached from elsewhere"),
    ("192.0.2.1:9894", "can be reached from elsewhere"),
    ("[::ffff:192.0.2.1]:9894", "can be reached from elsewhere"),
    ("localhost:9894", 'is no address with a port; write "127.0.0.1:9894" or "[::1]:9894"'),
    ("::1:9894", "is no address with a port"),
    ("[127.0.0.1]:9894", "is no address with a port"),
    ("[::1%lo]:9894", "is no address with a port"),
    ("127.0.0.1", "is no address with a port"),
    ("127.1:9894", "is no address with a port"),
    ("9894", "is no address with a port"),
    (":9894", "is no address with a port"),
    ("127.0.0.1:", "'' is no port; write a number from 1 to 65535 after the address"),
    ("127.0.0.1:0", "'0' is no port"),
    ("127.0.0.1:65536", "'65536' is no port"),
    ("127.0.0.1:+1", "'+1' is no port"),
]


@pytest.mark.parametrize(("text", "address"), LOOPBACK, ids=[row[0] for row in LOOPBACK])
def test_an_address_of_loopback(text: str, address: SocketAddress) -> None:
    assert parse_loopback(text) == address


@pytest.mark.parametrize(("text", "complaint"), NOT_LOOPBACK, ids=[row[0] for row in NOT_LOOPBACK])
def test_what_is_no_address_of_loopback_says_what_would_be(text: str, complaint: str) -> None:
    with pytest.raises(SocketError) as caught:
        parse_loopback(text)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(("text", "libmilter", "postfix"), GOOD, ids=[row[0] for row in GOOD])
def test_good(text: str, libmilter: str, postfix: str) -> None:
    address = parse_socket(text, BASE)
    assert (address.libmilter, address.postfix) == (libmilter, postfix)
    assert parse_socket(address.libmilter, BASE) == address


@pytest.mark.parametrize(("text", "complaint"), BAD, ids=[ascii(row[0])[:40] for row in BAD])
def test_bad_says_what_would_be_right(text: str, complaint: str) -> None:
    with pytest.raises(SocketError) as caught:
        parse_socket(text, BASE)
    assert complaint in str(caught.value)


def test_the_longest_path_of_a_unix_socket() -> None:
    path = "/run/" + "a" * 102
    assert parse_socket(f"unix:{path}", BASE).path == path


@given(st.text() | st.from_regex(r"(inet6?|unix|local):[0-9a-f:@.\[\]/]{0,20}"))
def test_any_text_is_an_address_or_an_error(text: str) -> None:
    try:
        address = parse_socket(text, BASE)
    except SocketError:
        return
    if address.family is SocketFamily.UNIX:
        assert Path(address.path).is_absolute()
    else:
        assert address == SocketAddress(family=address.family, host=address.host, port=address.port)
        assert 0 < address.port < 65536
        assert address.host
