"""Whom SPF checks: what the MTA says of the sender too, and the local part that a quoted one means."""

from ipaddress import ip_address

import pytest

from assay.facts import Client, Envelope, MessageFacts
from assay.results import SpfResult, SpfValue
from assay.trace import Trace
from assay.verify.spf import verify_spf
from support.suite_zone import SuiteResolver, zone

CLIENT = "192.0.2.1"
ALLOWED = {"example.com": [{"TXT": "v=spf1 ip4:192.0.2.0/24 -all"}]}


def verdict(mail_from: bytes, resolver: SuiteResolver, mail_addr: str | None = None) -> SpfResult:
    facts = MessageFacts(
        client=Client(address=ip_address(CLIENT)),
        envelope=Envelope(helo=b"mail.example.com", mail_from=mail_from, mail_addr=mail_addr),
        headers=(),
        receiver="mx.receiver.example",
    )
    return verify_spf(facts, resolver, 0.0, Trace())


@pytest.mark.parametrize(
    ("mail_from", "mail_addr", "value"),
    [
        pytest.param(b"<u@example.com>", "u@example.com", SpfValue.PASS, id="the MTA reads the same domain"),
        pytest.param(b"<u@example.com>", "u@bank.example", SpfValue.NONE, id="the MTA reads another domain"),
        pytest.param(b"<>", "u@example.com", SpfValue.NONE, id="the MTA reads a sender where we read none"),
    ],
)
def test_who_is_no_sender_to_the_mta_is_none_to_spf(mail_from: bytes, mail_addr: str, value: SpfValue) -> None:
    """Standards G.5.10: a pass for another sender than the MTA's would be worth nothing."""
    resolver = SuiteResolver(zone(ALLOWED))

    assert verdict(mail_from, resolver, mail_addr).value is value
    assert bool(resolver.queries) is (value is SpfValue.PASS)


def test_a_quoted_backslash_is_one_backslash_of_the_local_part() -> None:
    """RFC 5321 4.1.2, RFC 7208 7.2: ``%{l}`` is what is meant, not how SMTP writes it."""
    names = {"example.com": [{"TXT": "v=spf1 exists:%{l}.x.example.com -all"}], "a\\b.x.example.com": [{"A": CLIENT}]}

    assert verdict(b'<"a\\\\b"@example.com>', SuiteResolver(zone(names))).value is SpfValue.PASS
