"""The public RFC 7208 suite: its cases, and its zone data as a resolver, as a table, or as zone files.

The suite describes a DNS of its own: a record of type SPF stands for TXT too, unless its name has TXT records already
(``TXT: NONE`` suppresses the copy), and ``TIMEOUT`` makes a name silent for every type that it does not list.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import yaml

from assay.answers import Absent, Answer, Found, Mx, Record, RRType, Unavailable
from support.knot import txt

SUITE = Path(__file__).parents[3] / "shared" / "vectors" / "rfc7208" / "rfc7208-tests.yml"
MISSING = f"{SUITE} is not there: the public vectors lie beside the project"
_TTL = 60
_MAX_ALIASES = 8


@dataclass(frozen=True, slots=True)
class SuiteName:
    """What the suite says of one name, TXT copies made.

    Attributes:
        records: by type, in the order of the file.
        alias: the target of its CNAME.
        dead: silent for every type without records.
    """

    records: Mapping[RRType, tuple[Record, ...]]
    alias: bytes | None = None
    dead: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """A section of the suite with its own zone data; names in lower case."""

    number: int
    title: str
    names: Mapping[bytes, SuiteName]


@dataclass(frozen=True, slots=True)
class SuiteCase:
    """One test of the suite.

    Attributes:
        section: of RFC 7208.
        results: any of these is right.
        explanation: the text; ``DEFAULT`` for none of the owner's; None where the suite does not say.
    """

    name: str
    section: str
    scenario: Scenario
    client: IPv4Address | IPv6Address
    helo: bytes
    mail_from: bytes
    results: tuple[str, ...]
    explanation: str | None

    @property
    def path(self) -> bytes:
        """The argument of MAIL: the suite leaves out brackets, and the quotes of a local part with a space."""
        local, at, domain = self.mail_from.rpartition(b"@")
        return b"<" + (b'"' + local + b'"' if b" " in local else local) + at + domain + b">"


def suite_cases() -> tuple[SuiteCase, ...]:
    """Every case of the suite in file order; empty where the vectors are missing."""
    return tuple(case for scenario in _documents() for case in _cases(*scenario))


@cache
def _documents() -> tuple[tuple[Scenario, Mapping[str, Any]], ...]:
    if not SUITE.exists():
        return ()
    documents = yaml.safe_load_all(SUITE.read_text(encoding="utf-8"))
    return tuple(
        (Scenario(number, document["description"], zone(document["zonedata"])), document["tests"])
        for number, document in enumerate(documents)
    )


def _cases(scenario: Scenario, tests: Mapping[str, Any]) -> list[SuiteCase]:
    return [
        SuiteCase(
            name=name,
            section=str(test["spec"]),
            scenario=scenario,
            client=_client(test["host"]),
            helo=test["helo"].encode("latin-1"),
            mail_from=test["mailfrom"].encode("latin-1"),
            results=tuple([test["result"]] if isinstance(test["result"], str) else test["result"]),
            explanation=test.get("explanation"),
        )
        for name, test in tests.items()
    ]


def _client(host: str) -> IPv4Address | IPv6Address:
    """As facts hold it: an IPv4-mapped address is IPv4."""
    address = ip_address(host)
    return getattr(address, "ipv4_mapped", None) or address


def zone(zonedata: Mapping[str, Sequence[Any]]) -> dict[bytes, SuiteName]:
    """Read zone data in the suite's notation: ``{"example.com": [{"SPF": "v=spf1 -all"}, "TIMEOUT"]}``."""
    return {name.encode("latin-1").lower(): _name(entries) for name, entries in zonedata.items()}


def _name(entries: Sequence[Any]) -> SuiteName:
    pairs = [pair for entry in entries if entry != "TIMEOUT" for pair in entry.items()]
    spelled = [(kind, value) for kind, value in pairs if value != "NONE"]
    if not any(kind == "TXT" for kind, _ in pairs):
        spelled += [("TXT", value) for kind, value in pairs if kind == "SPF"]
    records: dict[RRType, tuple[Record, ...]] = {}
    alias = None
    for kind, value in spelled:
        if kind == "CNAME":
            alias = _octets(value)
        elif kind != "SPF":
            rrtype = RRType(kind)
            records[rrtype] = (*records.get(rrtype, ()), _record(rrtype, value))
    return SuiteName(records, alias, "TIMEOUT" in entries)


def _record(rrtype: RRType, value: Any) -> Record:
    match rrtype:
        case RRType.A:
            return IPv4Address(value)
        case RRType.AAAA:
            return IPv6Address(value)
        case RRType.MX:
            return Mx(value[0], _octets(value[1]))
        case RRType.PTR:
            return _octets(value)
        case RRType.TXT:
            return "".join([value] if isinstance(value, str) else value).encode("latin-1")


def _octets(name: str) -> bytes:
    return name.removesuffix(".").encode("latin-1")


def zone_lines(names: Mapping[bytes, SuiteName]) -> list[str]:
    """The same data as lines of a zone file for the zone "."; what is dead has to be arranged elsewhere."""
    return [
        f"{_escaped(name)} {kind} {data}"
        for name, entry in names.items()
        for kind, data in [
            *((str(rrtype), _data(rrtype, record)) for rrtype, records in entry.records.items() for record in records),
            *([("CNAME", _escaped(entry.alias))] if entry.alias is not None else []),
        ]
    ]


def _data(rrtype: RRType, record: Record) -> str:
    match record:
        case Mx(preference, exchange):
            return f"{preference} {_escaped(exchange)}"
        case IPv4Address() | IPv6Address():
            return str(record)
        case bytes():
            return txt(record) if rrtype is RRType.TXT else _escaped(record)


def _escaped(name: bytes) -> str:
    """Write a name absolutely; every octet that is not of a host name by its number (RFC 1035 5.1)."""
    plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
    return "".join(chr(octet) if octet in plain else f"\\{octet:03d}" for octet in name) + "."


class SuiteResolver:
    """Answers from one scenario; CNAMEs are followed, a loop is unavailable.

    Attributes:
        queries: every question, in order.
        prefetched: every question that was started ahead, in order.
    """

    def __init__(self, names: Mapping[bytes, SuiteName]) -> None:
        self._names = names
        self.queries: list[tuple[bytes, RRType]] = []
        self.prefetched: list[tuple[bytes, RRType]] = []

    def resolve(self, name: bytes, rrtype: RRType) -> Answer:
        self.queries.append((name, rrtype))
        key = name.lower()
        for aliases in range(_MAX_ALIASES):
            entry = self._names.get(key)
            if entry is None:
                return Absent(nxdomain=True, alias=aliases > 0)
            if records := entry.records.get(rrtype):
                return Found(records, _TTL)
            if entry.dead:
                return Unavailable("timeout")
            if entry.alias is None:
                return Absent(nxdomain=False, alias=aliases > 0)
            key = entry.alias.lower()
        return Unavailable("too many CNAMEs")

    def prefetch(self, name: bytes, rrtype: RRType) -> None:
        self.prefetched.append((name.lower(), rrtype))
