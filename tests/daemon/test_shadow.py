"""The shadow evaluation: what it says, that it is logged and counted, and that it changes nothing (standards C.5)."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.answers import Answer, Resolver, RRType, Unavailable
from assay.daemon import session as session_module
from assay.daemon.facts_of import facts_of_file
from assay.daemon.judge import Judgement, Settings, judge
from assay.daemon.session import Context, Session
from assay.daemon.shadow import ShadowTally
from assay.domain import Domain
from assay.facts import MessageFacts
from assay.policy.model import Mode
from assay.policy.policies import Policies
from assay.results import Discovery, DmarcValue, Requested
from assay.trace import DmarcDone, LookupStep, Query, ShadowDone, WalkStep
from assay.verify.options import DmarcOptions, VerifyOptions
from support.dict_resolver import SERVFAIL, DictResolver, Key, found
from support.dmarc_world import Suffixes, policy

POLICIES = Policies.built_in(Mode.ENFORCE)
SHADOW = DmarcOptions(shadow=True, suffixes=Suffixes("com", "co.example"))
NOW = 1_700_000_000.0

# By tree walk b.shop.example speaks for what is below it; by the list it is shop.example, which says nothing.
BETWEEN: dict[Key, Answer] = {b"_dmarc.b.shop.example": policy("p=reject")}


def facts(author: str = "news.b.shop.example", mail_from: str = "forger.example") -> MessageFacts:
    return facts_of_file(
        f"From: a@{author}\r\nSubject: hello\r\n\r\ntext\r\n".encode(),
        address=ip_address("192.0.2.66"),
        helo=b"client.example",
        mail_from=f"<a@{mail_from}>".encode(),
        smtputf8=False,
        host_name="mx.receiver.example",
        options=VerifyOptions(),
    )


def judged(options: DmarcOptions, answers: Mapping[Key, Answer] = BETWEEN) -> Judgement:
    return judge(facts(), DictResolver(answers), Settings(policies=POLICIES, dmarc=options), lambda: NOW)


def dmarc(judgement: Judgement) -> tuple[DmarcValue, Requested | None, Discovery | None]:
    assert judgement.results is not None
    result = judgement.results.dmarc
    return result.value, result.requested, result.discovery


def test_it_is_the_result_of_the_other_way() -> None:
    judgement = judged(SHADOW)
    assert dmarc(judgement) == (DmarcValue.FAIL, Requested.REJECT, Discovery.TREEWALK)
    assert judgement.shadow is not None
    assert (judgement.shadow.value, judgement.shadow.discovery) == (DmarcValue.NONE, Discovery.PSL)
    other = judged(replace(SHADOW, organizational_domain=Discovery.PSL))
    assert dmarc(other) == (DmarcValue.NONE, None, Discovery.PSL)
    assert other.shadow is not None
    assert (other.shadow.value, other.shadow.discovery) == (DmarcValue.FAIL, Discovery.TREEWALK)


def test_without_the_option_there_is_none() -> None:
    judgement = judged(replace(SHADOW, shadow=False))
    assert judgement.shadow is None
    assert not [step for step in judgement.trace if isinstance(step, ShadowDone)]


def test_its_steps_are_told_apart_from_those_of_the_verdict() -> None:
    judgement = judged(SHADOW)
    done = judgement.trace[-1]
    assert isinstance(done, ShadowDone)
    assert done.result == judgement.shadow
    assert {type(step) for step in done.steps} >= {LookupStep}
    assert not [step for step in done.steps if isinstance(step, DmarcDone | Query | WalkStep)]
    assert [type(step) for step in judgement.trace].count(DmarcDone) == 1
    assert not [step for step in judgement.trace if isinstance(step, LookupStep)]


class _Broken:
    """A list with a fault."""

    def is_public_suffix(self, domain: Domain) -> bool:
        raise RuntimeError(domain)


def test_its_own_fault_costs_the_message_nothing() -> None:
    options = DmarcOptions(shadow=True, public_suffix_guard=False, suffixes=_Broken())
    judgement, plain = judged(options), judged(replace(options, shadow=False))
    assert (judgement.results, judgement.decision, judgement.stamp) == (plain.results, plain.decision, plain.stamp)
    assert judgement.shadow is not None
    assert judgement.shadow.value is DmarcValue.TEMPERROR
    assert judgement.shadow.discovery is Discovery.PSL
    assert "a fault of ours: RuntimeError" in judgement.shadow.reason


@dataclass
class Budgeted:
    """Answers so many different questions."""

    resolver: DictResolver
    left: int
    _given: dict[tuple[bytes, RRType], Answer] = field(default_factory=dict)

    def resolve(self, name: bytes, rrtype: RRType) -> Answer:
        key = (name.lower(), rrtype)
        if key not in self._given:
            self._given[key] = self.resolver.resolve(name, rrtype) if self.left else Unavailable("budget")
            self.left -= self.left > 0
        return self._given[key]

    def prefetch(self, name: bytes, rrtype: RRType) -> None:
        raise AssertionError((name, rrtype))


NAMES = st.lists(st.sampled_from("ab"), max_size=3).map(lambda labels: ".".join([*labels, "c.example"]))
TAGS = st.sampled_from(["p=none", "p=reject", "p=quarantine; adkim=s", "p=reject; psd=n", "p=reject; sp=none; psd=y"])
ANSWERS: st.SearchStrategy[Answer] = st.one_of(
    TAGS.map(policy), st.just(SERVFAIL), st.just(found(b"v=DMARC1; p=none", b"v=DMARC1; p=reject"))
)


@given(
    author=NAMES,
    mail_from=NAMES,
    records=st.dictionaries(NAMES, ANSWERS, max_size=5),
    senders=st.frozensets(NAMES, max_size=4),
    listed=st.frozensets(NAMES, max_size=3),
    way=st.sampled_from(Discovery),
    budget=st.integers(0, 12),
)
def test_it_changes_nothing_and_takes_nothing_from_the_budget(
    author: str,
    mail_from: str,
    records: dict[str, Answer],
    senders: frozenset[str],
    listed: frozenset[str],
    way: Discovery,
    budget: int,
) -> None:
    zone: dict[Key, Answer] = {b"_dmarc." + name.encode(): answer for name, answer in records.items()}
    zone |= {name.encode(): found(b"v=spf1 +all") for name in senders}
    options = DmarcOptions(organizational_domain=way, suffixes=Suffixes(*listed))

    def run(options: DmarcOptions, resolver: Resolver) -> Judgement:
        settings = Settings(policies=POLICIES, dmarc=options)
        return judge(facts(author, mail_from), resolver, settings, lambda: NOW)

    plain = run(options, Budgeted(DictResolver(zone), budget))
    shadowed = run(replace(options, shadow=True), Budgeted(DictResolver(zone), budget))
    assert shadowed.shadow is not None
    assert replace(shadowed, shadow=None, trace=(), answers=()) == replace(plain, trace=(), answers=())
    assert shadowed.trace[: len(plain.trace)] == plain.trace
    assert shadowed.answers[: len(plain.answers)] == plain.answers
    assert len({(answer.name.lower(), answer.rrtype) for answer in shadowed.answers}) == len(shadowed.answers)

    unlimited = run(replace(options, shadow=True), DictResolver(zone)).shadow
    other = run(options.of_shadow(), DictResolver(zone))
    assert other.results is not None
    assert unlimited == other.results.dmarc


class _Log:
    """Keeps what is logged at info."""

    def __init__(self) -> None:
        self.lines: list[dict[str, object]] = []

    def info(self, event: str, **values: object) -> None:
        assert event == "message"
        self.lines.append(values)


def test_the_line_of_a_message_says_where_the_ways_differ_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    log = _Log()
    monkeypatch.setattr(session_module, "log", log)
    answers: dict[Key, Answer] = {**BETWEEN, b"_dmarc.same.example": policy("p=reject")}
    resolver = DictResolver(answers)
    with ThreadPoolExecutor(1) as background:
        context = Context(
            settings=Settings(policies=POLICIES, dmarc=SHADOW),
            new_resolver=lambda: resolver,
            background=background,
            clock=lambda: NOW,
            authserv_id=None,
            host_name="mx.receiver.example",
        )
        for author in ("same.example", "news.b.shop.example", "more.b.shop.example"):
            session = Session(context)
            session.connect("forger", "192.0.2.66", None)
            session.mail(b"<a@forger.example>", (), None, None)
            session.header(b"From", f" a@{author}".encode())
            session.end_of_headers()
            session.end_of_message("Q1")
    assert [{name: value for name, value in line.items() if name.startswith("shadow")} for line in log.lines] == [
        {},
        *(
            {
                "shadow_dmarc": DmarcValue.NONE,
                "shadow_requested": None,
                "shadow_reason": f"no policy record for {author}.b.shop.example",
                "shadow_different": different,
                "shadow_compared": different + 1,
            }
            for author, different in (("news", 1), ("more", 2))
        ),
    ]
    assert (context.shadow.compared, context.shadow.different) == (3, 2)


@pytest.mark.parametrize(
    ("value", "requested", "different"),
    [
        (DmarcValue.FAIL, Requested.REJECT, 0),
        (DmarcValue.FAIL, Requested.NONE, 1),
        (DmarcValue.TEMPERROR, Requested.REJECT, 1),
    ],
)
def test_a_difference_is_one_of_result_or_request(value: DmarcValue, requested: Requested, different: int) -> None:
    judgement = judged(SHADOW)
    assert judgement.shadow is not None
    tally = ShadowTally()
    tally.count(replace(judgement, shadow=replace(judgement.shadow, value=value, requested=requested)))
    assert (tally.compared, tally.different) == (1, different)


def test_what_was_not_evaluated_both_ways_does_not_count() -> None:
    tally = ShadowTally()
    judgement = judged(replace(SHADOW, shadow=False))
    assert tally.count(judgement) == tally.count(replace(judgement, results=None)) == {}
    assert (tally.compared, tally.different) == (0, 0)
