"""Which rule decides, and what: one line per claim."""

from dataclasses import dataclass, field, replace
from ipaddress import ip_network

import pytest

from assay.domain import Domain
from assay.policy.domain_policy import (
    ArcTrust,
    DmarcActions,
    DomainPolicy,
    IndirectSigns,
    SpfActions,
    Trusted,
)
from assay.policy.engine import decide_by
from assay.policy.model import Case, Disposition, Mode
from assay.results import FromProblem
from assay.trace import RuleStep, Trace
from support.policy_cases import arc, arc_set, case, dkim, dmarc, spf

DEFAULT = DomainPolicy(mode=Mode.ENFORCE)
LIST = frozenset({Domain.parse("lists.example")})
FAIL = dmarc("fail", "reject")


def _dmarc(**actions: Disposition) -> DomainPolicy:
    return replace(DEFAULT, dmarc=DmarcActions(**actions))


@dataclass(frozen=True, kw_only=True)
class Row:
    id: str
    section: str
    case: Case
    disposition: str
    rule: str
    policy: DomainPolicy = field(default=DEFAULT)
    code: str | None = None


SIGNED = replace(DEFAULT, indirect=IndirectSigns(require_sign=True, require_identifier=False))
PROVED = replace(DEFAULT, indirect=IndirectSigns(require_sign=False, require_identifier=True))
NEITHER = replace(DEFAULT, indirect=IndirectSigns(require_sign=False, require_identifier=False))
WITH_LIST = replace(DEFAULT, trusted=Trusted(lists=LIST))
WITH_FORWARDER = replace(DEFAULT, trusted=Trusted(forwarders=LIST))
NETWORKS = replace(DEFAULT, trusted=Trusted(networks=(ip_network("192.0.2.0/28"), ip_network("2001:db8::/64"))))
SEALER = replace(DEFAULT, arc=ArcTrust(trusted_sealers=LIST))
SPF_STRICT = replace(DEFAULT, spf=SpfActions(on_fail=Disposition.REJECT, on_temperror=Disposition.TEMPFAIL))

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
        id="an SPF temperror of the author domain is named in the code",
        section="A.4",
        case=case(dmarc("temperror", "reject"), spf_result=spf("temperror")),
        disposition="tempfail",
        rule="dmarc-temperror",
        code="451 4.7.24",
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
    Row(
        id="a temperror of another's domain does not choose the code",
        section="C.7.1",
        case=case(
            dmarc("temperror", "reject"),
            spf_result=spf("temperror", "other.example"),
            dkim_results=[dkim("temperror", "other.example"), dkim("temperror", None)],
        ),
        disposition="tempfail",
        rule="dmarc-temperror",
        code="451 4.7.1",
    ),
    # Indirect flows
    Row(
        id="List-Id and a list that authenticates: indirect",
        section="C.6.4",
        case=case(FAIL, dkim_results=[dkim("pass", "lists.example")], signs=("List-Id",)),
        disposition="quarantine",
        rule="dmarc-fail-indirect",
    ),
    Row(
        id="a bare List-Id is nothing",
        section="C.6.4",
        case=case(FAIL, signs=("List-Id",)),
        disposition="reject",
        rule="dmarc-fail",
        code="550 5.7.26",
    ),
    Row(
        id="another's domain without a sign is nothing",
        section="C.6.4",
        case=case(FAIL, spf_result=spf("pass", "lists.example")),
        disposition="reject",
        rule="dmarc-fail",
        code="550 5.7.26",
    ),
    Row(
        id="a signature of another that fails is no identifier",
        section="C.6.4",
        case=case(FAIL, dkim_results=[dkim("fail", "lists.example")], signs=("List-Id",)),
        disposition="reject",
        rule="dmarc-fail",
        code="550 5.7.26",
    ),
    Row(
        id="a complete ARC set is a sign, though its chain fails",
        section="C.6.4",
        case=case(FAIL, spf_result=spf("pass", "lists.example"), arc_result=arc("fail", arc_set(1, "lists.example"))),
        disposition="quarantine",
        rule="dmarc-fail-indirect",
    ),
    Row(
        id="an incomplete ARC set is none",
        section="C.6.4",
        case=case(FAIL, spf_result=spf("pass", "lists.example"), arc_result=arc("fail", complete=False)),
        disposition="reject",
        rule="dmarc-fail",
        code="550 5.7.26",
    ),
    Row(
        id="a sibling below the author's organizational domain is not another's domain",
        section="C.6.4",
        case=case(
            dmarc("fail", "reject", author="a.author.example", organizational="author.example"),
            dkim_results=[dkim("pass", "b.author.example")],
            signs=("List-Post",),
        ),
        disposition="reject",
        rule="dmarc-fail",
        code="550 5.7.26",
    ),
    Row(
        id="the same where only the policy domain is known",
        section="C.6.4",
        case=case(
            dmarc("fail", "reject", author="a.author.example", organizational=None, policy="author.example"),
            dkim_results=[dkim("pass", "b.author.example")],
            signs=("List-Post",),
        ),
        disposition="reject",
        rule="dmarc-fail",
        code="550 5.7.26",
    ),
    Row(
        id="a public suffix above the author is not another's domain",
        section="H.3 K9",
        case=case(FAIL, dkim_results=[dkim("pass", "example")], signs=("Resent-From",)),
        disposition="reject",
        rule="dmarc-fail",
        code="550 5.7.26",
    ),
    Row(
        id="an indirect flow does not touch p=quarantine",
        section="C.6.4",
        case=case(dmarc("fail", "quarantine"), dkim_results=[dkim("pass", "lists.example")], signs=("List-Id",)),
        policy=_dmarc(on_reject_indirect=Disposition.NONE),
        disposition="quarantine",
        rule="dmarc-fail",
    ),
    Row(
        id="the identifier need not be there if the policy says so",
        section="C.6.4",
        case=case(FAIL, signs=("List-Id",)),
        policy=SIGNED,
        disposition="quarantine",
        rule="dmarc-fail-indirect",
    ),
    Row(
        id="the sign must be there if only the identifier is not needed",
        section="C.6.4",
        case=case(FAIL, spf_result=spf("pass", "lists.example")),
        policy=SIGNED,
        disposition="reject",
        rule="dmarc-fail",
        code="550 5.7.26",
    ),
    Row(
        id="the sign need not be there if the policy says so",
        section="C.6.4",
        case=case(FAIL, spf_result=spf("pass", "lists.example")),
        policy=PROVED,
        disposition="quarantine",
        rule="dmarc-fail-indirect",
    ),
    Row(
        id="with both halves off every failure under p=reject is indirect",
        section="C.6.4",
        case=case(FAIL),
        policy=NEITHER,
        disposition="quarantine",
        rule="dmarc-fail-indirect",
    ),
    # Trust
    Row(
        id="a client in a trusted network brings in a failure",
        section="C.6.7",
        case=case(FAIL, client="2001:db8::7"),
        policy=NETWORKS,
        disposition="none",
        rule="trusted-network",
    ),
    Row(
        id="a client beside the trusted networks does not",
        section="C.6.7",
        case=case(FAIL, client="192.0.2.16"),
        policy=NETWORKS,
        disposition="reject",
        rule="dmarc-fail",
        code="550 5.7.26",
    ),
    Row(
        id="a client without an address is in no network",
        section="G.2",
        case=case(FAIL, client=None),
        policy=replace(DEFAULT, trusted=Trusted(networks=(ip_network("0.0.0.0/0"), ip_network("::/0")))),
        disposition="reject",
        rule="dmarc-fail",
        code="550 5.7.26",
    ),
    Row(
        id="a listed list that SPF proves brings in a failure",
        section="C.6.7",
        case=case(FAIL, spf_result=spf("pass", "bounces.lists.example")),
        policy=WITH_LIST,
        disposition="none",
        rule="authenticated-list",
    ),
    Row(
        id="a listed list brings in what stays open, too",
        section="C.6.7",
        case=case(dmarc("temperror", "reject"), dkim_results=[dkim("pass", "lists.example")]),
        policy=WITH_LIST,
        disposition="none",
        rule="authenticated-list",
    ),
    Row(
        id="a listed list that is only claimed brings in nothing",
        section="C.6.7",
        case=case(FAIL, spf_result=spf("fail", "lists.example"), signs=("List-Id", "List-Post")),
        policy=WITH_LIST,
        disposition="reject",
        rule="dmarc-fail",
        code="550 5.7.26",
    ),
    Row(
        id="a name that only ends alike is not the list",
        section="C.6.7",
        case=case(FAIL, dkim_results=[dkim("pass", "evil-lists.example"), dkim("pass", "example")]),
        policy=WITH_LIST,
        disposition="reject",
        rule="dmarc-fail",
        code="550 5.7.26",
    ),
    Row(
        id="a listed forwarder brings in a failure",
        section="C.6.7",
        case=case(FAIL, spf_result=spf("pass", "srs.lists.example")),
        policy=WITH_FORWARDER,
        disposition="none",
        rule="trusted-forwarder",
    ),
    Row(
        id="a listed forwarder that does not authenticate brings in nothing",
        section="H.3 Q4",
        case=case(FAIL, spf_result=spf("neutral", "lists.example")),
        policy=WITH_FORWARDER,
        disposition="reject",
        rule="dmarc-fail",
        code="550 5.7.26",
    ),
    Row(
        id="a listed sealer that saw DMARC pass brings in a failure",
        section="D.4",
        case=case(FAIL, arc_result=arc("pass", arc_set(1, "lists.example"))),
        policy=SEALER,
        disposition="none",
        rule="trusted-arc-chain",
    ),
    Row(
        id="an unlisted sealer brings in nothing",
        section="H.3 Q1",
        case=case(FAIL, arc_result=arc("pass", arc_set(1, "forger.example"))),
        policy=SEALER,
        disposition="reject",
        rule="dmarc-fail",
        code="550 5.7.26",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_rule(row: Row) -> None:
    trace = Trace()
    decision = decide_by(row.case, row.policy, trace)
    assert (decision.would, decision.disposition) == (row.disposition, row.disposition)
    assert decision.rule == row.rule
    reply = decision.reply
    assert (f"{reply.code} {reply.enhanced}" if reply else None) == row.code
    *asked, last = trace
    assert isinstance(last, RuleStep)
    assert (last.rule, last.decided, last.reason) == (row.rule, True, decision.reason)
    for step in asked:
        assert isinstance(step, RuleStep)
        assert not step.decided
        assert step.reason
