"""What DKIM says of a message with several signatures, and of names in two spellings (standards B.5, B.6)."""

import pytest

from assay.results import DkimValue
from assay.trace import Trace
from assay.verify.dkim import verify_dkim
from support.dict_resolver import DictResolver, found
from support.signed_messages import BODY, HEADERS, OPTIONS, facts
from support.signer import NOW, ed25519_key, rsa_key, sign

RSA, ED25519 = rsa_key(), ed25519_key()
U_LABELS, A_LABELS = "bücher.example".encode(), b"xn--bcher-kva.example"
ANSWERS = {
    b"sel._domainkey.example.com": found(RSA.record()),
    b"ed._domainkey.example.com": found(ED25519.record()),
    b"sel._domainkey.xn--bcher-kva.example": found(RSA.record()),
}


def test_the_order_of_signatures_carries_no_meaning() -> None:
    """Standards B.5.1; RFC 6376 4.2."""
    signatures = (
        sign(HEADERS, BODY, RSA),
        sign(HEADERS, b"another body\r\n", RSA),
        sign(HEADERS, BODY, ED25519, {b"s": b"ed"}),
    )
    verdicts = []
    for order in (signatures, signatures[::-1]):
        resolver = DictResolver(ANSWERS)
        results = verify_dkim(facts((*order, *HEADERS), BODY, OPTIONS), resolver, NOW, OPTIONS, Trace())
        verdicts.append([(each.value, each.selector, each.signature) for each in results])

    assert [value for value, _, _ in verdicts[0]] == [DkimValue.PASS, DkimValue.FAIL, DkimValue.PASS]
    assert verdicts[1] == verdicts[0][::-1]


@pytest.mark.parametrize(
    ("sdid", "auid"),
    [
        pytest.param(U_LABELS, b"@" + A_LABELS, id="d= in U-labels, i= in A-labels"),
        pytest.param(A_LABELS, b"@" + U_LABELS, id="d= in A-labels, i= in U-labels"),
        pytest.param(A_LABELS, b"jos\xc3\xa9@mail." + U_LABELS, id="i= below it, with a local part in UTF-8"),
    ],
)
def test_both_spellings_of_a_name_are_one_domain(sdid: bytes, auid: bytes) -> None:
    """Standards B.6; RFC 8616 3, 5: the key is asked for by A-labels, and the hash uses the form as it stands."""
    signature = sign(HEADERS, BODY, RSA, {b"d": sdid, b"i": auid})
    resolver = DictResolver(ANSWERS)

    [result] = verify_dkim(facts((signature, *HEADERS), BODY, OPTIONS), resolver, NOW, OPTIONS, Trace())

    assert (result.value, str(result.sdid)) == (DkimValue.PASS, A_LABELS.decode())
