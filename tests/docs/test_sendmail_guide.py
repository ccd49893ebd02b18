"""The guide for Sendmail works as it stands, on Debian's own Sendmail."""

import pytest

from support.sendmail_machine import try_page
from support.sendmail_root import sendmail_root

pytestmark = pytest.mark.real


def test_a_machine_that_is_set_up_as_the_page_says_does_what_it_says() -> None:
    with sendmail_root() as root:
        try_page(root, "docs/guides/sendmail.md")
