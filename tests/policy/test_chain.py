"""The word of ARC sealers: whose counts, and for what (standards D.4, H.3 Q1 to Q4)."""

from dataclasses import dataclass, replace

import pytest

from assay.domain import Domain
from assay.policy.chain import MAX_COMMENT, chain_comment, vouched
from assay.policy.domain_policy import ArcTrust
from assay.policy.engine import decide_by
from assay.policy.model import Disposition, Override
from assay.policy.verdict import Skip
from assay.results import ArcResult
from assay.trace import Trace
from support.policy_cases import AUTHOR, DEFAULT, arc, arc_set, case, dmarc

TRUSTED = frozenset({Domain.parse("a.example"), Domain.parse("b.example")})
PASS = f" mx; dmarc=pass header.from={AUTHOR}"
FAIL = f" mx; dmarc=fail header.from={AUTHOR}"


@dataclass(frozen=True, kw_only=True)
class ChainCase:
    id: str
    chain: ArcResult
    instance: int | None
    section: str = "D.4.1"


CASES = [
    ChainCase(id="one set of a listed sealer", chain=arc("pass", arc_set(1, "a.example")), instance=1),
    ChainCase(
        id="a chain that fails is no chain", section="D.2", chain=arc("fail", arc_set(1, "a.example")), instance=None
    ),
    ChainCase(id="no chain", section="D.2", chain=arc("none", complete=False), instance=None),
    ChainCase(id="a pass without sets proves nothing", section="D.2", chain=arc("pass"), instance=None),
    ChainCase(
        id="the newest sealer must be listed",
        section="Q1",
        chain=arc("pass", arc_set(1, "a.example"), arc_set(2, "x.example")),
        instance=None,
    ),
    ChainCase(
        id="a subdomain of a listed sealer is another sealer",
        section="Q1",
        chain=arc("pass", arc_set(1, "x.a.example")),
        instance=None,
    ),
    ChainCase(
        id="the newest AMS must cover From",
        section="D.1.3",
        chain=arc("pass", arc_set(1, "a.example"), arc_set(2, "a.example", signs_from=False)),
        instance=None,
    ),
    ChainCase(
        id="an older AMS need not",
        section="D.1.3",
        chain=arc("pass", arc_set(1, "a.example", signs_from=False), arc_set(2, "a.example")),
        instance=1,
    ),
    ChainCase(
        id="the earliest of the listed run speaks, not the newest",
        chain=arc("pass", arc_set(1, "b.example", PASS), arc_set(2, "a.example", FAIL)),
        instance=1,
    ),
    ChainCase(
        id="what the earliest saw fail is not let in by a later pass",
        chain=arc("pass", arc_set(1, "b.example", FAIL), arc_set(2, "a.example", PASS)),
        instance=None,
    ),
    ChainCase(
        id="an unlisted sealer ends the run",
        section="Q1",
        chain=arc("pass", arc_set(1, "a.example", PASS), arc_set(2, "x.example", PASS), arc_set(3, "b.example", PASS)),
        instance=3,
    ),
    ChainCase(
        id="a listed sealer behind an unlisted one is not heard",
        section="Q1",
        chain=arc("pass", arc_set(1, "a.example", PASS), arc_set(2, "x.example", PASS), arc_set(3, "b.example", FAIL)),
        instance=None,
    ),
]

CLAIMS = [
    ("a pass of the author domain", PASS, True),
    ("with comments and other methods", f" mx; spf=fail; dmarc=pass (p=reject) header.from={AUTHOR}; arc=none", True),
    ("in other case, with a final dot", " mx; DMARC=Pass header.From=AUTHOR.example.", True),
    (
        "with other properties beside",
        f" mx; dmarc=pass policy.dmarc=reject action=none header.d=other.example header.from={AUTHOR}",
        True,
    ),
    ("a pass of another domain", " mx; dmarc=pass header.from=other.example", False),
    ("the author domain as another property", f" mx; dmarc=pass header.d={AUTHOR} smtp.from={AUTHOR}", False),
    ("a pass of a subdomain", f" mx; dmarc=pass header.from=x.{AUTHOR}", False),
    ("a pass of no domain", " mx; dmarc=pass", False),
    ("a pass of something that is no domain", ' mx; dmarc=pass header.from="a b"', False),
    ("two author domains", f" mx; dmarc=pass header.from={AUTHOR} header.from=other.example", False),
    ("two words about DMARC that differ", f" mx; dmarc=fail header.from={AUTHOR};{PASS[4:]}", False),
    ("two words about DMARC that agree", f"{PASS};{PASS[4:]}", True),
    ("an aligned SPF pass alone", f" mx; spf=pass smtp.mailfrom={AUTHOR}", False),
    ("none", f" mx; dmarc=none header.from={AUTHOR}", False),
    ("nothing", " mx; none", False),
    ("another version of the field", f" mx 2; dmarc=pass header.from={AUTHOR}", False),
    ("another version of the method", f" mx; dmarc/2=pass header.from={AUTHOR}", False),
    ("a result in a comment", f" mx; (dmarc=pass header.from={AUTHOR}) spf=none", False),
    ("a result in a quoted string", f' mx; spf=none reason="; dmarc=pass header.from={AUTHOR}"', False),
    ("rubbish", b"\xff\x00;;;=", False),
    ("emptiness", b"", False),
]


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.id)
def test_whose_word_counts(one: ChainCase) -> None:
    found = vouched(one.chain, Domain.parse(AUTHOR), TRUSTED)
    assert (None if isinstance(found, Skip) else found.instance) == one.instance


