"""Bounds of our Authentication-Results field: the last column of a line, the last octet of the whole."""

from dataclasses import replace
from itertools import pairwise

import pytest

from assay.domain import Domain
from assay.results import DkimResult, DkimValue
from assay.stamp.auth_results import MAX_FIELD, authentication_results
from support import ar_parser
from support.judged import CLIENT, DELIVERED, judged

LONG = Domain.parse(".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61]))


def render(*dkim: DkimResult) -> str:
    return authentication_results(judged(dkim=dkim), authserv_id="mx.example", client=CLIENT, decision=DELIVERED)


def test_a_line_ends_only_where_78_columns_leave_no_room() -> None:
    """RFC 5322 2.1.1: the next piece would have passed the last column; a tab takes eight."""
    widths = set()
    for length in range(1, 61):
        result = DkimResult(
            value=DkimValue.PASS,
            reason="",
            sdid=Domain.parse("sender.example"),
            auid="@sender.example",
            selector="s" * length,
            algorithm="rsa-sha256",
            signature="YWJj",
        )
        clause = next(clause for clause in render(result).split(";") if "dkim=" in clause)
        lines = [line.expandtabs(8) for line in f"{clause};".split("\n")[1:]]
        widths |= {len(line) for line in lines}
        for line, following in pairwise(lines):
            assert len(line) + 1 + len(following.split()[0]) > 78
    assert max(widths) == 78


def test_a_field_may_have_20480_octets() -> None:
    """The bound is ours: one octet more, and the reasons go."""
    long = DkimResult(value=DkimValue.FAIL, reason='"' * 255, sdid=LONG, auid=f"@{LONG}", selector=LONG.name)
    lengths = set()
    for reason in range(1, 2 * 255):
        short = [replace(long, reason="x" * part) for part in (reason // 2, -(-reason // 2))]
        value = render(*short, *[long] * 14)
        if "reason=" in value:
            lengths.add(len(value))
    assert len(lengths) < 2 * 255 - 1
    assert max(lengths) == MAX_FIELD


@pytest.mark.parametrize(
    "reason", ["no key :) at all", "no key :( at all", 'half a quote: " and a \\ too', "(all) of (it)"]
)
def test_a_reason_is_one_piece_whatever_stands_in_it(reason: str) -> None:
    """RFC 8601 2.2: a comment stands before it, and ends where it ends."""
    result = DkimResult(value=DkimValue.FAIL, reason=reason, key_bits=2048, algorithm="rsa-sha256")
    (dkim,) = [each for each in ar_parser.parse(render(result)).results if each.method == "dkim"]
    assert (dkim.comments, dkim.reason) == (("2048-bit rsa key",), reason)
    quoted = reason.replace("\\", "\\\\").replace('"', '\\"')
    assert f'dkim=fail (2048-bit rsa key) reason="{quoted}"' in render(result)
