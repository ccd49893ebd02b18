"""A zone with a domain of which nothing is to be said, and with one thing or another changed."""

from collections.abc import Mapping
from typing import Final

import dns.zone

from support.knot import txt
from support.signer import ed25519_key, odd_rsa_record, rsa_key

NAME: Final = "bank.example"
SELECTOR: Final = "s2026"

GOOD: Final = {
    "mx": "bank MX 10 mx.bank",
    "mx host": "mx.bank A 192.0.2.1",
    "address": "bank A 192.0.2.2",
    "spf": 'bank TXT "v=spf1 mx ip4:192.0.2.0/24 -all"',
    "key": "s2026._domainkey.bank TXT {rsa2048}",
    "dmarc": '_dmarc.bank TXT "v=DMARC1; p=reject; rua=mailto:dmarc@bank.example"',
    "other": "other MX 10 mx.bank",
}
"""Lines of the zone ``example``, by what they are for. ``other.example`` is somebody else, who takes mail."""


def zone_lines(changes: Mapping[str, str | None] | None = None) -> list[str]:
    """The good zone with lines replaced or added (by a new name), or (None) taken out; a line may hold several.

    A key is written as ``{rsa2048}``, ``{rsa1024}``, ``{rsa512}``, ``{ed25519}``, ``{testing}``.
    """
    lines = [line for line in (GOOD | dict(changes or {})).values() if line is not None]
    return [line.format(**_keys()) if "{" in line else line for line in lines]


def zone(changes: Mapping[str, str | None] | None = None, *, without: str | None = None) -> str:
    """The same as the text of a zone file, with ``$ORIGIN``; all records of one name may be left out."""
    lines = [line for line in zone_lines(changes) if f"{line.split()[0]}.example" != without]
    return "\n".join(["$ORIGIN example.", *lines, ""])


def absolute(text: str) -> str:
    """A zone as :class:`support.dnsserver.DnsServer` wants it: every name whole."""
    read = dns.zone.from_text(f"$TTL 300\n{text}", origin="example.", relativize=False, check_origin=False)
    return str(read.to_text(relativize=False))


def _keys() -> dict[str, str]:
    return {
        "rsa2048": txt(rsa_key(2048).record()),
        "rsa1024": txt(rsa_key(1024).record()),
        "rsa512": txt(odd_rsa_record((1 << 511) + 187, 65537)),  # no generator makes one any more
        "ed25519": txt(ed25519_key().record()),
        "testing": txt(rsa_key(2048).record(tags=b"v=DKIM1; t=y; ")),
    }
