"""The session without libmilter: what its callbacks feed it, and what it makes of it."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from assay.answers import Answer, RRType
from assay.daemon.facts_of import facts_of_file
from assay.daemon.judge import Judgement, Settings, judge
from assay.daemon.session import Context, OutOfOrderError, Session
from assay.dns.replay import Replayer
from assay.dns.zone import Zone
from assay.limits import MAX_HEADER_FIELDS, MAX_HEADER_OCTETS
from assay.policy.model import Disposition, Mode
from assay.policy.policies import Policies
from assay.results import Discovery, DmarcValue, SpfValue
from assay.trace import Query
from assay.verify.options import DmarcOptions
from support.conversation import RECEIVER, ZONE, letter

NOW = 1_700_000_000.0


class CountingZone:
    """A zone that keeps what it was asked."""

    def __init__(self) -> None:
        self._zone = Zone.parse(ZONE)
        self.asked: list[bytes] = []
        self.prefetched: list[bytes] = []
        self.warm = False

    def resolve(self, name: bytes, rrtype: RRType) -> Answer:
        self.asked.append(name)
        return self._zone.resolve(name, rrtype)

    def prefetch(self, name: bytes, rrtype: RRType) -> Answer | None:
        assert rrtype is RRType.TXT
        self.prefetched.append(name)
        return self._zone.resolve(name, rrtype) if self.warm else None


class Later(Executor):
    """An executor that runs nothing until it is told to."""

    def __init__(self) -> None:
        self.jobs: list[Callable[[], object]] = []
        self.handed: list[object] = []

    def submit(self, fn: Callable[..., object], /, *args: object, **kwargs: object) -> Future[object]:  # type: ignore[override]
        future: Future[object] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except RuntimeError as fault:
                future.set_exception(fault)

        self.handed += args
        self.jobs.append(job)
        return future


class World:
    """A session with everything around it in memory."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.zone = CountingZone()
        self.background = Later()
        self.settings = settings or Settings(policies=Policies.built_in(Mode.ENFORCE))
        self.session = Session(
            Context(
                settings=self.settings,
                new_resolver=lambda: self.zone,
                background=self.background,
                clock=lambda: NOW,
                authserv_id=None,
                host_name="this.machine.example",
            )
        )

    def begin(self, client: str = "192.0.2.10", **mail: object) -> None:
        self.session.connect("client", client, RECEIVER)
        self.session.helo(b"mail.good.example")
        self.mail(**mail)

    def mail(self, path: bytes = b"<bounce@good.example>", authenticated: str | None = None) -> None:
        self.session.mail(path, (), authenticated, None)
        self.session.recipient()

    def end(self, headers: list[tuple[bytes, bytes]] | None = None, body: bytes = b"text\r\n") -> Judgement:
        for name, value in letter() if headers is None else headers:
            self.session.header(name, value)
        self.session.end_of_headers()
        self.session.body(body)
        return self.session.end_of_message("Q1")


def _spf(judgement: Judgement) -> SpfValue:
    assert judgement.results is not None
    return judgement.results.spf.value


def _dmarc(judgement: Judgement) -> DmarcValue:
    assert judgement.results is not None
    return judgement.results.dmarc.value


@pytest.mark.parametrize(
    "step",
    [
        lambda session: session.recipient(),
        lambda session: session.header(b"From", b" a@good.example"),
        lambda session: session.end_of_headers(),
        lambda session: session.end_of_message("Q1"),
    ],
    ids=["RCPT", "header", "end of headers", "end of message"],
)
def test_a_step_without_mail_is_a_fault(step: Callable[[Session], object]) -> None:
    with pytest.raises(OutOfOrderError):
        step(World().session)


def test_a_message_of_no_client_is_deferred_and_not_taken_for_a_local_one() -> None:
    world = World()
    with pytest.raises(OutOfOrderError, match="no client"):
        world.mail()
    with pytest.raises(OutOfOrderError, match="no client"):
        world.end()


def test_the_first_fault_is_the_one_that_is_told_even_if_it_left_no_message() -> None:
    world = World()
    world.session.connect("client", "192.0.2.10", RECEIVER)
    world.session.remember(RuntimeError("the cause"))
    with pytest.raises(RuntimeError, match="the cause"):
        world.session.end_of_message("Q1")


