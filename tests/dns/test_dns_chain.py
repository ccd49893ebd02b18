"""What a response means: owner names, aliases, absence and failure (standards C.3; RFC 1034 3.6.2, 6604, 6672)."""

from dataclasses import dataclass

import dns.message
import dns.rcode
import dns.rrset
import pytest

from assay.answers import Absent, Found, Mx, RRType, Unavailable
from assay.dns.chain import MAX_LINKS, Chain, Settled, follow
from assay.dns.names import to_wire
from assay.dns.wire import parse_response


def wire(name: str) -> bytes:
    found = to_wire(name.encode())
    assert found is not None
    return found


def read(
    answer: tuple[str, ...],
    rcode: str = "NOERROR",
    *,
    name: str = "a.test",
    rrtype: RRType = RRType.TXT,
    authority: tuple[str, ...] = (),
    chain: Chain | None = None,
) -> Settled | Chain | Unavailable:
    """Follow a response that holds these records, ``owner ttl type data``."""
    message = dns.message.make_response(dns.message.make_query(name, rrtype))
    message.set_rcode(dns.rcode.from_text(rcode))
    for section, rows in ((message.answer, answer), (message.authority, authority)):
        for row in rows:
            owner, ttl, rdtype, data = row.split(" ", 3)
            section.append(dns.rrset.from_text(owner, int(ttl), "IN", rdtype, data))
    return follow(parse_response(message.to_wire()), rrtype, chain or Chain((wire(name),)))


def found(ttl: int, *texts: bytes) -> Settled:
    return Settled(Found(texts, ttl), ttl)


