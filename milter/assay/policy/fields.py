"""Types of single values in TOML files: text in, a value of ours out, or a sentence that says what would be right."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network
from typing import Annotated, Final

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from assay.domain import Domain
from assay.errors import DomainError
from assay.policy.domain_policy import Network
from assay.policy.model import Disposition
from assay.policy.reply import check_template

_FIELD_NAME = re.compile(r"X-[A-Za-z0-9-]+")
MAX_FIELD_NAME: Final = 64
"""Characters of a header field's name (local choice; RFC 5322 2.1.1 leaves 76 on a line of 78)."""


def _domain(value: object) -> Domain:
    if not isinstance(value, str):
        raise ValueError('must be a domain name in quotes, such as "example.com"')  # noqa: TRY004 - pydantic wants it
    try:
        return Domain.parse(value)
    except DomainError as error:
        raise ValueError(f"{value!a} is no domain name: {error}") from None


def _network(value: object) -> Network:
    example = 'write "192.0.2.0/24", "2001:db8::/32" or a single address'
    if not isinstance(value, str):
        raise ValueError(f"must be a network in quotes; {example}")  # noqa: TRY004 - pydantic wants it
    try:
        return ip_network(value)
    except ValueError:
        pass
    try:
        network = ip_interface(value).network
    except ValueError:
        raise ValueError(f"{value!a} is no network; {example}") from None
    raise ValueError(f'{value!a} has bits set behind the prefix; did you mean "{network}"?')


def _address(value: object) -> IPv4Address | IPv6Address:
    try:
        return ip_address(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError('must be an IP address in quotes, such as "192.0.2.1"') from None


def _field_name(value: str) -> str:
    # Without the prefix somebody could name Subject or Received, which would be removed from every message.
    if _FIELD_NAME.fullmatch(value) is None or len(value) > MAX_FIELD_NAME:
        raise ValueError(
            f'must be the name of a field of our own: "X-" and at most {MAX_FIELD_NAME - 2} letters, digits and '
            'hyphens, such as "X-Assay-Quarantine"'
        )
    return value


def _not_reject(value: Disposition) -> Disposition:
    if value is Disposition.REJECT:
        # Standards C.7.1: both delivering and deferring are allowed; a failure of the DNS is not the author's fault.
        raise ValueError('a failure of the DNS passes: use "tempfail", "quarantine" or "none"')
    return value


def text_of(kind: str) -> WithJsonSchema:
    """Say what a text holds, in the words of the reference that is made of these schemas."""
    return WithJsonSchema({"type": "string", "format": kind})


DomainName = Annotated[Domain, PlainValidator(_domain), text_of("domain name")]
NetworkName = Annotated[Network, PlainValidator(_network), text_of("network or address")]
Address = Annotated[IPv4Address | IPv6Address, PlainValidator(_address), text_of("IP address")]
FieldName = Annotated[str, AfterValidator(_field_name), text_of("name of a header field")]
Template = Annotated[str, AfterValidator(check_template), text_of("line of printable ASCII")]
Action = Annotated[Disposition, Field(strict=False)]
TemporaryAction = Annotated[
    Disposition,
    Field(strict=False),
    AfterValidator(_not_reject),
    WithJsonSchema({"enum": [each.value for each in Disposition if each is not Disposition.REJECT]}),
]
