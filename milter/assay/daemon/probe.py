"""A message of our own, sent through the listening socket as an MTA would: is the verdict the one that is due?

It touches all that a message touches but the DNS: libmilter, a session, the parsers of From, DKIM and ARC, the policy
of the site, and the stamp with the removal of a forged field. What is due is not written down anywhere: it is what
:func:`~assay.daemon.judge.judge` says of the same facts, in the process that asks.

A worker knows a probe by its queue id, a secret of the generation. It only keeps a probe from looking like mail, in the
log and in counts: whoever guesses it gains nothing, since a probe is judged as any other message.
"""

import base64
import os
import secrets
import time
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from assay.answers import Answer, RRType, Unavailable
from assay.config.socket import SocketAddress
from assay.daemon.facts_of import hash_body
from assay.daemon.judge import Judgement, Settings, judge
from assay.daemon.listener import ListenError
from assay.daemon.milter_client import MilterClient, Verdict
from assay.daemon.setup import Setup
from assay.errors import AssayError
from assay.facts import Client, Envelope, HeaderField, IPAddress, MessageFacts
from assay.policy.model import Disposition

CLIENTS: Final = tuple(map(ip_address, ("192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1")))
"""Addresses for documentation (RFC 5737, RFC 3849): nobody's, and so in nobody's ``[exempt] networks`` or lists."""

RECEIVER: Final = "probe.assay.invalid"
"""What the probe says that the MTA is called (RFC 6761 6.4: nobody is)."""

BODY: Final = b"A probe of assay's own watchdog.\r\n"

_NULL_SENDER: Final = b"<>"


class ProbeError(AssayError):
    """The answer to a probe was not the one that is due.

    Attributes:
        due: what should have come, as far as it differs.
        came: what came instead.
    """

    def __init__(self, due: dict[str, object], came: dict[str, object]) -> None:
        differ = [key for key in sorted({*due, *came}) if due.get(key) != came.get(key)]
        self.due, self.came = (", ".join(f"{key}: {answer.get(key)}" for key in differ) for answer in (due, came))
        super().__init__(f"due was {self.due}; this came: {self.came}")


def probe(setup: Setup, address: SocketAddress, *, timeout: float) -> None:
    """Send a probe and compare.

    Args:
        setup: of the workers that serve.
        address: of the listening socket.
        timeout: seconds to wait for each reply.

    Raises:
        ProbeError: the answer is wrong.
        OSError: there is no answer.
        ConversationError: the answer is none that the protocol knows.
    """
    client = _client(setup.settings)
    headers = _headers(setup.config.authserv_id or RECEIVER)
    due = _due(_judged(setup, client, headers))
    came = _seen(_send(setup.probe, address, client, headers, timeout))
    if came != due:
        raise ProbeError(due, came)


def check_reachable(address: SocketAddress) -> None:
    """Make sure that a probe can connect; else a service that serves well would be taken for dead again and again.

    Raises:
        ListenError: this user must not, or does not see the file; the message says what to change.
    """
    destination = address.destination
    if not isinstance(destination, str) or destination.startswith("\0"):
        return
    if not Path(destination).exists():
        raise ListenError(
            f"the watchdog would find no socket at {destination}: the sandbox hides it from this user; choose"
            " another directory"
        )
    if not os.access(destination, os.W_OK):
        raise ListenError(
            f"this user cannot connect to {address.libmilter}, which the watchdog needs: write SocketUser=assay in"
            " assay.socket, or let the owner write in socket_mode"
        )


def _client(settings: Settings) -> IPAddress:
    """Return an address that is judged; the first one if none is."""
    judged = (client for client in CLIENTS if not any(client in network for network in settings.exempt_networks))
    return next(judged, CLIENTS[0])


def _headers(authserv_id: str) -> tuple[HeaderField, ...]:
    """Make a header that needs no DNS: what would ask it breaks a rule before.

    The value of b= comes back in the stamp, and is never the same: an answer can be to nothing but this probe.
    """
    nonce = base64.b64encode(secrets.token_bytes(12))
    proof = b"h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=" + nonce
    return (
        HeaderField(b"Authentication-Results", f" {authserv_id}; dmarc=pass".encode()),
        HeaderField(
            b"DKIM-Signature", b" v=1; a=rsa-sha256; c=relaxed/relaxed; d=probe.invalid; s=not..a.name;\r\n\t" + proof
        ),
        HeaderField(b"DKIM-Signature", b" v=1; a=rsa-sha1; d=probe.invalid; s=probe;\r\n\t" + proof),
        HeaderField(b"ARC-Seal", b" i=1; cv=none"),
        HeaderField(b"From", b" nobody: ;"),
        HeaderField(b"Subject", b" a probe"),
    )


class _NoDns:
    """Says that nothing is known. A probe never asks; if it does, it is no answer that the worker would get."""

    def resolve(self, _name: bytes, _rrtype: RRType) -> Answer:
        return Unavailable("a probe asks nothing")

    def prefetch(self, name: bytes, rrtype: RRType) -> Answer | None:
        return self.resolve(name, rrtype)


def _judged(setup: Setup, client: IPAddress, headers: tuple[HeaderField, ...]) -> Judgement:
    facts = MessageFacts(
        client=Client(address=client),
        envelope=Envelope(helo=_helo(client), mail_from=_NULL_SENDER),
        headers=headers,
        body_hashes=hash_body(headers, BODY, setup.settings.options),
        receiver=RECEIVER,
        authserv_id=setup.config.authserv_id or RECEIVER,
        queue_id=setup.probe,
    )
    return judge(facts, _NoDns(), setup.settings, time.time)


def _helo(client: IPAddress) -> bytes:
    return f"[{client}]".encode() if client.version == 4 else f"[IPv6:{client}]".encode()  # noqa: PLR2004 - of IP


def _send(
    queue_id: str, address: SocketAddress, client: IPAddress, headers: Sequence[HeaderField], timeout: float
) -> Verdict:
    with MilterClient.connect_to(address.destination, timeout=timeout) as mta:
        mta.negotiate()
        mta.macros(b"C", j=RECEIVER)
        mta.connect(client, name="probe.invalid")
        mta.helo(_helo(client))
        verdict = mta.message(
            mail_from=_NULL_SENDER,
            headers=[(field.name, field.value.replace(b"\r\n", b"\n")) for field in headers],
            body=BODY,
            queue_id=queue_id,
        )
        mta.quit()
        return verdict


def _due(judgement: Judgement) -> dict[str, object]:
    """Say what the judgement must look like to an MTA; of a refusal only the code, whose text libmilter wraps."""
    decision = judgement.decision
    if decision.reply is not None and decision.disposition in {Disposition.REJECT, Disposition.TEMPFAIL}:
        return {"reply": str(decision.reply.code)}
    return {
        "reply": "continue",
        "removed": [(each.name, each.index) for each in judgement.stamp.removals],
        "inserted": [(each.index, each.name, each.value) for each in judgement.stamp.insertions],
        "held": judgement.hold,
    }


def _seen(verdict: Verdict) -> dict[str, object]:
    """Say the same of what came."""
    if verdict.reply == b"y":
        return {"reply": verdict.smtp[:3]}
    return {
        "reply": "continue" if verdict.reply == b"c" else repr(verdict.reply),
        "removed": [(name.decode(), index) for name, index, _ in verdict.changed],
        "inserted": [(index, name.decode(), value.decode()) for index, name, value in verdict.inserted],
        "held": verdict.quarantine is not None,
    }
