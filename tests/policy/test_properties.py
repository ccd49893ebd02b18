"""What holds for every combination of results."""

import string
from dataclasses import replace
from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st

from assay.domain import Domain
from assay.facts import Client
from assay.policy.domain_policy import (
    ArcTrust,
    DmarcActions,
    DomainPolicy,
    IndirectSigns,
    Quarantine,
    QuarantineHow,
    SpfActions,
    Trusted,
)
from assay.policy.engine import decide, decide_by
from assay.policy.expectation import RULE_NAMES
from assay.policy.model import Case, Disposition, Mode
from assay.policy.policies import Policies
from assay.results import (
    ArcResult,
    ArcSet,
    ArcValue,
    AuthResults,
    DkimResult,
    DkimValue,
    DmarcResult,
    DmarcValue,
    FromProblem,
    Requested,
    SpfIdentity,
    SpfResult,
    SpfValue,
)
from assay.trace import Trace

NAMES = st.sampled_from(
    [Domain.parse(name) for name in ("author.example", "a.author.example", "example", "lists.example", "x.test")]
)
MAYBE_NAMES = st.none() | NAMES
SPF = st.builds(
    SpfResult,
    value=st.sampled_from(SpfValue),
    identity=st.sampled_from(SpfIdentity),
    domain=MAYBE_NAMES,
    reason=st.text(max_size=5),
)
DKIM = st.builds(DkimResult, value=st.sampled_from(DkimValue), reason=st.just(""), sdid=MAYBE_NAMES)
CLAIMS = st.sampled_from(
    [b"", b" mx; dmarc=pass header.from=author.example", b" mx; dmarc=fail header.from=author.example", b"\xff;"]
)
SET = st.builds(
    ArcSet,
    instance=st.integers(1, 50),
    sealer=NAMES,
    selector=st.text(max_size=3),
    signs_from=st.booleans(),
    claims=CLAIMS | st.binary(max_size=20),
)
ARC = st.builds(
    ArcResult,
    value=st.sampled_from(ArcValue),
    reason=st.just(""),
    complete=st.booleans(),
    sets=st.lists(SET, max_size=3).map(tuple),
)
DMARC = st.builds(
    DmarcResult,
    value=st.sampled_from(DmarcValue),
    reason=st.just(""),
    author_domain=MAYBE_NAMES,
    from_problem=st.none() | st.sampled_from(FromProblem),
    policy_domain=MAYBE_NAMES,
    organizational_domain=MAYBE_NAMES,
    requested=st.none() | st.sampled_from(Requested),
    published=st.none() | st.sampled_from(Requested),
)
RESULTS = st.builds(AuthResults, spf=SPF, dkim=st.lists(DKIM, max_size=3).map(tuple), arc=ARC, dmarc=DMARC)
CASES = st.builds(
    Case,
    results=RESULTS,
    client=st.builds(Client, address=st.none() | st.ip_addresses()),
    indirect_signs=st.sampled_from([(), ("List-Id",), ("Resent-From", "List-Post")]),
)
ACTIONS = st.sampled_from(Disposition)
SETS = st.frozensets(NAMES, max_size=2)
POLICIES = st.builds(
    DomainPolicy,
    mode=st.sampled_from(Mode),
    dmarc=st.builds(DmarcActions, **dict.fromkeys(DmarcActions.__dataclass_fields__, ACTIONS)),
    spf=st.builds(SpfActions, on_fail=ACTIONS, on_temperror=ACTIONS),
    arc=st.builds(ArcTrust, trusted_sealers=SETS),
    trusted=st.builds(Trusted, networks=st.sampled_from([(), (ip_network("0.0.0.0/1"),)]), lists=SETS, forwarders=SETS),
    indirect=st.builds(IndirectSigns, require_sign=st.booleans(), require_identifier=st.booleans()),
    quarantine=st.builds(Quarantine, how=st.sampled_from(QuarantineHow)),
)
DEFAULT = DomainPolicy(mode=Mode.ENFORCE)
PRINTABLE = frozenset(string.printable) - frozenset("\t\n\r\x0b\x0c")


@given(CASES, POLICIES)
def test_every_case_gets_a_whole_decision(case: Case, policy: DomainPolicy) -> None:
    decision = decide(case, Policies(default=policy), Trace())
    assert decision.rule in RULE_NAMES
    assert decision.reason
    assert set(decision.reason + decision.comment) <= PRINTABLE
    assert (decision.reply is not None) == (decision.disposition in {Disposition.REJECT, Disposition.TEMPFAIL})
    if decision.reply is not None:
        assert decision.reply.code == (550 if decision.disposition is Disposition.REJECT else 451)
        assert decision.reply.enhanced[0] == str(decision.reply.code)[0]
    assert (decision.override is not None) == bool(decision.comment)
    if policy.mode is Mode.ENFORCE:
        assert decision.disposition is decision.would
    else:
        assert decision.disposition is Disposition.NONE


@given(CASES, st.sampled_from(Disposition))
def test_the_dns_names_no_action_that_the_policy_does_not_map_to(case: Case, action: Disposition) -> None:
    every = replace(
        DEFAULT,
        dmarc=DmarcActions(**dict.fromkeys(DmarcActions.__dataclass_fields__, action)),
        spf=SpfActions(on_fail=action, on_temperror=action),
    )
    assert decide_by(case, every, Trace()).would in {action, Disposition.NONE}


@given(CASES)
def test_the_default_policy_lets_every_dmarc_pass_in(case: Case) -> None:
    passing = replace(case.results.dmarc, value=DmarcValue.PASS)
    decision = decide_by(replace(case, results=replace(case.results, dmarc=passing)), DEFAULT, Trace())
    assert (decision.disposition, decision.override) == (Disposition.NONE, None)


@given(CASES)
def test_the_default_policy_rejects_every_failure_under_reject_without_signs(case: Case) -> None:
    failing = replace(case.results.dmarc, value=DmarcValue.FAIL, requested=Requested.REJECT, from_problem=None)
    results = replace(case.results, dmarc=failing, arc=replace(case.results.arc, complete=False))
    decision = decide_by(replace(case, results=results, indirect_signs=()), DEFAULT, Trace())
    assert (decision.disposition, decision.rule) == (Disposition.REJECT, "dmarc-fail")


@given(CASES)
def test_the_default_policy_never_delivers_a_failure_that_the_owner_wants_stopped(case: Case) -> None:
    failing = replace(case.results.dmarc, value=DmarcValue.FAIL, requested=Requested.REJECT)
    decision = decide_by(replace(case, results=replace(case.results, dmarc=failing)), DEFAULT, Trace())
    assert decision.disposition is not Disposition.NONE


@given(CASES, POLICIES)
def test_monitor_mode_differs_from_enforce_mode_in_nothing_but_the_deed(case: Case, policy: DomainPolicy) -> None:
    monitored = decide_by(case, replace(policy, mode=Mode.MONITOR), Trace())
    enforced = decide_by(case, replace(policy, mode=Mode.ENFORCE), Trace())
    assert (monitored.would, monitored.rule, monitored.reason) == (enforced.would, enforced.rule, enforced.reason)
