"""DKIM verification (RFC 6376, RFC 8301, RFC 8463): one result per signature.

dkimpy gives the reading of c=; everything else of its verification is replaced, for the reasons that
:mod:`assay.verify.keys`, :mod:`assay.verify.signature` and :mod:`assay.verify.hashing` name, each beside what stands
in its place. Its test signer stays our oracle.

Where exceptions stop: what OpenSSL raises for a hostile key or signature is caught in :mod:`assay.verify.keys`, what
the tag reader and dkimpy's c= reader raise in :mod:`assay.verify.signature`; both become a result. Nothing else is
caught. An exception that leaves :func:`verify_dkim` is a fault of ours, and the session defers the message for it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import assert_never

from assay.answers import Resolver
from assay.facts import BodyHash, HeaderField, MessageFacts
from assay.results import DkimResult, DkimValue
from assay.trace import DkimDone, Trace
from assay.verify.hashing import HeaderHasher
from assay.verify.keys import KeyRecord, Keys, KeyUnknown, UnusableKey, find_keys
from assay.verify.options import VerifyOptions
from assay.verify.signature import Labels, Refusal, Signature, parse_dkim

_FIELD = b"dkim-signature"

# Fields of which a message has one, and which decide what its reader sees (standards H.3 K5). From has its own rule.
# MIME-Version is left out: a second one is common and changes nothing.
_SINGLE = (
    b"subject",
    b"date",
    b"to",
    b"cc",
    b"reply-to",
    b"sender",
    b"message-id",
    b"content-type",
    b"content-transfer-encoding",
)


# What a key can give, for the case that a selector has several.
_BEST_FIRST = (DkimValue.PASS, DkimValue.POLICY, DkimValue.FAIL, DkimValue.PERMERROR)


@dataclass(frozen=True, slots=True)
class _Outcome:
    value: DkimValue
    reason: str
    bits: int | None = None


def signature_fields(headers: Sequence[HeaderField]) -> Iterator[int]:
    """Yield the positions of the DKIM-Signature fields, the topmost first."""
    return (position for position, field in enumerate(headers) if field.key == _FIELD)


def readable_signatures(headers: Sequence[HeaderField], options: VerifyOptions) -> Iterator[Signature]:
    """Yield the signatures up to the limit that their own text does not already refuse."""
    for position in islice(signature_fields(headers), options.max_signatures):
        _, signature = parse_dkim(headers[position].value)
        if isinstance(signature, Signature):
            yield signature


def verify_dkim(
    facts: MessageFacts, resolver: Resolver, now: float, options: VerifyOptions, trace: Trace
) -> tuple[DkimResult, ...]:
    """Verify the DKIM signatures of a message.

    Args:
        facts: with the body hashes that :func:`assay.verify.demands.demands` asked for.
        resolver: of the message; one query per signature that is not refused by its text.
        now: seconds since 1970.
        options: the limit of signatures, the clock tolerance, test mode.
        trace: takes one step per result.

    Returns:
        One result per DKIM-Signature field, the topmost first, up to the limit; then one ``policy`` result that
        counts those beyond it, if there are any. Empty for a message that is not signed.

    Raises:
        KeyError: ``facts`` lacks a body hash that was asked for: a fault of the caller.
    """
    positions = tuple(signature_fields(facts.headers))
    if not positions:
        return ()
    check = _Check(facts, resolver, now, options, HeaderHasher(facts.headers))
    results = [check.result(position) for position in positions[: options.max_signatures]]
    beyond = len(positions) - len(results)
    if beyond:
        # RFC 6376 6.1: a verifier may limit the number; one result says so, and a flood stays one line
        reason = f"not verified: {beyond} signatures beyond the first {options.max_signatures}"
        results.append(DkimResult(value=DkimValue.POLICY, reason=reason))
    for index, result in enumerate(results):
        trace.add(DkimDone(index, result))
    return tuple(results)


@dataclass(slots=True)
class _Check:
    """One message, for any number of its signatures."""

    facts: MessageFacts
    resolver: Resolver
    now: float
    options: VerifyOptions
    hasher: HeaderHasher

    def result(self, position: int) -> DkimResult:
        """Verify the signature of the field at ``position``."""
        labels, signature = parse_dkim(self.facts.headers[position].value)
        match signature:
            case Refusal():
                return _result(labels, _Outcome(signature.value, signature.reason))
            case Signature():
                return _result(labels, self._verify(position, signature))
            case _:
                assert_never(signature)

    def _verify(self, position: int, signature: Signature) -> _Outcome:
        problem = signature.clock_problem(self.now, self.options.clock_tolerance)
        if problem is not None:
            return _Outcome(DkimValue.PERMERROR, problem)
        body = self.facts.body_hashes[signature.body]
        if signature.body.limit is not None and signature.body.limit > body.length:
            return _Outcome(DkimValue.PERMERROR, "l= is longer than the body")  # RFC 6376 3.5 l=
        keys = find_keys(self.resolver, signature.key_name, signature.type)
        match keys:
            case KeyUnknown():
                if body.digest != signature.body_hash:
                    # no key could make it pass, and a sender must not choose between fail and temperror
                    return _Outcome(DkimValue.FAIL, "body hash does not match")
                return _Outcome(DkimValue.TEMPERROR, f"key not available: {keys.why}")
            case UnusableKey():
                return _Outcome(DkimValue.PERMERROR, keys.reason, keys.bits)
            case Keys():
                return self._try(position, signature, body, keys)
            case _:
                assert_never(keys)

    def _try(self, position: int, signature: Signature, body: BodyHash, keys: Keys) -> _Outcome:
        """Try each key; what speaks best for the signature counts (RFC 6376 3.6.2.2 leaves several keys open)."""
        matches = body.digest == signature.body_hash
        digest = self.hasher.digest(position, signature.names, signature.header) if matches else None
        outcomes = (self._outcome(signature, body, key, digest) for key in keys.records)
        return min(outcomes, key=lambda outcome: _BEST_FIRST.index(outcome.value))

    def _outcome(self, signature: Signature, body: BodyHash, key: KeyRecord, digest: bytes | None) -> _Outcome:
        outcome = self._proof(signature, body, key, digest)
        if key.testing and not self.options.count_test_mode_keys:
            # RFC 6376 3.6.1 t=y: no different from unsigned mail, whether it verifies or not
            reason = f"the key is in test mode; otherwise {outcome.value}: {outcome.reason}"
            return _Outcome(DkimValue.POLICY, reason, key.bits)
        return outcome

    def _proof(self, signature: Signature, body: BodyHash, key: KeyRecord, digest: bytes | None) -> _Outcome:
        if key.strict and signature.identity != signature.sdid:
            # RFC 6376 3.6.1 t=s
            return _Outcome(DkimValue.PERMERROR, "the key wants the domain of i= to be d=", key.bits)
        if digest is None:
            return _Outcome(DkimValue.FAIL, "body hash does not match", key.bits)
        if not key.verifies(signature.signature, digest):
            return _Outcome(DkimValue.FAIL, "signature does not match", key.bits)
        refused = self._coverage_problem(signature, body)
        if refused is not None:
            return _Outcome(DkimValue.POLICY, refused, key.bits)
        covered = "" if signature.body.limit is None else f"; {_covered(signature.body.limit, body)}"
        return _Outcome(DkimValue.PASS, f"signature verified{covered}", key.bits)

    def _coverage_problem(self, signature: Signature, body: BodyHash) -> str | None:
        """Say why a signature that verifies proves too little of the message (standards B.5.6, H.3 K4, K5)."""
        limit = signature.body.limit
        if limit is not None and limit < body.length and not self.options.count_partial_bodies:
            return _covered(limit, body)  # RFC 6376 8.2
        if self.hasher.count(b"from") != 1:
            return "the message has not exactly one From field"  # RFC 6376 8.15
        signed = Counter(signature.names)
        for name in _SINGLE:
            if 0 < signed[name] < self.hasher.count(name):
                return f"more {name.decode()} fields than were signed"  # RFC 6376 8.15
        return None


def _covered(limit: int, body: BodyHash) -> str:
    unsigned = body.length - limit
    return f"l= leaves {unsigned} octets of the body unsigned" if unsigned else "l= covers the whole body"


def _result(labels: Labels, outcome: _Outcome) -> DkimResult:
    return DkimResult(
        value=outcome.value,
        reason=outcome.reason,
        sdid=labels.sdid,
        auid=labels.auid,
        selector=labels.selector,
        algorithm=labels.algorithm,
        key_bits=outcome.bits,
        signature=labels.signature,
    )
