"""What an administrator may choose about verification."""

import pytest

from assay.results import Discovery
from assay.verify.options import DmarcOptions


@pytest.mark.parametrize(
    ("way", "other"), [(Discovery.TREEWALK, Discovery.PSL), (Discovery.PSL, Discovery.TREEWALK)], ids=str
)
def test_the_shadow_goes_the_other_way_and_shares_the_rest(way: Discovery, other: Discovery) -> None:
    """Standards C.5: both ways are evaluated, to compare."""
    options = DmarcOptions(organizational_domain=way, public_suffix_guard=False)
    shadow = options.of_shadow()
    assert (shadow.organizational_domain, shadow.public_suffix_guard) == (other, False)
    assert shadow.suffixes is options.suffixes
