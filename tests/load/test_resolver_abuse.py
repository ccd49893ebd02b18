"""A DNS that lies, fails, dawdles or floods, from real sockets to the verdict (issue 3; standards C.7, H.5).

What the DNS cannot tell is temperror where it could change the verdict, and nothing elsewhere: a forger gains nothing
by breaking his own names, and nobody's mail is refused because a server had a bad day. Seconds are kept small; where
they are compared at all, it is with many times the budget, to notice what hangs.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import dns.name
import dns.rdataset
import dns.rrset
import pytest

from assay.answers import RRType, Unavailable
from assay.daemon.judge import Judgement
from assay.dns.client import DnsClient
from assay.facts import HeaderField
from assay.policy.model import Disposition
from assay.results import ArcValue, DkimValue, DmarcValue, Requested, SpfValue
from support.cost import hand_over, session_with
from support.dnsserver import (
    Behaviour,
    DnsServer,
    Exchange,
    Reply,
    alias_only,
    dead,
    dribbled,
    first_then,
    forged_first,
    over_tcp,
    plain,
    raw,
    rcode,
    slow,
    truncated,
    wrong_owner,
)
from support.signer import fields, rsa_key, seal, sign

TIMEOUT = 0.4
BUDGET = 1.5
HANG = 12.0
"""Seconds of a judgement after which it did not just wait for two budgets on a busy machine: it hangs."""

KEY = rsa_key()
BODY = b"hello\r\n"
LETTER = fields(b"From: a@brand.example\r\nTo: b@receiver.example\r\nSubject: hello\r\nDate: today\r\n")
TAGS = {b"d": b"brand.example", b"s": b"sel"}
SIGNED = (sign(LETTER, BODY, KEY, TAGS), *LETTER)

SPF, KEY_NAME, POLICY = b"brand.example", b"sel._domainkey.brand.example", b"_dmarc.brand.example"
OWN, STRANGER = "192.0.2.10", "192.0.2.66"


def txt(text: bytes) -> str:
    return " ".join(f'"{text[at : at + 250].decode()}"' for at in range(0, len(text), 250))


ZONE = f"""
brand.example. 300 TXT "v=spf1 ip4:{OWN} -all"
sel._domainkey.brand.example. 300 TXT {txt(KEY.record())}
_dmarc.brand.example. 300 TXT "v=DMARC1; p=reject"
atk.example. 300 TXT "v=spf1 include:one.atk.example include:two.atk.example include:three.atk.example -all"
one.atk.example. 300 TXT "v=spf1 -all"
two.atk.example. 300 TXT "v=spf1 -all"
three.atk.example. 300 TXT "v=spf1 -all"
sel._domainkey.atk.example. 300 TXT {txt(KEY.record())}
loop.atk.example. 300 CNAME pool.atk.example.
pool.atk.example. 300 CNAME loop.atk.example.
"""


# Made once: the server is a single thread, and whoever else asks must not wait for it.
FLOOD = dns.rdataset.from_text_list("IN", "TXT", 300, [f'"{number}"' for number in range(3000)])


def flooded(exchange: Exchange) -> list[Reply]:
    """Give thousands of TXT records, over TCP."""
    if not exchange.seen.stream:
        return truncated(exchange)
    exchange.answer.answer = [dns.rrset.from_rdata_list(exchange.query.question[0].name, 300, list(FLOOD))]
    return plain(exchange)


def giant(text: bytes) -> Behaviour:
    """Give a single TXT record of about 64 KiB that begins with ``text``."""
    record = txt(text.ljust(63_000, b"x"))

    def behave(exchange: Exchange) -> list[Reply]:
        name = exchange.query.question[0].name
        exchange.answer.answer = [dns.rrset.from_text(name, 300, "IN", "TXT", record)]
        return plain(exchange)

    return behave


def looping(exchange: Exchange) -> list[Reply]:
    """Answer with an alias to a name whose alias leads back."""
    name = exchange.query.question[0].name
    other = dns.name.from_text("loop", name)
    exchange.answer.answer = [
        dns.rrset.from_text(name, 300, "IN", "CNAME", other.to_text()),
        dns.rrset.from_text(other, 300, "IN", "CNAME", name.to_text()),
    ]
    return plain(exchange)


def also(owner: str, text: str) -> Behaviour:
    """Answer from the zone, and throw in a record of somebody else in each section."""

    def behave(exchange: Exchange) -> list[Reply]:
        lie = dns.rrset.from_text(owner, 86400, "IN", "TXT", f'"{text}"')
        for section in (exchange.answer.answer, exchange.answer.authority, exchange.answer.additional):
            section.append(lie)
        return plain(exchange)

    return behave


# None of these tells anything: whatever asks meets Unavailable.
NOTHING_KNOWN: Mapping[str, Behaviour] = {
    "silent": dead,
    "too slow": slow(60),
    "SERVFAIL": rcode("SERVFAIL"),
    "REFUSED": rcode("REFUSED"),
    "FORMERR": rcode("FORMERR"),
    "a loop": looping,
    "wrong owner": wrong_owner("other.example."),
    "cut in the middle": raw(lambda packet: packet[:-3]),
    "half of the answer, then the end, over TCP": over_tcp(lambda exchange: [(0, exchange.plain()[:20]), (0, b"")]),
    "silent over TCP": over_tcp(dead),
    "an octet now and then over TCP": dribbled(0.1),
    "truncated over TCP too": over_tcp(raw(lambda packet: packet[:2] + bytes((packet[2] | 2,)) + packet[3:])),
    "only forged packets": lambda exchange: forged_first(exchange)[:-1],
    "thousands of records": flooded,
}


@contextmanager
def world(behaviours: Mapping[bytes, Behaviour], zone: str = ZONE) -> Iterator[DnsClient]:
    with DnsServer(zone, behaviours) as server:
        client = DnsClient([server.nameserver], TIMEOUT)
        try:
            yield client
        finally:
            client.close()


def judged_by(
    client: DnsClient,
    headers: tuple[HeaderField, ...] = SIGNED,
    *,
    mail_from: bytes = b"<a@brand.example>",
    address: str = OWN,
) -> Judgement:
    started = time.monotonic()
    resolvers = [client.for_message(BUDGET), client.for_message(BUDGET)]
    judgement = hand_over(session_with(resolvers), headers, [BODY], mail_from, address)
    assert time.monotonic() - started < HANG
    return judgement


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What became of a message."""

    spf: SpfValue = SpfValue.PASS
    dkim: DkimValue | None = DkimValue.PASS
    dmarc: DmarcValue = DmarcValue.PASS
    disposition: Disposition = Disposition.NONE


