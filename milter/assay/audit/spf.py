"""SPF: what the record says, and what it costs a receiver that has to go to its end (RFC 7208 4.6.4).

The daemon's own evaluation stops at the first match or error, for one client. An audit wants all of it: every term is
counted as if no term before it matched, and the count goes on beyond the limits.
"""

import re
from dataclasses import dataclass, field

from assay.answers import Absent, Found, Mx, RRType, Unavailable
from assay.audit.asking import Asking, shown
from assay.audit.findings import finding
from assay.audit.ids import Id
from assay.audit.report import Finding, Publish, Spf, SpfCost
from assay.domain import Domain
from assay.limits import MAX_AUDITED_SPF_TERMS, SPF_LOOKUPS, SPF_VOID_LOOKUPS
from assay.verify.spf_record import (
    Directive,
    Macro,
    SpfRecord,
    SpfSyntaxError,
    is_spf,
    parse_macros,
    parse_record,
    target_name,
)

_ALL = re.compile(r"[+?~-]?all", re.IGNORECASE)
_TERM = re.compile(r"[+?~-]?(?P<name>[a-z0-9]+)(?::(?P<target>[^/]*))?.*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SpfReading:
    """What SPF says.

    Attributes:
        section: None where it is not known whether there is a record.
        sends: mail may come from the domain: False only where the record is nothing but ``-all``.
    """

    section: Spf | None
    findings: tuple[Finding, ...]
    sends: bool


def inspect_spf(domain: Domain, asking: Asking) -> SpfReading:
    """Read the SPF record of a domain and all that it leads to."""
    reader = _Reader(domain, asking)
    record = reader.start()
    parked = (
        record is not None
        and record.redirect is None
        and [directive.text.lower() for directive in record.directives] == ["-all"]
    )
    known = asking.texts(bytes(domain)) is not None
    section = reader.section() if known else None
    return SpfReading(section=section, findings=tuple(reader.findings), sends=not parked)


@dataclass(slots=True)
class _Reader:
    """Reads one record and those that it leads to."""

    domain: Domain
    asking: Asking
    findings: list[Finding] = field(default_factory=list)
    _text: bytes | None = None
    _costs: list[SpfCost] = field(default_factory=list)
    _unknown: list[str] = field(default_factory=list)
    _extra: int = 0

    def start(self) -> SpfRecord | None:
        """Read the domain's own record; None where there is none that can be read."""
        name = bytes(self.domain)
        records = self._records(name)
        if records == []:
            self._found(
                Id.SPF_MISSING,
                f"{self.domain} has no SPF record",
                "publish one that names every host that sends for the domain; this one names the MX hosts",
                Publish(name=self.domain.name, type="TXT", value="v=spf1 mx ~all"),
            )
        if not records:
            return None
        self._text = records[0]
        record = self._parsed(name, records)
        if record is not None:
            self._read(record, (name,), outermost=True)
            self._check_limits()
        return record

    def section(self) -> Spf:
        """Return what was read."""
        return Spf(
            record=None if self._text is None else shown(self._text),
            lookups=self._lookups,
            lookups_limit=SPF_LOOKUPS,
            voids=self._voids,
            voids_limit=SPF_VOID_LOOKUPS,
            costs=tuple(self._costs),
            unknown=tuple(self._unknown),
        )

    @property
    def _lookups(self) -> int:
        return len(self._costs) + self._extra

    @property
    def _voids(self) -> int:
        return sum(cost.void for cost in self._costs)

    def _found(self, kind: Id, text: str, remedy: str, publish: Publish | None = None) -> None:
        """Add a finding; a record that is included twice brings it once."""
        made = finding(kind, text, remedy, publish)
        if made not in self.findings:
            self.findings.append(made)

    def _records(self, name: bytes) -> list[bytes] | None:
        texts = self.asking.texts(name)
        return None if texts is None else [text for text in texts if is_spf(text)]

    def _parsed(self, name: bytes, records: list[bytes]) -> SpfRecord | None:
        """Read the one record of a name (RFC 7208 4.5, 4.6)."""
        whose = shown(name)
        if len(records) > 1:
            self._found(
                Id.SPF_SEVERAL,
                f"{whose} has {len(records)} SPF records: every receiver answers permerror (RFC 7208 4.5)",
                self._act(name, "join them into one record"),
            )
            return None
        try:
            return parse_record(records[0])
        except SpfSyntaxError as error:
            self._found(
                Id.SPF_SYNTAX,
                f"in the SPF record of {whose}: {error}; every receiver answers permerror (RFC 7208 4.6)",
                self._act(name, "correct that term"),
            )
            return None

    def _act(self, name: bytes, what: str) -> str:
        """Say what to do about a record, and who can."""
        return what if name == bytes(self.domain) else f"take {shown(name)} out, or let its owner act: {what}"

    def _read(self, record: SpfRecord, path: tuple[bytes, ...], *, outermost: bool) -> None:
        """Count the terms of a record in the order of evaluation; ``path`` leads to it and ends with its name."""
        name = path[-1]
        for directive in record.directives:
            if _ALL.fullmatch(directive.text):
                self._check_end(directive, name, outermost=outermost)
                return  # RFC 7208 5.1: what stands behind it is never reached
            if directive.network is not None:
                self._check_network(directive, name)
            elif self._lookups < MAX_AUDITED_SPF_TERMS:
                self._read_directive(directive, path)
        if record.redirect is not None:
            self._follow(f"redirect={record.redirect}", record.redirect, path, outermost=outermost)
        elif outermost:
            self._found(
                Id.SPF_NO_ALL,
                f"the SPF record of {shown(name)} ends without all: others get neutral, as without a record",
                'end it with "~all" or "-all"',
                self._own(name, f"{shown(self._text or b'')} ~all"),
            )

    def _read_directive(self, directive: Directive, path: tuple[bytes, ...]) -> None:
        """Count a directive that asks the DNS, and follow it."""
        name = path[-1]
        term = _TERM.fullmatch(directive.text)
        assert term is not None, "the grammar was checked"
        mechanism, target = term["name"].lower(), term["target"]
        if mechanism == "include":
            self._follow(directive.text, directive.text.partition(":")[2], path, outermost=False)
            return
        if mechanism == "ptr":
            self._found(
                Id.SPF_PTR,
                f'"{directive.text}" in the SPF record of {shown(name)}: slow, unreliable, and a burden for others '
                "(RFC 7208 5.5)",
                self._act(name, "name the networks instead, by ip4 and ip6"),
            )
        void = False
        if "%" in directive.text:
            self._note_macros(directive.text, name)
        elif mechanism != "ptr":
            asked = name if target is None else target_name((target,)).encode().lower()
            void = self._is_void(mechanism, asked, directive.text)
            if mechanism == "exists" and not void and directive.result == "pass" and self._exists(asked):
                self._found(
                    Id.SPF_PASS_ALL,
                    f'"{directive.text}" in the SPF record of {shown(name)}: the name exists, so everybody may send',
                    self._act(name, "take it out; exists needs a macro, such as %{i}, to tell senders apart"),
                )
        self._count(name, directive.text, void=void)

    def _is_void(self, mechanism: str, name: bytes, term: str) -> bool:
        """Whether a term finds nothing, whatever the client's address (RFC 7208 4.6.4)."""
        if mechanism == "a":
            return self.asking.addresses(name) == []
        answer = self.asking.resolve(name, RRType.MX if mechanism == "mx" else RRType.A)
        if isinstance(answer, Found) and mechanism == "mx":
            hosts = {record.exchange for record in answer.records if isinstance(record, Mx)}
            if len(hosts) > SPF_LOOKUPS:
                self._found(
                    Id.SPF_LOOKUPS,
                    f'"{term}": {shown(name)} has {len(hosts)} MX records, and with more than {SPF_LOOKUPS} receivers '
                    "answer permerror (RFC 7208 4.6.4)",
                    "name the hosts that send by ip4 and ip6 instead",
                )
                return False
            # as the daemon counts: the term, and once, however many of its hosts have no address
            return any(host and self.asking.addresses(host) == [] for host in hosts)
        return isinstance(answer, Absent)

    def _exists(self, name: bytes) -> bool:
        return isinstance(self.asking.resolve(name, RRType.A), Found)

    def _follow(self, term: str, spec: str, path: tuple[bytes, ...], *, outermost: bool) -> None:
        """Count an include or redirect and read the record behind it."""
        name = path[-1]
        if "%" in spec:
            self._note_macros(term, name)
            self._count(name, term, void=False)
            return
        target = target_name((spec,)).encode().lower()
        if target in path:
            self._count(name, term, void=False)
            self._found(
                Id.SPF_LOOP,
                f'"{term}" in the SPF record of {shown(name)} leads back to {shown(target)}, a permerror',
                self._act(name, "take that term out"),
            )
            return
        answer = self.asking.resolve(target, RRType.TXT)
        self._count(name, term, void=isinstance(answer, Absent))
        if isinstance(answer, Unavailable):
            return
        records = self._records(target)
        if not records:
            self._found(
                Id.SPF_TARGET_MISSING,
                f'"{term}" in the SPF record of {shown(name)}: {shown(target)} has no SPF record, and receivers answer '
                "permerror (RFC 7208 5.2, 6.1)",
                self._act(name, "take that term out, or correct its name"),
            )
            return
        record = self._parsed(target, records)
        if record is not None:
            self._read(record, (*path, target), outermost=outermost)

    def _note_macros(self, term: str, name: bytes) -> None:
        """Note a term that depends on the message; a macro p counts like ptr (RFC 7208 4.6.4)."""
        self._unknown.append(f"{term} (in the record of {shown(name)})")
        macros = parse_macros(term.partition("=" if term.lower().startswith("redirect=") else ":")[2])
        if any(isinstance(token, Macro) and token.letter == "p" for token in macros):
            self._extra += 1

    def _count(self, name: bytes, term: str, *, void: bool) -> None:
        self._costs.append(SpfCost(domain=shown(name), term=term, lookups=self._lookups + 1, void=void))

    def _check_end(self, directive: Directive, name: bytes, *, outermost: bool) -> None:
        if directive.result == "pass":
            self._found(
                Id.SPF_PASS_ALL,
                f'"{directive.text}" in the SPF record of {shown(name)}: everybody may send for {self.domain}',
                self._act(name, "end it with ~all or -all, after every host that does send"),
                self._own(name, self._with_end("~all")),
            )
        elif directive.result == "neutral" and outermost:
            self._found(
                Id.SPF_NEUTRAL_ALL,
                f'"{directive.text}" in the SPF record of {shown(name)}: others get neutral, as without a record',
                self._act(name, "end it with ~all or -all"),
                self._own(name, self._with_end("~all")),
            )

    def _check_network(self, directive: Directive, name: bytes) -> None:
        network = directive.network
        assert network is not None, "the caller looked"
        if directive.result == "pass" and network.shift == (32 if network.version == 4 else 128):  # noqa: PLR2004
            self._found(
                Id.SPF_PASS_ALL,
                f'"{directive.text}" in the SPF record of {shown(name)} holds every IPv{network.version} address',
                self._act(name, "name the networks that do send"),
            )

    def _check_limits(self) -> None:
        if self._lookups > SPF_LOOKUPS:
            over = next(cost for cost in self._costs if cost.lookups > SPF_LOOKUPS)
            self._found(
                Id.SPF_LOOKUPS,
                f"the SPF record of {self.domain} needs {self._lookups} look-ups and may need {SPF_LOOKUPS}: from "
                f'"{over.term}" in the record of {over.domain} on, receivers answer permerror (RFC 7208 4.6.4)',
                "take out senders that are not used any more, name networks by ip4 and ip6, or let a service send "
                "under a subdomain with a record of its own",
            )
        if self._voids > SPF_VOID_LOOKUPS:
            voids = ", ".join(f'"{cost.term}" ({cost.domain})' for cost in self._costs if cost.void)
            self._found(
                Id.SPF_VOIDS,
                f"{self._voids} terms of the SPF record of {self.domain} find nothing, and receivers answer permerror "
                f"after {SPF_VOID_LOOKUPS} (RFC 7208 4.6.4): {voids}",
                "take these terms out, or give their names records",
            )

    def _own(self, name: bytes, value: str) -> Publish | None:
        """Return a record to publish, if the name is the audited domain's own."""
        return Publish(name=self.domain.name, type="TXT", value=value) if name == bytes(self.domain) else None

    def _with_end(self, end: str) -> str:
        """Return the domain's record with another ``all``."""
        terms = shown(self._text or b"").split(" ")
        return " ".join(end if _ALL.fullmatch(term) else term for term in terms)
