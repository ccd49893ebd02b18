"""``[[expect]]`` tables: results that a policy file states, and the decision that must follow from them."""

from typing import Annotated, Final

from pydantic import BeforeValidator, Field, field_validator

from assay.domain import Domain
from assay.facts import Client
from assay.policy.fields import Action, Address, DomainName
from assay.policy.model import Case
from assay.policy.rules import NO_POLICY, RULES
from assay.results import (
    ArcResult,
    ArcSet,
    ArcValue,
    AuthResults,
    DkimResult,
    DkimValue,
    DmarcResult,
    DmarcValue,
    FromProblem,
    Identifier,
    Method,
    Requested,
    SpfIdentity,
    SpfResult,
    SpfValue,
)
from assay.tomlfile import Table, did_you_mean

RULE_NAMES: Final = (*(rule.name for rule in RULES), NO_POLICY)

DEFAULT_AUTHOR: Final = Domain.parse("author.example")
"""The author domain of an expectation in default.toml that names none."""

_WHY: Final = "stated by an expectation"


def _table(value: object) -> object:
    """Let ``"pass"`` stand for ``{ value = "pass" }``."""
    return {"value": value} if isinstance(value, str) else value


def _tables(value: object) -> object:
    """Let one signature stand for a list of one."""
    return value if isinstance(value, list) else [value]


class StatedSpf(Table):
    """SPF of an expectation; the domain is the author's unless stated."""

    value: Annotated[SpfValue, Field(strict=False)]
    domain: DomainName | None = None


class StatedDkim(Table):
    """One DKIM signature of an expectation; the domain is the author's unless stated."""

    value: Annotated[DkimValue, Field(strict=False)]
    domain: DomainName | None = None


class StatedArc(Table):
    """The ARC chain of an expectation.

    Attributes:
        sealers: of instance 1 and upwards; one unlisted sealer unless stated.
        claims: what every set says of DMARC for the author domain.
    """

    value: Annotated[ArcValue, Field(strict=False)]
    sealers: Annotated[tuple[DomainName, ...], Field(strict=False, min_length=1, max_length=50)] = (
        Domain.parse("sealer.example"),
    )
    claims: Annotated[DmarcValue, Field(strict=False)] = DmarcValue.PASS


class Expectation(Table):
    """Results, and the disposition and rule that must follow from them in enforce mode.

    Attributes:
        author: the author domain; the file's own domain unless stated.
        dmarc: derived from the other keys unless stated: an identifier of the author domain, of a parent or of a
            subdomain of it counts as aligned.
        requested: what the owner asks for; None: no policy record applies.
        from_field: what is wrong with the From field.
        indirect: the message carries List-Id.
        disposition: what enforce mode does, also where the policy's mode is monitor.
    """

    author: DomainName | None = None
    client: Address | None = None
    spf: Annotated[StatedSpf, BeforeValidator(_table)] = StatedSpf(value=SpfValue.NONE)
    dkim: Annotated[
        tuple[Annotated[StatedDkim, BeforeValidator(_table)], ...], Field(strict=False), BeforeValidator(_tables)
    ] = ()
    arc: Annotated[StatedArc, BeforeValidator(_table)] = StatedArc(value=ArcValue.NONE)
    dmarc: Annotated[DmarcValue, Field(strict=False)] | None = None
    requested: Annotated[Requested, Field(strict=False)] | None = None
    from_field: Annotated[FromProblem, Field(strict=False)] | None = None
    indirect: bool = False
    disposition: Action
    rule: str

    @field_validator("rule")
    @classmethod
    def _known_rule(cls, rule: str) -> str:
        if rule not in RULE_NAMES:
            near = did_you_mean(rule, RULE_NAMES)
            raise ValueError(f"no such rule{near or '; the rules are ' + ', '.join(RULE_NAMES)}")
        return rule

    def case(self, author: Domain) -> Case:
        """Build the case that the expectation states, for this author domain."""
        spf = SpfResult(
            value=self.spf.value,
            identity=SpfIdentity.MAILFROM,
            domain=self.spf.domain or author,
            reason=_WHY,
        )
        dkim = tuple(DkimResult(value=one.value, reason=_WHY, sdid=one.domain or author) for one in self.dkim)
        results = AuthResults(spf=spf, dkim=dkim, arc=self._arc(author), dmarc=self._dmarc(author))
        return Case(
            results=results,
            client=Client(address=self.client),
            indirect_signs=("List-Id",) if self.indirect else (),
        )

    def _arc(self, author: Domain) -> ArcResult:
        if self.arc.value is ArcValue.NONE:
            return ArcResult(value=ArcValue.NONE, reason=_WHY)
        sets = tuple(
            ArcSet(
                instance=instance,
                sealer=sealer,
                selector="s",
                signs_from=True,
                claims=f" {sealer}; dmarc={self.arc.claims} header.from={author}".encode(),
            )
            for instance, sealer in enumerate(self.arc.sealers, start=1)
        )
        return ArcResult(value=self.arc.value, reason=_WHY, complete=True, sets=sets)

    def _dmarc(self, author: Domain) -> DmarcResult:
        proved = [
            (Identifier(Method.SPF, self.spf.domain or author), self.spf.value.value),
            *((Identifier(Method.DKIM, one.domain or author), one.value.value) for one in self.dkim),
        ]
        near = [(identifier, value) for identifier, value in proved if _related(identifier.domain, author)]
        aligned = tuple(identifier for identifier, value in near if value == DmarcValue.PASS.value)
        open_ = any(value == DmarcValue.TEMPERROR.value for _, value in near)
        value = self.dmarc or _derived(self.from_field, self.requested, aligned=bool(aligned), open_=open_)
        known = self.from_field is None
        return DmarcResult(
            value=value,
            reason=_WHY,
            author_domain=author if known else None,
            from_problem=self.from_field,
            policy_domain=author if known and self.requested is not None else None,
            requested=self.requested,
            published=self.requested,
            aligned=aligned if value is DmarcValue.PASS else (),
        )


def _related(one: Domain, other: Domain) -> bool:
    return one.is_under(other) or other.is_under(one)


def _derived(problem: FromProblem | None, requested: Requested | None, *, aligned: bool, open_: bool) -> DmarcValue:
    if problem is not None:
        return DmarcValue.PERMERROR
    if requested is None:
        return DmarcValue.NONE
    if aligned:
        return DmarcValue.PASS
    return DmarcValue.TEMPERROR if open_ else DmarcValue.FAIL
