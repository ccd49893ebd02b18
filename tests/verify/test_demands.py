"""What is asked for before the body arrives."""

import pytest

from assay.facts import HeaderField
from assay.verify.demands import policy_names
from assay.verify.options import DmarcOptions


@pytest.mark.parametrize(
    ("smtputf8", "names"),
    [
        pytest.param(True, (b"_dmarc.xn--bcher-kva.example", b"_dmarc.example"), id="announced"),
        pytest.param(False, (), id="not announced"),
    ],
)
def test_policy_records_of_an_internationalised_author_are_asked_for_where_it_may_be_one(
    smtputf8: bool,  # noqa: FBT001 - a column of the table
    names: tuple[bytes, ...],
) -> None:
    """RFC 6531 3.4; standards H.1 E12: who judges the message later reads its From field the same way."""
    headers = [HeaderField(b"From", " jörg@bücher.example".encode())]
    assert policy_names(headers, DmarcOptions(), smtputf8=smtputf8) == names
