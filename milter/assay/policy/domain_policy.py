"""The total type of a policy: every key has a value. The defaults here are what the shipped default.toml says."""

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

from assay.domain import Domain
from assay.policy.model import Disposition, Mode

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class DmarcActions:
    """What follows from DMARC.

    Attributes:
        on_none: DMARC fails and the owner asks for none (RFC 9989 forbids a change of handling, so think twice).
        on_quarantine: DMARC fails and the owner asks for quarantine.
        on_reject: DMARC fails and the owner asks for reject.
        on_reject_indirect: the same with signs of an indirect flow (RFC 9989 7.4, 8).
        on_temperror: the DNS failed, and the policy record asks for quarantine or reject.
        on_temperror_unknown: the author domain's DNS failed, and no policy record could be fetched.
        on_permerror: the policy record is broken, or none of several author domains has one.
        on_from_count: no From field, or more than one.
        on_from_unusable: the one From field names no author domain, or too many.
    """

    on_none: Disposition = Disposition.NONE
    on_quarantine: Disposition = Disposition.QUARANTINE
    on_reject: Disposition = Disposition.REJECT
    on_reject_indirect: Disposition = Disposition.QUARANTINE
    on_temperror: Disposition = Disposition.TEMPFAIL
    on_temperror_unknown: Disposition = Disposition.NONE
    on_permerror: Disposition = Disposition.NONE
    on_from_count: Disposition = Disposition.REJECT
    on_from_unusable: Disposition = Disposition.QUARANTINE


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfActions:
    """What follows from SPF where no DMARC policy applies; elsewhere DMARC decides.

    Attributes:
        on_fail: SPF says fail. Standards A.4: rejecting here hides the message from DMARC, so the default is none.
        on_temperror: the DNS failed.
    """

    on_fail: Disposition = Disposition.NONE
    on_temperror: Disposition = Disposition.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class ArcTrust:
    """Whose ARC seals are believed.

    Attributes:
        trusted_sealers: d= of ARC-Seals, compared exactly: a subdomain is another sealer.
    """

    trusted_sealers: frozenset[Domain] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """Who may bring in mail that fails.

    Attributes:
        networks: clients whose mail is let in whatever SPF, DMARC and the From field say.
        lists: mailing lists; each lets in mail for which it, or a subdomain, is an authenticated identifier.
        forwarders: the same for hosts that forward without the marks of a list.
    """

    networks: tuple[Network, ...] = ()
    lists: frozenset[Domain] = frozenset()
    forwarders: frozenset[Domain] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class IndirectSigns:
    """What makes a flow indirect for ``on_reject_indirect``; standards C.6.4.

    With both halves off every DMARC failure under p=reject counts as indirect.

    Attributes:
        require_sign: a header field of a list or a resender, or a complete ARC set.
        require_identifier: an authenticated identifier outside the author's organizational domain. Without it anybody
            can write the header fields and escape a rejection.
    """

    require_sign: bool = True
    require_identifier: bool = True


class QuarantineHow(StrEnum):
    """How a message is quarantined."""

    HOLD = "hold"
    HEADER = "header"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """How the disposition quarantine is carried out.

    Attributes:
        how: ``hold`` hands it to the MTA's quarantine (Postfix: the hold queue); ``header`` delivers it with ``field``.
        field: name of a header field of our own. It is removed from incoming mail.
    """

    how: QuarantineHow = QuarantineHow.HOLD
    field: str = "X-Assay-Quarantine"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyTexts:
    """Texts of SMTP replies; :mod:`assay.policy.reply` fills in the names in braces.

    Attributes:
        dmarc: DMARC fails or cannot be evaluated.
        from_field: the From field is unusable.
        spf: SPF fails and no DMARC policy applies.
        temporary: every tempfail.
    """

    dmarc: str = "rejected by DMARC policy of {author_domain}"
    from_field: str = "rejected: {reason}"
    spf: str = "rejected: SPF of {spf_domain} does not authorize the client"
    temporary: str = "please try again later: {reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainPolicy:
    """What to do with the mail of one author domain.

    Attributes:
        mode: monitor carries nothing out.
        source: the file that was merged over the default, for logs.
    """

    mode: Mode
    dmarc: DmarcActions = field(default_factory=DmarcActions)
    spf: SpfActions = field(default_factory=SpfActions)
    arc: ArcTrust = field(default_factory=ArcTrust)
    trusted: Trusted = field(default_factory=Trusted)
    indirect: IndirectSigns = field(default_factory=IndirectSigns)
    quarantine: Quarantine = field(default_factory=Quarantine)
    reply: ReplyTexts = field(default_factory=ReplyTexts)
    source: str = "built-in"