ENDLESS = 2**31 - 1
NXDOMAIN = Settled(Absent(nxdomain=True), ENDLESS)
NODATA = Settled(Absent(nxdomain=False), ENDLESS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    id: str
    section: str
    answer: tuple[str, ...]
    expected: Settled | Chain | Unavailable
    rcode: str = "NOERROR"
    authority: tuple[str, ...] = ()


OTHER = Unavailable("the answer holds records of another owner or type")

CASES = [
    Case(id="records of the name", section="RFC 1035 4.1.3", answer=("a.test. 60 TXT x",), expected=found(60, b"x")),
    Case(
        id="the owner in another case",
        section="RFC 4343 3",
        answer=("A.tEST. 60 TXT x",),
        expected=found(60, b"x"),
    ),
    Case(
        id="different TTLs in one record set: the smallest",
        section="RFC 2181 5.2",
        answer=("a.test. 60 TXT x", "a.test. 50 TXT y"),
        expected=found(50, b"x", b"y"),
    ),
    Case(id="NXDOMAIN", section="RFC 2308 2.1", answer=(), rcode="NXDOMAIN", expected=NXDOMAIN),
    Case(id="NODATA", section="RFC 2308 2.2", answer=(), expected=NODATA),
    Case(
        id="NODATA with an SOA",
        section="RFC 2308 2.2",
        answer=(),
        authority=("test. 5 SOA a. b. 1 2 3 4 5", "test. 5 NS a."),
        expected=NODATA,
    ),
    Case(
        id="a referral is not NODATA",
        section="RFC 2308 2.2",
        answer=(),
        authority=("test. 5 NS a.",),
        expected=Unavailable("a referral instead of an answer"),
    ),
    Case(
        id="an alias and its records, the smallest TTL of both",
        section="RFC 1034 3.6.2",
        answer=("a.test. 30 CNAME b.test.", "b.test. 60 TXT x"),
        expected=found(30, b"x"),
    ),
    Case(
        id="a chain in the wrong order",
        section="RFC 1034 3.6.2",
        answer=("c.test. 9 TXT x", "b.test. 60 CNAME c.test.", "a.test. 30 CNAME b.test."),
        expected=found(9, b"x"),
    ),
    Case(
        id="an alias to a name that does not exist",
        section="RFC 6604 3",
        answer=("a.test. 30 CNAME b.test.",),
        rcode="NXDOMAIN",
        expected=Settled(Absent(nxdomain=True, alias=True), 30),
    ),
    Case(
        id="an alias whose target is not in the answer: ask for it",
        section="RFC 1034 5.3.3",
        answer=("a.test. 30 CNAME b.test.",),
        expected=Chain((wire("a.test"), wire("b.test")), 30),
    ),
    Case(
        id="records of a name that the alias does not lead to are not taken",
        section="RFC 5452 6",
        answer=("a.test. 30 CNAME b.test.", "c.test. 60 TXT x"),
        expected=Chain((wire("a.test"), wire("b.test")), 30),
    ),
    Case(id="another owner", section="RFC 5452 6", answer=("b.test. 60 TXT x",), expected=OTHER),
    Case(
        id="a parent's records beside its DNAME",
        section="RFC 6672 2.4",
        answer=("test. 60 TXT x", "test. 20 DNAME example.", "a.example. 60 TXT y"),
        expected=found(20, b"y"),
    ),
    Case(id="a parent's records", section="RFC 5452 6", answer=("test. 60 TXT x",), expected=OTHER),
    Case(
        id="another owner with NXDOMAIN",
        section="RFC 5452 6",
        answer=("b.test. 60 TXT x",),
        rcode="NXDOMAIN",
        expected=OTHER,
    ),
    Case(
        id="only another type of the name", section="RFC 1035 4.1.3", answer=("a.test. 60 A 127.0.0.1",), expected=OTHER
    ),
    Case(
        id="the alias leads to a name with another type alone",
        section="RFC 1035 4.1.3",
        answer=("a.test. 60 CNAME b.test.", "b.test. 60 A 127.0.0.1"),
        expected=OTHER,
    ),
    Case(
        id="NXDOMAIN and records contradict each other",
        section="RFC 2308 2.1",
        answer=("a.test. 60 TXT x",),
        rcode="NXDOMAIN",
        expected=Unavailable("NXDOMAIN with records of the name"),
    ),
    Case(
        id="a loop of two",
        section="RFC 1034 3.6.2",
        answer=("a.test. 60 CNAME b.test.", "b.test. 60 CNAME A.test."),
        expected=Unavailable("a CNAME loop"),
    ),
    Case(
        id="an alias to itself",
        section="RFC 1034 3.6.2",
        answer=("a.test. 60 CNAME a.test.",),
        expected=Unavailable("a CNAME loop"),
    ),
    Case(
        id="two different aliases at one name",
        section="RFC 2181 10.1",
        answer=("a.test. 60 CNAME b.test.", "a.test. 60 CNAME c.test."),
        expected=Unavailable("several CNAME records at one name"),
    ),
    Case(
        id="the same alias twice is one",
        section="RFC 2181 5",
        answer=("a.test. 60 CNAME b.test.", "a.test. 60 CNAME b.test.", "b.test. 60 TXT x"),
        expected=found(60, b"x"),
    ),
    Case(
        id="a DNAME above the name, with the alias it makes",
        section="RFC 6672 3.1",
        answer=("test. 20 DNAME example.", "a.test. 20 CNAME a.example.", "a.example. 60 TXT x"),
        expected=found(20, b"x"),
    ),
    Case(
        id="a DNAME above the name, alone",
        section="RFC 6672 3.4",
        answer=("test. 20 DNAME example.", "a.example. 60 TXT x"),
        expected=found(20, b"x"),
    ),
    Case(
        id="a DNAME at the name itself does not lead on",
        section="RFC 6672 2.3",
        answer=("a.test. 20 DNAME example.",),
        expected=OTHER,
    ),
    Case(
        id="a DNAME that makes too long a name",
        section="RFC 6672 2.2",
        answer=("test. 20 DNAME " + ".".join(["x" * 63] * 3 + ["y" * 60]) + ".",),
        expected=Unavailable("a DNAME makes a name that is too long"),
    ),
    *(
        Case(id=f"{rcode} is a failure", section="standards A.2", answer=(), rcode=rcode, expected=Unavailable(why))
        for rcode, why in (
            ("SERVFAIL", "SERVFAIL"),
            ("REFUSED", "REFUSED"),
            ("NOTIMP", "NOTIMP"),
            ("FORMERR", "FORMERR"),
            ("YXDOMAIN", "response code 6"),
        )
    ),
]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_a_response_means(case: Case) -> None:
    assert read(case.answer, case.rcode, authority=case.authority) == case.expected


def test_the_target_asked_for_next_may_hold_nothing() -> None:
    chain = Chain((wire("a.test"), wire("b.test")), 30)
    assert read((), name="b.test", chain=chain) == Settled(Absent(nxdomain=False, alias=True), 30)
    assert read((), "NXDOMAIN", name="b.test", chain=chain) == Settled(Absent(nxdomain=True, alias=True), 30)
    assert read(("b.test. 60 TXT x",), name="b.test", chain=chain) == found(30, b"x")


def test_a_loop_over_two_queries_is_noticed() -> None:
    chain = Chain((wire("a.test"), wire("b.test")), 30)
    assert read(("b.test. 60 CNAME a.test.",), name="b.test", chain=chain) == Unavailable("a CNAME loop")


def links(count: int) -> tuple[str, ...]:
    return ("a.test. 60 CNAME 1.test.", *(f"{n}.test. 60 CNAME {n + 1}.test." for n in range(1, count)))


def test_a_chain_ends_at_its_bound() -> None:
    assert read((*links(MAX_LINKS), f"{MAX_LINKS}.test. 60 TXT x")) == found(60, b"x")
    assert read((*links(MAX_LINKS + 1), f"{MAX_LINKS + 1}.test. 60 TXT x")) == Unavailable(
        f"more than {MAX_LINKS} CNAME records in a chain"
    )


def test_the_bound_of_a_chain_is_over_all_its_queries() -> None:
    chain = read(links(MAX_LINKS))
    assert isinstance(chain, Chain)
    last = f"{MAX_LINKS}.test"
    assert isinstance(read((f"{last}. 60 CNAME b.test.",), name=last, chain=chain), Unavailable)


def test_a_record_that_names_what_cannot_be_asked_is_left_out() -> None:
    rows = ("a.test. 60 MX 1 x\\.y.test.", "a.test. 60 MX 2 z.test.")
    assert read(rows, rrtype=RRType.MX) == Settled(Found((Mx(2, b"z.test"),), 60), 60)
    assert read(rows[:1], rrtype=RRType.MX) == Settled(Absent(nxdomain=False), 60)
