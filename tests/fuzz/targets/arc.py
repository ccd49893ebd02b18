"""ARC chains: what passes is complete and sealed, by a second opinion too, at two look-ups a set."""

from hashlib import sha256

from assay.facts import HeaderField, MessageFacts
from assay.limits import MAX_ARC_SETS
from assay.results import ArcValue
from assay.trace import ArcDone, Trace
from assay.verify.arc import verify_arc
from assay.verify.arc_chain import Chain, read_chain
from assay.verify.demands import demands
from assay.verify.signature import Seal, Signature
from fuzz.inputs import is_clean
from fuzz.resigned import (
    NOW,
    OPTIONS,
    Selectors,
    facts_of,
    message_is_signed,
    verifies,
    without_signature,
)
from support.signer import CRLF, canonical_field


def one_input(data: bytes) -> None:
    """The input is a message."""
    facts, body = facts_of(data)
    chain = read_chain(facts.headers)
    resolver, trace = Selectors(), Trace()
    result = verify_arc(facts, resolver, NOW, OPTIONS, trace)
    assert verify_arc(facts, Selectors(), NOW, OPTIONS, Trace()) == result
    assert is_clean(result.reason, 300)
    assert [step.result for step in trace if isinstance(step, ArcDone)] == [result]
    assert set(resolver.asked) <= set(demands(facts.headers, OPTIONS).key_names)
    assert (chain is None) == (result.value is ArcValue.NONE)
    if chain is None:
        assert not resolver.asked
        return
    instances = [link.instance for link in chain.links]
    assert instances == sorted(set(instances))
    assert all(1 <= instance <= MAX_ARC_SETS for instance in instances)
    assert len(resolver.asked) <= 2 * len(chain.links)
    assert [each.instance for each in result.sets] == [each.instance for each in chain.sets()]
    assert result.complete == chain.complete
    if chain.complete:
        assert instances == list(range(1, len(instances) + 1))
    if result.value is ArcValue.PASS:
        _check_pass(chain, facts, body)
        assert result.oldest_pass is not None
        assert 0 <= result.oldest_pass <= len(instances)
        assert len(result.sets) <= len(instances)
    else:
        assert result.oldest_pass is None


def _check_pass(chain: Chain, facts: MessageFacts, body: bytes) -> None:
    assert chain.complete
    assert chain.problem is None
    newest = chain.links[-1]
    assert isinstance(newest.signature, Signature)
    assert message_is_signed(newest.signature, newest.message, facts, body)
    hashed: list[bytes] = []
    for link in chain.links:
        hashed += [canonical_field(facts.headers[at], b"relaxed") for at in (link.results, link.message)]
        own = facts.headers[link.seal]
        empty = HeaderField(own.name, without_signature(own.value))
        assert isinstance(link.sealing, Seal)
        digest = sha256(CRLF.join([*hashed, canonical_field(empty, b"relaxed")])).digest()
        assert verifies(link.sealing, digest)
        hashed.append(canonical_field(own, b"relaxed"))
