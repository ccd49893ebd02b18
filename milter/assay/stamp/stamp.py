"""What to write into a message's header, and what to take out of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from assay.facts import HeaderField, MessageFacts
from assay.policy.model import Decision
from assay.results import AuthResults
from assay.stamp.auth_results import NAME, authentication_results
from assay.stamp.removal import Removal, forged_fields
from assay.stamp.sanitize import header_value


@dataclass(frozen=True, slots=True)
class Insertion:
    """A header field to insert.

    Attributes:
        index: for smfi_insheader; 0 is above everything, the MTA's own Received included (standards G.5.1).
        name: without the colon.
        value: printable ASCII with its leading space (HDR_LEADSPC), folded by LF and white space, never with CR or NUL.
    """

    index: int
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Stamp:
    """The changes to the header, to be made in this order: all removals first (standards G.5.5)."""

    removals: tuple[Removal, ...] = ()
    insertions: tuple[Insertion, ...] = ()


def make_stamp(
    facts: MessageFacts,
    results: AuthResults,
    decision: Decision,
    *,
    own_ids: Collection[str] = (),
    own_fields: Collection[str] = (),
) -> Stamp:
    """Stamp a message that was judged.

    Args:
        facts: of the message; ``authserv_id`` names us, and incoming fields with it are removed.
        results: of the message.
        decision: what will be done with it; ``quarantine_field`` is written if it is set.
        own_ids: further authserv-ids of ours, whose incoming fields are removed too.
        own_fields: the names of all fields that only we write, whichever policy applies; removed where they come in.

    Raises:
        ValueError: the authserv-id holds no printable character.
    """
    insertions = []
    private = set(own_fields)
    if decision.quarantine_field is not None:
        private.add(decision.quarantine_field)
        why = header_value(f"{decision.rule}: {decision.reason}")
        insertions.append(Insertion(0, decision.quarantine_field, f" {why}"))
    value = authentication_results(results, authserv_id=facts.authserv_id, client=facts.client, decision=decision)
    # Last, so that it lands on top of every other trace field of ours (RFC 8601 4.1, standards E.2.3).
    insertions.append(Insertion(0, NAME, value))
    return Stamp(
        removals=forged_fields(facts.headers, {facts.authserv_id, *own_ids}, private),
        insertions=tuple(insertions),
    )


def make_exempt_stamp(
    headers: Sequence[HeaderField],
    own_ids: Collection[str],
    *,
    own_fields: Collection[str] = (),
    keep_results: bool = False,
) -> Stamp:
    """Stamp a message that is exempt from judging: nothing is added, and fields that claim to be ours are removed.

    Args:
        headers: as received.
        own_ids: our authserv-ids.
        own_fields: the names of fields that only we write.
        keep_results: the client is a content filter that hands back what we stamped already: nothing is removed.
    """
    return Stamp() if keep_results else Stamp(removals=forged_fields(headers, own_ids, own_fields))
