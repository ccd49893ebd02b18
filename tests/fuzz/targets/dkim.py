"""DKIM of a whole message: what passes was signed, by a second opinion too, and each signature costs one look-up."""

from assay.limits import MAX_SIGNATURES
from assay.results import DkimValue
from assay.trace import DkimDone, Trace
from assay.verify.demands import demands
from assay.verify.dkim import signature_fields, verify_dkim
from assay.verify.signature import Signature, parse_dkim
from fuzz.inputs import is_clean
from fuzz.resigned import NOW, OPTIONS, Selectors, facts_of, message_is_signed


def one_input(data: bytes) -> None:
    """The input is a message."""
    facts, body = facts_of(data)
    resolver, trace = Selectors(), Trace()
    results = verify_dkim(facts, resolver, NOW, OPTIONS, trace)
    assert verify_dkim(facts, Selectors(), NOW, OPTIONS, Trace()) == results
    positions = list(signature_fields(facts.headers))
    assert len(results) == min(len(positions), MAX_SIGNATURES + 1)
    assert len(resolver.asked) <= min(len(positions), MAX_SIGNATURES)
    assert set(resolver.asked) <= set(demands(facts.headers, OPTIONS).key_names)
    assert [step.result for step in trace if isinstance(step, DkimDone)] == list(results)
    for position, result in zip(positions, results, strict=False):
        assert is_clean(result.reason, 200)
        assert result.value is not DkimValue.NONE
        if result.value is DkimValue.PASS:
            _, signature = parse_dkim(facts.headers[position].value)
            assert isinstance(signature, Signature)
            assert message_is_signed(signature, position, facts, body)
            assert result.sdid == signature.sdid
            assert "from" in [name.decode() for name in signature.names]
            assert sum(field.name.strip().lower() == b"from" for field in facts.headers) == 1
            if body:  # one more octet at the end is another body
                changed, _ = facts_of(data + b"x")
                again = verify_dkim(changed, Selectors(), NOW, OPTIONS, Trace())
                resigned = changed.headers != facts.headers
                assert resigned or again[positions.index(position)].value is not DkimValue.PASS
