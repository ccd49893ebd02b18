"""A resolver that answers from a dictionary and remembers what it was asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from assay.answers import Absent, Answer, Found, Record, RRType, Unavailable

NXDOMAIN = Absent(nxdomain=True)
NODATA = Absent(nxdomain=False)
SERVFAIL = Unavailable("SERVFAIL")

Key = bytes | tuple[bytes, RRType]


def found(*records: Record, ttl: int = 300) -> Found:
    """Give the answer that holds these records."""
    return Found(records, ttl)


@dataclass
class DictResolver:
    """Answers from ``answers``: by ``(name, type)``, or by ``name`` for whatever type is asked.

    A name that is not listed has no data where it or a name below it is listed, and does not exist otherwise. As the
    protocol of resolvers has it, a name that no server could hold does not exist, and is not counted as asked.

    Attributes:
        asked: each name and type that ``resolve`` was given, in order, repetitions included.
        prefetched: the same for ``prefetch``.
    """

    answers: Mapping[Key, Answer] = field(default_factory=dict)
    asked: list[tuple[bytes, RRType]] = field(default_factory=list)
    prefetched: list[tuple[bytes, RRType]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._answers: dict[Key, Answer] = {}
        self._names: set[bytes] = set()
        for key, answer in self.answers.items():
            name = (key if isinstance(key, bytes) else key[0]).lower()
            self._answers[name if isinstance(key, bytes) else (name, key[1])] = answer
            if not (isinstance(answer, Absent) and answer.nxdomain):
                labels = name.split(b".")
                self._names.update(b".".join(labels[start:]) for start in range(len(labels)))

    def resolve(self, name: bytes, rrtype: RRType) -> Answer:
        name = name.lower()
        if len(name) > 253 or not all(0 < len(label) <= 63 for label in name.split(b".")) or b"\0" in name:
            return NXDOMAIN
        self.asked.append((name, rrtype))
        answer = self._answers.get((name, rrtype), self._answers.get(name))
        if answer is None:
            return NODATA if name in self._names else NXDOMAIN
        return answer

    def prefetch(self, name: bytes, rrtype: RRType) -> None:
        self.prefetched.append((name.lower(), rrtype))

    def names(self, rrtype: RRType) -> list[bytes]:
        """Give the names asked for with this type, in order."""
        return [name for name, asked in self.asked if asked is rrtype]
