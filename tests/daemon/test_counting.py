"""What a message changes in the table: each result once, each message once, whatever becomes of it."""

import time
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network

import pytest

from assay.answers import Answer, RRType
from assay.daemon.counting import SupervisorCounts, count_message
from assay.daemon.judge import Judgement, Settings
from assay.daemon.session import Context, Session
from assay.dns.zone import Zone
from assay.limits import MAX_HEADER_FIELDS
from assay.metrics.families import (
    BODY_BYTES,
    DISPOSITIONS,
    END_OF_MESSAGE_SECONDS,
    EXEMPT,
    FAMILIES,
    FAULTS,
    PROBES,
    REFUSED_CONNECTIONS,
    RELOAD_SUCCESSFUL,
    RELOAD_TIME,
    RELOADS,
    RESULTS,
    SHADOW,
    SIGNATURES,
    STAGE_SECONDS,
    START_TIME,
    WORKERS,
    WORKERS_CONFIGURED,
    Family,
    ProbeOutcome,
    ReloadOutcome,
)
from assay.metrics.table import Table, Totals
from assay.policy.model import Mode
from assay.policy.policies import Policies
from assay.results import Discovery
from assay.verify.options import DmarcOptions
from assay.verify.suffixes import NoSuffixes
from support.conversation import RECEIVER, ZONE, letter

FORGED = letter(b"ceo@good.example")
BAD_SIGNATURE = (b"DKIM-Signature", b" v=1; a=rsa-sha256; d=good.example; s=s; h=from; bh=AAAA; b=AAAA")
NO_SIGNATURE = (b"DKIM-Signature", b" nothing that could be read")


