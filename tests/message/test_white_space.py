"""The collapse of white space: byte for byte, whatever the runs, and against dkimpy (RFC 6376 3.4.2, 3.4.4)."""

import pytest
from dkim.canonicalization import compress_whitespace
from hypothesis import given
from hypothesis import strategies as st

from assay.message.white_space import collapse

RUNS = st.builds(lambda run, count: run * count, st.sampled_from([b" ", b"\t", b" \t"]), st.integers(1, 300))
OTHERS = st.sampled_from([b"a", b"\r\n", b"\r", b"\n", b"\x0b", b"\xff", b"a" * 200])


@given(st.lists(RUNS | OTHERS, max_size=40).map(b"".join))
def test_each_run_is_one_space_and_nothing_else_changes(data: bytes) -> None:
    assert collapse(data) == compress_whitespace(data)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 15, 16, 17, 127, 128, 129, 255, 4097, 65535])
@pytest.mark.parametrize("between", [0, 1, 30, 31, 32, 100], ids="{} octets between".format)
def test_runs_of_any_length_however_dense(length: int, between: int) -> None:
    text = b"x" * between
    assert collapse((b" " * length + text) * 40) == ((b" " + text) * 40 if between else b" ")
