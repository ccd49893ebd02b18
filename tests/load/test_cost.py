"""What a message may cost: no hostile one of 10 MiB twenty times the CPU of a plain one (issue 3, hostile load).

Nothing here knows how fast a machine is: a plain message, signed once, is measured in the same process, and only the
ratio counts. The most expensive of the messages stands at eight; each gets several tries.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import pytest

from assay.answers import Answer, Mx, RRType
from assay.dns.message import MessageResolver
from assay.dns.names import from_wire
from assay.facts import HeaderField
from assay.limits import (
    DNS_MAX_QUERIES,
    MAX_ARC_SETS,
    MAX_AUTHOR_DOMAINS,
    MAX_AUTHSERV_ID_OCTETS,
    MAX_FROM_OCTETS,
    MAX_HEADER_FIELDS,
    MAX_HEADER_OCTETS,
    MAX_KEY_RECORDS,
    MAX_RSA_EXPONENT_BITS,
    MAX_SELECTOR_BITS,
    MAX_SIGNATURES,
    MAX_SIGNED_HEADERS,
    MAX_WALK_QUERIES,
)
from assay.results import ArcValue, DkimValue
from assay.verify.keys import KeyRecord
from support.cost import cpu_of, hand_over, session_with
from support.dict_resolver import Key, found
from support.many_primes import ManyPrimesKey
from support.signer import fields, rsa_key, seal, sign

SIZE = 10 * 2**20
LIMIT = 20
TRIES = 6

KEY = rsa_key()
KEYS: Mapping[Key, Answer] = {
    b"sel._domainkey.example.com": found(KEY.record()),
    b"sel._domainkey.example.net": found(KEY.record()),
}
LETTER = fields(b"From: a@example.com\r\nTo: b@receiver.example\r\nSubject: hello\r\nDate: today\r\n")
SHORT = b"hello\r\n"
LINE = b"The quick brown fox jumps over the lazy dog, and so on until the line is full.\r\n"


def filled(block: bytes, size: int = SIZE) -> bytes:
    return (block * (size // len(block) + 1))[:size]


@cache
def plain() -> float:
    """CPU of a plain message: ordinary text, one signature that passes."""
    body = filled(LINE)
    headers = (sign(LETTER, body, KEY), *LETTER)
    costs = []
    for _ in range(5):
        cost, judgement = cpu_of(headers, body, KEYS)
        assert judgement.results is not None
        assert [each.value for each in judgement.results.dkim] == [DkimValue.PASS]
        costs.append(cost)
    return min(costs)


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """A message made to cost time; ``judged`` as in Judgement.decision.rule where that is the point."""

    headers: Sequence[HeaderField] = LETTER
    body: bytes = SHORT
    answers: Mapping[Key, Answer] = field(default_factory=dict)
    mail_from: bytes = b"<a@atk.example>"
    rule: str | None = None
    arc: ArcValue = ArcValue.NONE


def costs_little(message: Hostile) -> None:
    ratios = []
    for _ in range(TRIES):
        cost, judgement = cpu_of(
            message.headers, message.body, {**KEYS, **message.answers}, mail_from=message.mail_from
        )
        assert message.rule in (None, judgement.decision.rule)
        assert judgement.results is None or judgement.results.arc.value is message.arc
        ratios.append(cost / plain())
        if ratios[-1] <= LIMIT:
            return
    pytest.fail(f"costs {min(ratios):.1f} times as much as a plain message")


# Bodies


def wanting(*forms: bytes) -> tuple[HeaderField, ...]:
    """Give signatures that want the body hashed in these ways; up to the limit of ten."""
    digest = b64encode(bytes(32))
    return tuple(
        HeaderField(
            b"DKIM-Signature",
            b" v=1; a=rsa-sha256; d=example.com; s=sel; h=from; bh=" + digest + b"; b=AAAA; " + form,
        )
        for form in forms
    )


def sixty_limits() -> tuple[HeaderField, ...]:
    """Give 10 signatures and 50 ARC sets that want sixty different parts of the body, in both forms."""
    headers = LETTER
    for instance in range(1, MAX_ARC_SETS + 1):
        form = (b"simple/simple", b"relaxed/relaxed")[instance % 2]
        headers = seal(headers, SHORT, KEY, instance, message={b"c": form, b"l": b"%d" % (instance * 200_003)})
    forms = (b"c=simple/simple", b"c=relaxed/relaxed")
    own = wanting(*(b"l=%d; " % (number * 1_000_003) + forms[number % 2] for number in range(MAX_SIGNATURES)))
    return (*own, *headers)


BODIES = {
    "all CRLF": b"\r\n",
    "all spaces": b" ",
    "space and tab in turn": b" \t",
    "one line": b"a",
    "many short lines": b"a\r\n",
    "a double space after each letter": b"a  ",
    "a double space before each line end": b"a  \r\n",
    "a space before each line end": b" \r\n",
    "bare CR": b"\r",
    "bare LF before each line end": b"\n\r\n",
    "a space before each CR": b" \r",
    "short runs and long ones": b"a  " * 8000 + b" " * 8000,
    "runs as dense as the pattern takes them": b"x" * 30 + b"  ",
}


@pytest.mark.parametrize("block", BODIES.values(), ids=BODIES)
def test_a_body(block: bytes) -> None:
    costs_little(Hostile(headers=sixty_limits(), body=filled(block), arc=ArcValue.FAIL))


# Header fields


def flood(name: bytes, value: bytes) -> tuple[HeaderField, ...]:
    """Give as many such fields as the bounds let in."""
    room = MAX_HEADER_OCTETS - MAX_FROM_OCTETS
    count = min(MAX_HEADER_FIELDS - 100, room // (len(name) + len(value)))
    return (HeaderField(name, value),) * count


def signed_often(value: bytes, form: bytes, sets: int = MAX_ARC_SETS) -> Hostile:
    """Give a large field that ten DKIM signatures and so many ARC sets sign; our signer is slow with odd ones."""
    headers: tuple[HeaderField, ...] = (*LETTER, HeaderField(b"X-Large", filled(value, MAX_HEADER_OCTETS - 2**17)))
    tags = {b"h": b"from:to:subject:date:x-large", b"c": form}
    for instance in range(1, sets + 1):
        headers = seal(headers, SHORT, KEY, instance, message=tags)
    own = sign(headers, SHORT, KEY, tags)
    return Hostile(headers=(*[own] * MAX_SIGNATURES, *headers), arc=ArcValue.PASS)


def many_names() -> tuple[HeaderField, ...]:
    """Give ten signatures whose h= has 500 names, all present, most many times."""
    extra = tuple(HeaderField(b"X-%d" % (number % 50), b" y") for number in range(9000))
    names = b"from:" + b":".join(b"x-%d" % (number % 50) for number in range(MAX_SIGNED_HEADERS - 1))
    own = sign((*LETTER, *extra), SHORT, KEY, {b"h": names, b"c": b"simple/simple"})
    return (*[own] * MAX_SIGNATURES, *LETTER, *extra)


AR = b"Authentication-Results"
HEADERS: dict[str, Callable[[], Hostile]] = {
    "tiny fields": lambda: Hostile(headers=(*LETTER, *flood(b"a", b""))),
    "100,000 tiny fields": lambda: Hostile(
        headers=(*LETTER, *[HeaderField(b"a", b"")] * 100_000), rule="header-too-large"
    ),
    "a field of 10 MiB": lambda: Hostile(headers=(*LETTER, HeaderField(b"X", bytes(SIZE))), rule="header-too-large"),
    "100 fields of the size that Postfix lets through": lambda: Hostile(
        headers=(*LETTER, *[HeaderField(b"X", filled(b"a \r\n ", 102_400))] * 100), rule="header-too-large"
    ),
    "results of ours": lambda: Hostile(headers=(*LETTER, *flood(AR, b" mx.receiver.example; spf=pass"))),
    "results of others": lambda: Hostile(headers=(*LETTER, *flood(AR, b" other.example; spf=pass"))),
    "results with long ids": lambda: Hostile(
        headers=(*LETTER, *flood(AR, b"a." * (MAX_AUTHSERV_ID_OCTETS // 2 - 1) + b";"))
    ),
    "results with odd ids": lambda: Hostile(headers=(*LETTER, *flood(AR, b"a. " * 680 + b";"))),
    "results with comments": lambda: Hostile(headers=(*LETTER, *flood(AR, b"(())" * 500 + b"a;"))),
    "results with wide characters": lambda: Hostile(headers=(*LETTER, *flood(AR, "\ufdfa".encode() * 680 + b";"))),
    "results with folds": lambda: Hostile(headers=(*LETTER, *flood(AR, b" a;" + b"\r\n " * 20_000))),
    "empty signatures": lambda: Hostile(headers=(*LETTER, *flood(b"DKIM-Signature", b""))),
    "large signatures": lambda: Hostile(headers=(*LETTER, *flood(b"DKIM-Signature", b"a=b;" * 16_000))),
    "large signatures of many tags": lambda: Hostile(
        headers=(*LETTER, *flood(b"DKIM-Signature", b";".join(b"a%d=" % number for number in range(9_000))))
    ),
    "empty seals": lambda: Hostile(headers=(*LETTER, *flood(b"ARC-Seal", b"")), arc=ArcValue.FAIL),
    "large seals": lambda: Hostile(
        headers=(*LETTER, *[HeaderField(b"ARC-Seal", b";".join(b"a%d=" % n for n in range(1500)))] * 150),
        arc=ArcValue.FAIL,
    ),
    "ARC results that begin with a long comment": lambda: Hostile(
        headers=(*LETTER, *[HeaderField(b"ARC-Authentication-Results", b"(" * 12_000)] * 150), arc=ArcValue.FAIL
    ),
    "h= of 500 names": lambda: Hostile(headers=many_names()),
    "a field of text, signed sixty times": lambda: signed_often(b"a", b"relaxed/relaxed"),
    "a field of short runs, signed often": lambda: signed_often(b"a  ", b"relaxed/relaxed", 2),
    "a field of folds, signed often": lambda: signed_often(b"a\r\n\t ", b"relaxed/relaxed", 2),
    "a field of folds, signed sixty times as it is": lambda: signed_often(b"a\r\n\t ", b"simple/simple"),
}


@pytest.mark.parametrize("make", HEADERS.values(), ids=HEADERS)
def test_a_header(make: Callable[[], Hostile]) -> None:
    costs_little(make())


@pytest.mark.parametrize(
    "unit",
    [
        b"(",
        b"(a)",
        b"()",
        b"a:;,",
        b'"a" ',
        b'"\\a',
        b"a ",
        b"a.",
        b"a,",
        b"a@b.c,",
        b"<a@b.c>,",
        b"a <a@b.example>, ",
        b"a@",
        b"@a,",
        b"<",
        b"[a]",
        b"a@[192.0.2.1],",
        b"=?",
        b"=?a?q?b?= ",
        b"=?a?q?",
        b"\xff",
        b"\\",
        b"\r\n ",
    ],
    ids=repr,
)
def test_a_from_field_of_full_length(unit: bytes) -> None:
    costs_little(Hostile(headers=(HeaderField(b"From", filled(unit, MAX_FROM_OCTETS)),)))


def test_from_fields_beyond_measure() -> None:
    costs_little(Hostile(headers=(HeaderField(b"From", filled(b"(", MAX_HEADER_OCTETS // 2 - 100)),) * 2))
    costs_little(Hostile(headers=flood(b"From", b" a@example.com")))


# What the DNS answers


def _record_of(term: bytes) -> bytes:
    return b"v=spf1 " + term * ((8192 - 7) // len(term))


DOTS = b"<" + b"a." * 400 + b"a@atk.example>"
SPF: dict[str, tuple[bytes, bytes]] = {
    "networks": (_record_of(b"ip4:192.0.2.1 "), b"<a@atk.example>"),
    "includes of itself": (_record_of(b"include:atk.example "), b"<a@atk.example>"),
    "a macro of many labels again and again": (b"v=spf1 exists:" + b"%{l}." * 1600 + b"example", DOTS),
    "a macro turned round again and again": (b"v=spf1 exists:" + b"%{sr.-+}." * 800 + b"example", DOTS),
    "a macro escaped again and again": (b"v=spf1 exists:" + b"%{S}." * 1600 + b"example", b"<" + b"/" * 900 + DOTS[1:]),
    "macros that each keep one label": (b"v=spf1 exists:" + b"%{l1r}." * 1000 + b"example", DOTS),
    "a macro of nothing": (b"v=spf1 exists:" + b"%{h}" * 2000 + b".example", b"<>"),
    "a macro of many delimiters": (b"v=spf1 exists:%{l1r" + b".-+,/_=" * 1160 + b"}.example", DOTS),
    "a macro of many digits": (b"v=spf1 exists:%{l" + b"9" * 8000 + b"}.example", DOTS),
    "percent signs": (b"v=spf1 exists:" + b"%%" * 4000 + b".example", DOTS),
    "unknown modifiers": (_record_of(b"x=%{l} "), DOTS),
    "spaces": (_record_of(b" "), DOTS),
    "slashes": (b"v=spf1 a:b.example" + b"/" * 8000, DOTS),
    "64 KiB": (b"v=spf1 " + b"a " * 32_000, DOTS),
}


@pytest.mark.parametrize(("record", "mail_from"), SPF.values(), ids=SPF)
def test_an_spf_record(record: bytes, mail_from: bytes) -> None:
    ten = b"v=spf1 " + b" ".join(b"include:i%d.atk.example" % number for number in range(9))
    answers: dict[Key, Answer] = {(b"i%d.atk.example" % number, RRType.TXT): found(record) for number in range(9)}
    for top in (record, ten):
        costs_little(Hostile(answers={**answers, (b"atk.example", RRType.TXT): found(top)}, mail_from=mail_from))


DMARC = {
    "semicolons": b";",
    "tags": b"a=b;",
    "policies": b"p=none;",
    "white space": b" ",
    "equals signs": b"=",
    "URIs": b"rua=" + b"mailto:a@b.example," * 3400,
    "size limits": b"rua=mailto:a@b.example" + b"!1" * 32_000,
    "user names": b"rua=" + b"http://a:b@," * 5400,
    "one user name": b"rua=http://" + b"a:" * 32_000,
    "escapes": b"rua=mailto:" + b"%40" * 21_000,
    "failure options": b"fo=" + b"0:" * 32_000,
}


@pytest.mark.parametrize("text", DMARC.values(), ids=DMARC)
def test_policy_records_of_64_kib(text: bytes) -> None:
    record = b"v=DMARC1; p=reject; " + (filled(text, 65_000) if len(text) < 100 else text)
    domains = [b"a.b.c.d.e.f.g.n%d.example" % number for number in range(MAX_AUTHOR_DOMAINS)]
    answers: dict[Key, Answer] = {}
    for domain in domains:
        labels = domain.split(b".")
        answers |= {b"_dmarc." + b".".join(labels[start:]): found(record) for start in range(len(labels) - 1)}
    author = HeaderField(b"From", b", ".join(b"a@" + domain for domain in domains))
    costs_little(Hostile(headers=(author, *LETTER[1:]), answers=answers))


def dear_chain(bits: int) -> Hostile:
    """Give ten signatures and fifty ARC sets; each of the 110 proofs needs as many costly keys as may be tried."""
    exponent = 2**MAX_RSA_EXPONENT_BITS - 1
    keys = [ManyPrimesKey(bits, exponent, seed) for seed in range(MAX_SELECTOR_BITS // bits)]
    # sorted by their octets, the one that fits comes last
    records = [key.record(tags=b"a=a; ") for key in keys[1:]] + [keys[0].record(tags=b"z=z; ")]
    headers, answers = LETTER, {}
    for instance in range(1, MAX_ARC_SETS + 1):
        message, sealing = b"m%d" % instance, b"s%d" % instance
        headers = seal(headers, SHORT, keys[0], instance, message={b"s": message}, sealing={b"s": sealing})  # type: ignore[arg-type]
        answers |= {each + b"._domainkey.example.net": found(*records) for each in (message, sealing)}
    own = []
    for number in range(MAX_SIGNATURES):
        own.append(sign(headers, SHORT, keys[0], {b"s": b"d%d" % number}))  # type: ignore[arg-type]
        answers[b"d%d._domainkey.example.com" % number] = found(*records)
    return Hostile(headers=(*own, *headers), answers=answers, arc=ArcValue.PASS)


@pytest.mark.parametrize("bits", [2048, 4096, 8192])
def test_the_most_costly_keys(bits: int) -> None:
    costs_little(dear_chain(bits))


def test_much_of_everything_at_once() -> None:
    worst = filled(BODIES["a double space after each letter"], SIZE - MAX_HEADER_OCTETS)
    headers = sixty_limits()[:-1]
    author = HeaderField(b"From", filled(b"a@b.example,", MAX_FROM_OCTETS))
    room = MAX_HEADER_OCTETS - sum(len(each.name) + len(each.value) for each in (*headers, author))
    odd = (HeaderField(AR, b"a. " * 680 + b";"),) * 30
    large = HeaderField(b"X-Large", filled(b"a  ", room // 2))
    record, mail_from = SPF["a macro of many labels again and again"]
    costs_little(
        Hostile(
            headers=(*headers, author, large, *odd),
            body=worst,
            answers={(b"atk.example", RRType.TXT): found(record)},
            mail_from=mail_from,
            arc=ArcValue.FAIL,
        )
    )


# What is counted


class Obliging:
    """A DNS in which every name exists and holds what makes a message ask for more names."""

    def __init__(self) -> None:
        self.asked: set[tuple[bytes, RRType]] = set()

    def start(self, wire_name: bytes, rrtype: RRType) -> Answer:
        name = from_wire(wire_name)
        assert name is not None
        self.asked.add((name, rrtype))
        number = len(self.asked)
        match rrtype:
            case RRType.TXT if name.startswith(b"_dmarc."):
                return found(b"v=DMARC1; p=reject; np=none")
            case RRType.TXT if b"._domainkey." in name:
                return found(*[KEY.record(tags=b"n=%d; " % each) for each in range(16)])
            case RRType.TXT:
                terms = (b"%s:n%d-%d.atk.example" % (kind, number, each) for each in range(5) for kind in (b"mx", b"a"))
                return found(b"v=spf1 ptr exists:%{p}.%{i}.atk.example " + b" ".join(terms) + b" include:atk.example")
            case RRType.MX:
                return found(*(Mx(each, b"h%d-%d.atk.example" % (number, each)) for each in range(10)))
            case RRType.PTR:
                return found(*(b"p%d-%d.atk.example" % (number, each) for each in range(500)))
            case _:
                return found()

    def resolver(self) -> MessageResolver:
        return MessageResolver(self, budget_seconds=20, max_queries=DNS_MAX_QUERIES, clock=lambda: 0.0)


def _greedy() -> tuple[HeaderField, ...]:
    """Give a header that wants as many keys and walks as a header can: each name in it is another one."""
    authors = b", ".join(b"a@" + b"l." * 100 + b"author%d.example" % number for number in range(MAX_AUTHOR_DOMAINS))
    headers: tuple[HeaderField, ...] = (HeaderField(b"From", authors), *LETTER[1:])
    for instance in range(1, MAX_ARC_SETS + 1):
        names = {b"d": b"seal%d.example" % instance, b"s": b"m"}
        headers = seal(headers, SHORT, KEY, instance, message=names, sealing={**names, b"s": b"s"})
    own = (sign(headers, SHORT, KEY, {b"d": b"l." * 90 + b"signer%d.example" % number}) for number in range(60))
    return (*own, *headers)


@pytest.mark.parametrize("mail_from", [b"<a@atk.example>", b"<>"], ids=["a sender", "the null sender"])
def test_the_look_ups_of_a_message_are_bounded_whatever_it_says(mail_from: bytes) -> None:
    world = Obliging()
    general, reserved = world.resolver(), world.resolver()
    hand_over(session_with([general, reserved]), _greedy(), [SHORT], mail_from, "192.0.2.66")
    assert general.queries <= DNS_MAX_QUERIES
    assert reserved.queries <= MAX_AUTHOR_DOMAINS * MAX_WALK_QUERIES
    assert len(world.asked) > DNS_MAX_QUERIES  # it did ask for more than the sender's budget holds


def test_the_proofs_that_are_verified_are_bounded_whatever_a_message_says(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    verifies = KeyRecord.verifies
    monkeypatch.setattr(KeyRecord, "verifies", lambda *arguments: calls.append(1) or verifies(*arguments))  # type: ignore[func-returns-value]
    world = Obliging()
    # without a client whose SPF is asked first, the keys have the budget to themselves
    hand_over(session_with([world.resolver(), world.resolver()]), _greedy(), [SHORT], b"<a@localhost>", "192.0.2.66")
    assert MAX_SIGNATURES < len(calls) <= (MAX_SIGNATURES + 2 * MAX_ARC_SETS) * MAX_KEY_RECORDS
