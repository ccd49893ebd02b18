"""The ARC fields of a message, read and put in order (RFC 8617 4.2, 5.2 steps 1 to 3), before any key is asked for.

dkimpy's ``sorted_arc_headers`` is not used: it takes the first ``i=`` anywhere in a field, in any case, for the
instance, drops fields that have none without a word, and ``verify_instance`` then looks for the literal text
" i=N;" in the raw field (docs/library-traps.md D3, D12).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from assay.facts import HeaderField
from assay.limits import MAX_ARC_SETS
from assay.message.tags import TagListError
from assay.results import ArcSet
from assay.verify.signature import (
    ChainStatus,
    Refusal,
    Seal,
    Signature,
    Tags,
    parse_instance,
    parse_message_signature,
    parse_seal,
    read_tags,
)

_WHITE_SPACE = b" \t\r\n"
_HEAD_OCTETS = 1000  # what may stand before the ";" of an ARC-Authentication-Results field, comments included


class ArcField(StrEnum):
    """The three fields of an ARC set."""

    RESULTS = "arc-authentication-results"
    MESSAGE_SIGNATURE = "arc-message-signature"
    SEAL = "arc-seal"


_KINDS: Mapping[bytes, ArcField] = {kind.encode(): kind for kind in ArcField}


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One ARC set of a chain, its three fields read.

    Attributes:
        results, message, seal: positions of the fields in the message.
        claims: of the ARC-Authentication-Results, what follows ``i=N;``.
        signature: of the ARC-Message-Signature.
        sealing: of the ARC-Seal.
    """

    instance: int
    results: int
    message: int
    seal: int
    claims: bytes
    signature: Signature | Refusal
    sealing: Seal | Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The ARC sets of a message.

    Attributes:
        links: the sets that have each field once, lowest instance first; 1 to N where the chain is complete.
        complete: as in :class:`~assay.results.ArcResult`.
        problem: why the chain fails before any signature is looked at; None if it does not.
    """

    links: tuple[Link, ...]
    complete: bool
    problem: str | None

    def sets(self) -> tuple[ArcSet, ...]:
        """Return what can be told of each set."""
        return tuple(
            ArcSet(
                instance=link.instance,
                sealer=link.sealing.sdid,
                selector=link.sealing.selector.name,
                signs_from=link.signature.signs_from,
                claims=link.claims,
            )
            for link in self.links
            if isinstance(link.sealing, Seal) and isinstance(link.signature, Signature)
        )


@dataclass(slots=True)
class _Found:
    """The fields of one instance, as they turn up."""

    results: list[tuple[int, bytes]] = field(default_factory=list)
    messages: list[tuple[int, Tags]] = field(default_factory=list)
    seals: list[tuple[int, Tags]] = field(default_factory=list)

    def link(self, instance: int) -> Link | None:
        if not len(self.results) == len(self.messages) == len(self.seals) == 1:
            return None
        (results, claims), (message, signature), (seal, sealing) = self.results[0], self.messages[0], self.seals[0]
        return Link(
            instance=instance,
            results=results,
            message=message,
            seal=seal,
            claims=claims,
            signature=parse_message_signature(signature),
            sealing=parse_seal(sealing),
        )


def read_chain(headers: Sequence[HeaderField]) -> Chain | None:
    """Collect the ARC sets of a message.

    Returns:
        None for a message without any ARC field, at the price of one look at each field's name.
    """
    positions = [
        (position, kind) for position, header in enumerate(headers) if (kind := _KINDS.get(header.key)) is not None
    ]
    if not positions:
        return None
    if len(positions) > MAX_ARC_SETS * len(ArcField):
        # RFC 8617 4.2.1; said before anything is parsed
        return Chain(links=(), complete=False, problem=f"more than {MAX_ARC_SETS} ARC sets")
    found: dict[int, _Found] = {}
    unreadable: ArcField | None = None
    for position, kind in positions:
        if not _sort_in(found, kind, position, headers[position].value):
            unreadable = kind
    return _chain(found, unreadable)


def _sort_in(found: dict[int, _Found], kind: ArcField, position: int, value: bytes) -> bool:
    """Put a field into its set; False if it cannot be read or names no instance."""
    if kind is ArcField.RESULTS:
        read = parse_results(value)
        if read is None:
            return False
        instance, claims = read
        found.setdefault(instance, _Found()).results.append((position, claims))
        return True
    try:
        tags = read_tags(value)
    except TagListError:
        return False
    number = parse_instance(tags.get(b"i", b""))
    if number is None:
        return False
    entry = found.setdefault(number, _Found())
    (entry.seals if kind is ArcField.SEAL else entry.messages).append((position, tags))
    return True


def _chain(found: Mapping[int, _Found], unreadable: ArcField | None) -> Chain:
    instances = sorted(found)
    links = tuple(link for instance in instances if (link := found[instance].link(instance)) is not None)
    complete = unreadable is None and [link.instance for link in links] == list(range(1, instances[-1] + 1))
    return Chain(links=links, complete=complete, problem=_problem(found, links, unreadable, complete=complete))


def _problem(
    found: Mapping[int, _Found], links: Sequence[Link], unreadable: ArcField | None, *, complete: bool
) -> str | None:
    """Say why the chain fails, in the order of RFC 8617 5.2 (standards D.2, 1 to 3); None if it does not yet."""
    if unreadable is not None:
        return f"an {unreadable} field is no tag list, or its i= is no instance from 1 to {MAX_ARC_SETS}"
    newest = max(found)
    if any(tags.get(b"cv") == b"fail" for _, tags in found[newest].seals):
        return f"the ARC-Seal of i={newest} says cv=fail"  # RFC 8617 5.2 step 2
    if not complete:
        return f"the ARC sets are not 1 to {newest} with each field once"  # RFC 8617 5.2 step 3
    for link in links:
        if isinstance(link.sealing, Refusal):
            return f"ARC-Seal i={link.instance}: {link.sealing.reason}"
        if link.sealing.status is not (ChainStatus.NONE if link.instance == 1 else ChainStatus.PASS):
            # RFC 8617 5.2 step 3
            return f"ARC-Seal i={link.instance}: cv={link.sealing.status} is out of place"
    last = links[-1].signature
    return f"ARC-Message-Signature i={newest}: {last.reason}" if isinstance(last, Refusal) else None


def parse_results(value: bytes) -> tuple[int, bytes] | None:
    """Read an ARC-Authentication-Results field (RFC 8617 4.1.1): ``i=N`` first, then ";", then the payload.

    White space and comments may stand between all of them, up to a bound of ours that keeps the work small.

    Returns:
        The instance and what follows its ";"; None where the field does not begin so.
    """
    head = value[:_HEAD_OCTETS]
    at = _skip_comments(head, 0)
    if head[at : at + 1] != b"i":
        return None
    at = _skip_comments(head, at + 1)
    if head[at : at + 1] != b"=":
        return None
    at = _skip_comments(head, at + 1)
    end = at
    while head[end : end + 1].isdigit():
        end += 1
    instance = parse_instance(head[at:end])
    at = _skip_comments(head, end)
    if instance is None or head[at : at + 1] != b";":
        return None
    return instance, value[at + 1 :]


def _skip_comments(value: bytes, at: int) -> int:
    """Return the position after the white space and comments at ``at`` (RFC 5322 3.2.2 CFWS); linear."""
    depth = 0
    while at < len(value):
        octet = value[at : at + 1]
        if octet == b"\\" and depth:
            at += 1  # a quoted pair: the next octet stands for itself
        elif octet == b"(":
            depth += 1
        elif octet == b")" and depth:
            depth -= 1
        elif not depth and octet not in _WHITE_SPACE:
            break
        at += 1
    return at
