"""The name servers, asked only for what each must know without asking others: the root, and what cannot exist."""

import time
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from assay.dns.nameservers import Nameserver, NameserverError, system_nameservers
from assay.doctor.inspection import Outcome, ResolverView
from assay.doctor.look.places import Places

IMPOSSIBLE: Final = "assay-doctor.invalid."
"""RFC 6761 6.4: no name below "invalid" exists, and a resolver says so by itself."""

_STUBS: Final = frozenset({"127.0.0.53", "127.0.0.54"})
"""Where systemd-resolved listens."""


def look(server: Nameserver, patience: float) -> ResolverView:
    """Ask one name server.

    Args:
        server: its address and port.
        patience: seconds for each question.
    """
    root = dns.message.make_query(".", dns.rdatatype.NS, want_dnssec=True)
    # a resolver that validates says so if it is asked (RFC 6840 5.7)
    root.flags |= dns.flags.AD
    try:
        answer = _ask(root, server, patience)
    except (OSError, dns.exception.DNSException) as error:
        return ResolverView(server=server, outcome=Outcome.SILENT, why=_why(error))
    if answer.rcode() is not dns.rcode.NOERROR:
        return ResolverView(server=server, outcome=Outcome.FAILED, why=dns.rcode.to_text(answer.rcode()))
    if not answer.flags & dns.flags.RA:
        return ResolverView(server=server, outcome=Outcome.FAILED, why="it does not offer recursion")
    if not answer.answer:
        return ResolverView(server=server, outcome=Outcome.FAILED, why="it knows no name servers of the root")
    return ResolverView(
        server=server,
        outcome=Outcome.ANSWERED,
        milliseconds=_latency(root, server, patience),
        validates=bool(answer.flags & dns.flags.AD),
        tcp=_takes_tcp(root, server, patience),
        invents=_invents(server, patience),
    )


def forwards(places: Places, server: Nameserver) -> tuple[Nameserver, ...]:
    """Return whom systemd-resolved asks, if a name server is its stub (systemd-resolved.service(8))."""
    known = places.under("/run/systemd/resolve/resolv.conf")
    if str(server.address) not in _STUBS or not known.exists():
        return ()
    try:
        return system_nameservers(known)
    except NameserverError:
        return ()


def _ask(query: dns.message.Message, server: Nameserver, patience: float) -> dns.message.Message:
    return dns.query.udp(
        query, str(server.address), timeout=patience, port=server.port, ignore_unexpected=True, ignore_trailing=True
    )


def _latency(query: dns.message.Message, server: Nameserver, patience: float) -> float:
    """Return the milliseconds of the fastest of three: the answer is in the cache now."""
    spans: list[float] = []
    for _ in range(3):
        start = time.perf_counter()
        try:
            _ask(query, server, patience)
        except (OSError, dns.exception.DNSException):
            continue
        spans.append((time.perf_counter() - start) * 1000)
    return min(spans, default=patience * 1000)


def _takes_tcp(query: dns.message.Message, server: Nameserver, patience: float) -> bool:
    try:
        dns.query.tcp(query, str(server.address), timeout=patience, port=server.port)
    except (OSError, EOFError, dns.exception.DNSException):
        return False
    return True


def _invents(server: Nameserver, patience: float) -> bool:
    try:
        answer = _ask(dns.message.make_query(IMPOSSIBLE, dns.rdatatype.A), server, patience)
    except (OSError, dns.exception.DNSException):
        return False
    return bool(answer.answer)


def _why(error: Exception) -> str:
    if isinstance(error, dns.exception.Timeout):
        return "no answer in time"
    return str(error)
