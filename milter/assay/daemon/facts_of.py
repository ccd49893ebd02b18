"""Facts of a message in a file, made by the same code that collects those of a message from the MTA."""

from assay.facts import BodyHash, BodyHashSpec, Client, Envelope, HeaderField, IPAddress, MessageFacts
from assay.message.body import BodyHasher
from assay.message.header import split_message
from assay.verify.demands import demands
from assay.verify.options import VerifyOptions


def facts_of_file(  # noqa: PLR0913 - what an MTA would have told, each by name
    octets: bytes,
    *,
    address: IPAddress | None,
    helo: bytes,
    mail_from: bytes,
    smtputf8: bool,
    host_name: str,
    authserv_id: str | None = None,
    options: VerifyOptions,
) -> MessageFacts:
    """Read a message as Postfix would hand it over.

    Args:
        octets: the file; lines end in CRLF or all in LF.
        address: of the SMTP client.
        helo: argument of HELO.
        mail_from: argument of MAIL, with its angle brackets.
        smtputf8: the sender announced it.
        host_name: of the receiving MTA.
        authserv_id: as configured; None takes the host name.
        options: how many signatures are looked at.
    """
    headers, body = split_message(octets)
    return MessageFacts(
        client=Client(address=getattr(address, "ipv4_mapped", None) or address),
        envelope=Envelope(helo=helo, mail_from=mail_from, parameters=(b"SMTPUTF8",) if smtputf8 else ()),
        headers=headers,
        body_hashes=hash_body(headers, body, options),
        receiver=host_name,
        authserv_id=authserv_id or host_name,
    )


def hash_body(headers: tuple[HeaderField, ...], body: bytes, options: VerifyOptions) -> dict[BodyHashSpec, BodyHash]:
    """Compute the body hashes that the signatures in ``headers`` ask for."""
    hasher = BodyHasher(demands(headers, options).body_hashes)
    hasher.feed(body)
    return hasher.finish()
