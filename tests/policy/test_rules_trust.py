"""Which rule decides on indirect flows and on what is trusted: one row per claim."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from assay.domain import Domain
from assay.policy.domain_policy import ArcTrust, DmarcActions, IndirectSigns, Trusted
from assay.policy.model import Disposition
from assay.policy.rules import dmarc_fail_indirect
from assay.policy.verdict import Skip
from support.policy_cases import DEFAULT, Row, arc, arc_set, case, dkim, dmarc, spf

FAIL = dmarc("fail", "reject")
LIST = frozenset({Domain.parse("lists.example")})
SIGNED = replace(DEFAULT, indirect=IndirectSigns(require_sign=True, require_identifier=False))
PROVED = replace(DEFAULT, indirect=IndirectSigns(require_sign=False, require_identifier=True))
NEITHER = replace(DEFAULT, indirect=IndirectSigns(require_sign=False, require_identifier=False))
WITH_LIST = replace(DEFAULT, trusted=Trusted(lists=LIST))
WITH_FORWARDER = replace(DEFAULT, trusted=Trusted(forwarders=LIST))
NETWORKS = replace(DEFAULT, trusted=Trusted(networks=(ip_network("192.0.2.0/28"), ip_network("2001:db8::/64"))))
SEALER = replace(DEFAULT, arc=ArcTrust(trusted_sealers=LIST))

ROWS = [
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
        id="the same where the author domain is all that is known",
        section="C.6.4",
        case=case(
            dmarc("fail", "reject", author="author.example", organizational=None),
            dkim_results=[dkim("pass", "b.author.example")],
            signs=("List-Post",),
        ),
        disposition="reject",
        rule="dmarc-fail",
        code="550 5.7.26",
    ),
    Row(
        id="without an author domain every identifier is another's",
        section="C.6.4",
        case=case(
            dmarc("fail", "reject", author=None, organizational=None),
            dkim_results=[dkim("pass", "lists.example")],
            signs=("List-Id",),
        ),
        disposition="quarantine",
        rule="dmarc-fail-indirect",
    ),
    Row(
        id="an indirect flow does not touch p=quarantine",
        section="C.6.4",
        case=case(dmarc("fail", "quarantine"), dkim_results=[dkim("pass", "lists.example")], signs=("List-Id",)),
        policy=replace(DEFAULT, dmarc=DmarcActions(on_reject_indirect=Disposition.NONE)),
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
    Row(
        id="trust changes nothing where no DMARC policy applies",
        section="D.4",
        case=case(
            dmarc(),
            spf_result=spf("pass", "lists.example"),
            arc_result=arc("pass", arc_set(1, "lists.example")),
        ),
        policy=replace(SEALER, trusted=Trusted(lists=LIST, forwarders=LIST)),
        disposition="none",
        rule="no-policy",
    ),
    Row(
        id="a listed name of one label governs all below it",
        section="C.6.7",
        case=case(FAIL, spf_result=spf("pass", "lists.example")),
        policy=replace(DEFAULT, trusted=Trusted(lists=frozenset({Domain.parse("example")}))),
        disposition="none",
        rule="authenticated-list",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_rule(row: Row) -> None:
    row.check()


@pytest.mark.parametrize("value", ["pass", "none", "temperror", "permerror"])
def test_a_flow_is_looked_at_only_where_dmarc_failed(value: str) -> None:
    """Standards C.6.4: the rule itself says so, whatever stands before it in the order."""
    one = case(dmarc(value, "reject"), dkim_results=[dkim("pass", "lists.example")], signs=("List-Id",))
    assert dmarc_fail_indirect(one, DEFAULT) == Skip("no DMARC failure whose owner asks for reject")
