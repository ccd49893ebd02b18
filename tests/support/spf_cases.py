"""One check of SPF as a row of a table, and the zones that the rows share."""

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from assay.domain import Domain
from assay.facts import Client, Envelope, MessageFacts
from assay.results import SpfIdentity, SpfValue
from assay.trace import SpfDone, Trace
from assay.verify.spf import verify_spf
from assay.verify.spf_query import HostCheck
from support.suite_zone import SuiteResolver, zone

PASS, FAIL, SOFTFAIL, NEUTRAL, NONE, TEMPERROR, PERMERROR = (
    SpfValue.PASS,
    SpfValue.FAIL,
    SpfValue.SOFTFAIL,
    SpfValue.NEUTRAL,
    SpfValue.NONE,
    SpfValue.TEMPERROR,
    SpfValue.PERMERROR,
)
CLIENT = "192.0.2.1"
REVERSE = "1.2.0.192.in-addr.arpa"
Zone = dict[str, list[Any]]


def facts(mail_from: bytes, helo: bytes, client: str | None) -> MessageFacts:
    return MessageFacts(
        client=Client(address=None if client is None else ip_address(client)),
        envelope=Envelope(helo=helo, mail_from=mail_from),
        headers=(),
        receiver="mx.receiver.example",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One check.

    Attributes:
        asked: every query in order, where the claim is about queries; None where it is not.
        reason: part of the reason.
    """

    id: str
    section: str
    zone: Zone = field(default_factory=dict)
    value: SpfValue
    mail_from: bytes = b"<user@example.com>"
    helo: bytes = b"mail.example.net"
    client: str | None = CLIENT
    identity: SpfIdentity = SpfIdentity.MAILFROM
    domain: str | None = "example.com"
    asked: tuple[str, ...] | None = None
    reason: str = ""


def record(text: str, **names: list[Any]) -> Zone:
    """Zone data in which example.com has the record; the other names are its subdomains."""
    return {"example.com": [{"TXT": text}]} | {f"{label}.example.com": rrs for label, rrs in names.items()}


ADDRESS: list[Any] = [{"A": CLIENT}]
OTHER: list[Any] = [{"A": "198.51.100.9"}]
DEAD: list[Any] = ["TIMEOUT"]
ALLOWED = record("v=spf1 ip4:192.0.2.0/24 -all")


def check(case: Case) -> None:
    """Ask, and compare everything that the case states."""
    resolver, trace = SuiteResolver(zone(case.zone)), Trace()

    result = verify_spf(facts(case.mail_from, case.helo, case.client), resolver, 0.0, trace)

    assert (result.value, result.reason) == (case.value, result.reason)
    assert case.reason in result.reason
    assert result.identity is case.identity
    assert (None if result.domain is None else result.domain.name) == case.domain
    if case.asked is not None:
        assert [f"{rrtype} {name.decode()}" for name, rrtype in resolver.queries] == list(case.asked)
    assert list(trace)[-1] == SpfDone(result)


def ask(*, local: bytes = b"user", explain: bool = False, now: float = 0.0) -> HostCheck:
    return HostCheck(
        client=ip_address(CLIENT),
        domain=Domain.parse("example.com"),
        local=local,
        helo=b"mail.example.net",
        receiver="mx.receiver.example",
        now=now,
        explain=explain,
    )