def seen(judgement: Judgement) -> Seen:
    results = judgement.results
    assert results is not None
    return Seen(
        spf=results.spf.value,
        dkim=results.dkim[0].value if results.dkim else None,
        dmarc=results.dmarc.value,
        disposition=judgement.decision.disposition,
    )


def test_without_trouble_genuine_mail_passes_and_a_forgery_is_refused() -> None:
    with world({}) as client:
        assert seen(judged_by(client)) == Seen()
        assert seen(judged_by(client, LETTER, mail_from=b"<a@atk.example>", address=STRANGER)) == Seen(
            spf=SpfValue.FAIL, dkim=None, dmarc=DmarcValue.FAIL, disposition=Disposition.REJECT
        )


@pytest.mark.parametrize("behaviour", NOTHING_KNOWN.values(), ids=NOTHING_KNOWN)
def test_what_one_method_cannot_know_the_other_makes_good(behaviour: Behaviour) -> None:
    with world({SPF: behaviour}) as client:
        assert seen(judged_by(client)) == Seen(spf=SpfValue.TEMPERROR)
    with world({KEY_NAME: behaviour}) as client:
        assert seen(judged_by(client)) == Seen(dkim=DkimValue.TEMPERROR)


@pytest.mark.parametrize("behaviour", NOTHING_KNOWN.values(), ids=NOTHING_KNOWN)
def test_what_neither_can_know_is_deferred_and_not_refused(behaviour: Behaviour) -> None:
    with world({SPF: behaviour, KEY_NAME: behaviour}) as client:
        judgement = judged_by(client)
        assert seen(judgement) == Seen(
            spf=SpfValue.TEMPERROR,
            dkim=DkimValue.TEMPERROR,
            dmarc=DmarcValue.TEMPERROR,
            disposition=Disposition.TEMPFAIL,
        )
        assert judgement.results is not None
        assert judgement.results.dmarc.requested is Requested.REJECT


