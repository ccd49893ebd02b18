"""ARC chain validation (RFC 8617 5.2).

dkimpy's ``ARC.verify`` is not used: it hashes the body of every message, asks for keys before it looks at the
structure, has no ed25519, and answers None where the newest seal says cv=fail (docs/library-traps.md D10, D11,
D13). Its test signer is our oracle.

Where exceptions stop: as in :mod:`assay.verify.dkim`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import assert_never

from assay.answers import Resolver
from assay.facts import Canonicalization, MessageFacts
from assay.results import ArcResult, ArcValue
from assay.trace import ArcDone, ArcStep, Trace
from assay.verify.arc_chain import Link, read_chain
from assay.verify.hashing import HeaderHasher, canonical, unsigned
from assay.verify.keys import Keys, KeyUnknown, UnusableKey, find_keys
from assay.verify.options import VerifyOptions
from assay.verify.signature import Proof, Refusal, Seal

_CRLF = b"\r\n"
_MESSAGE_SIGNATURE = "AMS"
_SEAL = "AS"


def verify_arc(facts: MessageFacts, resolver: Resolver, now: float, options: VerifyOptions, trace: Trace) -> ArcResult:
    """Validate the ARC chain of a message.

    Every error is permanent, a failure of the DNS too: ARC knows no temperror (RFC 8617 5.2).

    Args:
        facts: with the body hashes that :func:`assay.verify.demands.demands` asked for.
        resolver: of the message; at most two queries per set.
        now: seconds since 1970.
        options: the clock tolerance and test mode, as for DKIM.
        trace: takes one step per signature that was checked, and the result.

    Raises:
        KeyError: ``facts`` lacks a body hash that was asked for: a fault of the caller.
    """
    chain = read_chain(facts.headers)
    if chain is None:
        result = ArcResult(value=ArcValue.NONE, reason="no ARC fields")
    else:
        oldest, problem = None, chain.problem
        if problem is None:
            hasher = HeaderHasher(facts.headers)
            oldest, problem = _Validation(chain.links, facts, resolver, now, options, trace, hasher).run()
        result = ArcResult(
            value=ArcValue.PASS if problem is None else ArcValue.FAIL,
            reason=f"chain of {len(chain.links)} verified" if problem is None else problem,
            complete=chain.complete,
            sets=chain.sets(),
            oldest_pass=oldest,
        )
    trace.add(ArcDone(result))
    return result


@dataclass(slots=True)
class _Validation:
    """The signatures of one chain whose structure is in order: ``links`` are 1 to N."""

    links: Sequence[Link]
    facts: MessageFacts
    resolver: Resolver
    now: float
    options: VerifyOptions
    trace: Trace
    hasher: HeaderHasher

    def run(self) -> tuple[int | None, str | None]:
        """Check the signatures in the order of RFC 8617 5.2, steps 4 to 6.

        Returns:
            The oldest-pass value and None, or None and why the chain fails.
        """
        newest = self.links[-1]
        problem = self._message_problem(newest)
        if problem is not None:
            return None, f"ARC-Message-Signature i={newest.instance}: {problem}"
        oldest = self._oldest_pass()
        for link, digest in reversed(tuple(zip(self.links, self._seal_digests(), strict=True))):
            problem = self._seal_problem(link, digest)
            if problem is not None:
                return None, f"ARC-Seal i={link.instance}: {problem}"
        return oldest, None

    def _oldest_pass(self) -> int:
        """RFC 8617 5.2 step 5: the instance after the newest older message signature that fails; 0 if none does."""
        for link in reversed(self.links[:-1]):
            if self._message_problem(link) is not None:
                return link.instance + 1
        return 0

    def _message_problem(self, link: Link) -> str | None:
        problem = self._unverified_message(link)
        self._step(link, _MESSAGE_SIGNATURE, problem)
        return problem

    def _unverified_message(self, link: Link) -> str | None:
        signature = link.signature
        if isinstance(signature, Refusal):
            return signature.reason
        body = self.facts.body_hashes[signature.body]
        if signature.body.limit is not None and signature.body.limit != body.length:
            # longer is an error, shorter leaves a part of the body unsigned: neither proves the body (standards B.5.6)
            return "l= is not the length of the body"
        if body.digest != signature.body_hash:
            return "body hash does not match"
        return self._unproved(signature, lambda: self.hasher.digest(link.message, signature.names, signature.header))

    def _seal_digests(self) -> list[bytes]:
        """Hash, for each seal, all sets up to its own, its b= empty (RFC 8617 5.1.1); one pass over the sets."""
        fields = self.facts.headers
        before = sha256()
        digests = []
        for link in self.links:
            for position in (link.results, link.message):
                before.update(canonical(fields[position], Canonicalization.RELAXED) + _CRLF)
            sealed = before.copy()
            sealed.update(canonical(unsigned(fields[link.seal]), Canonicalization.RELAXED))
            digests.append(sealed.digest())
            before.update(canonical(fields[link.seal], Canonicalization.RELAXED) + _CRLF)
        return digests

    def _seal_problem(self, link: Link, digest: bytes) -> str | None:
        assert isinstance(link.sealing, Seal)  # otherwise the chain has a problem, and nobody gets here
        problem = self._unproved(link.sealing, lambda: digest)
        self._step(link, _SEAL, problem)
        return problem

    def _unproved(self, proof: Proof, digest: Callable[[], bytes]) -> str | None:
        """Say why no key proves the signature; None if one does."""
        problem = proof.clock_problem(self.now, self.options.clock_tolerance)
        if problem is not None:
            return problem
        keys = find_keys(self.resolver, proof.key_name, proof.type)
        match keys:
            case KeyUnknown():
                return f"key not available: {keys.why}"
            case UnusableKey():
                return keys.reason
            case Keys():
                records = [key for key in keys.records if self.options.count_test_mode_keys or not key.testing]
                if not records:
                    return "the key is in test mode"  # RFC 6376 3.6.1 t=y: no different from an unsigned message
                octets = digest()
                verified = any(key.verifies(proof.signature, octets) for key in records)
                return None if verified else "signature does not match"
            case _:
                assert_never(keys)

    def _step(self, link: Link, field: str, problem: str | None) -> None:
        self.trace.add(ArcStep(link.instance, field, problem is None, problem or "verified"))
