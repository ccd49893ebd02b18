"""Every message in and out: what its sender was told, and what arrived."""

from collections import Counter
from dataclasses import dataclass

from support.mail import Delivered
from support.postfix import Postfix
from support.process import wait_until
from support.smtp_load import Load, Offer, Sender


@dataclass(frozen=True, slots=True)
class Balance:
    """How many messages met which fate.

    Attributes:
        delivered: once each.
        refused: for good, by a reply to the end of data.
        given_up: the sender was asked to come back, and did not.
        broken_off: the sender hung up in the middle.
        unproven: of those delivered, how many are marked as open because the DNS failed.
        deferrals: how often a sender was asked to come back.
    """

    delivered: int
    refused: int
    given_up: int
    broken_off: int
    unproven: int
    deferrals: Counter[str]

    @property
    def sent(self) -> int:
        return self.delivered + self.refused + self.given_up + self.broken_off


def balance(load: Load, postfix: Postfix, *, dns_failed: bool = False) -> Balance:
    """Count, once the load has ended.

    Args:
        load: has ended.
        postfix: still runs.
        dns_failed: the name server was away for a while. What nobody could judge then was let in with a mark.

    Raises:
        AssertionError: a message was lost, doubled, refused without a reason, or let in unjudged or unmarked.
    """
    offers = load.offers()
    accepted = [offer for offer in offers if 250 in offer.codes]
    # a look at the queue may miss a message that moves within it
    wait_until(lambda: postfix.queue() == [] and len(load.delivered()) >= len(accepted), "an empty queue")
    arrived: dict[str, list[Delivered]] = {}
    for each in load.delivered():
        arrived.setdefault(dict(each.fields)["Subject"], []).append(each)
    wrong = [f"{fault}: {offer}" for offer in offers if (fault := _fault(offer, arrived, dns_failed=dns_failed))]
    wrong += [f"nobody sent this: {token}" for token in arrived.keys() - {offer.token for offer in offers}]
    assert not wrong, "\n".join([f"{len(wrong)} of {len(offers)} messages:", *wrong[:20]])
    abandoned = [offer for offer in offers if offer.abandoned]
    counted = Balance(
        delivered=len(accepted),
        refused=sum(550 in offer.codes for offer in offers),
        given_up=sum(bool(offer.codes) for offer in abandoned),
        broken_off=sum(not offer.codes for offer in abandoned),
        unproven=sum(each.methods()["dmarc"] == "temperror" for copies in arrived.values() for each in copies),
        deferrals=Counter(reply.text.partition("\n")[0] for reply in load.deferred()),
    )
    assert counted.sent == len(offers)
    return counted


def _fault(offer: Offer, arrived: dict[str, list[Delivered]], *, dns_failed: bool) -> str | None:
    """Say what is wrong with the fate of a message."""
    copies = arrived.get(offer.token, [])
    final = [code for code in offer.codes if not 400 <= code < 500]
    if offer.abandoned:
        return "it arrived, and its sender was told that it would not" if copies or final else None
    if final != offer.codes[-1:]:
        return "no final answer, or more than one"
    if final == [550]:
        if copies:
            return "it was refused, and arrived"
        return None if offer.sender is Sender.FORGER else "genuine, and refused"
    if final != [250]:
        return "an answer that nobody expects"
    if len(copies) != 1:
        return f"accepted, and delivered {len(copies)} times"
    ours = [value for value in copies[0].results if value.lstrip().startswith("mx.dest.example")]
    if len(ours) != 1:
        return f"{len(ours)} fields with our name on it"
    dmarc = copies[0].methods()["dmarc"]
    right = {"temperror"} if dns_failed else set()
    right |= set() if offer.sender is Sender.FORGER else {"pass"}
    return None if dmarc in right else f"delivered with dmarc={dmarc}"
