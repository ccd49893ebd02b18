"""The public test suite for RFC 7208, every case, in memory."""

import pytest

from support.spf_suite import CASES, EXPLAINED, explanation, name, value
from support.suite_zone import MISSING, SuiteCase, SuiteResolver

pytestmark = pytest.mark.skipif(not CASES, reason=MISSING)


def test_the_suite_is_whole() -> None:
    assert (len(CASES), len(EXPLAINED)) == (203, 22)


@pytest.mark.parametrize("case", CASES, ids=name)
def test_result(case: SuiteCase) -> None:
    assert value(case, SuiteResolver(case.scenario.names)) in case.results


@pytest.mark.parametrize("case", EXPLAINED, ids=name)
def test_explanation(case: SuiteCase) -> None:
    assert explanation(case, SuiteResolver(case.scenario.names)) == case.explanation
