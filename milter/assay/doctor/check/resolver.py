"""The name servers: they answer, soon, truly, and to us alone."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from assay.doctor.inspection import Inspection, Outcome, ResolverView
from assay.doctor.model import Finding, error, notice, warning

SILENT: Final = error(
    "resolver-silent",
    "A name server does not answer. Each look-up that comes to it waits for its time-out; if it is the only one, every"
    " result is a temporary error, and mail that a policy wants judged is deferred.",
    "Start it, let the firewall through (UDP and TCP port 53), or take it out.",
)
FAILS: Final = error(
    "resolver-fails",
    "A name server answers, but not what is asked: it refuses this machine, does not look up for others, or cannot"
    " reach the DNS itself.",
    "Allow this machine there, or name another server.",
)
SLOW: Final = warning(
    "resolver-slow",
    "What a name server has in its cache takes it long to say. A message needs some ten to thirty answers; the SMTP"
    " client waits for them.",
    "Run a caching resolver on this machine.",
)
NO_TCP: Final = warning(
    "resolver-no-tcp",
    "A name server does not answer over TCP. Records that do not fit into a UDP packet, such as long SPF records and"
    " many TXT records at one name, come out as temporary errors.",
    "Let TCP port 53 through.",
)
INVENTS: Final = error(
    "resolver-invents-names",
    "A name server gives an address for a name that cannot exist. No look-up of it shows that a name does not exist:"
    " np= of DMARC and the void look-ups of SPF judge wrongly.",
    "Use a name server that tells the truth; providers call it NXDOMAIN redirection, search help or a filter.",
)
PUBLIC: Final = warning(
    "resolver-public",
    "A public forwarder is asked. It limits the questions of one address, which makes temporary errors when there is"
    " much mail, its answers come from afar, and it learns with whom you exchange mail. Block lists refuse it.",
    "Run a resolver that asks for itself, such as unbound, on this machine.",
)
NO_DNSSEC: Final = notice(
    "resolver-no-dnssec",
    "A name server does not validate DNSSEC: who can forge its answers can forge keys and policies, also those of"
    " domains that sign.",
    "Run a validating resolver on this machine; unbound validates as Debian installs it.",
)
KINDS: Final = (SILENT, FAILS, SLOW, NO_TCP, INVENTS, PUBLIC, NO_DNSSEC)

SLOW_MILLISECONDS: Final = 50
"""For an answer from the cache (local choice): thirty, one after the other, are a second and a half."""

# Addresses that their operators publish.
_FORWARDERS: Final = {
    "Google": ("8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844"),
    "Cloudflare": (
        *("1.1.1.1", "1.0.0.1", "1.1.1.2", "1.0.0.2", "1.1.1.3", "1.0.0.3"),
        *("2606:4700:4700::1111", "2606:4700:4700::1001"),
    ),
    "Quad9": ("9.9.9.9", "149.112.112.112", "9.9.9.10", "9.9.9.11", "2620:fe::fe", "2620:fe::9"),
    "OpenDNS": ("208.67.222.222", "208.67.220.220", "2620:119:35::35", "2620:119:53::53"),
    "Level 3": ("4.2.2.1", "4.2.2.2", "4.2.2.3", "4.2.2.4"),
    "AdGuard": ("94.140.14.14", "94.140.15.15"),
    "DNS4EU": ("86.54.11.100", "86.54.11.1"),
}
_OPERATOR: Final = {ip_address(text): name for name, addresses in _FORWARDERS.items() for text in addresses}


def check(inspection: Inspection) -> Iterator[Finding]:
    """Look at each name server."""
    for view in inspection.resolvers:
        yield from _server(view, inspection)


def operator_of(address: IPv4Address | IPv6Address) -> str:
    """Return who runs the public forwarder at an address; empty for what is none that we know."""
    return _OPERATOR.get(address, "")


def _server(view: ResolverView, inspection: Inspection) -> Iterator[Finding]:
    server = f"the name server {view.server} ({_origin(inspection)})"
    instead = f'apt-get install unbound, and in {_file(inspection)}: [dns] nameservers = ["127.0.0.1"]'
    if operator := operator_of(view.server.address):
        yield PUBLIC.found(f"{server} is the public forwarder of {operator}", instead)
    behind = dict.fromkeys(operator for each in view.forwards if (operator := operator_of(each.address)))
    if behind:
        yield PUBLIC.found(
            f"{server} is systemd-resolved, which asks the public forwarder of {' and '.join(behind)}", instead
        )
    if view.outcome is Outcome.SILENT:
        yield SILENT.found(
            f"{server} is silent: {view.why}",
            f"start it or open UDP port {view.server.port} to it; or {instead}",
        )
        return
    if view.outcome is Outcome.FAILED:
        yield FAILS.found(f"{server} does not look up names for us: {view.why}", instead)
        return
    if view.milliseconds > SLOW_MILLISECONDS:
        yield SLOW.found(f"{server} needs {view.milliseconds:.0f} ms for an answer of its cache", instead)
    if not view.tcp:
        yield NO_TCP.found(f"{server} does not answer over TCP", f"open TCP port {view.server.port} to it")
    if view.invents:
        yield INVENTS.found(f"{server} knows an address below invalid.", instead)
    if not view.validates:
        yield NO_DNSSEC.found(f"{server} does not validate DNSSEC", instead)


def _origin(inspection: Inspection) -> str:
    config = inspection.config
    return "[dns] nameservers" if config is not None and config.dns.nameservers else "/etc/resolv.conf"


def _file(inspection: Inspection) -> str:
    return "assay.toml" if inspection.config is None else str(inspection.config.source)
