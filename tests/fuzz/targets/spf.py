"""SPF through the adapter: every result is of RFC 7208, bounded in look-ups, and never a fault of pyspf."""

from ipaddress import ip_address

from assay.domain import Domain
from assay.facts import Client, Envelope, IPAddress, MessageFacts
from assay.limits import MAX_SPF_REASON, SPF_LOOKUPS
from assay.results import SpfIdentity, SpfResult, SpfValue
from assay.trace import SpfDone, SpfTerm, Trace
from assay.verify.spf import SpfOutcome, check_host, verify_spf
from assay.verify.spf_query import HostCheck
from assay.verify.spf_record import is_spf
from fuzz.inputs import parts, resolver_of
from support.dict_resolver import DictResolver

NOW = 1_700_000_000.0
MOST_QUERIES = 1 + 10 * 11
"""The record, and ten terms with a name and ten names more each (RFC 7208 4.6.4)."""


def one_input(data: bytes) -> None:
    """Three parts: ``client helo`` on a line; MAIL FROM; the DNS."""
    client, mail_from, dns = parts(data, 3)
    address, _, helo = client.partition(b" ")
    facts = MessageFacts(
        client=Client(address=_address(address)),
        envelope=Envelope(helo=helo, mail_from=mail_from),
        headers=(),
        receiver="mx.receiver.example",
    )
    first, again = resolver_of(dns), resolver_of(dns)
    trace = Trace()
    result = verify_spf(facts, first, NOW, trace)
    assert verify_spf(facts, again, NOW, Trace()) == result
    assert first.asked == again.asked
    assert first.prefetched == again.prefetched
    assert len(first.prefetched) <= SPF_LOOKUPS
    assert [step.result for step in trace if isinstance(step, SpfDone)] == [result]
    assert len([step for step in trace if isinstance(step, SpfTerm)]) <= 5000
    _check(result, first, dns)
    if result.domain is not None and facts.client.address is not None:
        _check_explained(result.domain, facts.client.address, helo, dns, result.value)


def _check(result: SpfResult, resolver: DictResolver, dns: bytes) -> None:
    assert result.value in SpfValue
    assert (result.identity is SpfIdentity.HELO) or result.identity is SpfIdentity.MAILFROM
    _check_reason(result.reason)
    assert len(resolver.asked) <= MOST_QUERIES
    if b"FAIL" not in dns:
        assert result.value is not SpfValue.TEMPERROR
    if result.domain is None or len(result.domain.labels) < 2:
        assert result.value is SpfValue.NONE
        assert not resolver.asked
    elif result.value in {SpfValue.PASS, SpfValue.FAIL, SpfValue.SOFTFAIL, SpfValue.NEUTRAL}:
        name = bytes(result.domain)
        assert any(
            line[: len(name) + 5].lower() == name + b" txt " and is_spf(line[len(name) + 5 :])
            for line in dns.split(b"\n")
        )


def _check_explained(domain: Domain, client: IPAddress, helo: bytes, dns: bytes, value: SpfValue) -> None:
    """The same with an explanation wanted: the same value, one query more, and printable words."""
    check = HostCheck(
        client=client,
        domain=domain,
        local=b"user",
        helo=helo,
        receiver="mx.receiver.example",
        now=NOW,
        explain=True,
    )
    resolver = resolver_of(dns)
    outcome: SpfOutcome = check_host(check, resolver, Trace())
    _check_reason(outcome.reason)
    assert outcome.explanation is None or (outcome.value is SpfValue.FAIL and outcome.explanation.isprintable())
    assert len(resolver.asked) <= MOST_QUERIES + 1
    # the local part is another one, which %{l} and %{s} may see
    assert outcome.value is value or b"%{" in dns


def _check_reason(reason: str) -> None:
    assert reason
    assert reason.isprintable()
    assert len(reason) <= MAX_SPF_REASON
    assert not reason.startswith("pyspf failed"), reason


def _address(text: bytes) -> IPAddress | None:
    try:
        address = ip_address(text.decode("latin-1"))
    except ValueError:
        return None
    # as the session notes it: without a scope, and IPv4 where it is mapped
    if address.version == 6:
        return address.ipv4_mapped or (None if address.scope_id else address)
    return address
