"""What several commands share: the option that names the configuration, and how its faults are shown."""

from pathlib import Path
from typing import NoReturn

import click

from assay.cli.exit_codes import ExitCode
from assay.errors import AssayError, ConfigurationError

config_option = click.option(
    "--config",
    "config_path",
    # whether it can be read shows where it is read, and is said as of any other file
    type=click.Path(path_type=Path, dir_okay=False, readable=False),
    help="The configuration file; by default /etc/assay/assay.toml, else the one that was installed with assay.",
)


def fail(error: AssayError, code: ExitCode = ExitCode.USAGE) -> NoReturn:
    """Print every problem, one a line, and end the command."""
    problems = error.problems if isinstance(error, ConfigurationError) else (error,)
    for problem in problems:
        click.echo(f"assay: {problem}", err=True)
    raise SystemExit(code)
