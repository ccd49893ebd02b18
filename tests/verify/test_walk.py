"""The tree walk and the organizational domain (standards C.3)."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from assay.answers import Answer, RRType, Unavailable
from assay.domain import Domain
from assay.limits import MAX_WALK_QUERIES
from assay.trace import Trace, WalkStep
from assay.verify.walk import Walker, walk_names
from support.dict_resolver import NODATA, NXDOMAIN, SERVFAIL, DictResolver, Key, found

PLAIN = found(b"v=DMARC1; p=none")
PSD_Y = found(b"v=DMARC1; p=none; psd=y")
PSD_N = found(b"v=DMARC1; p=none; psd=n")
TWO = found(b"v=DMARC1; p=none", b"v=DMARC1; p=reject; psd=n")


def walker(zone: Mapping[str, Answer]) -> tuple[Walker, DictResolver]:
    answers: dict[Key, Answer] = {b"_dmarc." + name.encode(): answer for name, answer in zone.items()}
    resolver = DictResolver(answers)
    return Walker(resolver, Trace()), resolver


def asked(resolver: DictResolver) -> list[str]:
    assert {rrtype for _, rrtype in resolver.asked} <= {RRType.TXT}
    return [name.decode().removeprefix("_dmarc.") for name, _ in resolver.asked]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A walk from ``start``: what it asks, what it finds, and the organizational domain it leads to."""

    id: str
    section: str
    start: str
    zone: dict[str, Answer]
    asks: list[str]
    finds: list[str]
    organization: str | None


