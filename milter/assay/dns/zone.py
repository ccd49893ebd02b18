"""The DNS in memory, for tests, ``assay check --zone FILE`` and ``assay demo``: the zone is all the DNS there is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from assay.answers import Absent, Answer, Found, Record, RRType, Unavailable
from assay.dns.chain import MAX_LINKS
from assay.dns.names import to_wire
from assay.dns.zonefile import ZONE_TTL, Alias, ZoneError, ZoneRecord, read_zone


@dataclass(slots=True)
class _Node:
    records: dict[RRType, list[Record]] = field(default_factory=dict)
    ttls: dict[RRType, int] = field(default_factory=dict)
    alias: tuple[bytes, int] | None = None
    broken: str | None = None


class Zone:
    """A resolver that answers from records in memory. Names that it does not hold are NXDOMAIN.

    A name above one that it holds exists, too (RFC 8020 2). A label ``*`` at the left stands for names that do not
    exist (RFC 4592). CNAMEs are followed. There is no time in it: everything is answered at once.
    """

    def __init__(
        self,
        records: Mapping[tuple[bytes, RRType], Sequence[Record]] | None = None,
        *,
        aliases: Mapping[bytes, bytes] | None = None,
        broken: Mapping[bytes, str] | None = None,
        ttl: int = ZONE_TTL,
    ) -> None:
        """Make a zone in code.

        Args:
            records: names (octets, labels joined by ".") and types with what they hold. An empty sequence makes a
                name that exists and holds nothing.
            aliases: names that own a CNAME, with its target.
            broken: names at which the DNS fails, with the reason, such as ``"SERVFAIL"`` or ``"timeout"``: each type
                that the zone holds no record of is Unavailable there.
            ttl: seconds, for all of them.

        Raises:
            ZoneError: a name that cannot be asked, or one with an alias and records.
        """
        self._nodes: dict[bytes, _Node] = {}
        self._existing: set[bytes] = set()
        for (name, rrtype), held in (records or {}).items():
            self._node(name)
            for record in held:
                self._add(ZoneRecord(name=name, ttl=ttl, rrtype=rrtype, data=record))
        for name, target in (aliases or {}).items():
            self._add(ZoneRecord(name=name, ttl=ttl, rrtype=None, data=Alias(target)))
        for name, why in (broken or {}).items():
            self._node(name).broken = why

    @classmethod
    def parse(cls, text: str, *, place: str = "zone", broken: Mapping[bytes, str] | None = None) -> Self:
        """Read a zone file, as :func:`assay.dns.zonefile.read_zone` does.

        Args:
            text: the file.
            place: its name, for errors.
            broken: as in :class:`Zone`; a zone file has no words for it.

        Raises:
            ZoneError: a fault in the file, or a name with an alias and records.
        """
        zone = cls(broken=broken)
        for record in read_zone(text, place):
            zone._add(record, place)
        return zone

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a zone file from disk.

        Raises:
            ZoneError: it cannot be read, or as in :meth:`parse`.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ZoneError(f"{path}: cannot be read: {error}") from error
        return cls.parse(text, place=str(path))

    def resolve(self, name: bytes, rrtype: RRType) -> Answer:
        """Answer from memory."""
        ttls: list[int] = []
        seen: list[bytes] = []
        at = name.lower()
        while len(seen) <= MAX_LINKS:
            node = self._find(at)
            if node is None:
                return Absent(nxdomain=True, alias=bool(seen))
            if rrtype in node.records:
                return Found(tuple(node.records[rrtype]), min(node.ttls[rrtype], *ttls, node.ttls[rrtype]))
            if node.alias is None:
                return Absent(nxdomain=False, alias=bool(seen)) if node.broken is None else Unavailable(node.broken)
            seen.append(at)
            target, ttl = node.alias
            ttls.append(ttl)
            at = target.lower()
            if at in seen:
                return Unavailable("a CNAME loop")
        return Unavailable(f"more than {MAX_LINKS} CNAME records in a chain")

    def prefetch(self, name: bytes, rrtype: RRType) -> None:
        """Do nothing: all answers are here."""

    def _add(self, record: ZoneRecord, place: str = "zone") -> None:
        node = self._node(record.name, place)
        if isinstance(record.data, Alias):
            if node.alias is not None or node.records:
                raise ZoneError(f"{place}: {record.name!r}: a CNAME beside other records")  # RFC 1034 3.6.2
            node.alias = (record.data.target, record.ttl)
        elif record.rrtype is not None and record.data is not None:
            if node.alias is not None:
                raise ZoneError(f"{place}: {record.name!r}: a record beside a CNAME")
            node.records.setdefault(record.rrtype, []).append(record.data)
            # RFC 2181 5.2: one record set has one TTL, the smallest stated
            node.ttls[record.rrtype] = min(record.ttl, node.ttls.get(record.rrtype, record.ttl))

    def _node(self, name: bytes, place: str = "zone") -> _Node:
        if to_wire(name) is None:
            raise ZoneError(f"{place}: {name!r} is no name: labels of 1 to 63 octets, 253 in all, no NUL, no final dot")
        folded = name.lower()
        self._existing.update((folded, *_ancestors(folded)))
        return self._nodes.setdefault(folded, _Node())

    def _find(self, name: bytes) -> _Node | None:
        """Return what the name holds, by a wildcard if need be; None if it does not exist."""
        if to_wire(name) is None:
            return None
        if name in self._existing:
            return self._nodes.get(name, _Node())
        for ancestor in _ancestors(name):
            if ancestor in self._existing:  # RFC 4592 3.3.1: the closest encloser alone
                return self._nodes.get(b"*." + ancestor)
        return self._nodes.get(b"*")


def _ancestors(name: bytes) -> Iterator[bytes]:
    while b"." in name:
        name = name.partition(b".")[2]
        yield name
