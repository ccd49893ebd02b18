"""``assay config``: is everything in the files right?"""

from pathlib import Path

import click

from assay.cli.options import config_option, fail
from assay.daemon.setup import load_setup
from assay.errors import ConfigurationError


@click.command()
@config_option
def config(config_path: Path | None) -> None:
    """Validate the configuration and every policy file, and run their expectations; changes nothing.

    Exit codes: 0 all is good, 2 something is wrong: one line on standard error for each fault.
    """
    try:
        setup = load_setup(config_path)
    except ConfigurationError as error:
        fail(error)
    policies = setup.settings.policies
    click.echo(f"configuration {setup.config.source}: good")
    click.echo(f"socket {setup.config.socket.libmilter}, in Postfix: {setup.config.socket.postfix}")
    click.echo(f"policies {setup.config.policies}: {policies.describe()}")
