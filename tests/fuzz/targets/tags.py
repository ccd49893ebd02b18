"""Tag lists, and the signature fields that are made of them."""

from assay.dns.names import to_wire
from assay.facts import HeaderField
from assay.limits import MAX_SIGNED_HEADERS
from assay.message.tags import TagListError, parse_tags
from assay.results import DkimValue
from assay.verify.hashing import unsigned
from assay.verify.signature import (
    Proof,
    Refusal,
    Seal,
    Signature,
    parse_dkim,
    parse_message_signature,
    parse_seal,
)
from fuzz.inputs import domain_of, is_clean


def one_input(data: bytes) -> None:
    """The input is the value of a signature field."""
    labels, signature = parse_dkim(data)
    assert labels.selector is None or domain_of(labels.selector.encode()) is not None
    assert labels.signature.isascii()
    _check(signature)
    try:
        tags = parse_tags(data)
    except TagListError:
        tags = {}
    if not tags:
        assert isinstance(signature, Refusal)
        return
    assert parse_tags(b";".join(name + b"=" + value for name, value in tags.items())) == tags
    _check(parse_message_signature(tags))
    _check(parse_seal(tags))
    _check_removal(data, tags)


def _check(proof: Proof | Refusal) -> None:
    match proof:
        case Refusal(value=value, reason=reason):
            assert value in {DkimValue.PERMERROR, DkimValue.NEUTRAL}
            assert is_clean(reason, 200)
        case Signature():
            _check_proof(proof)
            assert len(proof.names) <= MAX_SIGNED_HEADERS
            assert all(name == name.lower() and name.isascii() and b":" not in name for name in proof.names)
            assert proof.identity.is_under(proof.sdid)
            assert len(proof.body_hash) == 32
            assert proof.body.limit is None or 0 <= proof.body.limit < 10**12
            assert proof.body.algorithm == "sha256"
            assert proof.expiry is None or proof.timestamp is None or proof.expiry > proof.timestamp
        case Seal():
            _check_proof(proof)
        case _:
            raise AssertionError(proof)


def _check_proof(proof: Proof) -> None:
    assert proof.signature
    assert len(proof.sdid.labels) > 1
    assert to_wire(proof.key_name) is not None
    assert proof.key_name.isascii()
    assert proof.clock_problem(1.7e9, 300) in {None, "t= is in the future", "expired"}


def _check_removal(value: bytes, tags: dict[bytes, bytes]) -> None:
    """Emptying b= touches b= and nothing else (RFC 6376 3.7)."""
    field = HeaderField(b"DKIM-Signature", value)
    bare = unsigned(field)
    assert unsigned(bare) == bare
    if b"b" in tags:
        assert parse_tags(bare.value) == tags | {b"b": b""}
    else:
        assert bare == field