@pytest.mark.parametrize(
    ("chain", "why"),
    [
        (arc("none", complete=False), "no ARC chain passes"),
        (arc("pass", arc_set(1, "x.example")), "the newest ARC sealer, x.example, is not listed"),
        (
            arc("pass", arc_set(1, "a.example", signs_from=False)),
            "the newest ARC-Message-Signature does not cover From",
        ),
        (
            arc("pass", arc_set(1, "b.example", FAIL), arc_set(2, "a.example")),
            "ARC set 1 does not claim a DMARC pass of author.example",
        ),
    ],
)
def test_why_a_chain_brings_in_nothing_is_said(chain: ArcResult, why: str) -> None:
    assert vouched(chain, Domain.parse(AUTHOR), TRUSTED) == Skip(why)


@pytest.mark.parametrize(("claims", "believed"), [row[1:] for row in CLAIMS], ids=[row[0] for row in CLAIMS])
def test_what_counts_as_a_claim(claims: str | bytes, believed: bool) -> None:  # noqa: FBT001 - a column of the table
    found = vouched(arc("pass", arc_set(1, "a.example", claims)), Domain.parse(AUTHOR), TRUSTED)
    assert isinstance(found, Skip) is not believed


def test_the_comment_names_every_set_and_the_first_client() -> None:
    chain = arc(
        "pass",
        arc_set(1, "a.example", " mx; spf=none; arc=none smtp.remote-ip=2001:DB8::1A", selector="s3"),
        arc_set(2, "b.example", selector="s2"),
    )
    assert chain_comment(chain) == (
        "arc=pass as[2].d=b.example as[2].s=s2 as[1].d=a.example as[1].s=s3 remote-ip[1]=2001:db8::1a"
    )


@pytest.mark.parametrize(
    "claims",
    [b"", b" mx; arc=none smtp.remote-ip=nowhere", b' mx; arc=none smtp.remote-ip="fe80::1%x as[9].d=y"', b" mx; none"],
)
def test_the_comment_takes_no_text_for_an_address(claims: bytes) -> None:
    chain = arc("pass", arc_set(1, "a.example", claims, selector="s\n1 as[7].d=x"))
    assert chain_comment(chain) == "arc=pass as[1].d=a.example as[1].s=?"


@pytest.mark.parametrize(("selector", "shown"), [("S3_a.b-c", "S3_a.b-c"), ("", "?"), ("a b", "?")])
def test_the_comment_names_selectors_that_are_one_word(selector: str, shown: str) -> None:
    chain = arc("pass", arc_set(1, "a.example", b"", selector=selector))
    assert chain_comment(chain) == f"arc=pass as[1].d=a.example as[1].s={shown}"


@pytest.mark.parametrize("other", ["nowhere", '"fe80::1%x"'])
def test_the_comment_looks_on_behind_what_is_no_address(other: str) -> None:
    claims = f" mx; arc=none smtp.remote-ip={other} smtp.remote-ip=192.0.2.9"
    comment = chain_comment(arc("pass", arc_set(1, "a.example", claims)))
    assert comment == "arc=pass as[1].d=a.example as[1].s=s1 remote-ip[1]=192.0.2.9"


def test_the_comment_is_bounded() -> None:
    sets = [arc_set(instance, f"{'x' * 60}.{'y' * 60}.example") for instance in range(1, 51)]
    assert len(chain_comment(arc("pass", *sets))) == MAX_COMMENT


def test_the_report_hears_of_the_chain() -> None:
    policy = replace(DEFAULT, arc=ArcTrust(trusted_sealers=TRUSTED))
    decision = decide_by(
        case(dmarc("fail", "reject"), arc_result=arc("pass", arc_set(1, "a.example"))), policy, Trace()
    )
    assert decision.would is Disposition.NONE
    assert decision.override is Override.LOCAL_POLICY
    assert decision.comment == "arc=pass as[1].d=a.example as[1].s=s1"
    assert decision.comment in decision.reason


def test_a_failure_without_author_domain_has_nobody_to_vouch_for() -> None:
    policy = replace(DEFAULT, arc=ArcTrust(trusted_sealers=TRUSTED))
    decision = decide_by(
        case(dmarc("fail", "reject", author=None), arc_result=arc("pass", arc_set(1, "a.example"))), policy, Trace()
    )
    assert decision.rule == "dmarc-fail"
