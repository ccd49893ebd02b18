"""The tree walk compared with the pseudo-code of standards C.3, written out again without memory or wit."""

from collections.abc import Iterator, Mapping
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from assay.answers import Absent, Answer, Found, RRType, Unavailable
from assay.domain import Domain
from assay.limits import MAX_WALK_QUERIES
from assay.results import Psd
from assay.trace import Trace
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


LABELS = st.lists(st.sampled_from("ab"), min_size=1, max_size=10)
NAME = LABELS.map(lambda labels: ".".join([*labels, "c"]))
ANSWERS: st.SearchStrategy[Answer] = st.sampled_from(
    [PLAIN, PLAIN, PSD_Y, PSD_N, TWO, NXDOMAIN, NODATA, found(b"v=spf1 -all")]
)


@st.composite
def trees(draw: st.DrawFn, starts: int, failures: int) -> tuple[list[str], dict[str, Answer]]:
    """Give names that share a tail, and answers for some of their suffixes, of which some fail."""
    tail = draw(NAME)
    heads = draw(st.lists(st.lists(st.sampled_from("ab"), max_size=3), min_size=starts, max_size=starts))
    names = [".".join([*head, tail]) for head in heads]
    suffixes = sorted({".".join(name.split(".")[at:]) for name in names for at in range(len(name.split(".")))})
    zone: dict[str, Answer] = draw(st.dictionaries(st.sampled_from(suffixes), ANSWERS))
    zone |= draw(st.dictionaries(st.sampled_from(suffixes), st.just(SERVFAIL), max_size=failures))
    return names, zone


def reference_walk(start: str, psd_of: Mapping[str, str | None]) -> list[tuple[str, str]]:
    result: list[tuple[str, str]] = []
    name = start
    n = len(start.split("."))
    while True:
        psd = psd_of.get(name)
        if psd is not None:
            result.append((name, psd))
            if psd in {"y", "n"}:
                break
        if n == 1:
            break
        n = 7 if n >= 8 else n - 1
        name = ".".join(start.split(".")[-n:])
    return result


def reference_organization(start: str, walk: list[tuple[str, str]]) -> str:
    for name, psd in walk:
        if psd == "n":
            return name
        if psd == "y" and name != start:
            return ".".join(start.split(".")[-(len(name.split(".")) + 1) :])
    return walk[-1][0] if walk else start


def reference_psd(answer: Answer) -> str | None:
    if isinstance(answer, Absent) or not isinstance(answer, Found):
        return None
    records = [record for record in answer.records if isinstance(record, bytes) and record.startswith(b"v=DMARC1")]
    if len(records) != 1:
        return None
    return records[0].decode().partition("psd=")[2] or "u"


def worlds(zone: Mapping[str, Answer]) -> Iterator[dict[str, str | None]]:
    """Give every tree that the zone may stand for: a name whose query fails may hold anything."""
    failing = [name for name, answer in zone.items() if isinstance(answer, Unavailable)]
    base = {name: reference_psd(answer) for name, answer in zone.items()}
    for choice in product([None, *Psd], repeat=len(failing)):
        yield base | dict(zip(failing, choice, strict=True))


@given(trees(starts=1, failures=0))
def test_walk_and_organization_are_those_of_the_pseudo_code(tree: tuple[list[str], dict[str, Answer]]) -> None:
    (start,), zone = tree
    the_walker, resolver = walker(zone)
    walk = the_walker.walk(Domain.parse(start))
    (world,) = worlds(zone)
    expected = reference_walk(start, world)
    assert [(name.name, record.psd) for name, record in walk.found] == expected
    assert the_walker.organizational_domain(Domain.parse(start)) == Domain(reference_organization(start, expected))
    assert len(resolver.asked) == len(set(resolver.asked)) <= MAX_WALK_QUERIES
    names = walk_names(Domain.parse(start))
    assert tuple(resolver.names(RRType.TXT)) == names[: len(resolver.asked)]


@given(trees(starts=2, failures=4))
def test_organizations_are_those_of_every_tree_that_the_answers_allow(
    tree: tuple[list[str], dict[str, Answer]],
) -> None:
    (one, two), zone = tree
    the_walker, _ = walker(zone)
    expected = {
        tuple(Domain(reference_organization(start, reference_walk(start, world))) for start in (one, two))
        for world in worlds(zone)
    }
    assert the_walker.organizations(Domain(one), Domain(two)) == expected
    singles = {mine for mine, _ in expected}
    organization = the_walker.organizational_domain(Domain(one))
    assert isinstance(organization, Unavailable) == (len(singles) > 1)
    assert the_walker.walk(Domain(one)).likely_organizational_domain in singles


@given(NAME)
def test_names_to_prefetch_are_those_of_a_walk_without_records(name: str) -> None:
    the_walker, resolver = walker({})
    the_walker.walk(Domain.parse(name))
    assert walk_names(Domain.parse(name)) == tuple(resolver.names(RRType.TXT))
