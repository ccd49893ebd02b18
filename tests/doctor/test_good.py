"""Nothing is said of a machine on which all is well."""

import pytest

from support.doctor_world import found, machine

pytestmark = pytest.mark.real


def test_a_good_machine_has_no_finding() -> None:
    with machine() as made:
        assert found(made) == []
