"""What an audit says, as values; ``assay domain --json`` writes exactly these, and docs/domain.md explains them."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """Mail or its protection fails now."""
    WARNING = "warning"
    """It works less than it should."""
    NOTICE = "notice"
    """It works; it could be better."""


class Publish(_Value):
    """A TXT or MX record for the zone.

    Attributes:
        name: without the final dot.
        value: of a TXT record as one string, without quotes.
    """

    name: str
    type: str
    value: str


class Finding(_Value):
    """One thing that should be done.

    Attributes:
        id: as in the catalogue; stable.
        text: what was found.
        remedy: what to do.
        publish: the record to publish, where it is known.
        accepted: the user said ``--accept`` of this id, so it does not count.
    """

    id: str
    severity: Severity
    text: str
    remedy: str
    publish: Publish | None = None
    accepted: bool = False


class Unanswered(_Value):
    """A question to which the DNS gave no answer, so that nothing is known: it is neither a record nor its absence."""

    name: str
    type: str
    why: str


class MxHost(_Value):
    """One MX record and the addresses of its host."""

    preference: int
    host: str
    addresses: tuple[str, ...]


class Mx(_Value):
    """Where mail for the domain goes; ``null`` is RFC 7505's "nowhere"."""

    hosts: tuple[MxHost, ...]
    null: bool


class SpfCost(_Value):
    """A term that asks the DNS, in the order of evaluation.

    Attributes:
        domain: in whose record it stands.
        lookups: how many there are up to and with this one.
        void: it finds nothing.
    """

    domain: str
    term: str
    lookups: int
    void: bool


class Spf(_Value):
    """The SPF record, and what it costs a receiver that has to go to its end.

    Attributes:
        record: None without one.
        lookups, voids: of all terms, however many; the limits are beside them.
        costs: each term that is counted.
        unknown: terms with macros: what they lead to depends on the message.
    """

    record: str | None
    lookups: int
    lookups_limit: int
    voids: int
    voids_limit: int
    costs: tuple[SpfCost, ...]
    unknown: tuple[str, ...]


class KeyState(StrEnum):
    """What a selector holds."""

    USABLE = "usable"
    REVOKED = "revoked"
    UNUSABLE = "unusable"
    MISSING = "missing"
    UNANSWERED = "unanswered"


class DkimKey(_Value):
    """What one selector holds.

    Attributes:
        given: by ``--selector``; False: found under a usual name, without being given.
        type, bits: of a key that could be read.
        testing: t=y.
        reason: why it cannot be used.
    """

    selector: str
    given: bool
    state: KeyState
    type: str | None = None
    bits: int | None = None
    testing: bool = False
    reason: str | None = None


class Dkim(_Value):
    """The keys that are known.

    Attributes:
        keys: of given selectors in their order, then what was found under usual names.
        tried: usual selectors that were asked for without having been given, whether or not they hold a key.
    """

    keys: tuple[DkimKey, ...]
    tried: tuple[str, ...]


class Sight(_Value):
    """What the tree walk saw at one name."""

    name: str
    seen: str


class ReportAddress(_Value):
    """A destination of reports.

    Attributes:
        tag: rua or ruf.
        host: of a mailto: address.
        external: it belongs to another organizational domain; None where that is not known.
        authorised: the other domain agrees; None where it need not be asked, or gave no answer.
    """

    tag: str
    uri: str
    host: str | None = None
    external: bool | None = None
    authorised: bool | None = None


class Dmarc(_Value):
    """The policy record that applies.

    Attributes:
        record: None without one.
        found_at: the domain whose record it is.
        requested: the policy for the audited domain, before t=y lowers it; None where no DMARC is applied.
        walk: every name that was asked for (RFC 9989 4.10).
        organizational_domain: by the tree walk; None where a failed look-up leaves it open.
        organizational_domain_by_list: by the list of public suffixes, as RFC 7489 had it.
    """

    record: str | None
    found_at: str | None
    requested: str | None
    walk: tuple[Sight, ...]
    organizational_domain: str | None
    organizational_domain_by_list: str
    addresses: tuple[ReportAddress, ...] = ()


class Step(_Value):
    """What to publish next on the way to p=reject."""

    text: str
    publish: Publish


class Disagreement(_Value):
    """Something that checkdmarc sees in another way; ours counts.

    Attributes:
        about: what.
        why: the reason, as far as it can be told.
    """

    about: str
    assay: str
    checkdmarc: str
    why: str


class Report(_Value):
    """An audit.

    Attributes:
        version: of this shape; only additions leave it as it is.
        domain: A-labels.
        findings: the worst first, those that were accepted included.
        unanswered: not empty: nothing that rests on these names was said.
        mx, spf, dkim, dmarc: None where the domain does not exist, or where that is not known.
        next_step: of DMARC; None at the end of the way, or where a fault comes first.
        rfc9989: what RFC 9989 changed for this record, in sentences.
    """

    version: int = 1
    domain: str
    findings: tuple[Finding, ...] = ()
    unanswered: tuple[Unanswered, ...] = ()
    mx: Mx | None = None
    spf: Spf | None = None
    dkim: Dkim | None = None
    dmarc: Dmarc | None = None
    next_step: Step | None = None
    rfc9989: tuple[str, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()

    @property
    def counted(self) -> tuple[Finding, ...]:
        """The findings that were not accepted."""
        return tuple(each for each in self.findings if not each.accepted)
