"""The milter's socket: a connection to it, as an MTA makes one."""

import errno
from typing import Final

from assay.config.socket import SocketAddress, SocketFamily
from assay.daemon.milter_client import ConversationError, MilterClient, Protocol
from assay.doctor.inspection import Contact, SocketView
from assay.doctor.look.paths import walk
from assay.doctor.look.places import Places

PATIENCE: Final = 10.0
"""Seconds for each step: a worker that has work answers in less."""


def look(places: Places, address: SocketAddress) -> SocketView:
    """Connect, negotiate as Postfix does, and end the session before it says anything of a client."""
    walked = walk(places, address.path) if address.family is SocketFamily.UNIX else None
    contact, why = _contact(places, address)
    return SocketView(contact=contact, why=why, walk=walked)


def _contact(places: Places, address: SocketAddress) -> tuple[Contact, str]:
    target = address.destination
    if isinstance(target, str):
        target = str(places.under(target))
    try:
        client = MilterClient.connect_to(target, timeout=PATIENCE)
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EPERM}:
            return Contact.DENIED, error.strerror or str(error)
        return Contact.NOBODY, error.strerror or str(error)
    with client:
        try:
            client.negotiate()
            client.send(b"Q")
        except (OSError, ConversationError, ValueError) as error:
            return Contact.STRANGE, f"{type(error).__name__}: {error}"
        if not client.protocol & Protocol.HDR_LEADSPC:
            return Contact.STRANGE, "it is a milter that does not ask for the leading space of fields, as assay does"
    return Contact.SPEAKS, ""
