"""What a message must find out whatever its sender makes it ask: such questions have a budget of their own."""

from collections.abc import Iterable

from assay.answers import Answer, Resolver, RRType


class ReservedResolver:
    """Two resolvers that act as one. Thread-safe, as they are.

    The sender of a message chooses most of what it asks: SPF terms, selectors, ARC sealers. With slow or many names he
    can use up its budget, and with it all means to learn that the author domain asks for rejection; DMARC would then
    stay open, and a forgery be let in (standards H.5 D3, D4). So these questions do not share a budget with the rest.
    """

    def __init__(self, general: Resolver, reserved: Resolver, names: Iterable[bytes]) -> None:
        """Make one of two.

        Args:
            general: is asked everything else.
            reserved: is asked for TXT records at ``names``, and starts to look for them now.
            names: in any case.
        """
        self._general = general
        self._reserved = reserved
        unique = dict.fromkeys(name.lower() for name in names)
        self._names = frozenset(unique)
        for name in unique:
            reserved.prefetch(name, RRType.TXT)

    def resolve(self, name: bytes, rrtype: RRType) -> Answer:
        """Answer within the budget that the question belongs to."""
        return self._of(name, rrtype).resolve(name, rrtype)

    def prefetch(self, name: bytes, rrtype: RRType) -> Answer | None:
        """Start the query within the budget that the question belongs to."""
        return self._of(name, rrtype).prefetch(name, rrtype)

    def reserves(self, name: bytes, rrtype: RRType) -> bool:
        """Whether the question belongs to the reserved budget, and so may get another answer than the rest had."""
        return rrtype is RRType.TXT and name.lower() in self._names

    def _of(self, name: bytes, rrtype: RRType) -> Resolver:
        return self._reserved if self.reserves(name, rrtype) else self._general
