"""Only what is known already: how an evaluation that must not wait finds out that it would have to."""

from assay.answers import Answer, Resolver, RRType


class NotKnownYetError(Exception):
    """The answer is not here yet; the query was started."""


class KnownAnswers:
    """A resolver that never waits."""

    def __init__(self, resolver: Resolver) -> None:
        """Take the answers of ``resolver`` that need no waiting."""
        self._resolver = resolver

    def resolve(self, name: bytes, rrtype: RRType) -> Answer:
        """Give the answer that is here.

        Raises:
            NotKnownYetError: there is none.
        """
        answer = self._resolver.prefetch(name, rrtype)
        if answer is None:
            raise NotKnownYetError
        return answer

    def prefetch(self, name: bytes, rrtype: RRType) -> Answer | None:
        """Start the query, and give the answer that is here."""
        return self._resolver.prefetch(name, rrtype)
