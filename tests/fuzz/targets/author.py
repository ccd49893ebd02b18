"""The From field: whatever its octets, one author or one problem, and nothing that is not written there."""

from email.headerregistry import Address, HeaderRegistry

from assay.facts import HeaderField
from assay.limits import MAX_AUTHOR_DOMAINS
from assay.message.author import Author, parse_author
from assay.message.header import unfold
from assay.results import FromProblem
from fuzz.inputs import domain_of

_REGISTRY = HeaderRegistry()


def one_input(data: bytes) -> None:
    """The first octet says whether the mail is SMTPUTF8; the rest is the value of From."""
    smtputf8, value = data[:1] == b"8", data[1:]
    author = _parse(value, smtputf8=smtputf8)
    assert author == _parse(value, smtputf8=smtputf8)
    if author.problem is not None:
        assert not author.domains
        assert author.problem in FromProblem
    assert len(author.domains) <= MAX_AUTHOR_DOMAINS
    assert len(set(author.domains)) == len(author.domains)
    for domain in author.domains:
        assert len(domain.labels) > 1
        assert domain_of(bytes(domain)) == domain
        assert b"@" in value
        if value.isascii():
            assert all(label.encode() in unfold(value).lower() for label in domain.labels)
    if author.domains and value.isascii():
        shown = _shown(unfold(value).decode("ascii"))
        assert shown is None or shown == {domain.name for domain in author.domains}
    if not smtputf8 and author.problem is None:
        # what is readable without SMTPUTF8 says the same with it, unless it is no UTF-8 at all
        announced = _parse(value, smtputf8=True)
        assert announced == author or not _is_utf8(value)
    if b"\r" not in value and b"\n" not in value:
        assert _parse(value.replace(b" ", b"\r\n "), smtputf8=smtputf8) == author or len(value) > 10_000
    twice = parse_author([HeaderField(b"From", value), HeaderField(b"from ", b" a@b.example")], smtputf8=smtputf8)
    assert twice == Author((), FromProblem.REPEATED)


def _parse(value: bytes, *, smtputf8: bool) -> Author:
    return parse_author([HeaderField(b"X-Other", b" x@y.example"), HeaderField(b"fROM", value)], smtputf8=smtputf8)


def _shown(value: str) -> set[str] | None:
    """The domains that another reader of the same grammar finds; None where it gives up or sees a defect."""
    try:
        field = _REGISTRY("From", value)
    except Exception:  # noqa: BLE001 - that reader has faults of its own
        return None
    if field.defects:
        return None
    addresses: tuple[Address, ...] = field.addresses  # type: ignore[attr-defined]  # of the class that From gets
    return {address.domain.lower().removesuffix(".") for address in addresses}


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