def test_a_fault_at_mail_defers_that_message_only() -> None:
    world = World()
    world.session.connect("client", "192.0.2.10", RECEIVER)
    faulty = Settings(policies=world.settings.policies, exempt_networks=("no network",))  # type: ignore[arg-type]
    good, world.session._context = world.session._context, replace(world.session._context, settings=faulty)
    try:
        world.mail()
    except TypeError as fault:
        world.session.remember(fault)
    world.session._context = good
    with pytest.raises(TypeError):
        world.session.end_of_message("Q1")
    world.mail()
    assert _dmarc(world.end()) is DmarcValue.PASS


def test_a_body_without_a_message_is_nothing() -> None:
    World().session.body(b"text")


def test_a_fault_of_the_connection_defers_all_its_messages() -> None:
    world = World()
    world.session.remember(RuntimeError("first"))
    world.session.remember(RuntimeError("second"))
    for _ in range(2):
        world.begin()
        with pytest.raises(RuntimeError, match="first"):
            world.end()


def test_a_fault_of_a_message_defers_that_message_only() -> None:
    world = World()
    world.begin()
    world.session.remember(RuntimeError("first"))
    world.session.remember(RuntimeError("second"))
    with pytest.raises(RuntimeError, match="first"):
        world.end()
    world.mail()
    assert _dmarc(world.end()) is DmarcValue.PASS


def test_a_part_that_was_missed_is_remembered_though_there_is_no_memory_to_say_so_either() -> None:
    def no_memory() -> None:
        raise MemoryError("to tell the worker")

    world = World()
    world.session._context = replace(world.session._context, out_of_memory=no_memory)
    world.begin()
    with suppress(MemoryError):
        world.session.remember(MemoryError("for the body"))
    with pytest.raises(MemoryError, match="for the body"):
        world.end()


@pytest.mark.parametrize("end", ["abort", "helo", "mail"])
def test_what_an_unfinished_message_left_is_gone(end: str) -> None:
    world = World()
    world.begin()
    world.session.header(b"From", b" a@other.example")
    world.session.remember(RuntimeError("of that message"))
    match end:
        case "abort":
            world.session.abort()
        case "helo":
            world.session.helo(b"mail.good.example")
        case _:
            pass
    world.mail()
    assert _dmarc(world.end()) is DmarcValue.PASS


def test_early_spf_runs_once_at_the_first_recipient_and_is_not_run_again() -> None:
    world = World()
    world.begin()
    world.session.recipient()
    (job,) = world.background.jobs
    assert world.zone.asked == []
    job()
    assert world.zone.asked == [b"good.example"]
    early = world.end()
    assert world.zone.asked.count(b"good.example") == 1
    other = World()
    other.begin()
    assert early == other.end()


def test_spf_is_evaluated_on_the_spot_if_its_answers_are_cached() -> None:
    world = World()
    world.zone.warm = True
    world.begin()
    world.session.recipient()
    assert world.background.jobs == []
    assert world.zone.prefetched == [b"good.example"]
    warm = world.end()
    assert b"good.example" not in world.zone.asked
    cold = World()
    cold.begin()
    assert warm == cold.end()


def test_spf_of_one_message_is_not_that_of_the_next() -> None:
    world = World()
    world.zone.warm = True
    world.begin()
    assert _spf(world.end()) is SpfValue.PASS
    world.mail(b"<x@other.example>")
    assert _spf(world.end()) is SpfValue.NONE


def test_early_spf_that_waits_holds_no_header_field_of_its_message() -> None:
    world = World()
    world.begin()
    (job,) = world.background.jobs
    world.session.header(b"From", b" a@good.example")
    assert not [handed for handed in world.background.handed if getattr(handed, "headers", None)]
    job()


def test_early_spf_that_comes_too_late_asks_nothing() -> None:
    world = World()
    world.begin()
    world.end()
    asked = len(world.zone.asked)
    (job,) = world.background.jobs
    job()
    assert len(world.zone.asked) == asked


@pytest.mark.parametrize("warm", [False, True])
def test_a_fault_in_early_spf_defers_the_message(monkeypatch: pytest.MonkeyPatch, *, warm: bool) -> None:
    world = World()

    def broken(name: bytes, rrtype: RRType) -> Answer:
        raise RuntimeError(f"{name!r} {rrtype}")

    with monkeypatch.context() as patch:
        patch.setattr(world.zone, "resolve", broken)
        if warm:
            patch.setattr(world.zone, "prefetch", broken)
            with pytest.raises(RuntimeError, match="good"):  # the callback remembers it
                world.begin()
            return
        world.begin()
        (job,) = world.background.jobs
        job()
    with pytest.raises(RuntimeError, match="good"):
        world.end()