@pytest.mark.parametrize("behaviour", NOTHING_KNOWN.values(), ids=NOTHING_KNOWN)
def test_a_policy_that_cannot_be_known_is_no_missing_policy(behaviour: Behaviour) -> None:
    with world({POLICY: behaviour}) as client:
        forged = judged_by(client, LETTER, mail_from=b"<a@atk.example>", address=STRANGER)
        assert forged.results is not None
        assert forged.results.dmarc.value is DmarcValue.TEMPERROR


@pytest.mark.parametrize("behaviour", NOTHING_KNOWN.values(), ids=NOTHING_KNOWN)
def test_a_forger_gains_nothing_by_breaking_names_of_his_own(behaviour: Behaviour) -> None:
    his = dict.fromkeys((b"atk.example", b"two.atk.example", b"sel._domainkey.atk.example"), behaviour)
    headers = seal(LETTER, BODY, KEY, 1, message={b"d": b"atk.example"}, sealing={b"d": b"atk.example"})
    headers = (sign(headers, BODY, KEY, {b"d": b"atk.example"}), *headers)
    with world(his) as client:
        judgement = judged_by(client, headers, mail_from=b"<a@atk.example>", address=STRANGER)
        assert seen(judgement) == Seen(
            spf=SpfValue.TEMPERROR,
            dkim=DkimValue.TEMPERROR,
            dmarc=DmarcValue.FAIL,
            disposition=Disposition.REJECT,
        )
        assert judgement.results is not None
        assert judgement.results.arc.value is ArcValue.FAIL  # RFC 8617 5.2: ARC knows no temperror


@pytest.mark.parametrize("behaviour", NOTHING_KNOWN.values(), ids=NOTHING_KNOWN)
def test_one_record_of_a_chain_of_includes_that_fails_is_temperror(behaviour: Behaviour) -> None:
    with world({b"two.atk.example": behaviour}) as client:
        judgement = judged_by(client, LETTER, mail_from=b"<a@atk.example>", address=STRANGER)
        assert seen(judgement).spf is SpfValue.TEMPERROR


def test_an_include_that_leads_into_an_alias_loop_is_temperror() -> None:
    zone = ZONE.replace("include:two.atk.example", "include:loop.atk.example")
    for behaviour in (plain, alias_only):
        with world({b"loop.atk.example": behaviour, b"pool.atk.example": behaviour}, zone) as client:
            judgement = judged_by(client, LETTER, mail_from=b"<a@atk.example>", address=STRANGER)
            assert seen(judgement).spf is SpfValue.TEMPERROR


@pytest.mark.parametrize(
    ("name", "record", "expected"),
    [
        pytest.param(
            SPF, b"v=spf1 ip4:192.0.2.10 -all ", Seen(spf=SpfValue.PERMERROR), id="a giant SPF record is permerror"
        ),
        pytest.param(SPF, b"unrelated ", Seen(spf=SpfValue.NONE), id="a giant text that is no SPF record is none"),
        pytest.param(KEY_NAME, KEY.record() + b"; n=", Seen(dkim=DkimValue.PERMERROR), id="a giant key is permerror"),
        pytest.param(POLICY, b"v=DMARC1; p=reject; x=", Seen(), id="a giant policy record is read"),
    ],
)
def test_a_giant_record_is_read_for_what_it_is(name: bytes, record: bytes, expected: Seen) -> None:
    with world({name: giant(record)}) as client:
        assert seen(judged_by(client)) == expected


def test_a_giant_policy_record_refuses_a_forgery() -> None:
    with world({POLICY: giant(b"v=DMARC1; p=reject; x=")}) as client:
        assert seen(judged_by(client, LETTER, mail_from=b"<a@atk.example>", address=STRANGER)).dmarc is DmarcValue.FAIL


