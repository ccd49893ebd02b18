"""MX: where bounces, replies and reports for the domain go."""

from dataclasses import dataclass
from ipaddress import ip_address

from assay.answers import Absent, Found, Mx, RRType, Unavailable
from assay.audit.asking import Asking, shown
from assay.audit.findings import finding
from assay.audit.ids import Id
from assay.audit.report import Finding, MxHost, Publish
from assay.audit.report import Mx as MxSection
from assay.domain import Domain


@dataclass(frozen=True, slots=True)
class MxReading:
    """What the DNS says of a domain's MX; ``section`` is None where that is not known.

    Attributes:
        exists: False for NXDOMAIN.
        silent: hosts that have no address, which is known.
    """

    section: MxSection | None
    exists: bool = True
    silent: tuple[str, ...] = ()


def inspect_mx(domain: Domain, asking: Asking) -> MxReading:
    """Ask for the MX records of a domain and the addresses of their hosts."""
    match asking.resolve(bytes(domain), RRType.MX):
        case Unavailable():
            return MxReading(None)
        case Absent(nxdomain=nxdomain, alias=alias):
            return MxReading(MxSection(hosts=(), null=False), exists=alias or not nxdomain)
        case Found(records):
            mx = (record for record in records if isinstance(record, Mx))
            exchanges = sorted((record.preference, record.exchange.lower()) for record in mx)
            addresses = {host: asking.addresses(host) for _, host in exchanges if host and not _is_address(host)}
            hosts = tuple(
                MxHost(preference=preference, host=shown(host), addresses=tuple(addresses.get(host) or ()))
                for preference, host in exchanges
                if host
            )
            return MxReading(
                MxSection(hosts=hosts, null=exchanges == [(0, b"")]),
                silent=tuple(shown(host) for host, known in addresses.items() if known == []),
            )


def mx_findings(domain: Domain, reading: MxReading, *, sends: bool) -> list[Finding]:
    """Return what should be done about the MX records.

    Args:
        domain: whose they are.
        reading: what :func:`inspect_mx` found.
        sends: a domain that sends nothing needs no way back.
    """
    found: list[Finding] = []
    section = reading.section
    if section is None:
        return found
    if section.null and sends:
        text = f"{domain} has a null MX, and some receivers take no mail from a domain that takes none (RFC 7505 4.2)"
        remedy = 'publish the hosts that take its mail; if it sends none either, publish "v=spf1 -all" too'
        found.append(finding(Id.MX_NULL, text, remedy))
    elif not section.hosts and not section.null and sends:
        text = f"{domain} has no MX record: receivers fall back to its address, if it has one (RFC 5321 5.1)"
        remedy = "publish the host that takes its mail"
        publish = Publish(name=domain.name, type="MX", value=f"10 mail.{domain}.")
        found.append(finding(Id.MX_MISSING, text, remedy, publish))
    for host in reading.silent:
        text = f"the MX host {host} of {domain} has no address"
        found.append(finding(Id.MX_UNREACHABLE, text, "give it an A or AAAA record, or take it out of the MX records"))
    return found


def _is_address(host: bytes) -> bool:
    """Whether somebody wrote an address where a name belongs (RFC 5321 5.1); checkdmarc says so."""
    try:
        ip_address(host.decode("latin-1"))
    except ValueError:
        return False
    return True
