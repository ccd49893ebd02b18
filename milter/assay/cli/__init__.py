"""The commands, one module each."""

import click

from assay import __version__, log
from assay.cli.check import check
from assay.cli.completion import completion
from assay.cli.config import config
from assay.cli.demo import demo
from assay.cli.doctor import doctor
from assay.cli.domain import domain
from assay.cli.run import run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="assay")
def main() -> None:
    """Inbound mail authentication milter: SPF, DKIM, DMARC and ARC in one process, with one explanation.

    Exit codes: 0 nothing to complain about, 1 a finding, 2 wrong usage or configuration, 75 a temporary failure.
    """
    # until there is a configuration that says otherwise; standard output is for results
    log.configure()


for command in (run, check, config, demo, doctor, domain, completion):
    main.add_command(command)
