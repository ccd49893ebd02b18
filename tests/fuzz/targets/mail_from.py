"""MAIL FROM and HELO: one reading, which an MTA can only narrow."""

from assay.message.reverse_path import (
    NullSender,
    ReversePath,
    UnusablePath,
    agreed_path,
    parse_helo,
    parse_reverse_path,
)
from fuzz.inputs import domain_of, is_clean, parts


def one_input(data: bytes) -> None:
    """Two parts: the argument of MAIL (and of HELO), and the MTA's reading of it."""
    octets, mta = parts(data, 2)
    path = parse_reverse_path(octets)
    assert isinstance(path, NullSender) == (octets == b"<>")
    match path:
        case ReversePath(local=local, domain=domain):
            local.decode()
            if domain is not None:
                assert domain_of(bytes(domain)) == domain
                assert domain_of(octets.removesuffix(b">").rpartition(b"@")[2]) == domain
                assert parse_reverse_path(b"<" + local + b"@" + bytes(domain) + b">") == path
                assert b"@" not in local or local.startswith(b'"')
            assert b"\0" not in octets
            assert b"\r" not in octets
            assert b"\n" not in octets
        case UnusablePath(reason=reason):
            assert is_clean(reason, 100)
        case NullSender():
            pass
    assert agreed_path(octets, None) == agreed_path(octets, "") == path
    agreed = agreed_path(octets, mta.decode("utf-8", "backslashreplace"))
    assert agreed == path or (isinstance(agreed, UnusablePath) and is_clean(agreed.reason, 100))
    if isinstance(agreed, ReversePath) and agreed.domain is not None and b"@" in mta:
        # without an @ the MTA names a user of its own, and contradicts no domain
        assert domain_of(mta.removesuffix(b">").rpartition(b"@")[2]) == agreed.domain
    name = parse_helo(octets)
    if name is not None:
        assert octets.removesuffix(b".").lower() == bytes(name)
        assert len(name.labels) > 1
        assert not name.labels[-1].isdigit()
        assert domain_of(bytes(name)) == name
