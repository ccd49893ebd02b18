"""The public test suite for RFC 7208, every case, through our adapter and in memory."""

import pytest

from assay.domain import Domain
from assay.facts import Client, Envelope, MessageFacts
from assay.results import SpfValue
from assay.trace import Trace
from assay.verify.spf import SpfOutcome, check_host, verify_spf
from assay.verify.spf_query import HostCheck
from support.suite_zone import MISSING, SuiteCase, SuiteResolver, suite_cases

CASES = suite_cases()
EXPLAINED = [case for case in CASES if case.explanation is not None]

pytestmark = pytest.mark.skipif(not CASES, reason=MISSING)


# RFC 7208 4.3 gives a sender without local part a meaning, but no reverse-path of SMTP can lack one (RFC 5321 4.1.2):
# our reader of the envelope refuses it, so this case enters behind it.
NO_PATH = "nolocalpart"


def name(case: SuiteCase) -> str:
    return f"{case.name} ({case.section})"


def ask(case: SuiteCase, *, explain: bool = False) -> SpfOutcome:
    local, _, domain = case.mail_from.rpartition(b"@")
    check = HostCheck(
        client=case.client,
        domain=Domain.parse(domain),
        local=local,
        helo=case.helo,
        receiver="receiver.example",
        now=0.0,
        explain=explain,
    )
    return check_host(check, SuiteResolver(case.scenario.names), Trace())


def verify(case: SuiteCase) -> SpfValue:
    facts = MessageFacts(
        client=Client(address=case.client),
        envelope=Envelope(helo=case.helo, mail_from=case.path),
        headers=(),
        receiver="receiver.example",
    )
    return verify_spf(facts, SuiteResolver(case.scenario.names), 0.0, Trace()).value


def test_the_suite_is_whole() -> None:
    assert (len(CASES), len(EXPLAINED)) == (203, 22)


@pytest.mark.parametrize("case", CASES, ids=name)
def test_result(case: SuiteCase) -> None:
    value = ask(case).value if case.name == NO_PATH else verify(case)
    assert value in case.results


@pytest.mark.parametrize("case", EXPLAINED, ids=name)
def test_explanation(case: SuiteCase) -> None:
    assert ask(case, explain=True).explanation == (None if case.explanation == "DEFAULT" else case.explanation)
