"""Scenario files: SMTP in, decision and header out. tests/scenarios/README.md explains the format.

A key that is not known, a placeholder that nobody fills and an expectation that contradicts itself are errors with
their place: a scenario that checks less than it says would be worse than none.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from assay.errors import ConfigurationError, Problem
from assay.policy.model import Disposition
from assay.results import ArcValue, DmarcValue, SpfValue
from assay.tomlfile import Table, problems_of, read, shown

DIRECTORY: Final = Path(__file__).parent.parent / "scenarios"
BASE_ZONE: Final = DIRECTORY / "base.zone"
"""The domains that every scenario can use; README.md names them."""

PLACEHOLDER: Final = re.compile(r"\$\{([^{}]*)\}")
LOCAL: Final = "local"
KINDS: Final = ("octet", "repeat", "time", "record", "modulus")
"""What stands before the first colon of a placeholder; see :mod:`support.scenario_message`."""

_UNVARIED: Final = {"claim", "section", "zone", "policy", "config", "variant"}
"""Keys whose text is the same for all variants: what belongs to the daemon, and what names the scenario."""
_DKIM = r"(none|pass|fail|policy|neutral|temperror|permerror):(-|[a-z0-9._-]+)"

Strings = Annotated[tuple[str, ...], Field(strict=False)]


def _address(text: str) -> str:
    if text != LOCAL:
        ip_address(text)
    return text


class Client(Table):
    """The SMTP client.

    Attributes:
        address: an IP address; "local" is a process on the receiving machine.
        helo: argument of EHLO.
        authenticated: its login.
    """

    address: Annotated[str, AfterValidator(_address)]
    helo: str = "client.example"
    authenticated: str | None = None


class Sign(Table):
    """Put a DKIM-Signature on top.

    Attributes:
        key: "rsa" or "ed25519", with "-anything" behind it for further ones; made once per run.
        headers: h=.
        canonicalization: c=.
        tags: further tags, or others.
    """

    key: Annotated[str, Field(pattern=r"^(rsa|ed25519)(-[a-z0-9]+)?$")]
    domain: str
    selector: str
    headers: str = "from:to:subject:date"
    canonicalization: str = "relaxed/relaxed"
    tags: dict[str, str] = Field(default_factory=dict)


class Seal(Sign):
    """Put an ARC set on top; ``tags`` are those of the ARC-Message-Signature.

    Attributes:
        instance: i=.
        results: what the sealer claims, behind ``i=N;``.
        seal_tags: tags of the ARC-Seal, or others.
    """

    instance: Annotated[int, Field(ge=1)]
    results: str
    seal_tags: dict[str, str] = Field(default_factory=dict)


class Replace(Table):
    """Change a text, which must be there exactly once."""

    old: str
    new: str


class Step(Table):
    """One thing that is done to the message before it is sent, in the order of the file; exactly one key."""

    sign: Sign | None = None
    seal: Seal | None = None
    prepend: str | None = None
    append: str | None = None
    replace: Replace | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("a step holds exactly one of sign, seal, prepend, append, replace")
        return self


class Postfix(Table):
    """What a real Postfix does before a milter can decide.

    Attributes:
        refuses: how its reply begins, such as "501 5.1.7".
        at: the command that it refuses.
    """

    refuses: Annotated[str, Field(pattern=r"^[45]\d\d ")]
    at: Literal["EHLO", "MAIL", "DATA"]


class Variant(Table):
    """The same scenario with other texts.

    Attributes:
        values: fill the placeholders of their names.
        expect: keys that replace those of the scenario's ``[expect]``; with a disposition, all of it.
        postfix: in place of the scenario's.
    """

    name: str
    values: dict[str, str] = Field(default_factory=dict)
    expect: dict[str, Any] = Field(default_factory=dict)
    postfix: Postfix | None = None


class Results(Table):
    """What each method must find; dkim as in the log line, such as "pass:brand.example", the topmost first."""

    spf: Annotated[SpfValue, Field(strict=False)]
    dkim: Annotated[tuple[Annotated[str, Field(pattern=f"^{_DKIM}$")], ...], Field(strict=False)] = ()
    arc: Annotated[ArcValue, Field(strict=False)] = ArcValue.NONE
    dmarc: Annotated[DmarcValue, Field(strict=False)]


class Expect(Table):
    """What must come out.

    Attributes:
        disposition: what is done.
        would: what enforce mode would have done; only where that is something else.
        rule: which rule decided.
        reason: a text in the reason of the decision.
        reply: how the SMTP reply begins, with its enhanced code; exactly with reject and tempfail.
        results: not for exempt mail.
        stamped: texts in our Authentication-Results field, unfolded.
        absent: texts that stand nowhere in the header of the delivered message.
        kept: texts that stand in the header of the delivered message.
        removed: how many fields were removed.
        held: whether the message waits in the MTA's hold queue.
        queries: of the DNS, at most.
        exempt: why it was not judged.
    """

    disposition: Annotated[Disposition, Field(strict=False)]
    would: Annotated[Disposition, Field(strict=False)] | None = None
    rule: str | None = None
    reason: str = ""
    reply: Annotated[str, Field(pattern=r"^(451 4|550 5)\.\d+\.\d+")] | None = None
    results: Results | None = None
    stamped: Strings = ()
    absent: Strings = ()
    kept: Strings = ()
    removed: Annotated[int, Field(ge=0)] = 0
    held: bool = False
    queries: Annotated[int, Field(ge=0)] | None = None
    exempt: Literal["network", "authenticated"] | None = None

    @property
    def delivered(self) -> bool:
        """Whether the message gets in, at once or from the hold queue."""
        return self.disposition in {Disposition.NONE, Disposition.QUARANTINE}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.delivered is not (self.reply is None):
            raise ValueError("reject and tempfail need a reply, and nothing else has one")
        if not self.delivered and (self.stamped or self.absent or self.kept or self.removed):
            raise ValueError("a refused message has no header to look at: stamped, absent, kept, removed")
        if self.held and self.disposition is not Disposition.QUARANTINE:
            raise ValueError("only quarantine holds")
        judged = self.exempt is None
        if judged is not (self.results is not None) or judged is not (self.rule is not None):
            raise ValueError("results and rule are needed, except for exempt mail, which has neither")
        if self.would is self.disposition:
            raise ValueError("would is for a disposition that is not carried out")
        return self


class Scenario(Table):
    """One message and what must become of it.

    Attributes:
        claim: a sentence, the name of the test.
        section: where the claim comes from.
        forged: the From field names a domain whose owner did not send this: it must not pass DMARC nor be delivered.
        zone: records beside those of base.zone, of names of its own.
        servfail: names at which the DNS fails.
        policy: policy files: text by file name.
        config: further lines of the daemon's configuration; a scenario with some gets a daemon of its own.
        mail_from: argument of MAIL, with its angle brackets.
        smtputf8: announced with MAIL.
        message: header, empty line, body; line ends become CRLF.
        variant: without any, the scenario runs once.
    """

    claim: str
    section: str
    forged: bool = False
    zone: str = ""
    servfail: Strings = ()
    policy: dict[Annotated[str, Field(pattern=r"^[a-z0-9.-]+\.toml$")], str] = Field(default_factory=dict)
    config: str = ""
    client: Client
    mail_from: str
    smtputf8: bool = False
    message: str
    step: Annotated[tuple[Step, ...], Field(strict=False)] = ()
    variant: Annotated[tuple[Variant, ...], Field(strict=False)] = ()
    postfix: Postfix | None = None
    expect: Expect

    @model_validator(mode="after")
    def _forgery(self) -> Self:
        results = self.expect.results
        if self.forged and (results is None or results.dmarc is DmarcValue.PASS):
            raise ValueError("forged mail must be judged, and must never pass DMARC")
        if self.forged and self.expect.disposition is Disposition.NONE:
            raise ValueError("forged mail must not be delivered")
        return self


class _Variants(BaseModel):
    """The variants of a file, whose other keys mean something only when the placeholders are filled."""

    model_config = ConfigDict(strict=True, extra="ignore")

    variant: Annotated[tuple[Variant, ...], Field(strict=False)] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario, or one variant of it, ready to run.

    Attributes:
        id: the claim, with the name of the variant.
        path: of the file.
        number: its own in this run.
    """

    id: str
    path: Path
    number: int
    scenario: Scenario