CASES = [
    Case(
        id="without records the walk reaches the single label and the start is its own organization",
        section="C.3",
        start="a.b.example",
        zone={},
        asks=["a.b.example", "b.example", "example"],
        finds=[],
        organization="a.b.example",
    ),
    Case(
        id="without psd every record is kept and the fewest labels win",
        section="C.3",
        start="a.b.example.com",
        zone={"b.example.com": PLAIN, "example.com": PLAIN},
        asks=["a.b.example.com", "b.example.com", "example.com", "com"],
        finds=["b.example.com", "example.com"],
        organization="example.com",
    ),
    Case(
        id="psd=n ends the walk and is the organization",
        section="C.3",
        start="a.b.example.com",
        zone={"b.example.com": PSD_N, "example.com": PLAIN},
        asks=["a.b.example.com", "b.example.com"],
        finds=["b.example.com"],
        organization="b.example.com",
    ),
    Case(
        id="psd=n at the start ends the walk at once",
        section="C.3",
        start="example.com",
        zone={"example.com": PSD_N},
        asks=["example.com"],
        finds=["example.com"],
        organization="example.com",
    ),
    Case(
        id="psd=y ends the walk and the organization is one label longer",
        section="C.3",
        start="x.y.shop.bank.example",
        zone={"bank.example": PSD_Y, "example": PLAIN},
        asks=["x.y.shop.bank.example", "y.shop.bank.example", "shop.bank.example", "bank.example"],
        finds=["bank.example"],
        organization="shop.bank.example",
    ),
    Case(
        id="psd=y ends the walk though a longer name holds a record",
        section="C.3",
        start="x.y.shop.bank.example",
        zone={"y.shop.bank.example": PLAIN, "bank.example": PSD_Y},
        asks=["x.y.shop.bank.example", "y.shop.bank.example", "shop.bank.example", "bank.example"],
        finds=["y.shop.bank.example", "bank.example"],
        organization="shop.bank.example",
    ),
    Case(
        id="psd=y at the start does not push below the start",
        section="C.3",
        start="bank.example",
        zone={"bank.example": PSD_Y, "example": PLAIN},
        asks=["bank.example"],
        finds=["bank.example"],
        organization="bank.example",
    ),
    Case(
        id="the single label is asked and can be the organization",
        section="C.3",
        start="example.com",
        zone={"example.com": PLAIN, "com": PLAIN},
        asks=["example.com", "com"],
        finds=["example.com", "com"],
        organization="com",
    ),
    Case(
        id="a start of one label is one query",
        section="C.3, H.2 F13",
        start="com",
        zone={"com": PSD_Y},
        asks=["com"],
        finds=["com"],
        organization="com",
    ),
    Case(
        id="seven labels are asked one by one",
        section="C.3",
        start="a.b.c.d.e.f.com",
        zone={},
        asks=["a.b.c.d.e.f.com", "b.c.d.e.f.com", "c.d.e.f.com", "d.e.f.com", "e.f.com", "f.com", "com"],
        finds=[],
        organization="a.b.c.d.e.f.com",
    ),
    Case(
        id="eight labels are asked one by one",
        section="C.3",
        start="a.b.c.d.e.f.g.com",
        zone={},
        asks=[
            "a.b.c.d.e.f.g.com",
            "b.c.d.e.f.g.com",
            "c.d.e.f.g.com",
            "d.e.f.g.com",
            "e.f.g.com",
            "f.g.com",
            "g.com",
            "com",
        ],
        finds=[],
        organization="a.b.c.d.e.f.g.com",
    ),
    Case(
        id="a long name jumps to seven labels",
        section="C.3, C.4",
        start="a.b.c.d.e.f.g.h.i.j.k.example.com",
        zone={"example.com": PLAIN},
        asks=[
            "a.b.c.d.e.f.g.h.i.j.k.example.com",
            "g.h.i.j.k.example.com",
            "h.i.j.k.example.com",
            "i.j.k.example.com",
            "j.k.example.com",
            "k.example.com",
            "example.com",
            "com",
        ],
        finds=["example.com"],
        organization="example.com",
    ),
    Case(
        id="one label longer is counted on the path to the start, not from the name asked before",
        section="C.3",
        start="x.y.a.b.c.d.e.f.g.com",
        zone={"b.c.d.e.f.g.com": PSD_Y},
        asks=["x.y.a.b.c.d.e.f.g.com", "b.c.d.e.f.g.com"],
        finds=["b.c.d.e.f.g.com"],
        organization="a.b.c.d.e.f.g.com",
    ),
    Case(
        id="several records at one name are discarded and the walk goes on",
        section="C.1.6",
        start="a.example.com",
        zone={"a.example.com": TWO, "example.com": PLAIN},
        asks=["a.example.com", "example.com", "com"],
        finds=["example.com"],
        organization="example.com",
    ),
    Case(
        id="other text beside one record does no harm",
        section="C.1.2, H.5 D1",
        start="example.com",
        zone={"example.com": found(b"v=spf1 -all", b"v=DMARC1; p=none; psd=n", b"v=dmarc1; p=reject", b"\0\xff")},
        asks=["example.com"],
        finds=["example.com"],
        organization="example.com",
    ),
    Case(
        id="other text alone is no record",
        section="C.1.2, H.5 D1",
        start="example.com",
        zone={"example.com": found(b"v=spf1 -all"), "com": found(b"wildcard")},
        asks=["example.com", "com"],
        finds=[],
        organization="example.com",
    ),
    Case(
        id="a record with an unusable policy is a record of the walk",
        section="C.1.8",
        start="a.example.com",
        zone={"a.example.com": found(b"v=DMARC1; p=bogus"), "example.com": found(b"v=DMARC1; p=a; p=b; psd=n")},
        asks=["a.example.com", "example.com"],
        finds=["a.example.com", "example.com"],
        organization="example.com",
    ),
    Case(
        id="NXDOMAIN and NODATA hold no record, and the walk goes on",
        section="C.3",
        start="a.b.example",
        zone={"a.b.example": NXDOMAIN, "b.example": NODATA, "example": PSD_Y},
        asks=["a.b.example", "b.example", "example"],
        finds=["example"],
        organization="b.example",
    ),
    Case(
        id="a failed query leaves the organization open and the walk goes on",
        section="C.7.1",
        start="a.example.com",
        zone={"a.example.com": SERVFAIL, "example.com": PLAIN},
        asks=["a.example.com", "example.com", "com"],
        finds=["example.com"],
        organization=None,
    ),
    Case(
        id="a failed query above does too",
        section="C.7.1",
        start="a.example.com",
        zone={"example.com": PLAIN, "com": SERVFAIL},
        asks=["a.example.com", "example.com", "com"],
        finds=["example.com"],
        organization=None,
    ),
    Case(
        id="a failed query at a single label that is the start changes nothing",
        section="C.7.1",
        start="com",
        zone={"com": SERVFAIL},
        asks=["com"],
        finds=[],
        organization="com",
    ),
    Case(
        id="nothing is asked above a record that ends the walk, so nothing can fail there",
        section="C.3",
        start="a.example.com",
        zone={"example.com": PSD_N, "com": SERVFAIL},
        asks=["a.example.com", "example.com"],
        finds=["example.com"],
        organization="example.com",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.id} ({case.section})")
def test_a_walk(case: Case) -> None:
    the_walker, resolver = walker(case.zone)
    start = Domain.parse(case.start)
    walk = the_walker.walk(start)
    assert asked(resolver) == case.asks
    assert [name.name for name, _ in walk.found] == case.finds
    organization = the_walker.organizational_domain(start)
    if case.organization is None:
        assert isinstance(organization, Unavailable)
        assert organization.why.endswith("SERVFAIL")
    else:
        assert organization == Domain.parse(case.organization)
        assert walk.likely_organizational_domain == organization
    assert asked(resolver) == case.asks, "the organizational domain of a walk that was made costs nothing"


def test_a_name_too_long_to_be_asked_holds_no_record_and_the_walk_goes_on() -> None:
    long = ".".join(["x" * 61, "y" * 61, "z" * 61, "a" * 50, "example.com"])
    the_walker, resolver = walker({"example.com": PSD_N})
    assert 253 - 7 < len(long) <= 253
    assert the_walker.organizational_domain(Domain.parse(long)) == Domain.parse("example.com")
    assert len(resolver.asked) == 4
    assert not the_walker.walk(Domain.parse(long)).failures
    names = walk_names(Domain.parse(long))
    assert len(names) == 5
    assert names[0].startswith(b"_dmarc.yy")


@pytest.mark.parametrize(("octets", "asks"), [(246, 1), (247, 0)])
def test_a_name_that_just_fits_with_its_prefix_is_asked(octets: int, asks: int) -> None:
    name = Domain.parse(".".join(["x" * 62, "y" * 62, "z" * 62, "a" * (octets - 189)]))
    the_walker, resolver = walker({})
    the_walker.records(name)
    assert (len(name.name), len(resolver.asked)) == (octets, asks)


def test_a_name_of_127_labels_costs_eight_queries() -> None:
    name = Domain.parse(".".join("a" * 123))
    the_walker, resolver = walker({})
    the_walker.walk(name)
    assert len(resolver.asked) == MAX_WALK_QUERIES
    longest = Domain.parse(".".join("a" * 127))
    the_walker.walk(longest)
    assert len(resolver.asked) == MAX_WALK_QUERIES, "the longest cannot be asked for and the others are known"


def test_each_name_is_asked_once_for_all_walks_of_a_message() -> None:
    the_walker, resolver = walker({"example.com": PLAIN, "com": SERVFAIL})
    for start in ("a.example.com", "b.example.com", "a.example.com", "example.com"):
        the_walker.walk(Domain.parse(start))
        the_walker.records(Domain.parse(start))
    assert asked(resolver) == ["a.example.com", "example.com", "com", "b.example.com"]


def test_each_name_of_each_walk_is_traced_once() -> None:
    the_walker, _ = walker({"a.example.com": TWO, "example.com": PLAIN, "com": SERVFAIL, "b.example.com": PSD_N})
    a, b, example, com = (Domain.parse(name) for name in ("a.example.com", "b.example.com", "example.com", "com"))
    the_walker.record(a)
    the_walker.walk(a)
    the_walker.walk(a)
    the_walker.walk(example)
    the_walker.walk(b)
    assert list(the_walker.trace) == [
        WalkStep(a, a, "2 records, discarded"),
        WalkStep(a, example, "record, psd=u"),
        WalkStep(a, com, "nothing known: SERVFAIL"),
        WalkStep(example, example, "record, psd=u"),
        WalkStep(example, com, "nothing known: SERVFAIL"),
        WalkStep(b, b, "record, psd=n"),
    ]


def test_records_gives_all_of_them() -> None:
    the_walker, _ = walker({"a.example": TWO, "b.example": SERVFAIL})
    records = the_walker.records(Domain.parse("a.example"))
    assert not isinstance(records, Unavailable)
    assert len(records) == 2
    assert the_walker.records(Domain.parse("b.example")) == SERVFAIL
    assert the_walker.records(Domain.parse("c.example")) == ()


def test_a_walk_is_known_after_it_was_made() -> None:
    the_walker, _ = walker({})
    start = Domain.parse("a.example")
    assert not the_walker.has_walked(start)
    the_walker.record(start)
    assert not the_walker.has_walked(start)
    the_walker.walk(start)
    assert the_walker.has_walked(start)


def test_the_same_unknown_record_holds_for_both_walks() -> None:
    """Whatever stands at com, two names below one record of example.com have the same organization."""
    the_walker, _ = walker({"example.com": PLAIN, "com": SERVFAIL})
    pairs = the_walker.organizations(Domain.parse("a.example.com"), Domain.parse("b.example.com"))
    assert pairs == {(Domain.parse(name), Domain.parse(name)) for name in ("example.com", "com")}
