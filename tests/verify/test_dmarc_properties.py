"""Properties of DMARC against a plain evaluation written out again (standards C.1.8, C.3, C.4, C.5, C.7.1).

The reference knows no failed query. A failed query stands for every record that it may hide: where all of them lead
to one outcome, that is the outcome, and where they do not it is temperror.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.answers import Answer
from assay.domain import Domain
from assay.results import DkimResult, DkimValue, DmarcValue, Requested, SpfResult, SpfValue
from assay.verify.options import DmarcOptions
from support.dict_resolver import NODATA, NXDOMAIN, SERVFAIL, found
from support.dmarc_world import NO_SPF, Evaluation, Suffixes, dkim, evaluate, spf

PASS, FAIL, TEMPERROR = DmarcValue.PASS, DmarcValue.FAIL, DmarcValue.TEMPERROR
ORDER = [None, "none", "quarantine", "reject"]


@dataclass(frozen=True)
class Rec:
    """A record in plain words; ``broken`` is what makes its policy unusable."""

    psd: str = "u"
    p: str | None = "none"
    sp: str | None = None
    np: str | None = None
    t: bool = False
    adkim: str = "r"
    aspf: str = "r"
    broken: bool = False
    rua: bool = False

    def answer(self) -> Answer:
        tags = [f"psd={self.psd}", f"t={'y' if self.t else 'n'}", f"adkim={self.adkim}", f"aspf={self.aspf}"]
        tags += [f"{name}={value}" for name, value in (("p", self.p), ("sp", self.sp), ("np", self.np)) if value]
        tags += ["adkim=r"] * self.broken + ["rua=mailto:r@example.com"] * self.rua
        return found("; ".join(["v=DMARC1", *tags]).encode())


World = Mapping[str, Rec | None]
HIDDEN = [None, *(Rec(psd, p, adkim=mode, aspf=mode) for psd in "yun" for p, mode in (("none", "r"), ("reject", "s")))]


def suffix(name: str, count: int) -> str:
    return ".".join(name.split(".")[-count:])


def walk(start: str, world: World) -> list[tuple[str, Rec]]:
    result: list[tuple[str, Rec]] = []
    name, n = start, len(start.split("."))
    while True:
        record = world.get(name)
        if record is not None:
            result.append((name, record))
            if record.psd in {"y", "n"}:
                break
        if n == 1:
            break
        n = 7 if n >= 8 else n - 1
        name = suffix(start, n)
    return result


def registered(start: str, suffixes: frozenset[str]) -> str:
    """Give what the list of public suffixes calls the organizational domain; a single label is always a suffix."""
    longest = max(count for count in range(1, 9) if count == 1 or suffix(start, count) in suffixes)
    return suffix(start, longest + 1)


def organization(start: str, world: World, guard: frozenset[str] | None) -> str:
    seen = walk(start, world)
    for name, record in seen:
        if record.psd == "n":
            return name
        if record.psd == "y" and name != start:
            return suffix(start, len(name.split(".")) + 1)
    if not seen:
        return start
    last, record = seen[-1]
    suffixes = {name for name in guard or () if name.count(".") < 8} | {last.rpartition(".")[2]}
    guarded = guard is not None and record.psd == "u" and last in suffixes
    if not guarded:
        return last
    by_list = registered(start, guard or frozenset())
    # What longer names jump over must not be anybody's by the list alone.
    return by_list if by_list.count(".") < 7 else start


def reference(mail: "Mail", world: World) -> tuple[DmarcValue, str | None]:
    author = mail.author
    seen = dict(walk(author, world))
    # The guard is about alignment, not about which record applies.
    domain = next((name for name in (author, organization(author, world, None)) if name in seen), None)
    if domain is None:
        domain = next((name for name, record in seen.items() if record.psd == "y"), None)
    if domain is None:
        return DmarcValue.NONE, None
    record = seen[domain]
    if record.broken or record.p is None:
        if not record.rua:
            return (DmarcValue.PERMERROR if record.broken else DmarcValue.NONE), None
        requested = "none"
    elif domain == author:
        requested = record.p
    else:
        requested = record.sp or record.p if mail.exists else record.np or record.sp or record.p
    if record.t:
        requested = {"reject": "quarantine"}.get(requested, "none")
    identifiers = [(record.adkim, name) for name in mail.dkim]
    if mail.spf is not None:
        identifiers.append((record.aspf, mail.spf))
    own = organization(author, world, mail.guard)
    aligned = any(
        name == author if mode == "s" else organization(name, world, mail.guard) == own for mode, name in identifiers
    )
    return (PASS if aligned else FAIL), requested


LABELS = st.lists(st.sampled_from("ab"), max_size=9)
POLICY = st.sampled_from(["none", "quarantine", "reject"])
MODE = st.sampled_from("rrs")
PSD = st.sampled_from("uuuyn")
MAYBE = POLICY | st.none()
SOUND = st.builds(Rec, psd=PSD, p=POLICY, sp=MAYBE, np=MAYBE, t=st.booleans(), adkim=MODE, aspf=MODE)
ANY = SOUND | st.builds(Rec, psd=PSD, p=MAYBE, sp=MAYBE, broken=st.booleans(), rua=st.booleans())


@dataclass(frozen=True)
class Mail:
    """A message and its zone: records and names whose query fails; the suffixes that the guard knows, if it is on."""

    author: str
    spf: str | None
    dkim: list[str]
    records: dict[str, Rec]
    failing: frozenset[str]
    exists: bool
    guard: frozenset[str] | None

    def evaluate(self) -> Evaluation:
        the_spf, signatures = self.results
        return evaluate(
            [self.author],
            self.policies,
            spf=the_spf,
            dkim=signatures,
            addresses=self.addresses,
            options=self.options,
        )

    @property
    def options(self) -> DmarcOptions:
        return DmarcOptions(public_suffix_guard=self.guard is not None, suffixes=Suffixes(*(self.guard or ())))

    @property
    def policies(self) -> dict[str, Answer]:
        return {name: record.answer() for name, record in self.records.items()} | dict.fromkeys(self.failing, SERVFAIL)

    @property
    def results(self) -> tuple[SpfResult, list[DkimResult]]:
        return (spf(self.spf) if self.spf else NO_SPF), [dkim(name) for name in self.dkim]

    @property
    def addresses(self) -> dict[str, Answer]:
        return {self.author: NODATA if self.exists else NXDOMAIN}

    def worlds(self) -> Iterator[World]:
        for hidden in product(HIDDEN, repeat=len(self.failing)):
            yield self.records | dict(zip(sorted(self.failing), hidden, strict=True))

    def outcomes(self) -> set[tuple[DmarcValue, str | None]]:
        return {reference(self, world) for world in self.worlds()}


@st.composite
def mails(draw: st.DrawFn, *, records: st.SearchStrategy[Rec], failures: int) -> Mail:
    """Give names of one family, so that they often are aligned, and a zone on the way to them."""
    tail = [*draw(LABELS), draw(st.sampled_from("cd"))]
    names = [".".join([*draw(st.lists(st.sampled_from("ab"), max_size=2)), *tail]) for _ in range(4)]
    names.append(".".join([*draw(LABELS), "c"]))
    suffixes = sorted({suffix(name, count + 1) for name in names for count in range(len(name.split(".")))})
    author = names[0]
    return Mail(
        author=author,
        spf=draw(st.sampled_from([None, *names])),
        dkim=draw(st.lists(st.sampled_from(names), max_size=3)),
        records=draw(st.dictionaries(st.sampled_from([author, *suffixes]), records, max_size=5)),
        failing=draw(st.frozensets(st.sampled_from(suffixes), max_size=failures)),
        exists=draw(st.booleans()),
        guard=draw(st.none() | st.frozensets(st.sampled_from(suffixes), max_size=4)),
    )


@given(mails(records=ANY, failures=0))
def test_the_result_is_that_of_the_plain_evaluation(mail: Mail) -> None:
    result = mail.evaluate().result
    assert {(result.value, result.requested)} == mail.outcomes()
    if result.organizational_domain is not None:
        assert result.organizational_domain.name == organization(mail.author, mail.records, mail.guard)


@given(mails(records=SOUND, failures=2))
def test_temperror_comes_exactly_where_a_failed_query_could_change_the_outcome(mail: Mail) -> None:
    result = mail.evaluate().result
    # What a pass asks for decides nothing, what a fail asks for decides all.
    possible = {(value, requested if value is FAIL else None) for value, requested in mail.outcomes()}
    if len(possible) == 1:
        assert (result.value, result.requested if result.value is FAIL else None) == possible.pop()
    else:
        assert result.value is TEMPERROR


@given(mails(records=ANY, failures=3))
def test_bounds_hold_for_every_zone(mail: Mail) -> None:
    evaluation = mail.evaluate()
    result = evaluation.result
    assert len(evaluation.asks) == len(set(evaluation.asks)) <= 8 * (1 + len({mail.spf, *mail.dkim}))
    assert len(evaluation.asks_existence) <= 1
    assert (result.value is PASS) == bool(result.aligned)
    published = [ORDER.index(each) for record in mail.records.values() for each in (record.p, record.sp, record.np)]
    # A record that names no policy can stand for none.
    assert ORDER.index(result.requested) <= max([1, *published] if mail.records else [0])
    for identifier in result.aligned:
        assert identifier.domain.name in {mail.spf, *mail.dkim}


@given(
    mails(records=ANY, failures=0),
    LABELS,
    st.sampled_from(["c", "d", "e"]),
    st.sampled_from([SERVFAIL, Rec(psd="y").answer(), Rec().answer(), found(b"\xff"), NODATA]),
    st.sampled_from([SpfValue.PASS, SpfValue.TEMPERROR, DkimValue.PASS, DkimValue.TEMPERROR]),
)
def test_an_identifier_outside_of_the_organization_changes_nothing(
    mail: Mail, labels: list[str], top: str, answer: Answer, value: SpfValue | DkimValue
) -> None:
    stranger = ".".join([*labels, top])
    own = organization(mail.author, mail.records, mail.guard)
    if stranger == own or stranger.endswith("." + own):
        stranger += ".elsewhere"
    known = {suffix(name, count + 1) for name in (mail.author, mail.spf or "", *mail.dkim) for count in range(20)}
    policies = {suffix(stranger, count + 1): answer for count in range(9)}
    policies = {name: each for name, each in policies.items() if name not in known} | mail.policies
    the_spf, signatures = NO_SPF, mail.results[1]
    world = partial(evaluate, [mail.author], policies, addresses=mail.addresses, options=mail.options)
    before = world(dkim=signatures).result
    if isinstance(value, SpfValue):
        the_spf = spf(stranger, value)
    else:
        signatures = [dkim(stranger, value), *signatures]
    after = world(spf=the_spf, dkim=signatures).result
    assert (after.value, after.requested, after.aligned, after.reason) == (
        before.value,
        before.requested,
        before.aligned,
        before.reason,
    )


@given(st.lists(st.binary(max_size=40).map(lambda tail: b"v=DMARC1;" + tail) | st.binary(max_size=40), min_size=1))
def test_octets_in_the_dns_never_raise(records: list[bytes]) -> None:
    answer = found(*records)
    result = evaluate(["a.example"], {"a.example": answer, "example": answer}, dkim=[dkim("b.example")]).result
    assert result.reason.isprintable()
    assert result.author_domain == Domain.parse("a.example")


@pytest.mark.parametrize("count", [2, 3, 8, 127])
def test_a_resolver_that_answers_nothing_is_temperror_whatever_the_name(count: int) -> None:
    author = ".".join(["a"] * count)
    dead = {suffix(author, each + 1): SERVFAIL for each in range(count)}
    evaluation = evaluate([author], dead, dkim=[dkim(author)])
    assert evaluation.result.value is TEMPERROR
    assert evaluation.result.requested is None
    assert len(evaluation.asks) <= 8


def test_a_request_is_one_of_three_words() -> None:
    assert [each.value for each in Requested] == ORDER[1:]
