"""What holds for the milters of any MTA: that assay is among them, its place, and its relatives in the list."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from assay.doctor.inspection import Inspection
from assay.doctor.milters import Listed, Product, product_of
from assay.doctor.model import Finding, Kind, error, warning

NOT_LISTED: Final = error(
    "milter-not-listed",
    "The MTA does not ask assay: mail comes in unjudged and without Authentication-Results, and forged fields stay.",
    "Postfix: smtpd_milters. Sendmail: INPUT_MAIL_FILTER. `assay config` prints the socket to write.",
)
TWICE: Final = warning(
    "milter-listed-twice",
    "Every message is judged twice, and the second time removes the Authentication-Results of the first as forged.",
    "Leave one of the two.",
)
ORDER: Final = warning(
    "milter-order",
    "A milter that changes messages stands before assay: signatures that were whole when the message came are judged"
    " broken.",
    "Put assay first.",
)
SECOND_DMARC: Final = warning(
    "second-dmarc-milter",
    "Another milter evaluates DMARC too: it may refuse what assay's policies let in, and readers find two verdicts.",
    "Take the other one out of the list, or switch its DMARC off.",
)
ID_CLASH: Final = error(
    "authserv-id-clash",
    "Another milter writes Authentication-Results under the same authserv-id: each takes the other's for forged, and a"
    " reader cannot tell whose verdict it sees.",
    "Give one of the two another authserv-id, or stop the other one from verifying.",
)
NOT_UNIQUE: Final = warning(
    "authserv-id-not-unique",
    "The authserv-id is a name that many machines have. A reader that trusts it trusts what any of them wrote, and a"
    " field from outside may claim it in good faith.",
    "authserv_id in assay.toml, or a host name of your own domain in the MTA (Postfix: myhostname).",
)
ACCEPTS: Final = warning(
    "mail-unjudged-while-away",
    "While assay is stopped, restarts or is overloaded, mail is let in unjudged. Who wants to get a forged message in"
    " need only flood the daemon first.",
    "Postfix: milter_default_action = tempfail. Sendmail: F=T.",
)
REJECTS: Final = error(
    "mail-refused-while-away",
    "While assay is stopped or restarts, mail is refused for good: it is lost to its sender.",
    "Postfix: milter_default_action = tempfail. Sendmail: F=T.",
)
HOLDS: Final = warning(
    "mail-held-while-away",
    "While assay is stopped or restarts, all mail goes to the hold queue, where it stays until somebody releases it.",
    "Postfix: milter_default_action = tempfail.",
)
KINDS: Final = (NOT_LISTED, TWICE, ORDER, SECOND_DMARC, ID_CLASH, NOT_UNIQUE, ACCEPTS, REJECTS, HOLDS)

AWAY: Final[Mapping[str, Kind]] = {"accept": ACCEPTS, "reject": REJECTS, "quarantine": HOLDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Where a list of milters stands.

    Attributes:
        place: file and key.
        own_name: the host name of the MTA, the authserv-id of every milter that is told no other; empty if unknown.
        reorder: gives the command or the line that makes the list this one.
    """

    place: str
    own_name: str
    reorder: Callable[[Sequence[Listed]], str]


def check(inspection: Inspection, milters: Sequence[Listed], ours: Sequence[int], where: Chain) -> Iterator[Finding]:
    """Look at a list in which assay stands.

    Args:
        inspection: what was read.
        milters: the list, in order.
        ours: at which places of it assay stands; at least one.
        where: the list in words.
    """
    name = own_id(inspection, where.own_name)
    if name and ("." not in name or name.startswith("localhost.")):
        yield NOT_UNIQUE.found(
            f"assay writes Authentication-Results as {name}",
            f'in assay.toml: authserv_id = "mx.your.domain" (now {name})',
        )
    first = ours[0]
    alone = [each for index, each in enumerate(milters) if index not in ours[1:]]
    if len(ours) > 1:
        yield TWICE.found(f"{where.place} lists assay {len(ours)} times", where.reorder(alone))
    others = [
        (index, each, product)
        for index, each in enumerate(milters)
        if index not in ours and (product := product_of(each, inspection.programs)) is not None
    ]
    # each remedy holds what those before it said, so that they can be typed one after the other
    if any(index < first and product.changes for index, _, product in others):
        alone = [milters[first], *(each for each in alone if each is not milters[first])]
    for index, each, product in others:
        if index < first and product.changes:
            yield ORDER.found(
                f"{where.place} has {product.name} ({each.spelled}) before assay, which {product.changes}",
                where.reorder(alone),
            )
    judges = [
        (each, product) for _, each, product in others if product.dmarc and not _without_dmarc(inspection, product)
    ]
    alone = [each for each in alone if all(each is not judge for judge, _ in judges)]
    for each, product in judges:
        yield SECOND_DMARC.found(f"{where.place} lists {product.name} ({each.spelled}) too", where.reorder(alone))
    for _, each, product in others:
        settings = inspection.signers.get(product.name, {})
        by = settings.get("identifies")
        if (product.identifies or by) and _id_of(inspection, product, where.own_name) == name:
            yield ID_CLASH.found(
                f"{where.place}: {product.name} ({each.spelled}) and assay both write Authentication-Results as"
                f" {name or 'the name of the host'}",
                f"take authentication-results out of use in {by}; systemctl reload {product.name}"
                if by
                else f"in the configuration of {product.name}: AuthservID {product.name}.{name or 'your.host'};"
                " restart it",
            )


def own_id(inspection: Inspection, own_name: str) -> str:
    """Return the authserv-id that assay writes with an MTA of this name."""
    config = inspection.config
    return (config.authserv_id if config is not None and config.authserv_id else own_name).lower()


def _id_of(inspection: Inspection, product: Product, own_name: str) -> str | None:
    """Return the authserv-id that another milter writes; None if it verifies nothing."""
    settings = inspection.signers.get(product.name, {})
    if "v" not in settings.get("mode", "sv"):
        return None
    name = settings.get("authservid", "HOSTNAME")
    return own_name.lower() if name == "HOSTNAME" else name.lower()


def _without_dmarc(inspection: Inspection, product: Product) -> bool:
    """Whether its configuration says that it does not evaluate DMARC, though it could."""
    return inspection.signers.get(product.name, {}).get("dmarc") == "off"
