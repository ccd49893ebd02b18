"""Which rule decides on DMARC, SPF and From, and what: one row per claim."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from assay.policy.domain_policy import DmarcActions, DomainPolicy, SpfActions, Trusted
from assay.policy.model import Disposition
from assay.policy.rules import spf_fail
from assay.policy.verdict import Skip
from assay.results import FromProblem
from support.policy_cases import DEFAULT, Row, case, dkim, dmarc, spf

FAIL = dmarc("fail", "reject")
NETWORKS = replace(DEFAULT, trusted=Trusted(networks=(ip_network("192.0.2.0/28"),)))
SPF_STRICT = replace(DEFAULT, spf=SpfActions(on_fail=Disposition.REJECT, on_temperror=Disposition.TEMPFAIL))


def _dmarc(**actions: Disposition) -> DomainPolicy:
    return replace(DEFAULT, dmarc=DmarcActions(**actions))


ROWS = [
    Row(
        id="a pass is let in though the owner asks for reject",
        section="C.4.4",
        case=case(dmarc("pass", "reject")),
        disposition="none",
        rule="dmarc-pass",
    ),
    Row(
        id="p=reject rejects a failure",
        section="C.6.4",
        case=case(FAIL),
        disposition="reject",
        rule="dmarc-fail",
        code="550 5.7.26",
    ),
    Row(
        id="p=quarantine quarantines a failure",
        section="C.6",
        case=case(dmarc("fail", "quarantine")),
        disposition="quarantine",
        rule="dmarc-fail",
    ),
    Row(
        id="p=none changes nothing",
        section="C.6.2",
        case=case(dmarc("fail", "none")),
        disposition="none",
        rule="dmarc-fail",
    ),
    Row(
        id="a failure that asks for nothing is treated as p=none",
        section="C.1.8",
        case=case(dmarc("fail")),
        policy=_dmarc(on_none=Disposition.QUARANTINE),
        disposition="quarantine",
        rule="dmarc-fail",
    ),
    Row(
        id="a failure can be deferred, with a temporary code",
        section="G.3.1",
        case=case(FAIL),
        policy=_dmarc(on_reject=Disposition.TEMPFAIL),
        disposition="tempfail",
        rule="dmarc-fail",
        code="451 4.7.1",
    ),
    Row(
        id="without a record nothing is done, SPF fail or not",
        section="A.4",
        case=case(dmarc(), spf_result=spf("fail")),
        disposition="none",
        rule="no-policy",
    ),
    # SPF alone
    Row(
        id="SPF fail alone rejects where the policy wants it",
        section="A.4",
        case=case(dmarc(), spf_result=spf("fail")),
        policy=SPF_STRICT,
        disposition="reject",
        rule="spf-fail",
        code="550 5.7.23",
    ),
    Row(
        id="softfail is no fail",
        section="A.4",
        case=case(dmarc(), spf_result=spf("softfail")),
        policy=SPF_STRICT,
        disposition="none",
        rule="no-policy",
    ),
    Row(
        id="SPF temperror alone defers where the policy wants it",
        section="A.4",
        case=case(dmarc(), spf_result=spf("temperror")),
        policy=SPF_STRICT,
        disposition="tempfail",
        rule="spf-temperror",
        code="451 4.7.24",
    ),
    Row(
        id="SPF fail does not touch a DMARC pass by DKIM",
        section="A.4",
        case=case(dmarc("pass", "reject"), spf_result=spf("fail"), dkim_results=[dkim("pass")]),
        policy=SPF_STRICT,
        disposition="none",
        rule="dmarc-pass",
    ),
    Row(
        id="SPF fail does not sharpen p=none",
        section="C.6.2",
        case=case(dmarc("fail", "none"), spf_result=spf("fail")),
        policy=SPF_STRICT,
        disposition="none",
        rule="dmarc-fail",
    ),
    # From
    *(
        Row(
            id=f"From: {problem}",
            section="C.2.3",
            case=case(dmarc("permerror", author=None, organizational=None, problem=problem)),
            disposition=disposition,
            rule="from-unusable",
            code=code,
        )
        for problem, disposition, code in (
            (FromProblem.MISSING, "reject", "550 5.7.1"),
            (FromProblem.REPEATED, "reject", "550 5.7.1"),
            (FromProblem.UNPARSABLE, "quarantine", None),
            (FromProblem.EMPTY_GROUP, "quarantine", None),
            (FromProblem.TOO_MANY, "quarantine", None),
        )
    ),
    Row(
        id="two From fields from a trusted client are let in",
        section="C.2.3",
        case=case(dmarc("permerror", author=None, problem=FromProblem.REPEATED)),
        policy=NETWORKS,
        disposition="none",
        rule="trusted-network",
    ),
    Row(
        id="a domain that cannot have DMARC is left alone",
        section="C.2.3",
        case=case(dmarc(author=None, organizational=None)),
        disposition="none",
        rule="no-policy",
    ),
    Row(
        id="a broken record enforces nothing",
        section="C.1.8",
        case=case(dmarc("permerror")),
        disposition="none",
        rule="dmarc-permerror",
    ),
    Row(
        id="a broken record can be acted upon",
        section="C.7.2",
        case=case(dmarc("permerror")),
        policy=_dmarc(on_permerror=Disposition.REJECT),
        disposition="reject",
        rule="dmarc-permerror",
        code="550 5.7.26",
    ),
    # DNS errors
    Row(
        id="the DNS failed and the owner asks for reject: defer",
        section="C.7.1",
        case=case(dmarc("temperror", "reject")),
        disposition="tempfail",
        rule="dmarc-temperror",
        code="451 4.7.1",
    ),
    Row(
        id="the DNS failed and the owner asks for quarantine: defer",
        section="C.7.1",
        case=case(dmarc("temperror", "quarantine")),
        disposition="tempfail",
        rule="dmarc-temperror",
        code="451 4.7.1",
    ),
    Row(
        id="the DNS failed and the owner asks for none: deliver, whatever the keys say",
        section="C.6.2",
        case=case(dmarc("temperror", "none")),
        policy=_dmarc(on_temperror_unknown=Disposition.TEMPFAIL),
        disposition="none",
        rule="dmarc-temperror",
    ),
    Row(
        id="no record could be fetched: deliver",
        section="C.7.1",
        case=case(dmarc("temperror")),
        disposition="none",
        rule="dmarc-temperror",
    ),
    Row(
        id="no record could be fetched: defer, by choice",
        section="C.7.1",
        case=case(dmarc("temperror")),
        policy=_dmarc(on_temperror_unknown=Disposition.TEMPFAIL),
        disposition="tempfail",
        rule="dmarc-temperror",
        code="451 4.7.1",
    ),
    Row(
        id="no record could be fetched since our own name servers are gone: defer",
        section="C.7.1",
        case=replace(case(dmarc("temperror")), dns_is_gone=True),
        disposition="tempfail",
        rule="dmarc-temperror",
        code="451 4.7.1",
    ),
    Row(
        id="our own name servers are gone and the owner asks for none: deliver",
        section="C.6.2",
        case=replace(case(dmarc("temperror", "none")), dns_is_gone=True),
        disposition="none",
        rule="dmarc-temperror",
    ),
    Row(
        id="an SPF temperror of the author domain is named in the code",
        section="A.4",
        case=case(dmarc("temperror", "reject"), spf_result=spf("temperror")),
        disposition="tempfail",
        rule="dmarc-temperror",
        code="451 4.7.24",
    ),
    Row(
        id="an SPF temperror is named in the code beside a signature of the author domain that fails",
        section="A.4",
        case=case(dmarc("temperror", "reject"), spf_result=spf("temperror"), dkim_results=[dkim("fail")]),
        disposition="tempfail",
        rule="dmarc-temperror",
        code="451 4.7.24",
    ),
    Row(
        id="without an author domain no method is named in the code",
        section="C.7.1",
        case=case(dmarc("temperror", "reject", author=None, organizational=None), spf_result=spf("temperror")),
        disposition="tempfail",
        rule="dmarc-temperror",
        code="451 4.7.1",
    ),
    Row(
        id="a DKIM key of the author domain that cannot be fetched is named in the code",
        section="B.5.3",
        case=case(dmarc("temperror", "reject"), dkim_results=[dkim("fail"), dkim("temperror", "k.author.example")]),
        disposition="tempfail",
        rule="dmarc-temperror",
        code="451 4.7.5",
    ),
    Row(
        id="two methods that are open: the code of DMARC",
        section="B.5.3",
        case=case(dmarc("temperror", "reject"), spf_result=spf("temperror"), dkim_results=[dkim("temperror")]),
        disposition="tempfail",
        rule="dmarc-temperror",
        code="451 4.7.1",
    ),
    *(
        Row(
            id=f"a temperror of another's domain does not choose the code: {what}",
            section="C.7.1",
            case=case(dmarc("temperror", "reject"), spf_result=spf_result, dkim_results=dkim_results),
            disposition="tempfail",
            rule="dmarc-temperror",
            code="451 4.7.1",
        )
        for what, spf_result, dkim_results in (
            ("SPF", spf("temperror", "other.example"), []),
            ("DKIM", spf(), [dkim("temperror", "other.example")]),
            ("no domain at all", spf("temperror", None), []),
        )
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_rule(row: Row) -> None:
    row.check()


def test_spf_alone_is_asked_only_where_dmarc_is_none() -> None:
    found = spf_fail(case(dmarc("fail", "none"), spf_result=spf("fail")), SPF_STRICT)
    assert found == Skip("DMARC is fail, so SPF alone decides nothing")
