"""Key records: a usable key is a strong one, and the order of records decides nothing."""

from assay.answers import Found
from assay.limits import MAX_KEY_RECORD_OCTETS, MAX_KEY_RECORDS, MAX_RSA_BITS, MIN_RSA_BITS
from assay.verify.keys import KeyRecord, Keys, KeyType, UnusableKey, find_keys, parse_key_record
from fuzz.inputs import is_clean
from support.dict_resolver import DictResolver

_NAME = b"sel._domainkey.example.com"
_DIGEST = bytes(32)


def one_input(data: bytes) -> None:
    """The input is the TXT records at one name, one a line."""
    texts = data.split(b"\n")
    for text in texts:
        _check(text)
    for wanted in KeyType:
        forwards = find_keys(DictResolver({_NAME: Found(tuple(texts), 60)}), _NAME, wanted)
        backwards = find_keys(DictResolver({_NAME: Found(tuple(reversed(texts)), 60)}), _NAME, wanted)
        assert forwards == backwards
        if isinstance(forwards, Keys):
            assert 1 <= len(forwards.records) <= MAX_KEY_RECORDS
            assert {key.type for key in forwards.records} == {wanted}


def _check(text: bytes) -> None:
    key = parse_key_record(text)
    assert key == parse_key_record(bytes(bytearray(text)))
    match key:
        case UnusableKey(reason=reason):
            assert is_clean(reason, 200)
        case KeyRecord():
            assert len(text) <= MAX_KEY_RECORD_OCTETS
            assert b"p" in text
            if key.type is KeyType.RSA:
                assert MIN_RSA_BITS <= key.bits <= MAX_RSA_BITS
            else:
                assert key.bits == 256
            # nobody signed these
            assert not key.verifies(text, _DIGEST)
            assert not key.verifies(b"", _DIGEST)
            assert not key.verifies(bytes(key.bits // 8), _DIGEST)
        case _:
            raise AssertionError(key)
