"""The envelope's names: the argument of MAIL (RFC 5321 4.1.2) and of HELO (standards A.1, G.5.10, H.1).

Both are read by their grammar to the last octet. What does not fit names nobody: it is neither a sender nor the null
sender, since two readers that disagree on it are how forged mail gets another domain's SPF pass (H.1 E3, E4).
"""

import re
from dataclasses import dataclass

from assay.domain import Domain
from assay.errors import DomainError
from assay.message.literal import is_address_literal

# RFC 5321 4.1.2 with the UTF-8 of RFC 6531 3.3. As in From, dots may stand anywhere in an unquoted local part.
_LOCAL = (
    rb"(?:[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.\x80-\xff]++"
    rb'|"(?:[ \x21\x23-\x5b\x5d-\x7e\x80-\xff]++|\\[ -\x7e])*+")'
)
_MAILBOX = re.compile(rb"(?P<local>" + _LOCAL + rb")@(?:\[(?P<literal>[^\]]*+)\]|(?P<domain>[^\[\]]++))")


@dataclass(frozen=True, slots=True)
class NullSender:
    """``<>``, and nothing else: a bounce. SPF then looks at HELO (RFC 7208 2.4)."""


@dataclass(frozen=True, slots=True)
class ReversePath:
    """A sender.

    Attributes:
        local: the local part as typed, quotes included; an ``@`` stands in it only between quotes.
        domain: may have a single label, then SPF gives none; None for an address literal and for a bare
            ``<postmaster>``.
    """

    local: bytes
    domain: Domain | None


@dataclass(frozen=True, slots=True)
class UnusablePath:
    """No sender can be read; never to be taken for the null sender.

    Attributes:
        reason: a sentence of ours that holds nothing of the sender's.
    """

    reason: str


def parse_reverse_path(octets: bytes) -> NullSender | ReversePath | UnusablePath:
    """Read the argument of MAIL.

    A source route is checked and dropped (RFC 5321 appendix C: only the final mailbox counts). Each hop must be a
    fully qualified name (RFC 5321 2.3.5): no relay of today has another, and what looks else is there to confuse.
    Without angle brackets only a plain mailbox is read.

    Args:
        octets: as the MTA was given them, angle brackets included, without ESMTP parameters.
    """
    if octets == b"<>":
        return NullSender()
    if not octets.startswith(b"<"):
        return _mailbox(octets)
    if not octets.endswith(b">"):
        return UnusablePath("the angle bracket is not closed")
    path = octets[1:-1]
    if path.lower() == b"postmaster":
        return ReversePath(path, None)
    if path.startswith(b"@"):
        route, colon, path = path.partition(b":")
        if not colon or not all(_is_hop(hop) for hop in route.split(b",")):
            return UnusablePath("the source route is malformed")
    return _mailbox(path)


def agreed_path(octets: bytes, mail_addr: str | None) -> NullSender | ReversePath | UnusablePath:
    """Read the argument of MAIL, and believe it only where the MTA reads the same domain (standards G.5.10).

    An MTA that finds another sender in it would deliver, and bounce, by that one; a pass for ours would then be worth
    nothing. Sendmail tells to whom a path resolves, which for its own domains is a user without a domain: that
    contradicts no domain.

    Args:
        octets: as for :func:`parse_reverse_path`.
        mail_addr: the MTA's reading (macro ``{mail_addr}``), without angle brackets except for the null sender; None
            or empty where it sent none.
    """
    path = parse_reverse_path(octets)
    match path:
        case NullSender() if mail_addr and mail_addr != "<>":
            return UnusablePath("the MTA does not read it as the null sender")
        case ReversePath(domain=Domain()) if mail_addr and not _names(mail_addr, path.domain):
            return UnusablePath("the MTA reads another domain in it")
        case _:
            return path


def _names(mail_addr: str, domain: Domain | None) -> bool:
    try:
        _, at, name = mail_addr.removesuffix(">").rpartition("@")
        return mail_addr != "<>" if not at else Domain.parse(name) == domain
    except DomainError:
        return False


def parse_helo(octets: bytes) -> Domain | None:
    """Read the argument of HELO or EHLO as a name that SPF can check (RFC 7208 2.3, standards A.1.4).

    Returns:
        A host name of at least two A-labels; None for everything else: an address literal, a bare IP address (no top
        level domain is a number), a single label, U-labels (RFC 8616 3), anything malformed.
    """
    if not octets.isascii():
        return None
    try:
        name = Domain.parse(octets)
    except DomainError:
        return None
    labels = name.labels
    return name if len(labels) > 1 and not labels[-1].isdigit() else None


def _mailbox(text: bytes) -> ReversePath | UnusablePath:
    match = _MAILBOX.fullmatch(text)
    if match is None:
        return UnusablePath("it is no mailbox")
    local, literal, name = match["local"], match["literal"], match["domain"]
    try:
        local.decode()
    except UnicodeDecodeError:
        return UnusablePath("the local part is not UTF-8")
    if literal is not None:
        return ReversePath(local, None) if is_address_literal(literal) else UnusablePath("it is no address literal")
    try:
        return ReversePath(local, Domain.parse(name))
    except DomainError:
        return UnusablePath("what follows the @ is no domain name")


def _is_hop(text: bytes) -> bool:
    try:
        return text.startswith(b"@") and len(Domain.parse(text[1:]).labels) > 1
    except DomainError:
        return False
