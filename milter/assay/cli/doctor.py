"""``assay doctor``: what is wrong on this machine, and what to do."""

import dataclasses
import json
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.text import Text

from assay.cli.exit_codes import ExitCode
from assay.cli.options import config_option
from assay.cli.render import printable
from assay.doctor.catalogue import findings, page
from assay.doctor.inspection import Inspection
from assay.doctor.look.everything import Looker
from assay.doctor.look.places import Places
from assay.doctor.model import Finding, Severity
from assay.doctor.report import facts

_COLOURS: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTICE: "cyan"}


@click.command()
@config_option
@click.option(
    "--postfix-config",
    type=click.Path(path_type=Path, file_okay=False),
    help="The directory of main.cf; by default /etc/postfix.",
)
@click.option(
    "--sendmail-mc",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file sendmail.mc; by default /etc/mail/sendmail.mc.",
)
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path("/"),
    help="Look at a copy of a machine below this directory; nothing is asked of systemd and of the mail queue then.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
@click.option("--list", "catalogue", is_flag=True, help="Print every finding that there is, and what it means.")
def doctor(  # noqa: PLR0913 - one parameter for each option
    config_path: Path | None,
    postfix_config: Path | None,
    sendmail_mc: Path | None,
    root: Path,
    as_json: bool,  # noqa: FBT001 - click passes options by name
    catalogue: bool,  # noqa: FBT001 - click passes options by name
) -> None:
    """Look at this machine and say what is wrong with how assay is attached to it, and what to type.

    Reads the configuration, that of Postfix or Sendmail, the unit of systemd, the name servers and the clock; changes
    nothing. Run it as root, or it says what it could not look at.

    Exit codes: 0 nothing but notices, 1 a warning or an error, 2 wrong usage.
    """
    if catalogue:
        click.echo(page())
        return
    places = Places(root=root.absolute(), postfix=postfix_config, sendmail=sendmail_mc)
    inspection = Looker(places).inspect(config_path)
    found = findings(inspection)
    if as_json:
        click.echo(_as_json(inspection, found))
    else:
        _print(inspection, found, Console(highlight=False, markup=False, emoji=False))
    bad = any(each.severity is not Severity.NOTICE for each in found)
    raise SystemExit(ExitCode.FINDING if bad else ExitCode.OK)


def _print(inspection: Inspection, found: tuple[Finding, ...], console: Console) -> None:
    for subject, text in facts(inspection):
        line = Text(f"{subject:<16}", style="dim")
        line.append(printable(text))
        console.print(line, soft_wrap=True)
    for each in found:
        console.print()
        line = Text(each.severity, style=f"bold {_COLOURS[each.severity]}")
        line.append(f" {each.id}", style="bold")
        console.print(line)
        console.print(Text(f"  {printable(each.what)}"), soft_wrap=True)
        console.print(Text(f"  -> {printable(each.remedy)}"), soft_wrap=True)
    if not found:
        console.print(Text("\nnothing is wrong", style="green"))


def _as_json(inspection: Inspection, found: tuple[Finding, ...]) -> str:
    looked = [{"subject": subject, "text": text} for subject, text in facts(inspection)]
    return json.dumps({"looked_at": looked, "findings": [dataclasses.asdict(each) for each in found]}, indent=2)
