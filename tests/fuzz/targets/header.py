"""A message file and the callbacks of a milter: fields that stay what they are when they are written again."""

import re

from assay.facts import Canonicalization, HeaderField
from assay.message.header import INDIRECT_SIGNS, field_from_milter, indirect_signs, split_message, unfold
from assay.verify.hashing import canonical
from support.signer import canonical_field, text_of

_NAME = re.compile(rb"[!-9;-~]+")


def one_input(data: bytes) -> None:
    """The whole input is a message, and also the value of a field."""
    headers, body = split_message(data)
    for field in headers:
        assert _NAME.fullmatch(field.name)
        assert b"\0" not in field.value
        # every line end is a fold
        assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\r\n(?![ \t])", field.value)
        assert field_from_milter(field.name, field.value.replace(b"\r\n", b"\n")) == field
    assert split_message(text_of(headers) + b"\r\n" + body) == (headers, body)
    assert unfold(data) == re.sub(rb"\r\n(?=[ \t])", b"", data)
    for field in (*headers, HeaderField(b"X \t", data)):
        for form in Canonicalization:
            assert canonical(field, form) == canonical_field(field, form.value.encode())
    signs = indirect_signs(headers)
    assert list(signs) == [sign for sign in INDIRECT_SIGNS if sign in signs]
    given = field_from_milter(b"X", data)
    assert not re.search(rb"(?<!\r)\n", given.value)
    assert field_from_milter(given.name, given.value) == given
    assert given.value.replace(b"\r\n", b"\n") == data.replace(b"\r\n", b"\n")
    assert indirect_signs([given, HeaderField(b"list-ID ", data)]) == ("List-Id",)
