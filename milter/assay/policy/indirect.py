"""Whether a message came by an indirect flow: a mailing list, a resender, a forwarder that seals (standards C.6.4)."""

from assay.domain import Domain
from assay.policy.domain_policy import IndirectSigns
from assay.policy.model import Case
from assay.results import AuthResults, DmarcResult


def author_family(dmarc: DmarcResult) -> Domain | None:
    """Return the widest name that is known to be the author's; None without an author domain.

    The organizational domain is not looked up where nothing depended on it.
    """
    return dmarc.organizational_domain or dmarc.policy_domain or dmarc.author_domain


def foreign_identifier(results: AuthResults) -> Domain | None:
    """Return the first authenticated identifier outside the author's organizational domain."""
    family = author_family(results.dmarc)
    for identifier in results.authenticated():
        # An ancestor of the family is no other party either: it may be a public suffix (standards H.3 K9).
        if family is None or not (identifier.domain.is_under(family) or family.is_under(identifier.domain)):
            return identifier.domain
    return None


def indirect_flow(case: Case, needed: IndirectSigns) -> str | None:
    """Return in words why the message came by an indirect flow; None if it does not look so."""
    signs = [*case.indirect_signs]
    if case.results.arc.complete:
        signs.append("ARC set")
    foreign = foreign_identifier(case.results)
    if needed.require_sign and not signs:
        return None
    if needed.require_identifier and foreign is None:
        return None
    shown = " and ".join(signs) or "no sign needed"
    return f"{shown}, authenticated by {foreign}" if foreign is not None else shown
