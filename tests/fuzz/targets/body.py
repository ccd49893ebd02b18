"""Body hashes: the same however the body is cut, and the same as those of a plain, second reading of RFC 6376."""

from assay.facts import BodyHashSpec, Canonicalization
from assay.message.body import BodyHasher
from fuzz.inputs import Draw
from support.signer import body_hash


def one_input(data: bytes) -> None:
    """Four octets say how the body is cut and what is asked for; the rest is the body, ``~`` long runs of it."""
    draw = Draw(data)
    sizes = [1 + draw.number(256), 1 + draw.number(256)]
    limits = (None, 0, draw.number(256), draw.number(256) * 256)
    specs = {BodyHashSpec(form, limit) for form in Canonicalization for limit in limits}
    # blocks of 64 KiB and runs of line ends or blanks have code of their own, which small bodies never reach
    body = data[4:].replace(b"~b", b"x \t" * 22_000, 1).replace(b"~n", b"\r\n" * 700, 8).replace(b"~s", b" " * 300, 8)
    whole = BodyHasher(specs)
    whole.feed(body)
    expected = whole.finish()
    assert set(expected) == specs
    assert all(body_hash(body, spec) == digest for spec, digest in expected.items())
    cut = BodyHasher(specs)
    at = turn = 0
    step = 1 if len(body) < 5000 else 400
    while at < len(body):
        size = sizes[turn % 2] * step
        cut.feed(body[at : at + size])
        at, turn = at + size, turn + 1
    assert cut.finish() == expected
