"""Short words for the tests of DMARC: results of SPF and DKIM, zones of policy records, one evaluation, a case."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from assay.answers import Answer, RRType
from assay.domain import Domain
from assay.message.author import Author
from assay.results import (
    DkimResult,
    DkimValue,
    DmarcResult,
    DmarcValue,
    FromProblem,
    Requested,
    SpfIdentity,
    SpfResult,
    SpfValue,
)
from assay.trace import DmarcDone, Trace
from assay.verify.dmarc import verify_dmarc
from assay.verify.options import DmarcOptions
from support.dict_resolver import DictResolver, Key, found


class Suffixes:
    """A list of public suffixes that is what it is given."""

    def __init__(self, *names: str) -> None:
        self._names = frozenset(names)

    def is_public_suffix(self, domain: Domain) -> bool:
        return domain.name in self._names


DEFAULTS = DmarcOptions()
NO_SPF = SpfResult(value=SpfValue.NONE, identity=SpfIdentity.MAILFROM, domain=None, reason="")


def spf(domain: str, value: SpfValue = SpfValue.PASS, identity: SpfIdentity = SpfIdentity.MAILFROM) -> SpfResult:
    return SpfResult(value=value, identity=identity, domain=Domain.parse(domain), reason="")


def dkim(domain: str, value: DkimValue = DkimValue.PASS) -> DkimResult:
    return DkimResult(value=value, reason="", sdid=Domain.parse(domain))


def policy(tags: str) -> Answer:
    """Give the answer with one policy record of these tags."""
    return found(f"v=DMARC1; {tags}".encode())


@dataclass(frozen=True)
class Evaluation:
    """What came of one evaluation, and what it asked."""

    result: DmarcResult
    resolver: DictResolver
    trace: Trace

    @property
    def asks(self) -> list[str]:
        """Give the domains whose policy record was asked for, in order."""
        return [name.decode().removeprefix("_dmarc.") for name in self.resolver.names(RRType.TXT)]

    @property
    def asks_existence(self) -> list[str]:
        """Give the domains whose existence was asked for."""
        return [name.decode() for name in self.resolver.names(RRType.A)]


def evaluate(
    authors: str | Iterable[str],
    policies: Mapping[str, Answer],
    *,
    spf: SpfResult = NO_SPF,
    dkim: Iterable[DkimResult] = (),
    addresses: Mapping[str, Answer] | None = None,
    problem: FromProblem | None = None,
    options: DmarcOptions = DEFAULTS,
) -> Evaluation:
    """Evaluate DMARC in a zone of policy records by domain, and of addresses by domain."""
    answers: dict[Key, Answer] = {(b"_dmarc." + name.encode(), RRType.TXT): each for name, each in policies.items()}
    answers |= {(name.encode(), RRType.A): each for name, each in (addresses or {}).items()}
    names = authors.split() if isinstance(authors, str) else authors
    resolver, trace = DictResolver(answers), Trace()
    author = Author(tuple(Domain.parse(name) for name in names), problem)
    result = verify_dmarc(author, spf, tuple(dkim), resolver, options, trace)
    assert list(trace)[-1] == DmarcDone(result)
    return Evaluation(result, resolver, trace)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One evaluation. ``asks`` and ``asks_existence`` are the exact queries where the case is about them."""

    id: str
    section: str
    author: str = "example.com"
    policies: dict[str, Answer]
    addresses: dict[str, Answer] = field(default_factory=dict)
    spf: SpfResult = NO_SPF
    dkim: tuple[DkimResult, ...] = ()
    value: DmarcValue
    requested: Requested | None = None
    policy_domain: str | None = None
    organization: str | None = None
    aligned: tuple[str, ...] = ()
    asks: list[str] | None = None
    asks_existence: list[str] = field(default_factory=list)
    options: DmarcOptions = DEFAULTS

    def evaluate(self) -> Evaluation:
        return evaluate(
            self.author,
            self.policies,
            spf=self.spf,
            dkim=self.dkim,
            addresses=self.addresses,
            options=self.options,
        )

    def outcome(self, evaluation: Evaluation) -> dict[str, object]:
        """Give what the evaluation says, in the words of :meth:`expected`."""
        result = evaluation.result
        return {
            "value": result.value,
            "requested": result.requested,
            "author": result.author_domain and result.author_domain.name,
            "has a record": result.record is not None,
            "policy_domain": result.policy_domain and result.policy_domain.name,
            "organization": result.organizational_domain and result.organizational_domain.name,
            "aligned": tuple(f"{each.method} {each.domain}" for each in result.aligned),
            "from_problem": result.from_problem,
            "discovery": result.discovery,
            "has a reason": bool(result.reason),
            "asks_existence": evaluation.asks_existence,
            "asks": evaluation.asks if self.asks is not None else None,
            "asks twice": len(evaluation.asks) - len(set(evaluation.asks)),
        }

    def expected(self) -> dict[str, object]:
        """Give what the evaluation must say."""
        return {
            "value": self.value,
            "requested": self.requested,
            "author": self.author,
            "has a record": self.policy_domain is not None,
            "policy_domain": self.policy_domain,
            "organization": self.organization,
            "aligned": self.aligned,
            "from_problem": None,
            "discovery": self.options.organizational_domain,
            "has a reason": True,
            "asks_existence": self.asks_existence,
            "asks": self.asks,
            "asks twice": 0,
        }