def load(path: Path) -> list[tuple[str, Scenario]]:
    """Read a scenario file: each variant with its name, which is empty where there are none.

    Raises:
        ConfigurationError: with everything that is wrong with it.
    """
    document = read(path)
    if isinstance(document, Problem):
        raise ConfigurationError([document])
    try:
        variants = _Variants.model_validate(document).variant
    except ValidationError as error:
        raise ConfigurationError(problems_of(error, _Variants, path)) from error
    if not variants:
        return [("", _filled(document, {}, path))]
    return [
        (variant.name, _filled(_varied(document, number), variant.values, path))
        for number, variant in enumerate(variants)
    ]


def load_all(directory: Path = DIRECTORY) -> list[Case]:
    """Read every scenario of a directory.

    Raises:
        ConfigurationError: as :func:`load`; or two have the same id.
    """
    cases: dict[str, Case] = {}
    for path in sorted(directory.glob("*.toml")):
        for name, scenario in load(path):
            claim = f"{scenario.claim} [{name}]" if name else scenario.claim
            if claim in cases:
                text = f"has the same claim as {cases[claim].path.name}: {claim}"
                raise ConfigurationError([Problem(place=shown(path), text=text)])
            cases[claim] = Case(claim, path, len(cases), scenario)
    return list(cases.values())