class CachedZone:
    """A zone whose answers are all here already, so that SPF is evaluated on the spot."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    def resolve(self, name: bytes, rrtype: RRType) -> Answer:
        return self._zone.resolve(name, rrtype)

    def prefetch(self, name: bytes, rrtype: RRType) -> Answer:
        return self._zone.resolve(name, rrtype)


class World:
    """A session whose numbers can be looked at."""

    def __init__(
        self, mode: Mode = Mode.ENFORCE, *, shadow: bool = False, cached: bool = False, probe: str = ""
    ) -> None:
        zone = Zone.parse(ZONE, place="zone")
        self.table = Table(rows=2)
        self.background = ThreadPoolExecutor(1)
        counters = self.table.take()
        self.session = Session(
            Context(
                settings=Settings(
                    policies=Policies.built_in(mode),
                    exempt_networks=(ip_network("198.51.100.0/24"),),
                    dmarc=DmarcOptions(
                        organizational_domain=Discovery.TREEWALK,
                        shadow=shadow,
                        public_suffix_guard=False,
                        suffixes=NoSuffixes(),
                    ),
                ),
                new_resolver=lambda: CachedZone(zone) if cached else zone,
                background=self.background,
                clock=time.time,
                authserv_id=None,
                host_name=RECEIVER,
                probe=probe,
                counters=counters,
            )
        )

    def judge(
        self,
        client: str = "192.0.2.10",
        headers: list[tuple[bytes, bytes]] | None = None,
        *,
        authenticated: str | None = None,
        body: bytes = b"text\r\n",
        queue_id: str = "Q1",
    ) -> Judgement:
        self.session.connect("client", client, RECEIVER)
        self.session.helo(b"mail.good.example")
        self.session.mail(b"<bounce@good.example>", (), authenticated, None)
        self.session.recipient()
        for name, value in letter() if headers is None else headers:
            self.session.header(name, value)
        self.session.end_of_headers()
        self.session.body(body)
        return self.session.end_of_message(queue_id)

    def send(self, *args: object, **kwargs: object) -> Totals:
        self.judge(*args, **kwargs)  # type: ignore[arg-type]
        self.session.carried_out()
        self.background.shutdown()
        return self.table.totals()


def _nonzero(totals: Totals, family: Family) -> dict[tuple[str, ...], int]:
    return {labels: count for labels in family.cells if (count := totals.of(family, *labels))}


@pytest.mark.parametrize(
    ("mode", "client", "headers", "decision"),
    [
        pytest.param(Mode.ENFORCE, "192.0.2.10", letter(), ("dmarc-pass", "none", "none"), id="a pass"),
        pytest.param(Mode.ENFORCE, "192.0.2.66", FORGED, ("dmarc-fail", "reject", "reject"), id="a forgery, enforced"),
        pytest.param(Mode.MONITOR, "192.0.2.66", FORGED, ("dmarc-fail", "none", "reject"), id="a forgery, monitored"),
        pytest.param(Mode.ENFORCE, "198.51.100.1", FORGED, ("exempt", "none", "none"), id="an exempt client"),
        pytest.param(
            Mode.ENFORCE,
            "192.0.2.10",
            letter() * MAX_HEADER_FIELDS,
            ("header-too-large", "reject", "reject"),
            id="too large a header",
        ),
        pytest.param(
            Mode.MONITOR,
            "192.0.2.10",
            letter() * MAX_HEADER_FIELDS,
            ("header-too-large", "none", "reject"),
            id="too large a header, monitored",
        ),
    ],
)
def test_a_message_counts_once_by_rule_and_disposition(
    mode: Mode, client: str, headers: list[tuple[bytes, bytes]], decision: tuple[str, str, str]
) -> None:
    totals = World(mode).send(client, headers)

    assert _nonzero(totals, DISPOSITIONS) == {decision: 1}
    assert totals.messages == 1


def test_results_are_counted_by_method_and_signatures_one_by_one() -> None:
    totals = World().send(headers=letter(b"a@good.example", BAD_SIGNATURE, NO_SIGNATURE, BAD_SIGNATURE))

    assert _nonzero(totals, RESULTS) == {
        ("spf", "pass"): 1,
        ("dkim", "permerror"): 1,
        ("arc", "none"): 1,
        ("dmarc", "pass"): 1,
    }
    assert sum(_nonzero(totals, SIGNATURES).values()) == 3


def test_a_message_without_a_signature_has_the_dkim_result_none() -> None:
    totals = World().send()

    assert totals.of(RESULTS, "dkim", "none") == 1
    assert _nonzero(totals, SIGNATURES) == {}


@pytest.mark.parametrize(
    ("client", "authenticated", "reason"),
    [("198.51.100.1", None, "network"), ("192.0.2.66", "user", "authenticated")],
)
def test_an_exempt_message_counts_by_what_exempts_it_and_has_no_results(
    client: str, authenticated: str | None, reason: str
) -> None:
    totals = World().send(client, authenticated=authenticated)

    assert _nonzero(totals, EXEMPT) == {(reason,): 1}
    assert _nonzero(totals, RESULTS) == {}


def test_octets_of_bodies_count_whether_they_are_hashed_or_not() -> None:
    assert World().send(body=b"x" * 1000).of(BODY_BYTES) == 1000
    assert World().send(headers=letter(b"a@good.example", BAD_SIGNATURE), body=b"x" * 1000).of(BODY_BYTES) == 1000


def _timed(totals: Totals) -> dict[str, int]:
    stages = {stage: sum(totals.classes(STAGE_SECONDS, stage)[0]) for (stage,) in STAGE_SECONDS.cells}
    return {stage: count for stage, count in stages.items() if count}


def test_each_stage_is_timed_once() -> None:
    totals = World(cached=True).send()

    assert _timed(totals) == {"spf": 1, "dkim": 1, "arc": 1, "dmarc": 1, "policy": 1}
    classes, nanoseconds = totals.classes(END_OF_MESSAGE_SECONDS)
    assert sum(classes) == 1
    assert nanoseconds > 0


def test_spf_in_the_background_is_timed_where_it_runs_and_where_it_is_waited_for() -> None:
    totals = World().send()

    assert _timed(totals) == {"spf": 1, "spf-wait": 1, "dkim": 1, "arc": 1, "dmarc": 1, "policy": 1}


def test_the_shadow_is_timed_and_compared() -> None:
    totals = World(shadow=True).send()

    assert _timed(totals)["shadow"] == 1
    assert sum(_nonzero(totals, SHADOW).values()) == 1


def test_a_deferred_message_counts_once_even_if_it_was_judged_before() -> None:
    world = World()
    world.judge()
    world.session.deferred()
    world.session.carried_out()
    totals = world.table.totals()

    assert _nonzero(totals, DISPOSITIONS) == {("internal-error", "tempfail", "tempfail"): 1}
    assert _nonzero(totals, FAULTS) == {("message",): 1}
    assert _nonzero(totals, RESULTS) == {}


def test_a_message_that_was_not_judged_counts_not() -> None:
    world = World()
    world.session.carried_out()

    assert world.table.totals().messages == 0


def test_a_watchdog_s_messages_are_no_mail() -> None:
    world = World(probe="Q1")
    world.send()
    world.session.deferred()
    totals = world.table.totals()

    assert all(_nonzero(totals, family) == {} for family in FAMILIES if family.kind == "counter")


def test_mail_after_a_watchdog_s_message_is_mail() -> None:
    world = World(probe="Q1", cached=True)
    world.judge()
    world.session.carried_out()
    world.judge(queue_id="Q2")
    world.session.carried_out()

    assert world.table.totals().messages == 1


def test_a_refused_connection_counts() -> None:
    world = World()
    world.session.refused()

    assert world.table.totals().of(REFUSED_CONNECTIONS) == 1


def test_what_cannot_be_counted_costs_no_message_its_verdict() -> None:
    world = World()
    judgement = world.judge()
    table = Table(rows=2)
    counters = table.take()
    count_message(counters, judgement, object(), started=0, body_octets=0)  # type: ignore[arg-type]

    assert _nonzero(table.totals(), FAULTS) == {("other",): 1}


def test_what_the_supervisor_counts() -> None:
    table = Table(rows=1)
    before = int(time.time())
    counts = SupervisorCounts(table.supervisor)
    totals = table.totals()
    assert before <= totals.of(START_TIME) == totals.of(RELOAD_TIME)
    assert totals.of(RELOAD_SUCCESSFUL) == 1

    table.supervisor.set(RELOAD_TIME.cell, 0)
    for outcome in ReloadOutcome:
        counts.reloaded(outcome)
        totals = table.totals()
        assert totals.of(RELOADS, outcome) == 1
        assert totals.of(RELOAD_SUCCESSFUL) == (outcome is ReloadOutcome.DONE)
    assert totals.of(RELOAD_TIME) >= before

    counts.workers(serving=3, draining=2, configured=4)
    counts.workers(serving=4, draining=1, configured=4)
    totals = table.totals()
    assert [totals.of(WORKERS, state) for state in ("serving", "draining")] == [4, 1]
    assert totals.of(WORKERS_CONFIGURED) == 4

    for outcome in ProbeOutcome:
        counts.probed(outcome)
        assert table.totals().of(PROBES, outcome) == 1
