"""A sender who makes a message ask slow or many names must not keep us from its author domain's policy (H.5 D3, D4)."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address

import pytest

from assay.answers import Answer, Mx, RRType
from assay.daemon.judge import Judgement, Settings
from assay.daemon.session import Context, Session
from assay.dns.message import MessageResolver
from assay.dns.names import from_wire
from assay.limits import DNS_BUDGET, DNS_MAX_QUERIES
from assay.policy.model import Disposition, Mode
from assay.policy.policies import Policies
from assay.results import DmarcValue, SpfValue
from assay.trace import Query
from support.dict_resolver import DictResolver, Key, found
from support.signer import NOW, fields, rsa_key, seal

FORGED = fields(b"From: Boss <boss@brand.example>\r\nTo: you@receiver.example\r\nSubject: pay\r\n")
BODY = b"pay\r\n"
_POLICY = b"_dmarc.brand.example"
OWNER: Mapping[Key, Answer] = {_POLICY: found(b"v=DMARC1; p=reject")}


@dataclass
class FakeTime:
    seconds: float = 0.0


@dataclass(frozen=True)
class Late:
    """An answer that is there at some time."""

    time: FakeTime
    at: float
    answer: Answer

    def wait(self, seconds: float) -> Answer | None:
        here = self.at <= self.time.seconds + seconds
        self.time.seconds = max(self.time.seconds, self.at) if here else self.time.seconds + seconds
        return self.answer if here else None


class Source:
    """Servers of which the forger's take their time."""

    def __init__(self, answers: Mapping[Key, Answer], forgers_seconds: float) -> None:
        self.time = FakeTime()
        self._answers = DictResolver(answers)
        self._forgers_seconds = forgers_seconds

    def start(self, wire_name: bytes, rrtype: RRType) -> Late:
        name = from_wire(wire_name)
        assert name is not None
        seconds = self._forgers_seconds if name.endswith(b".forger.example") else 0.02
        return Late(self.time, self.time.seconds + seconds, self._answers.resolve(name, rrtype))

    def message(self) -> MessageResolver:
        return MessageResolver(
            self, budget_seconds=DNS_BUDGET, max_queries=DNS_MAX_QUERIES, clock=lambda: self.time.seconds
        )


def _slow_spf() -> tuple[Mapping[Key, Answer], float]:
    # each names the next: what stands side by side in one record is waited for together
    answers = {
        b"s%d.forger.example" % number: found(b"v=spf1 include:s%d.forger.example -all" % (number + 1))
        for number in range(9)
    }
    return {b"forger.example": found(b"v=spf1 include:s0.forger.example -all")} | answers, 4.9


def _many_names() -> tuple[Mapping[Key, Answer], float]:
    terms = b" ".join(b"mx:m%d.forger.example" % number for number in range(10))
    answers: dict[Key, Answer] = {(b"forger.example", RRType.TXT): found(b"v=spf1 " + terms + b" -all")}
    for number in range(10):
        hosts = [Mx(1, b"h%d-%d.forger.example" % (number, host)) for host in range(10)]
        answers[(b"m%d.forger.example" % number, RRType.MX)] = found(*hosts)
        answers.update({(host.exchange, RRType.A): found(IPv4Address("203.0.113.1")) for host in hosts})
    return answers, 0.0


def _time_then_policy() -> tuple[Mapping[Key, Answer], float]:
    # the client's own names may fail, and SPF goes on to ask for what the walk of DMARC will ask for
    names = [b"n%d.forger.example" % number for number in range(10)]
    return {
        b"forger.example": found(b"v=spf1 ptr redirect=_dmarc.brand.example"),
        (b"66.2.0.192.in-addr.arpa", RRType.PTR): found(*names),
    }, 4.9


def _judged(answers: Mapping[Key, Answer], forgers_seconds: float) -> Judgement:
    source = Source({**OWNER, **answers}, forgers_seconds)
    headers = FORGED
    for number in range(1, 26):
        names = {b"d": b"forger.example", b"s": b"k%d" % number}
        headers = seal(headers, BODY, rsa_key(), number, message=names, sealing={**names, b"s": b"s%d" % number})
    with ThreadPoolExecutor(1) as background:
        session = Session(
            Context(
                settings=Settings(policies=Policies.built_in(Mode.ENFORCE)),
                new_resolver=source.message,
                background=background,
                clock=lambda: NOW,
                authserv_id=None,
                host_name="mx.receiver.example",
            )
        )
        session.connect("forger", "192.0.2.66", None)
        session.helo(b"forger.example")
        session.mail(b"<a@forger.example>", (), None, None)
        session.recipient()
        background.submit(bool).result()  # the forger waits before DATA, until early SPF has used up what it may
        for field in headers:
            session.header(field.name, field.value)
        session.end_of_headers()
        session.body(BODY)
        return session.end_of_message("Q1")


@pytest.mark.parametrize(
    ("names", "spf"),
    [
        pytest.param(_slow_spf, SpfValue.TEMPERROR, id="slow names use up the seconds"),
        pytest.param(_many_names, SpfValue.FAIL, id="many names use up the queries"),
        pytest.param(_time_then_policy, SpfValue.PERMERROR, id="SPF asks for the policy itself, when no time is left"),
    ],
)
def test_a_forger_cannot_use_up_the_look_up_of_the_policy(
    names: Callable[[], tuple[Mapping[Key, Answer], float]], spf: SpfValue
) -> None:
    judgement = _judged(*names())
    assert judgement.results is not None
    assert judgement.results.spf.value is spf
    assert judgement.results.dmarc.value is DmarcValue.FAIL
    assert judgement.decision.disposition is Disposition.REJECT
    # and what is told of the DNS suffices to come to the same verdict
    assert Query(_POLICY, RRType.TXT, OWNER[_POLICY]) in judgement.answers
