"""Each finding once: a machine on which one thing is wrong, and what is said of it.

Every broken machine is the good one with one change, and nothing else may be found on it. Each is looked at with the
real postconf, and with an imitation of it, so that the checks can be tested without Postfix.
"""

import pytest

from assay.doctor.catalogue import KINDS
from support.doctor_changes import Case, check
from support.doctor_machine_cases import MACHINE_CASES
from support.doctor_mta_cases import MTA_CASES

CASES = MTA_CASES + MACHINE_CASES

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.id}: {case.claim}")


@each_case
@pytest.mark.real
def test_one_fault_of_a_real_configuration_is_one_finding(case: Case) -> None:
    check(case)


@each_case
@pytest.mark.usefixtures("without_postconf")
def test_one_fault_is_one_finding(case: Case) -> None:
    check(case)


def test_every_finding_of_the_catalogue_is_shown_here() -> None:
    assert {case.id for case in CASES} == {kind.id for kind in KINDS}
