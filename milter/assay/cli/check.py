"""``assay check``: the daemon's judgement of a message in a file, without an MTA, with every step of why."""

import socket
import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import BinaryIO

import click
from rich.console import Console

from assay.answers import Resolver
from assay.cli.exit_codes import ExitCode
from assay.cli.options import config_option, fail
from assay.cli.render import judgement_as_json, print_judgement
from assay.daemon.facts_of import facts_of_file
from assay.daemon.judge import Judgement, judge
from assay.daemon.setup import Setup, load_setup
from assay.dns.client import DnsClient
from assay.dns.reserved import ReservedResolver
from assay.dns.zone import Zone
from assay.errors import AssayError
from assay.facts import IPAddress
from assay.log import get_logger
from assay.policy.model import Disposition
from assay.verify.demands import policy_names

log = get_logger()


class _AddressType(click.ParamType[IPAddress]):
    name = "address"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> IPAddress:
        try:
            return ip_address(str(value))
        except ValueError:
            self.fail(f"{value!r} is neither an IPv4 nor an IPv6 address", param, ctx)


@click.command()
@click.argument("message", type=click.File("rb"))
@click.option("--ip", "address", required=True, type=_AddressType(), help="The address of the SMTP client.")
@click.option("--helo", default="", help="The argument of HELO or EHLO.")
@click.option("--mail-from", required=True, help="The envelope sender; <> or an empty text is the null sender.")
@click.option(
    "--zone",
    "zone_path",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Answer the DNS from this zone file instead of asking the name servers.",
)
@click.option("--smtputf8", is_flag=True, help="The sender announced SMTPUTF8.")
@click.option("--json", "as_json", is_flag=True, help="Print the judgement as one JSON object.")
@config_option
def check(  # noqa: PLR0913 - one parameter for each option
    message: BinaryIO,
    address: IPAddress,
    helo: str,
    mail_from: str,
    zone_path: Path | None,
    smtputf8: bool,  # noqa: FBT001 - click passes options by name
    as_json: bool,  # noqa: FBT001 - click passes options by name
    config_path: Path | None,
) -> None:
    """Judge MESSAGE (a file, or - for standard input) as the daemon would.

    Exit codes: 0 the message would be delivered, 1 it would be quarantined or refused, 75 it would be deferred;
    whatever the mode, by what enforce mode would do.
    """
    try:
        setup = load_setup(config_path)
        new_resolver = _resolvers(setup, zone_path)
    except AssayError as error:
        fail(error)
    try:
        facts = facts_of_file(
            message.read(),
            address=address,
            helo=helo.encode(errors="surrogateescape"),
            mail_from=_path(mail_from),
            smtputf8=smtputf8,
            host_name=socket.gethostname(),
            authserv_id=setup.config.authserv_id,
            options=setup.settings.options,
        )
        names = policy_names(facts.headers, setup.settings.dmarc, smtputf8=smtputf8)
        resolver = ReservedResolver(new_resolver(), new_resolver(), names)  # as in the daemon
        judgement = judge(facts, resolver, setup.settings, time.time)
    except Exception as fault:
        log.exception("internal error, the daemon would defer this message")
        raise SystemExit(ExitCode.TEMPORARY) from fault
    if as_json:
        click.echo(judgement_as_json(judgement))
    else:
        print_judgement(judgement, Console(highlight=False, markup=False, emoji=False))
    raise SystemExit(_exit_code(judgement))


def _resolvers(setup: Setup, zone_path: Path | None) -> Callable[[], Resolver]:
    if zone_path is not None:
        zone = Zone.read(zone_path)
        return lambda: zone
    dns = setup.config.dns
    client = DnsClient(setup.nameservers, timeout=dns.timeout, negative_ttl=dns.negative_ttl)
    return lambda: client.for_message(dns.budget, dns.max_queries)


def _path(text: str) -> bytes:
    """Return the argument of MAIL; a shell makes angle brackets awkward, so they may be left out."""
    octets = text.encode(errors="surrogateescape")
    return octets if octets.startswith(b"<") else b"<" + octets + b">"


def _exit_code(judgement: Judgement) -> ExitCode:
    match judgement.decision.would:
        case Disposition.NONE:
            return ExitCode.OK
        case Disposition.TEMPFAIL:
            return ExitCode.TEMPORARY
        case Disposition.QUARANTINE | Disposition.REJECT:
            return ExitCode.FINDING