def _validated(document: Mapping[str, Any], path: Path) -> Scenario:
    try:
        return Scenario.model_validate(document)
    except ValidationError as error:
        raise ConfigurationError(problems_of(error, Scenario, path)) from error


def _varied(document: Mapping[str, Any], index: int) -> dict[str, Any]:
    variant = document["variant"][index]
    changed = {key: variant[key] for key in ("postfix",) if key in variant}
    expect = variant.get("expect", {})
    if "disposition" not in expect:
        expect = {**document.get("expect", {}), **expect}
    return {**document, **changed, "expect": expect}


def _filled(document: Mapping[str, Any], values: Mapping[str, str], path: Path) -> Scenario:
    """Fill in the values of a variant, and see that none is left over and no placeholder unknown."""
    used: set[str] = set()

    def fill(value: Any) -> Any:
        match value:
            case str():
                return PLACEHOLDER.sub(one, value)
            case list():
                return [fill(each) for each in value]
            case dict():
                return {key: fill(each) for key, each in value.items()}
            case _:
                return value

    def one(found: re.Match[str]) -> str:
        if found[1] in values:
            used.add(found[1])
            return values[found[1]]
        return found[0]

    filled = {key: value if key in _UNVARIED else fill(value) for key, value in document.items()}
    problems = [f"nothing uses the value {name!r} of a variant" for name in values if name not in used]
    unvaried = {key: value for key, value in filled.items() if key != "variant"}
    problems += [
        f"nobody fills the placeholder ${{{found[1]}}}"
        for text in _texts(unvaried)
        for found in PLACEHOLDER.finditer(text)
        if found[1].partition(":")[0] not in KINDS
    ]
    if problems:
        raise ConfigurationError([Problem(place=shown(path), text=text) for text in problems])
    return _validated(filled, path)


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for each in value:
                yield from _texts(each)
        case dict():
            for each in value.values():
                yield from _texts(each)
