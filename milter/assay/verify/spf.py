"""SPF of one message: which identity, and what its domain's record says of the client (RFC 7208, 8616)."""

import re
from dataclasses import dataclass
from typing import assert_never

from assay.answers import Resolver
from assay.domain import Domain
from assay.facts import Envelope, MessageFacts
from assay.limits import MAX_SPF_REASON
from assay.message.reverse_path import NullSender, ReversePath, UnusablePath, agreed_path, parse_helo
from assay.results import SpfIdentity, SpfResult, SpfValue
from assay.trace import SpfDone, Trace
from assay.verify.spf_query import HostCheck, SpfQuery

_QUOTED_PAIR = re.compile(rb"\\(.)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfOutcome:
    """What check_host() says of one domain.

    Attributes:
        reason: printable, at most :data:`MAX_SPF_REASON` characters; may quote the record.
        explanation: the domain owner's words for a fail, printable; None unless asked for and published.
    """

    value: SpfValue
    reason: str
    explanation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sender:
    """The sender that SPF checks; without a domain, ``problem`` says why there is none. HELO has no local part."""

    identity: SpfIdentity
    domain: Domain | None = None
    local: bytes = b""
    problem: str = ""


def verify_spf(facts: MessageFacts, resolver: Resolver, now: float, trace: Trace) -> SpfResult:
    """Check the MAIL FROM identity, or HELO for the null sender (RFC 7208 2.4).

    An identity that names no multi-label domain is ``none`` without a look-up (RFC 7208 4.3). A reverse-path that
    cannot be read is no null sender: its HELO is not asked either (standards H.1 E3).

    Args:
        facts: the client, HELO, MAIL FROM and receiver are read.
        resolver: asked for TXT, A, AAAA, MX and PTR; at most 1 + 10 * 11 times.
        now: seconds since 1970, the value of ``%{t}``.
        trace: gets a step for each term, then the result.

    Returns:
        The result; nothing raises, whatever the mail and the DNS hold, unless the resolver does (a fault of ours).
    """
    sender = _sender(facts.envelope)
    if sender.domain is None:
        outcome = SpfOutcome(value=SpfValue.NONE, reason=_printable(sender.problem))
    elif facts.client.address is None:
        outcome = SpfOutcome(value=SpfValue.NONE, reason="the client has no address: local submission")
    else:
        check = HostCheck(
            client=facts.client.address,
            domain=sender.domain,
            local=sender.local,
            helo=facts.envelope.helo,
            receiver=facts.receiver,
            now=now,
        )
        outcome = check_host(check, resolver, trace)
    result = SpfResult(value=outcome.value, identity=sender.identity, domain=sender.domain, reason=outcome.reason)
    trace.add(SpfDone(result))
    return result


def check_host(check: HostCheck, resolver: Resolver, trace: Trace) -> SpfOutcome:
    """Evaluate one domain's record (RFC 7208 4).

    Args:
        check: what is asked.
        resolver: as for :func:`verify_spf`.
        trace: gets a step for each term.

    Returns:
        The outcome. An exception out of pyspf is a permerror: a hostile record, name or HELO brought it about. It is
        never a pass, and never a temperror, which would spare the mail a DMARC failure.

    Raises:
        Exception: whatever the resolver raises; that is a fault of ours, and the message is deferred for it.
        MemoryError: likewise.
    """
    value, reason, explanation = SpfQuery(check, resolver, trace).result()
    return SpfOutcome(
        value=value,
        reason=_printable(reason),
        explanation=None if explanation is None else _printable(explanation),
    )


def _sender(envelope: Envelope) -> _Sender:
    path = agreed_path(envelope.mail_from, envelope.mail_addr)
    match path:
        case NullSender():
            helo = parse_helo(envelope.helo)
            return _multi_label(SpfIdentity.HELO, helo, b"", "MAIL FROM is null and HELO")
        case ReversePath(local=local, domain=domain):
            return _multi_label(SpfIdentity.MAILFROM, domain, _unquoted(local), "MAIL FROM")
        case UnusablePath(reason=reason):
            return _Sender(identity=SpfIdentity.MAILFROM, problem=f"MAIL FROM is unusable: {reason}")
        case _:
            assert_never(path)


def _multi_label(identity: SpfIdentity, domain: Domain | None, local: bytes, name: str) -> _Sender:
    """Refuse what is no multi-label domain name (RFC 7208 4.3)."""
    if domain is None:
        return _Sender(identity=identity, problem=f"{name} names no domain")
    if len(domain.labels) == 1:
        return _Sender(identity=identity, problem=f"{name} has a domain of one label")
    return _Sender(identity=identity, domain=domain, local=local)


def _unquoted(local: bytes) -> bytes:
    """Return the local part that is meant: quotes are only how SMTP writes it (RFC 5321 4.1.2)."""
    return _QUOTED_PAIR.sub(rb"\1", local[1:-1]) if local.startswith(b'"') else local


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:MAX_SPF_REASON]
