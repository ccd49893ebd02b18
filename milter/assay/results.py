"""What each method found: closed enums with the wire spelling, and the reason in words.

The values are those of RFC 8601 2.7; a result that errs is a value, never an exception.
"""

from dataclasses import dataclass
from enum import StrEnum

from assay.domain import Domain


class SpfValue(StrEnum):
    """RFC 7208 2.6, spelled as in RFC 8601 2.7.2."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class SpfIdentity(StrEnum):
    """Which part of the envelope SPF looked at (RFC 7208 2.3, 2.4)."""

    MAILFROM = "mailfrom"
    HELO = "helo"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfResult:
    """The outcome of SPF.

    Attributes:
        identity: HELO only for the null sender (RFC 7208 2.4).
        domain: the domain that was checked; None where the identity holds no usable one.
        reason: why, in words of ours; may hold text of the sender and must be escaped by every sink.
    """

    value: SpfValue
    identity: SpfIdentity
    domain: Domain | None
    reason: str


class DkimValue(StrEnum):
    """RFC 8601 2.7.1."""

    NONE = "none"
    PASS = "pass"
    FAIL = "fail"
    POLICY = "policy"
    NEUTRAL = "neutral"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimResult:
    """The outcome of one DKIM signature.

    Attributes:
        sdid: d=, None where it is missing or no domain name.
        auid: i= as it stands in the signature, decoded from dkim-quoted-printable; None without.
        selector: s=, validated as a name; None where it is missing or no name.
        algorithm: a=, only where it is a known one.
        key_bits: size of the RSA modulus, 256 for ed25519; None where no key was read.
        signature: b= without white space, for ``header.b``; empty where missing.
        reason: why, in words of ours.
    """

    value: DkimValue
    reason: str
    sdid: Domain | None = None
    auid: str | None = None
    selector: str | None = None
    algorithm: str | None = None
    key_bits: int | None = None
    signature: str = ""


class ArcValue(StrEnum):
    """RFC 8617 6 (registered in RFC 8601's registry)."""

    NONE = "none"
    PASS = "pass"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArcSet:
    """One ARC set of a chain that could be read.

    Attributes:
        instance: 1 to 50.
        sealer: d= of the ARC-Seal.
        selector: s= of the ARC-Seal.
        signs_from: its ARC-Message-Signature covers From.
        claims: the payload of its ARC-Authentication-Results, after ``i=N;``; the sealer's word, not ours.
    """

    instance: int
    sealer: Domain
    selector: str
    signs_from: bool
    claims: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ArcResult:
    """The outcome of the ARC chain.

    Attributes:
        complete: the sets are structurally complete: 1 to N, each with its three fields, whatever their signatures
            are worth.
        sets: lowest instance first; those that could be read, also of a chain that fails.
        oldest_pass: RFC 8617 5.2 step 5; None where the status is not pass.
    """

    value: ArcValue
    reason: str
    complete: bool = False
    sets: tuple[ArcSet, ...] = ()
    oldest_pass: int | None = None


class DmarcValue(StrEnum):
    """RFC 9989 and RFC 8601's registry."""

    NONE = "none"
    PASS = "pass"
    FAIL = "fail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class Requested(StrEnum):
    """What the domain owner asks for; DNS can name nothing else (RFC 9989 4.7)."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


class Alignment(StrEnum):
    """RFC 9989 4.4: the tag values of adkim and aspf."""

    RELAXED = "r"
    STRICT = "s"


class Psd(StrEnum):
    """RFC 9989 4.7: the tag values of psd."""

    YES = "y"
    NO = "n"
    UNKNOWN = "u"


class Discovery(StrEnum):
    """How policy record and organizational domain are found; RFC 9990's ``discovery_method``."""

    TREEWALK = "treewalk"
    PSL = "psl"


class FromProblem(StrEnum):
    """Why the From field names no author domain (standards C.2)."""

    MISSING = "no From field"
    REPEATED = "more than one From field"
    UNPARSABLE = "From is no mailbox list"
    EMPTY_GROUP = "From names nobody"
    TOO_MANY = "From names too many domains"


@dataclass(frozen=True, slots=True, kw_only=True)
class DmarcRecord:
    """A policy record as published (RFC 9989 4.7), defaults filled in.

    Attributes:
        text: the record itself, for logs and reports; the owner's text, to be escaped.
        p, sp, np: None where absent.
        testing: t=y.
        rua: syntactically valid URIs, in order.
        ruf: as rua.
        invalid: a sentence that says which of p, sp, np or which duplicate makes the policy unusable; None for a
            good record.
    """

    text: str
    p: Requested | None
    sp: Requested | None = None
    np: Requested | None = None
    testing: bool = False
    psd: Psd = Psd.UNKNOWN
    adkim: Alignment = Alignment.RELAXED
    aspf: Alignment = Alignment.RELAXED
    fo: tuple[str, ...] = ("0",)
    rua: tuple[str, ...] = ()
    ruf: tuple[str, ...] = ()
    invalid: str | None = None


class Method(StrEnum):
    """The two methods that can prove an identifier."""

    SPF = "spf"
    DKIM = "dkim"


@dataclass(frozen=True, slots=True)
class Identifier:
    """An authenticated identifier (RFC 9989 4.2)."""

    method: Method
    domain: Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class DmarcResult:
    """The outcome of DMARC.

    Attributes:
        author_domain: of the From field; of several, the one whose failing policy is the strictest. None where From
            names none.
        from_problem: why ``author_domain`` is None or From is otherwise unusable; None for a usable From.
        policy_domain: where the record was found; None without one.
        organizational_domain: of the author domain, as far as it was needed; None if not.
        requested: the owner's wish after sp, np and t; None where no record applies. Also set for temperror, if it
            is known.
        published: the same before t lowered it, for reports.
        aligned: the identifiers that are aligned; not empty exactly for pass.
        discovery: how record and organizational domain were looked for; None where From names no author domain.
    """

    value: DmarcValue
    reason: str
    author_domain: Domain | None = None
    from_problem: FromProblem | None = None
    record: DmarcRecord | None = None
    policy_domain: Domain | None = None
    organizational_domain: Domain | None = None
    requested: Requested | None = None
    published: Requested | None = None
    aligned: tuple[Identifier, ...] = ()
    discovery: Discovery | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthResults:
    """All methods of one message."""

    spf: SpfResult
    dkim: tuple[DkimResult, ...]
    arc: ArcResult
    dmarc: DmarcResult

    def authenticated(self) -> tuple[Identifier, ...]:
        """Return what SPF and DKIM proved, each once, SPF first.

        A HELO pass counts only for the null sender, whose identity it is (standards A.1.5, C.4.1).
        """
        proved: dict[Identifier, None] = {}
        if self.spf.value is SpfValue.PASS and self.spf.domain is not None:
            proved[Identifier(Method.SPF, self.spf.domain)] = None
        for result in self.dkim:
            if result.value is DkimValue.PASS and result.sdid is not None:
                proved[Identifier(Method.DKIM, result.sdid)] = None
        return tuple(proved)
