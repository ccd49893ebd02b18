"""Address literals (RFC 5321 4.1.3): an IP address where a domain name is expected."""

from ipaddress import AddressValueError, IPv4Address, IPv6Address

_IPV6_TAG = "ipv6:"


def is_address_literal(content: bytes) -> bool:
    """Whether the text between the brackets is an IPv4 address, or ``IPv6:`` and an IPv6 address.

    A general address literal (``tag:content``) is none: no tag is registered for one, and text that a reader may
    take for a domain must not hide there.
    """
    text = content.decode("ascii", "replace")
    try:
        if text.lower().startswith(_IPV6_TAG):
            return IPv6Address(text[len(_IPV6_TAG) :]).scope_id is None
        IPv4Address(text)
    except AddressValueError:
        return False
    return True