def test_keys_and_walk_are_asked_for_at_end_of_headers() -> None:
    world = World()
    world.begin()
    world.zone.prefetched.clear()  # SPF's
    signature = b" v=1; a=rsa-sha256; d=good.example; s=sel; h=from; bh=" + b"A" * 43 + b"=; b=AAAA"
    for name, value in letter(b"a@good.example", (b"DKIM-Signature", signature)):
        world.session.header(name, value)
    world.session.end_of_headers()
    assert world.zone.prefetched == [b"sel._domainkey.good.example", b"_dmarc.good.example", b"_dmarc.example"]


def test_by_the_list_of_suffixes_two_names_are_asked_for_and_those_of_the_shadow_after_them() -> None:
    for shadow, more in (False, []), (True, [b"_dmarc.b.good.example", b"_dmarc.example"]):
        dmarc = DmarcOptions(organizational_domain=Discovery.PSL, shadow=shadow)
        world = World(Settings(policies=Policies.built_in(Mode.ENFORCE), dmarc=dmarc))
        world.begin()
        world.zone.prefetched.clear()  # SPF's
        world.session.header(b"From", b" a@a.b.good.example")
        world.session.end_of_headers()
        assert world.zone.prefetched == [b"_dmarc.a.b.good.example", b"_dmarc.good.example", *more]


def test_exempt_mail_costs_no_query_and_no_hash() -> None:
    settings = Settings(
        policies=Policies.built_in(Mode.ENFORCE), exempt_networks=(ip_network("192.0.2.0/24"), ip_network("::1/128"))
    )
    world = World(settings)
    world.begin()
    assert world.end().exempt == "network"
    assert (world.zone.asked, world.zone.prefetched, world.background.jobs) == ([], [], [])


@pytest.mark.parametrize("keep", [False, True])
def test_a_content_filter_s_mail_may_keep_the_results_that_we_wrote_before(*, keep: bool) -> None:
    settings = Settings(
        policies=Policies.built_in(Mode.ENFORCE), exempt_networks=(ip_network("192.0.2.0/24"),), keep_results=keep
    )
    world = World(settings)
    world.begin()
    ours = (b"Authentication-Results", b" " + RECEIVER.encode() + b"; dmarc=pass header.from=good.example")
    stamp = world.end(letter(b"a@good.example", ours)).stamp
    assert (len(stamp.removals), stamp.insertions) == (0 if keep else 1, ())


def test_a_local_submission_is_exempt_as_loopback_is() -> None:
    for networks, exempt in (((ip_network("127.0.0.0/8"),), "network"), ((ip_network("192.0.2.0/24"),), None)):
        world = World(Settings(policies=Policies.built_in(Mode.ENFORCE), exempt_networks=networks))
        world.session.connect("localhost", None, None)
        world.mail()
        judgement = world.end()
        assert judgement.exempt == exempt


def test_authenticated_mail_is_judged_where_the_configuration_says_so() -> None:
    settings = Settings(policies=Policies.built_in(Mode.ENFORCE), exempt_authenticated=False)
    world = World(settings)
    world.begin(authenticated="somebody")
    assert world.end().exempt is None


def test_without_macro_j_the_machine_s_name_is_ours() -> None:
    world = World()
    world.session.connect("client", "192.0.2.10", None)
    world.mail()
    (insertion,) = world.end().stamp.insertions
    assert insertion.value.startswith(" this.machine.example;")


def test_a_scoped_address_is_read_without_its_scope() -> None:
    world = World()
    world.begin("fe80::1%eth0")
    judgement = world.end()
    assert judgement.results is not None
    assert judgement.results.spf.value is SpfValue.FAIL


def test_a_header_field_of_1_mib_is_judged() -> None:
    world = World()
    world.begin()
    assert _dmarc(world.end(letter(b"a@good.example", (b"X-Long", b" " + b"x" * 1048576)))) is DmarcValue.PASS
    world.mail()
    long = world.end([(b"From", b" " + b"(" * 1048576)])
    assert _dmarc(long) is DmarcValue.PERMERROR
    assert long.decision.disposition == "quarantine"