@pytest.mark.parametrize(
    "behaviour",
    [truncated, slow(0.1), dribbled(0.0005), forged_first],
    ids=["truncated", "slow", "an octet at a time over TCP", "forged packets before the answer"],
)
def test_what_comes_in_time_counts_however_it_comes(behaviour: Behaviour) -> None:
    with world(dict.fromkeys((SPF, KEY_NAME, POLICY), behaviour)) as client:
        assert seen(judged_by(client)) == Seen()


# What one answer must not do to the next


LIES = {POLICY: "v=DMARC1; p=none", SPF: f"v=spf1 ip4:{STRANGER} -all", KEY_NAME: KEY.record().decode()}


@pytest.mark.parametrize("target", LIES, ids=lambda name: name.decode())
def test_an_answer_about_the_forger_s_name_teaches_nothing_of_another(target: bytes) -> None:
    owner, lie = target.decode() + ".", LIES[target]
    for behaviour in (also(owner, lie), wrong_owner(owner)):
        with world({b"atk.example": behaviour, b"one.atk.example": also(owner, lie)}) as client:
            for _ in range(2):
                forged = judged_by(client, LETTER, mail_from=b"<a@atk.example>", address=STRANGER)
                assert seen(forged).dmarc is DmarcValue.FAIL
                assert seen(forged).disposition is Disposition.REJECT
            assert seen(judged_by(client, LETTER, address=STRANGER)).spf is SpfValue.FAIL
            assert seen(judged_by(client)) == Seen()


@pytest.mark.parametrize("behaviour", NOTHING_KNOWN.values(), ids=NOTHING_KNOWN)
def test_a_failure_is_forgotten_with_its_message(behaviour: Behaviour) -> None:
    trouble = [True]

    def at_first(exchange: Exchange) -> list[Reply]:
        return behaviour(exchange) if trouble else plain(exchange)

    with world({KEY_NAME: at_first}) as client:
        assert seen(judged_by(client)).dkim is DkimValue.TEMPERROR
        trouble.clear()
        assert seen(judged_by(client)) == Seen()


def test_one_failure_makes_no_second_question_fail() -> None:
    with world({KEY_NAME: first_then(rcode("SERVFAIL"), plain)}) as client:
        assert seen(judged_by(client)) == Seen(dkim=DkimValue.TEMPERROR)
        assert seen(judged_by(client)) == Seen()


# What a message may take


def test_names_that_never_answer_take_no_more_than_the_budget() -> None:
    terms = " ".join(f"include:i{number}.atk.example" for number in range(10))
    zone = ZONE.replace("include:one.atk.example include:two.atk.example include:three.atk.example", terms)
    behaviours = {b"i%d.atk.example" % number: dribbled(0.3) for number in range(10)}
    headers: tuple[HeaderField, ...] = LETTER
    for number in range(1, 31):
        names = {b"d": b"atk.example", b"s": b"k%d" % number}
        headers = seal(headers, BODY, KEY, number, message=names, sealing=names)
        behaviours[b"k%d._domainkey.atk.example" % number] = (dead, dribbled(0.3))[number % 2]
    headers = (*(sign(headers, BODY, KEY, {b"d": b"atk.example", b"s": b"k%d" % at}) for at in range(1, 9)), *headers)
    with world(behaviours, zone) as client:
        judgement = judged_by(client, headers, mail_from=b"<a@atk.example>", address=STRANGER)
        assert seen(judgement).dmarc is DmarcValue.FAIL
        assert seen(judgement).disposition is Disposition.REJECT
        # and the worker is none the worse for it
        assert seen(judged_by(client)) == Seen()


def test_streams_that_never_end_are_closed_in_time() -> None:
    with world({b"atk.example": dribbled(0.3)}) as client:
        answers = [client.for_message(BUDGET).resolve(b"atk.example", RRType.TXT) for _ in range(3)]
        assert all(isinstance(answer, Unavailable) and "no answer within" in answer.why for answer in answers)
        assert client._engine is not None
        assert client._engine._attempts == {}
