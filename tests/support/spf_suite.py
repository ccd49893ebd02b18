"""How a case of the public RFC 7208 suite goes through our SPF, whatever resolver answers it."""

from assay.answers import Resolver
from assay.domain import Domain
from assay.facts import Client, Envelope, MessageFacts
from assay.results import SpfValue
from assay.trace import Trace
from assay.verify.spf import SpfOutcome, check_host, verify_spf
from assay.verify.spf_query import HostCheck
from support.suite_zone import SuiteCase, suite_cases

CASES = suite_cases()
EXPLAINED = [case for case in CASES if case.explanation is not None]

# RFC 7208 4.3 gives a sender without local part a meaning, but no reverse-path of SMTP can lack one (RFC 5321 4.1.2):
# our reader of the envelope refuses it, so this case enters behind it.
NO_PATH = "nolocalpart"
RECEIVER = "receiver.example"


def name(case: SuiteCase) -> str:
    """The id of a test."""
    return f"{case.name} ({case.section})"


def value(case: SuiteCase, resolver: Resolver) -> SpfValue:
    """What SPF says of the envelope."""
    if case.name == NO_PATH:
        return outcome(case, resolver).value
    facts = MessageFacts(
        client=Client(address=case.client),
        envelope=Envelope(helo=case.helo, mail_from=case.path),
        headers=(),
        receiver=RECEIVER,
    )
    return verify_spf(facts, resolver, 0.0, Trace()).value


def explanation(case: SuiteCase, resolver: Resolver) -> str:
    """The explanation as the suite writes it."""
    return outcome(case, resolver, explain=True).explanation or "DEFAULT"


def outcome(case: SuiteCase, resolver: Resolver, *, explain: bool = False) -> SpfOutcome:
    """What check_host() says of the sender as the suite writes it; its domain must be one."""
    local, _, domain = case.mail_from.rpartition(b"@")
    check = HostCheck(
        client=case.client,
        domain=Domain.parse(domain),
        local=local,
        helo=case.helo,
        receiver=RECEIVER,
        now=0.0,
        explain=explain,
    )
    return check_host(check, resolver, Trace())
