"""A resolver that remembers what the DNS did not answer: an audit must never take that for "no record"."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from assay.answers import Answer, Found, Resolver, RRType, Unavailable
from assay.audit.report import Unanswered


@dataclass(slots=True)
class Asking:
    """Asks for one audit.

    Attributes:
        resolver: what answers.
    """

    resolver: Resolver
    _failed: dict[tuple[bytes, RRType], str] = field(default_factory=dict)

    def resolve(self, name: bytes, rrtype: RRType) -> Answer:
        """Ask, and remember the question if nothing is known."""
        answer = self.resolver.resolve(name, rrtype)
        if isinstance(answer, Unavailable):
            self._failed.setdefault((name.lower(), rrtype), answer.why)
        return answer

    def prefetch(self, name: bytes, rrtype: RRType) -> Answer | None:
        """Start a question whose answer will be asked for."""
        return self.resolver.prefetch(name, rrtype)

    def texts(self, name: bytes) -> list[bytes] | None:
        """Return the TXT records of a name, none where there are none; None where nothing is known."""
        match self.resolve(name, RRType.TXT):
            case Unavailable():
                return None
            case Found(records):
                return [record for record in records if isinstance(record, bytes)]
            case _:
                return []

    def addresses(self, name: bytes) -> list[str] | None:
        """Return the addresses of a host, IPv4 first; None where none is known and one may exist.

        Where one is known a failure for the other family is not noted: it changes nothing.
        """
        answers = [self.resolver.resolve(name, rrtype) for rrtype in (RRType.A, RRType.AAAA)]
        found = [
            str(record)
            for answer in answers
            if isinstance(answer, Found)
            for record in answer.records
            if isinstance(record, IPv4Address | IPv6Address)
        ]
        if found:
            return found
        known = [not isinstance(self.resolve(name, rrtype), Unavailable) for rrtype in (RRType.A, RRType.AAAA)]
        return found if all(known) else None

    @property
    def unanswered(self) -> tuple[Unanswered, ...]:
        """Every question that got no answer, in the order asked."""
        return tuple(
            Unanswered(name=shown(name), type=rrtype.value, why=why) for (name, rrtype), why in self._failed.items()
        )


def shown(octets: bytes) -> str:
    """Return octets of the DNS as text; what is no printable ASCII is written as an escape."""
    text = octets.decode("ascii", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
