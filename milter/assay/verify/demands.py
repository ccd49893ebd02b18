"""What judging a message will need, known at the end of its headers: body hashes, keys and policy records."""

from collections.abc import Iterator, Sequence

from assay.facts import BodyHashSpec, HeaderField
from assay.message.author import parse_author
from assay.verify.arc_chain import read_chain
from assay.verify.dkim import readable_signatures
from assay.verify.dmarc import record_names
from assay.verify.options import DmarcOptions, VerifyOptions
from assay.verify.signature import Proof, Refusal, Signature


def body_hash_specs(headers: Sequence[HeaderField], options: VerifyOptions) -> frozenset[BodyHashSpec]:
    """Return the body hashes that DKIM signatures and ARC message signatures ask for.

    A signature that its own text refuses asks for nothing, nor does one beyond the limit, nor a chain that fails by
    its structure.
    """
    return frozenset(proof.body for proof in _proofs(headers, options) if isinstance(proof, Signature))


def key_names(headers: Sequence[HeaderField], options: VerifyOptions) -> tuple[bytes, ...]:
    """Return the names of the key records that verification will ask for, each once, for prefetching.

    Only names that were checked as such are among them (standards H.3 K1).
    """
    return tuple(dict.fromkeys(proof.key_name for proof in _proofs(headers, options)))


def _proofs(headers: Sequence[HeaderField], options: VerifyOptions) -> Iterator[Proof]:
    yield from readable_signatures(headers, options)
    chain = read_chain(headers)
    if chain is None or chain.problem is not None:
        return
    for link in chain.links:
        for proof in (link.signature, link.sealing):
            if not isinstance(proof, Refusal):
                yield proof


def policy_names(headers: Sequence[HeaderField], options: DmarcOptions, *, smtputf8: bool) -> tuple[bytes, ...]:
    """Return where the policy records of the author domains are looked for."""
    return record_names(parse_author(headers, smtputf8=smtputf8).domains, options)
