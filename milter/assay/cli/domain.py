"""``assay domain``: the audit of a domain that one sends from."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from assay.audit.ids import Id
from assay.cli.exit_codes import ExitCode
from assay.cli.options import config_option, fail
from assay.config.load import find_configuration, load_config
from assay.config.suffixes import read_suffixes
from assay.dns.client import DnsClient
from assay.dns.nameservers import Nameserver, NameserverError, parse_nameserver
from assay.domain import Domain
from assay.errors import AssayError, DomainError
from assay.limits import AUDIT_BUDGET, AUDIT_MAX_QUERIES, DNS_TIMEOUT

if TYPE_CHECKING:
    from assay.audit.report import Report


class _DomainType(click.ParamType[Domain]):
    name = "domain"

    def __init__(self, labels: int = 1) -> None:
        """Make the type of a domain name.

        Args:
            labels: it has at least so many.
        """
        self._labels = labels

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Domain:
        try:
            domain = Domain.parse(str(value))
        except DomainError as error:
            self.fail(f"{value!r} is no domain name: {error}", param, ctx)
        if self._labels > 1 and domain.labels[-1].isdecimal():
            self.fail(f"{value!r} is an address, and no domain name", param, ctx)
        if len(domain.labels) < self._labels:
            self.fail(
                f"{value!r} has one label, and mail comes from names of two or more, such as example.com", param, ctx
            )
        return domain


class _NameserverType(click.ParamType[Nameserver]):
    name = "address"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Nameserver:
        try:
            return parse_nameserver(str(value))
        except NameserverError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.argument("name", type=_DomainType(labels=2))
@click.option(
    "--selector",
    "selectors",
    type=_DomainType(),
    multiple=True,
    metavar="SELECTOR",
    help="A DKIM selector that the domain signs with: s= of its signatures. May be repeated. Selectors cannot be "
    "listed from the DNS; without this only some usual ones are tried.",
)
@click.option(
    "--nameserver",
    "nameservers",
    type=_NameserverType(),
    multiple=True,
    metavar="ADDRESS",
    help="Ask this name server, such as 192.0.2.1, 127.0.0.1:5353 or [::1]:53, instead of those of the configuration. "
    "May be repeated.",
)
@click.option(
    "--accept",
    "accepted",
    type=click.Choice([kind.value for kind in Id]),
    multiple=True,
    metavar="ID",
    help="Do not count findings with this id: they are shown, and the exit code is as without them. May be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@config_option
def domain(  # noqa: PLR0913 - one parameter for each option
    name: Domain,
    selectors: tuple[Domain, ...],
    nameservers: tuple[Nameserver, ...],
    accepted: tuple[str, ...],
    as_json: bool,  # noqa: FBT001 - click passes options by name
    config_path: Path | None,
) -> None:
    """Audit the domain NAME, from which you send: MX, SPF, DKIM, DMARC, and what should be next.

    Only the DNS is asked, nothing is fetched from a web server, and no mail server is connected to. The name servers
    are those of the configuration, so that the answers are those that the daemon sees.

    Exit codes: 0 nothing to do, 1 there are findings, 2 wrong usage, 75 the DNS did not answer every question, so that
    the findings may not be all (try again).
    """
    try:
        client = _client(nameservers, config_path)
        suffixes = read_suffixes()
    except AssayError as error:
        fail(error)
    # checkdmarc takes as long to import as all the rest of assay; no other command needs it, or shows a report
    from assay.audit.audit import audit  # noqa: PLC0415
    from assay.cli.audit_text import print_report  # noqa: PLC0415

    try:
        report = audit(
            name,
            client.for_message(AUDIT_BUDGET, AUDIT_MAX_QUERIES),
            suffixes,
            selectors=tuple(dict.fromkeys(selectors)),
            accepted=[Id(kind) for kind in accepted],
        )
    finally:
        client.close()
    if as_json:
        click.echo(report.model_dump_json(indent=2))
    else:
        print_report(report, Console(highlight=False, markup=False, emoji=False))
    raise SystemExit(_exit_code(report))


def _client(nameservers: Sequence[Nameserver], config_path: Path | None) -> DnsClient:
    """Return a client of the given name servers, else of those of the configuration, else of the machine's."""
    if nameservers and config_path is None:
        return DnsClient(nameservers, timeout=DNS_TIMEOUT)
    dns = load_config(find_configuration(config_path)).dns
    return DnsClient(nameservers or dns.nameservers, timeout=dns.timeout, negative_ttl=dns.negative_ttl)


def _exit_code(report: "Report") -> ExitCode:
    if report.unanswered:
        return ExitCode.TEMPORARY
    return ExitCode.FINDING if report.counted else ExitCode.OK
