"""The partial type of a policy: what a file may hold. Every key is optional; what is absent is inherited.

The tables have the names and keys of :mod:`assay.policy.domain_policy`, where each key is explained.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import Field

from assay.domain import Domain
from assay.policy.domain_policy import DomainPolicy, QuarantineHow
from assay.policy.expectation import Expectation
from assay.policy.fields import Action, DomainName, FieldName, NetworkName, Template, TemporaryAction
from assay.policy.model import Mode
from assay.tomlfile import Table

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Total = TypeVar("Total", bound="DataclassInstance")

Domains = Annotated[frozenset[DomainName], Field(strict=False)]


class DmarcOverrides(Table):
    """``[dmarc]``."""

    on_none: Action | None = None
    on_quarantine: Action | None = None
    on_reject: Action | None = None
    on_reject_indirect: Action | None = None
    on_temperror: TemporaryAction | None = None
    on_temperror_unknown: TemporaryAction | None = None
    on_permerror: Action | None = None
    on_from_count: Action | None = None
    on_from_unusable: Action | None = None


class SpfOverrides(Table):
    """``[spf]``."""

    on_fail: Action | None = None
    on_temperror: TemporaryAction | None = None


class ArcOverrides(Table):
    """``[arc]``."""

    trusted_sealers: Domains | None = None


class TrustedOverrides(Table):
    """``[trusted]``."""

    networks: Annotated[tuple[NetworkName, ...], Field(strict=False)] | None = None
    lists: Domains | None = None
    forwarders: Domains | None = None


class IndirectOverrides(Table):
    """``[indirect]``."""

    require_sign: bool | None = None
    require_identifier: bool | None = None


class QuarantineOverrides(Table):
    """``[quarantine]``."""

    how: Annotated[QuarantineHow, Field(strict=False)] | None = None
    field: FieldName | None = None


class ReplyOverrides(Table):
    """``[reply]``."""

    dmarc: Template | None = None
    from_field: Template | None = None
    spf: Template | None = None
    temporary: Template | None = None


class PolicyFile(Table):
    """A whole policy file."""

    mode: Annotated[Mode, Field(strict=False)] | None = None
    dmarc: DmarcOverrides = DmarcOverrides()
    spf: SpfOverrides = SpfOverrides()
    arc: ArcOverrides = ArcOverrides()
    trusted: TrustedOverrides = TrustedOverrides()
    indirect: IndirectOverrides = IndirectOverrides()
    quarantine: QuarantineOverrides = QuarantineOverrides()
    reply: ReplyOverrides = ReplyOverrides()
    expect: Annotated[tuple[Expectation, ...], Field(strict=False)] = ()

    def over(self, base: DomainPolicy, source: str) -> DomainPolicy:
        """Return ``base`` with every key that this file holds, merged key by key; a list replaces a list."""
        return replace(_merged(base, self, skip="expect"), source=source)


def _merged(base: Total, partial: Table, skip: str = "") -> Total:
    changes = {}
    for name in partial.model_fields_set - {skip}:
        value = getattr(partial, name)
        changes[name] = _merged(getattr(base, name), value) if isinstance(value, Table) else value
    return replace(base, **changes)


def author_outside(expectation: Expectation, domain: Domain | None) -> bool:
    """Whether an expectation of ``domain``'s file speaks of an author domain that the file does not govern."""
    return domain is not None and expectation.author is not None and not expectation.author.is_under(domain)