FLOODS = {
    "fields": [(b"a", b"")] * MAX_HEADER_FIELDS,
    "octets": [(b"X", bytes(2**16))] * (MAX_HEADER_OCTETS // 2**16),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_a_header_that_is_too_large_is_refused_unread_and_the_next_message_works(
    flood: list[tuple[bytes, bytes]],
) -> None:
    world = World()
    world.begin()
    judgement = world.end(letter(b"a@good.example", *flood))
    assert judgement.results is None
    assert judgement.exempt is None
    assert judgement.decision.disposition is judgement.decision.would is Disposition.REJECT
    assert judgement.decision.rule == "header-too-large"
    assert judgement.decision.reply is not None
    assert (judgement.decision.reply.code, judgement.decision.reply.enhanced) == (552, "5.3.4")
    assert judgement.answers == ()
    assert (world.zone.asked, world.zone.prefetched) == ([], [b"good.example"])  # by SPF, before the header
    world.mail()
    assert world.end().decision.rule != "header-too-large"


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
@pytest.mark.parametrize("exempt", [False, True])
def test_where_it_is_let_in_every_field_that_may_claim_to_be_ours_is_removed(
    flood: list[tuple[bytes, bytes]], *, exempt: bool
) -> None:
    networks = (ip_network("192.0.2.0/24"),) if exempt else ()
    world = World(Settings(policies=Policies.built_in(Mode.MONITOR), exempt_networks=networks))
    world.begin()
    ours = (b"Authentication-Results", b" " + RECEIVER.encode() + b"; dmarc=pass")
    judgement = world.end(letter(b"a@good.example", ours, *flood, ours, (b"X-Assay-Quarantine", b" no"), ours))
    assert judgement.decision.disposition is Disposition.NONE
    assert judgement.decision.reply is None
    assert judgement.exempt == ("network" if exempt else None)
    assert judgement.decision.would is (Disposition.NONE if exempt else Disposition.REJECT)
    assert [(removal.name, removal.index) for removal in judgement.stamp.removals] == [
        ("Authentication-Results", 3),
        ("X-Assay-Quarantine", 1),
        ("Authentication-Results", 2),
        ("Authentication-Results", 1),
    ]
    assert judgement.stamp.insertions == ()


def test_of_a_header_that_is_too_large_only_so_much_is_kept() -> None:
    world = World()
    world.begin()
    for _ in range(MAX_HEADER_FIELDS + 500):
        world.session.header(b"X", b" y")
    assert world.session._message is not None
    assert len(world.session._message.headers) == MAX_HEADER_FIELDS + 1


def test_a_message_in_a_file_is_judged_as_the_same_message_from_the_mta() -> None:
    world = World()
    world.begin()
    from_mta = world.end([(b"From", b" a@good.example"), (b"Subject", b" folded\n\thello")], b"a \r\n\r\n")
    facts = facts_of_file(
        b"From: a@good.example\r\nSubject: folded\r\n\thello\r\n\r\na \r\n\r\n",
        address=ip_address("192.0.2.10"),
        helo=b"mail.good.example",
        mail_from=b"<bounce@good.example>",
        smtputf8=False,
        host_name=RECEIVER,
        options=world.settings.options,
    )
    assert judge(facts, world.zone, world.settings, lambda: NOW) == from_mta


def test_a_message_is_judged_again_by_its_answers_alone() -> None:
    world = World()
    octets = b"From: a@good.example\r\nSubject: hello\r\n\r\ntext\r\n"
    facts = facts_of_file(
        octets,
        address=ip_address("192.0.2.10"),
        helo=b"mail.good.example",
        mail_from=b"<bounce@good.example>",
        smtputf8=False,
        host_name=RECEIVER,
        options=world.settings.options,
    )
    first = judge(facts, world.zone, world.settings, lambda: NOW)
    assert first.answers
    assert judge(facts, Replayer(first.answers), world.settings, lambda: NOW) == first


def test_the_judgement_holds_each_question_once_with_its_answer() -> None:
    world = World()
    world.begin()
    answers = world.end().answers
    names = [answer.name for answer in answers]
    assert all(isinstance(answer, Query) for answer in answers)
    assert len(names) == len(set(names)) == len(set(world.zone.asked))


def test_of_a_message_in_a_file_the_configured_authserv_id_is_not_the_name_of_the_mta() -> None:
    facts = facts_of_file(
        b"From: a@good.example\r\n\r\n",
        address=None,
        helo=b"",
        mail_from=b"<>",
        smtputf8=False,
        host_name="mta.receiver.example",
        authserv_id="receiver.example",
        options=World().settings.options,
    )
    assert (facts.receiver, facts.authserv_id) == ("mta.receiver.example", "receiver.example")
