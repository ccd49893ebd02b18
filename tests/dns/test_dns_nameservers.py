"""Name servers as they are written (issue 2: `[dns] nameservers`)."""

from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.dns.nameservers import Nameserver, NameserverError, parse_nameserver, system_nameservers


@pytest.mark.parametrize(
    ("text", "address", "port", "written"),
    [
        ("192.0.2.1", "192.0.2.1", 53, "192.0.2.1:53"),
        ("192.0.2.1:5353", "192.0.2.1", 5353, "192.0.2.1:5353"),
        ("::1", "::1", 53, "[::1]:53"),
        ("[::1]", "::1", 53, "[::1]:53"),
        ("[::1]:5353", "::1", 5353, "[::1]:5353"),
        ("2001:db8::53", "2001:db8::53", 53, "[2001:db8::53]:53"),
        ("[fe80::1%eth0]:53", "fe80::1%eth0", 53, "[fe80::1%eth0]:53"),
        ("192.0.2.1:65535", "192.0.2.1", 65535, "192.0.2.1:65535"),
    ],
)
def test_a_name_server_is_an_address_and_maybe_a_port(text: str, address: str, port: int, written: str) -> None:
    nameserver = parse_nameserver(text)
    assert nameserver == Nameserver(address=ip_address(address), port=port)
    assert str(nameserver) == written
    assert parse_nameserver(written) == nameserver


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("", "not an IP address", id="nothing"),
        pytest.param("localhost", "not an IP address", id="a host name"),
        pytest.param("dns.example:53", "not an IP address", id="a host name with a port"),
        pytest.param("192.0.2.1:", "not a port", id="an empty port"),
        pytest.param("192.0.2.1:0", "not a port", id="port 0"),
        pytest.param("192.0.2.1:65536", "not a port", id="port 65536"),
        pytest.param("192.0.2.1:+53", "not a port", id="a signed port"),
        pytest.param("192.0.2.1:٥٣", "not a port", id="digits that are not ASCII"),
        pytest.param("192.0.2.1:domain", "not a port", id="a service name"),
        pytest.param("192.0.2.256", "not an IP address", id="an octet of 256"),
        pytest.param("[192.0.2.1]:53", "brackets are for IPv6", id="brackets around IPv4"),
        pytest.param("[::1", "not closed", id="an open bracket"),
        pytest.param("[::1]53", "only :port", id="no colon after the bracket"),
        pytest.param("[::1]:", "not a port", id="no port after the colon"),
        pytest.param(" 192.0.2.1", "not an IP address", id="a space"),
        pytest.param("fe80::1%]", "no interface is called", id="a bracket in the zone"),
    ],
)
def test_anything_else_is_refused_and_says_why(text: str, fault: str) -> None:
    with pytest.raises(NameserverError, match=fault) as caught:
        parse_nameserver(text)
    assert repr(text) in str(caught.value)


@given(st.text(alphabet="[]:.0123456789abcdef%x \n", max_size=30))
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        nameserver = parse_nameserver(text)
    except NameserverError:
        return
    assert parse_nameserver(str(nameserver)) == nameserver


LOCAL = (Nameserver(address=ip_address("127.0.0.1")),)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(
            b"# local\nsearch example.com foo..bar\nnameserver 192.0.2.1\nnameserver\t2001:db8::1 # x\noptions edns0\n",
            ("192.0.2.1", "2001:db8::1"),
            id="in the order of the file, with a broken search line",
        ),
        pytest.param(b"nameserver fe80::1%eth0", ("fe80::1%eth0",), id="a link-local address"),
        pytest.param(
            b"nameserver nonsense\nnameserver \xff\nnameserver\nnameserver 192.0.2.1", ("192.0.2.1",), id="bad lines"
        ),
        pytest.param(b";nameserver 192.0.2.1\n#nameserver 192.0.2.2\n", ("127.0.0.1",), id="comments only"),
        pytest.param(b"", ("127.0.0.1",), id="an empty file"),
    ],
)
def test_the_name_servers_of_the_machine(tmp_path: Path, content: bytes, expected: tuple[str, ...]) -> None:
    path = tmp_path / "resolv.conf"
    path.write_bytes(content)
    assert [str(server.address) for server in system_nameservers(path)] == list(expected)


def test_without_a_file_it_is_the_name_server_on_this_machine(tmp_path: Path) -> None:  # resolv.conf(5)
    assert system_nameservers(tmp_path / "none") == LOCAL


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NameserverError, match="cannot be read"):
        system_nameservers(tmp_path)
