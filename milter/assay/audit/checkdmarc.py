"""checkdmarc, imported here and nowhere else: a linter whose warnings an audit shows, and a second opinion.

It takes 25 MB and half a second to import, so nothing but ``assay domain`` imports this module. What it gets wrong is
kept away from the audit (docs/library-traps.md C1 to C8): it asks our resolver and nobody else, so that a failed
look-up is known as one, and its process-wide cache is emptied; it is given no report addresses, since its parser asks
the DNS about them; and none of its functions is used that connects to a host (TLS tests, MTA-STS, BIMI) or that asks
name servers of its own (DNSSEC).
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final, assert_never

import dns.message
import dns.nameserver
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.resolver
from checkdmarc import dmarc, spf, utils

from assay.answers import Absent, Found, Mx, Record, Resolver, RRType, Unavailable
from assay.audit.tags import without_tags
from assay.dns.names import ROOT, from_wire, to_wire
from assay.domain import Domain

_STRING: Final = 255  # octets of one character-string (RFC 1035 3.3)

_OURS: Final = (
    "A p tag value of none",
    "An sp tag value of none",
    "Support for the",
    "A missing p tag",
    "rua tag (destination",
)
"""How warnings begin that the audit gives as findings of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What checkdmarc says.

    Attributes:
        warnings: in its words.
        error: why it takes the record for unusable; None where it does not.
        record: that it found.
        location: where it found a DMARC record.
        lookups, voids: that it counted for SPF; None where it did not get so far.
    """

    warnings: tuple[str, ...] = ()
    error: str | None = None
    record: str | None = None
    location: str | None = None
    lookups: int | None = None
    voids: int | None = None


class Checkdmarc:
    """Asks checkdmarc about one domain. Every method gives None where a look-up failed on the way."""

    def __init__(self, domain: Domain, resolver: Resolver) -> None:
        utils.DNS_CACHE.clear()  # it keeps answers for half an hour, whatever their TTL (C2)
        self._domain = domain.name
        self._server = _OurNameserver(resolver)
        self._resolver = dns.resolver.Resolver(configure=False)
        self._resolver.nameservers = [self._server]
        # one of its look-ups forgets the resolver and asks the name servers instead (C3)
        self._how: dict[str, Any] = {"resolver": self._resolver, "nameservers": [self._server]}

    def mx(self) -> Opinion | None:
        """Read the MX records."""
        return self._ask(self._mx)

    def spf(self) -> Opinion | None:
        """Read the SPF record and all that it leads to."""
        return self._ask(self._spf)

    def dmarc(self) -> Opinion | None:
        """Look for the DMARC record that applies, as checkdmarc does."""
        return self._ask(self._dmarc)

    def dmarc_record(self, text: str, place: Domain) -> Opinion | None:
        """Read a DMARC record, without its report addresses."""
        return self._ask(lambda: self._dmarc_record(text, place))

    def _ask(self, question: Any) -> Opinion | None:  # noqa: ANN401 - a method of ours without parameters
        self._server.failed = False
        try:
            opinion: Opinion = question()
        except (dmarc.DMARCError, spf.SPFError, utils.DNSException) as error:
            opinion = Opinion(error=_one_line(error))
        except Exception as error:  # noqa: BLE001 - a linter that fails on a record must not end the audit of it
            opinion = Opinion(error=f"checkdmarc fails with {type(error).__name__}")
        return None if self._server.failed else opinion

    def _mx(self) -> Opinion:
        return Opinion(warnings=tuple(utils.get_mx_record_set(self._domain, **self._how)["warnings"]))

    def _spf(self) -> Opinion:
        found = spf.query_spf_record(self._domain, **self._how)
        read = spf.parse_spf_record(found["record"], self._domain, ignore_too_many_lookups=True, **self._how)
        warnings = [*found["warnings"], *read["warnings"]]
        for others in _of_others(read["parsed"]):
            warnings.remove(others)
        return Opinion(
            warnings=tuple(dict.fromkeys(warnings)),
            error=read.get("error"),
            record=found["record"],
            lookups=read["dns_lookups"],
            voids=read["void_dns_lookups"],
        )

    def _dmarc(self) -> Opinion:
        # unrelated TXT records would make it refuse the record (C4)
        found = dmarc.query_dmarc_record(self._domain, ignore_unrelated_records=True, **self._how)
        return Opinion(record=found["record"], location=found["location"])

    def _dmarc_record(self, text: str, place: Domain) -> Opinion:
        read = dmarc.parse_dmarc_record(without_tags(text, {"rua", "ruf"}), place.name, **self._how)
        return Opinion(warnings=tuple(each for each in read["warnings"] if not each.startswith(_OURS)))


def _of_others(parsed: Any) -> list[str]:  # noqa: ANN401 - checkdmarc is not typed
    """Return the warnings about included records, which it repeats among those of the record itself."""
    parts = [*parsed["mechanisms"], *([parsed["redirect"]] if parsed["redirect"] else [])]
    return [warning for part in parts for warning in part.get("warnings", ())]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


class _OurNameserver(dns.nameserver.Nameserver):
    """A name server to dnspython, which answers what our resolver answers.

    Attributes:
        failed: since it was last set to False, something was asked that nothing is known of.
    """

    def __init__(self, resolver: Resolver) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # dnspython's is not annotated
        self._resolver = resolver
        self.failed = False

    def __str__(self) -> str:
        return "assay"

    def kind(self) -> str:
        """Name the kind, for messages of dnspython."""
        return "assay"

    def is_always_max_size(self) -> bool:
        """Whether an answer is never truncated."""
        return True

    def answer_nameserver(self) -> str:
        """Name the server, for messages of dnspython."""
        return "assay"

    def answer_port(self) -> int:
        """Name its port, for messages of dnspython."""
        return 0

    def query(  # noqa: PLR0913 - dnspython's own signature
        self,
        request: dns.message.QueryMessage,
        timeout: float,  # noqa: ARG002 - our resolver has a time of its own
        source: str | None,  # noqa: ARG002
        source_port: int,  # noqa: ARG002
        max_size: bool,  # noqa: ARG002, FBT001
        one_rr_per_rrset: bool = False,  # noqa: ARG002, FBT001, FBT002
        ignore_trailing: bool = False,  # noqa: ARG002, FBT001, FBT002
    ) -> dns.message.Message:
        """Answer; a type that assay does not ask for (CNAME, SPF) is answered as one that the name does not have."""
        response = dns.message.make_response(request, recursion_available=True)
        question = request.question[0]
        name = from_wire(question.name.to_wire() or ROOT)
        kind = dns.rdatatype.to_text(question.rdtype)
        if kind not in set(RRType):
            return response
        match Absent(nxdomain=True) if name is None else self._resolver.resolve(name, RRType(kind)):
            case Found(records, ttl):
                answer = response.find_rrset(
                    response.answer, question.name, question.rdclass, question.rdtype, create=True
                )
                for record in records:
                    answer.add(_rdata(record, RRType(kind)), ttl)
            case Absent(nxdomain=nxdomain):
                response.set_rcode(dns.rcode.NXDOMAIN if nxdomain else dns.rcode.NOERROR)
            case Unavailable():
                self.failed = True
                response.set_rcode(dns.rcode.SERVFAIL)
        return response


def _rdata(record: Record, rrtype: RRType) -> dns.rdata.Rdata:
    wire = _wire(record, rrtype)
    return dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.from_text(rrtype), wire, 0, len(wire))


def _wire(record: Record, rrtype: RRType) -> bytes:
    """Return the data of a record as it was in the answer; TXT in strings as long as may be."""
    match record:
        case IPv4Address() | IPv6Address():
            return record.packed
        case Mx(preference, exchange):
            return preference.to_bytes(2) + _name(exchange)
        case bytes() if rrtype is RRType.PTR:
            return _name(record)
        case bytes():
            strings = [record[start : start + _STRING] for start in range(0, len(record), _STRING)] or [b""]
            return b"".join(len(string).to_bytes(1) + string for string in strings)
        case _:
            assert_never(record)


def _name(octets: bytes) -> bytes:
    """Return a name of an answer; the root, as in a null MX, has no octets."""
    return to_wire(octets) or ROOT
