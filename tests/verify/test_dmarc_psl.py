"""DMARC with ``organizational_domain = "psl"``: RFC 7489's search, a plain transcription of it included (C.5)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.answers import Answer
from assay.domain import Domain
from assay.facts import HeaderField
from assay.results import Discovery, DmarcValue, Requested, SpfValue
from assay.trace import LookupStep, OrganizationStep
from assay.verify.demands import policy_names
from assay.verify.dmarc import record_names
from assay.verify.options import DmarcOptions
from assay.verify.suffixes import organization_of
from support.dict_resolver import NXDOMAIN, SERVFAIL, found
from support.dmarc_world import NO_SPF, Case, Suffixes, dkim, evaluate, policy, spf

NONE, PASS, FAIL = DmarcValue.NONE, DmarcValue.PASS, DmarcValue.FAIL
TEMPERROR, PERMERROR = DmarcValue.TEMPERROR, DmarcValue.PERMERROR
P_NONE, QUARANTINE, REJECT = Requested.NONE, Requested.QUARANTINE, Requested.REJECT

PSL = DmarcOptions(organizational_domain=Discovery.PSL, suffixes=Suffixes("com", "co.example", "a.b.example"))
TWO = found(b"v=DMARC1; p=reject", b"v=DMARC1; p=none")
LONG = ".".join(["a" * 60] * 4 + ["com"])

DISCOVERY = [
    Case(
        id="the author domain's own record applies, and nothing else is asked",
        section="RFC 7489 6.6.3 step 1",
        author="mail.shop.co.example",
        policies={"mail.shop.co.example": policy("p=quarantine"), "shop.co.example": policy("p=reject")},
        dkim=(dkim("b.shop.co.example"),),
        value=PASS,
        requested=QUARANTINE,
        policy_domain="mail.shop.co.example",
        organization="shop.co.example",
        aligned=("dkim b.shop.co.example",),
        asks=["mail.shop.co.example"],
        options=PSL,
    ),
    Case(
        id="else that of the organizational domain: its sp, and no name between or above is asked",
        section="RFC 7489 6.6.3 step 3",
        author="a.b.shop.co.example",
        policies={
            "b.shop.co.example": policy("p=none"),
            "shop.co.example": policy("p=reject; sp=quarantine"),
            "co.example": policy("p=none; psd=y"),
        },
        value=FAIL,
        requested=QUARANTINE,
        policy_domain="shop.co.example",
        organization="shop.co.example",
        asks=["a.b.shop.co.example", "shop.co.example"],
        options=PSL,
    ),
    Case(
        id="the record of a public suffix is nobody else's",
        section="RFC 7489 6.6.3 step 5",
        author="shop.co.example",
        policies={"co.example": policy("p=reject; psd=y")},
        dkim=(dkim("shop.co.example"),),
        value=NONE,
        organization="shop.co.example",
        asks=["shop.co.example"],
        options=PSL,
    ),
    Case(
        id="the longest suffix counts, whatever its tail is",
        section="RFC 7489 3.2 step 3",
        author="y.x.a.b.example",
        policies={"x.a.b.example": policy("p=reject"), "b.example": policy("p=none")},
        dkim=(dkim("x.a.b.example"), dkim("z.a.b.example")),
        value=PASS,
        requested=REJECT,
        policy_domain="x.a.b.example",
        organization="x.a.b.example",
        aligned=("dkim x.a.b.example",),
        options=PSL,
    ),
    Case(
        id="under a top-level domain that no list knows it is one label more",
        section="C.5",
        author="mail.shop.unknown",
        policies={"shop.unknown": policy("p=reject")},
        spf=spf("bounce.shop.unknown"),
        value=PASS,
        requested=REJECT,
        policy_domain="shop.unknown",
        organization="shop.unknown",
        aligned=("spf bounce.shop.unknown",),
        options=PSL,
    ),
    Case(
        id="a public suffix as author domain is its own organization, and whoever registers below it is not aligned",
        section="C.5",
        author="co.example",
        policies={"co.example": policy("p=reject"), "example": policy("p=none")},
        dkim=(dkim("shop.co.example"),),
        value=FAIL,
        requested=REJECT,
        policy_domain="co.example",
        organization="co.example",
        asks=["co.example"],
        options=PSL,
    ),
    Case(
        id="several records at the author domain end the search",
        section="RFC 7489 6.6.3 step 5, C.5",
        author="mail.shop.com",
        policies={"mail.shop.com": TWO, "shop.com": policy("p=reject")},
        dkim=(dkim("mail.shop.com"),),
        value=NONE,
        organization="shop.com",
        asks=["mail.shop.com"],
        options=PSL,
    ),
    Case(
        id="several records at the organizational domain do too",
        section="RFC 7489 6.6.3 step 5, C.5",
        author="mail.shop.com",
        policies={"shop.com": TWO},
        value=NONE,
        organization="shop.com",
        options=PSL,
    ),
    Case(
        id="of several TXT records the one that is a policy record counts",
        section="RFC 7489 6.6.3 step 2",
        author="shop.com",
        policies={"shop.com": found(b"v=spf1 -all", b"v=DMARC1; p=reject", b"v=DMARC2; p=none")},
        value=FAIL,
        requested=REJECT,
        policy_domain="shop.com",
        organization="shop.com",
        options=PSL,
    ),
    Case(
        id="psd says nothing where the list says it",
        section="C.5",
        author="giant.bank.example",
        policies={"giant.bank.example": policy("p=reject; psd=n"), "bank.example": policy("p=none; psd=y")},
        dkim=(dkim("mega.bank.example"),),
        value=PASS,
        requested=REJECT,
        policy_domain="giant.bank.example",
        organization="bank.example",
        aligned=("dkim mega.bank.example",),
        asks=["giant.bank.example"],
        options=PSL,
    ),
    Case(
        id="np and t hold as ever: their owner means them",
        section="C.5 (local choice)",
        author="invented.shop.com",
        policies={"shop.com": policy("p=none; np=reject; t=y")},
        addresses={"invented.shop.com": NXDOMAIN},
        value=FAIL,
        requested=QUARANTINE,
        policy_domain="shop.com",
        organization="shop.com",
        asks_existence=["invented.shop.com"],
        options=PSL,
    ),
    Case(
        id="strict alignment is equality",
        section="RFC 7489 3.1.1",
        author="shop.com",
        policies={"shop.com": policy("p=reject; adkim=s")},
        dkim=(dkim("mail.shop.com"),),
        value=FAIL,
        requested=REJECT,
        policy_domain="shop.com",
        organization="shop.com",
        options=PSL,
    ),
    Case(
        id="a record without a usable p is none if it asks for reports",
        section="RFC 7489 6.6.3 step 6",
        author="shop.com",
        policies={"shop.com": policy("p=bogus; rua=mailto:a@shop.com")},
        value=FAIL,
        requested=P_NONE,
        policy_domain="shop.com",
        organization="shop.com",
        options=PSL,
    ),
    Case(
        id="a name too long to be asked for holds no record",
        section="C.3",
        author=f"bb.{LONG}",
        policies={f"{'a' * 60}.com": policy("p=reject")},
        value=FAIL,
        requested=REJECT,
        policy_domain=f"{'a' * 60}.com",
        organization=f"{'a' * 60}.com",
        asks=[f"{'a' * 60}.com"],
        options=PSL,
    ),
]

FAILURES = [
    Case(
        id="where the author domain's query fails the organizational domain tells what the owner may ask for",
        section="C.7.1",
        author="mail.shop.com",
        policies={"mail.shop.com": SERVFAIL, "shop.com": policy("p=reject")},
        dkim=(dkim("shop.com"),),
        value=TEMPERROR,
        requested=REJECT,
        policy_domain="shop.com",
        organization="shop.com",
        asks=["mail.shop.com", "shop.com"],
        options=PSL,
    ),
    Case(
        id="what equals the author domain is aligned whatever a failed query hides",
        section="C.7.1",
        author="mail.shop.com",
        policies={"mail.shop.com": SERVFAIL, "shop.com": policy("p=reject")},
        dkim=(dkim("mail.shop.com"),),
        value=PASS,
        requested=REJECT,
        policy_domain="shop.com",
        organization="shop.com",
        aligned=("dkim mail.shop.com",),
        options=PSL,
    ),
    Case(
        id="where the organizational domain's query fails nothing is known",
        section="C.7.1",
        author="mail.shop.com",
        policies={"shop.com": SERVFAIL},
        value=TEMPERROR,
        organization="shop.com",
        options=PSL,
    ),
    Case(
        id="a failed query may hide a record where several others end the search",
        section="C.7.1",
        author="mail.shop.com",
        policies={"mail.shop.com": SERVFAIL, "shop.com": TWO},
        value=TEMPERROR,
        organization="shop.com",
        options=PSL,
    ),
    Case(
        id="alignment asks nothing, so that a signer's dead zone changes nothing",
        section="C.4.2, C.7.1",
        author="shop.com",
        policies={"shop.com": policy("p=reject"), "dead.shop.com": SERVFAIL, "evil.com": SERVFAIL},
        spf=spf("dead.evil.com", SpfValue.TEMPERROR),
        dkim=(dkim("evil.com"),),
        value=FAIL,
        requested=REJECT,
        policy_domain="shop.com",
        organization="shop.com",
        asks=["shop.com"],
        options=PSL,
    ),
]


@pytest.mark.parametrize("case", [*DISCOVERY, *FAILURES], ids=lambda case: f"{case.section}: {case.id}")
def test_psl(case: Case) -> None:
    evaluation = case.evaluate()
    assert case.outcome(evaluation) == case.expected()


def test_where_both_queries_fail_the_first_is_named() -> None:
    result = evaluate("mail.shop.com", {"mail.shop.com": SERVFAIL, "shop.com": SERVFAIL}, options=PSL).result
    assert result.value is TEMPERROR
    assert result.reason == "the policy record could not be looked for at mail.shop.com: SERVFAIL"


def test_an_organizational_domain_as_author_domain_is_looked_at_once() -> None:
    evaluation = evaluate("shop.com", {}, options=PSL)
    assert [step.name.name for step in evaluation.trace if isinstance(step, LookupStep)] == ["shop.com"]
    assert record_names([Domain.parse("shop.com")], PSL) == (b"_dmarc.shop.com",)


def test_the_trace_says_where_a_record_was_looked_for_and_whose_organization_is_which() -> None:
    records = {"mail.shop.com": SERVFAIL, "shop.com": TWO}
    steps = [*evaluate("mail.shop.com", records, options=PSL).trace]
    assert [(step.name.name, step.outcome) for step in steps if isinstance(step, LookupStep)] == [
        ("mail.shop.com", "nothing known: SERVFAIL"),
        ("shop.com", "2 records, which end the search"),
    ]
    steps = [*evaluate("mail.shop.com", {"shop.com": policy("p=none")}, dkim=[dkim("b.shop.com")], options=PSL).trace]
    assert [step.outcome for step in steps if isinstance(step, LookupStep)] == ["no record", "record"]
    assert [
        (step.domain.name, step.organizational_domain.name, step.reason)
        for step in steps
        if isinstance(step, OrganizationStep)
    ] == [(name, "shop.com", "by the list of public suffixes") for name in ("mail.shop.com", "b.shop.com")]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (DmarcOptions(), ["a.b.c.com", "b.c.com", "c.com", "com"]),
        (PSL, ["a.b.c.com", "c.com"]),
        (DmarcOptions(shadow=True), ["a.b.c.com", "b.c.com", "c.com", "com"]),
        (
            DmarcOptions(organizational_domain=Discovery.PSL, shadow=True),
            ["a.b.c.com", "c.com", "b.c.com", "com"],
        ),
    ],
    ids=["tree walk", "list", "tree walk with the list as shadow", "list with the tree walk as shadow"],
)
def test_names_to_prefetch(options: DmarcOptions, names: list[str]) -> None:
    asked = record_names([Domain.parse("a.b.c.com")], options)
    assert [name.decode().removeprefix("_dmarc.") for name in asked] == names


def test_names_to_prefetch_are_those_of_every_author_domain() -> None:
    headers = [HeaderField(b"From", b" a@mail.a.com, b@b.com")]
    assert policy_names(headers, PSL, smtputf8=False) == (b"_dmarc.mail.a.com", b"_dmarc.a.com", b"_dmarc.b.com")


def test_what_only_the_shadow_asks_comes_after_what_the_verdict_needs() -> None:
    options = DmarcOptions(organizational_domain=Discovery.PSL, shadow=True)
    asked = record_names([Domain.parse("a.com"), Domain.parse("b.net")], options)
    assert asked == (b"_dmarc.a.com", b"_dmarc.b.net", b"_dmarc.com", b"_dmarc.net")


def test_a_name_that_cannot_be_asked_for_is_not_prefetched() -> None:
    assert record_names([Domain.parse(f"bb.{LONG}")], PSL) == (b"_dmarc." + b"a" * 60 + b".com",)


# RFC 7489 transcribed, without wit. A zone holds, for each name, the records at its _dmarc name: tags by tag name.

Record = Mapping[str, str]
Zone = Mapping[str, tuple[Record, ...]]
Outcome = tuple[DmarcValue, str | None]


def reference_organization(name: str, suffixes: frozenset[str]) -> str:
    """RFC 7489 3.2, steps 2 to 4; a top-level domain is always on the list."""
    labels = name.split(".")
    labels.reverse()
    x = 0
    for count in range(1, len(labels) + 1):
        candidate = ".".join(reversed(labels[:count]))
        if count == 1 or candidate in suffixes:
            x = count
    return ".".join(reversed(labels[: x + 1]))


@dataclass(frozen=True)
class Mail:
    author: str
    spf: str | None
    dkim: list[str]
    zone: Zone
    failing: frozenset[str]
    suffixes: frozenset[str]

    @property
    def policies(self) -> dict[str, Answer]:
        answers: dict[str, Answer] = {name: found(*map(text, records)) for name, records in self.zone.items()}
        return answers | dict.fromkeys(self.failing, SERVFAIL)

    def worlds(self) -> Iterator[Zone]:
        for hidden in product(HIDDEN, repeat=len(self.failing)):
            yield {**self.zone, **dict(zip(sorted(self.failing), hidden, strict=True))}

    def organization(self, name: str) -> str:
        return reference_organization(name, self.suffixes)

    def evaluate(self) -> Outcome:
        result = evaluate(
            self.author,
            self.policies,
            spf=spf(self.spf) if self.spf else NO_SPF,
            dkim=[dkim(name) for name in self.dkim],
            options=DmarcOptions(organizational_domain=Discovery.PSL, suffixes=Suffixes(*self.suffixes)),
        ).result
        assert result.organizational_domain == Domain(self.organization(self.author))
        return result.value, result.requested

    def reference(self, zone: Zone) -> Outcome:
        """RFC 7489 6.6.3, 6.6.2 and 3.1."""
        found_at = self.author
        records = zone.get(self.author, ())
        if not records:
            found_at = self.organization(self.author)
            records = zone.get(found_at, ())
        if len(records) != 1:
            return NONE, None
        (record,) = records
        words = {"none", "quarantine", "reject"}
        requested = record.get("p", "none") if found_at == self.author else record.get("sp", record.get("p", "none"))
        if record.get("p") not in words or record.get("sp", "none") not in words:
            if "rua" not in record:
                # Where a policy cannot be read RFC 9989's registry has a word for it; an absent p is none (C.1.8).
                broken = "p" in record or ("sp" in record and record["sp"] not in words)
                return (PERMERROR if broken else NONE), None
            requested = "none"
        aligned = [
            identifier == self.author
            or (record.get(mode, "r") == "r" and self.organization(identifier) == self.organization(self.author))
            for mode, identifier in [("aspf", self.spf), *(("adkim", name) for name in self.dkim)]
            if identifier is not None
        ]
        return (PASS if any(aligned) else FAIL), requested


def text(record: Record) -> bytes:
    return "; ".join(["v=DMARC1", *(f"{tag}={value}" for tag, value in record.items())]).encode()


HIDDEN: list[tuple[Record, ...]] = [
    (),
    *(({"p": p, "adkim": mode, "aspf": mode},) for p, mode in (("none", "r"), ("reject", "s"))),
]
POLICY = st.sampled_from(["none", "quarantine", "reject"])
MODE = st.sampled_from("rs")
SOUND = st.fixed_dictionaries(
    {"p": POLICY}, optional={"sp": POLICY, "adkim": MODE, "aspf": MODE, "psd": st.sampled_from("yun")}
)
ANY = SOUND | st.fixed_dictionaries(
    {},
    optional={
        "p": st.sampled_from(["none", "reject", "bogus"]),
        "sp": st.sampled_from(["none", "reject", "bogus"]),
        "rua": st.just("mailto:r@c.example"),
        "adkim": MODE,
    },
)


@st.composite
def mails(draw: st.DrawFn, *, records: st.SearchStrategy[Record], most: int, failures: int) -> Mail:
    tail = [*draw(st.lists(st.sampled_from("ab"), max_size=9)), "c"]
    names = [".".join([*draw(st.lists(st.sampled_from("ab"), max_size=2)), *tail]) for _ in range(4)]
    suffixes = sorted({".".join(name.split(".")[at:]) for name in names for at in range(name.count(".") + 1)})
    listed = draw(st.frozensets(st.sampled_from([name for name in suffixes if name.count(".") < 8]), max_size=3))
    places = [names[0], reference_organization(names[0], listed), *suffixes]
    sets = st.lists(records, min_size=1, max_size=most).map(lambda drawn: cast("tuple[Record, ...]", tuple(drawn)))
    return Mail(
        author=names[0],
        spf=draw(st.sampled_from([None, *names])),
        dkim=draw(st.lists(st.sampled_from(names), max_size=3)),
        zone=draw(st.dictionaries(st.sampled_from(places), sets, max_size=4)),
        failing=draw(st.frozensets(st.sampled_from(places), max_size=failures)),
        suffixes=listed,
    )


@given(mails(records=ANY, most=2, failures=0))
def test_the_result_is_that_of_rfc_7489(mail: Mail) -> None:
    assert mail.evaluate() == mail.reference(mail.zone)


@given(mails(records=SOUND, most=1, failures=2))
def test_temperror_comes_exactly_where_a_failed_query_could_change_the_outcome(mail: Mail) -> None:
    # What a pass asks for decides nothing, what a fail asks for decides all.
    possible = {
        (value, requested if value is FAIL else None) for value, requested in map(mail.reference, mail.worlds())
    }
    value, requested = mail.evaluate()
    if len(possible) == 1:
        assert (value, requested if value is FAIL else None) == possible.pop()
    else:
        assert value is TEMPERROR


@given(st.lists(st.sampled_from("ab"), max_size=20), st.frozensets(st.text("ab.", max_size=9)))
def test_the_organization_is_the_domain_or_an_ancestor_and_never_a_suffix_unless_the_domain_is(
    labels: list[str], listed: frozenset[str]
) -> None:
    domain = Domain.parse(".".join([*labels, "c"]))
    suffixes = Suffixes(*(f"{name}.c" for name in listed))
    organization = organization_of(domain, suffixes)
    assert domain.is_under(organization)
    if organization != domain:
        assert not suffixes.is_public_suffix(organization)
    assert organization_of(organization, suffixes) == organization
