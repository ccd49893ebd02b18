"""Zone files (RFC 1035 5) to records; the syntax is dnspython's business."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.tokenizer
import dns.zonefile
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.DNAME import DNAME
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from assay.answers import Mx, Record, RRType
from assay.dns.names import ROOT, from_wire, to_wire
from assay.errors import AssayError

ZONE_TTL: Final = 300
"""Seconds, for records that state none."""

_DIRECTIVES: Final = ("$ORIGIN", "$TTL")
"""Not $INCLUDE, which reads other files, and not $GENERATE, with which one line makes millions."""


class ZoneError(AssayError):
    """The zone cannot be used; the message names the place and the fault."""


@dataclass(frozen=True, slots=True)
class Alias:
    """A CNAME: the name it leads to, as octets."""

    target: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRecord:
    """One record of a zone file.

    Attributes:
        name: labels joined by ".", case as written.
        ttl: seconds.
        rrtype: None for a CNAME and for types that nobody here asks for.
        data: None for types that nobody here asks for: such a record only makes its name exist.
    """

    name: bytes
    ttl: int
    rrtype: RRType | None
    data: Record | Alias | None


def read_zone(text: str, place: str) -> tuple[ZoneRecord, ...]:
    r"""Read a zone file, or several after one another.

    $ORIGIN and $TTL are known; the origin is the root until one is stated, the TTL 300 s. Odd octets in names are
    written ``\DDD``.

    Args:
        text: the file.
        place: its name, for errors.

    Raises:
        ZoneError: a syntax error, a name with a dot or a NUL inside a label, a DNAME.
    """
    collector = _Collector(dns.zonefile.RRSetsReaderManager())
    try:
        dns.zonefile.Reader(
            dns.tokenizer.Tokenizer(text, place),
            dns.rdataclass.IN,
            collector,
            allow_directives=_DIRECTIVES,
            default_ttl=ZONE_TTL,
        ).read()
    except dns.exception.SyntaxError as error:  # it names the file and the line
        raise ZoneError(str(error)) from error
    except (dns.exception.DNSException, ValueError) as error:
        raise ZoneError(f"{place}: {error!r}") from error
    return tuple(_zone_record(place, *row) for row in collector.rows)


class _Collector(dns.zonefile.RRsetsReaderTransaction):
    """Takes the rows as they come: dnspython's own keeps to one zone, with one SOA at its origin."""

    def __init__(self, manager: dns.zonefile.RRSetsReaderManager) -> None:
        super().__init__(manager, True, False)  # type: ignore[no-untyped-call]  # noqa: FBT003 - dnspython's order
        self.rows: list[tuple[dns.name.Name, int, dns.rdata.Rdata]] = []

    def add(self, *args: object) -> None:
        name, ttl, rdata = args
        assert isinstance(name, dns.name.Name)
        assert isinstance(ttl, int)
        assert isinstance(rdata, dns.rdata.Rdata)
        self.rows.append((name, ttl, rdata))


def _zone_record(place: str, name: dns.name.Name, ttl: int, rdata: dns.rdata.Rdata) -> ZoneRecord:
    rrtype: RRType | None = None
    data: Record | Alias | None = None
    match rdata:
        case A():
            rrtype, data = RRType.A, IPv4Address(rdata.address)
        case AAAA():
            rrtype, data = RRType.AAAA, IPv6Address(rdata.address)
        case MX():
            rrtype, data = RRType.MX, Mx(rdata.preference, _octets(place, rdata.exchange))
        case PTR():
            rrtype, data = RRType.PTR, _octets(place, rdata.target)
        case TXT():
            rrtype, data = RRType.TXT, b"".join(rdata.strings)
        case CNAME():
            data = Alias(_octets(place, rdata.target))
        case DNAME():
            raise ZoneError(f"{place}: {name}: DNAME is not supported; write the CNAME records that it stands for")
        case _:
            pass  # such as SOA and NS: the name exists
    return ZoneRecord(name=_octets(place, name), ttl=ttl, rrtype=rrtype, data=data)


def _octets(place: str, name: dns.name.Name) -> bytes:
    """Write a name as octets; the root is ``b""``, as in a null MX (RFC 7505)."""
    dotted = from_wire(name.to_wire() or ROOT)
    if dotted is None or (dotted and to_wire(dotted) is None):
        raise ZoneError(f"{place}: {name}: a label with a dot or a NUL inside cannot be asked")
    return dotted
