"""What judging a message will need, known at the end of its headers: body hashes, keys and policy records."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assay.facts import BodyHashSpec, HeaderField
from assay.message.author import parse_author
from assay.verify.arc_chain import read_chain
from assay.verify.dkim import readable_signatures
from assay.verify.dmarc import record_names
from assay.verify.options import DmarcOptions, VerifyOptions
from assay.verify.signature import Proof, Refusal, Signature


@dataclass(frozen=True, slots=True)
class Demands:
    """What DKIM signatures, ARC message signatures and ARC seals ask for.

    A signature that its own text refuses asks for nothing, nor does one beyond the limit, nor a chain that fails by
    its structure.

    Attributes:
        body_hashes: to be made while the body arrives.
        key_names: of the key records that verification will ask for, each once. Only names that were checked as such
            are among them (standards H.3 K1).
    """

    body_hashes: frozenset[BodyHashSpec]
    key_names: tuple[bytes, ...]


def demands(headers: Sequence[HeaderField], options: VerifyOptions) -> Demands:
    """Return what the signatures of a message ask for."""
    proofs = tuple(_proofs(headers, options))
    return Demands(
        frozenset(proof.body for proof in proofs if isinstance(proof, Signature)),
        tuple(dict.fromkeys(proof.key_name for proof in proofs)),
    )


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
