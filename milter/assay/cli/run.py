"""``assay run``: the daemon, in the foreground."""

import os
from pathlib import Path

import click

from assay import log
from assay.cli.exit_codes import ExitCode
from assay.cli.options import config_option, fail
from assay.daemon.activation import inherited_listener
from assay.daemon.listener import ListenError
from assay.daemon.notify import Notifier
from assay.daemon.setup import Setup, load_setup
from assay.daemon.supervisor import Supervisor, signals_held
from assay.daemon.watchdog import Watchdog
from assay.daemon.workers import run_worker
from assay.errors import ConfigurationError


@click.command()
@config_option
def run(config_path: Path | None) -> None:
    """Run the milter until SIGTERM; SIGHUP or SIGUSR1 reads the configuration and the policies again.

    Exit codes: 0 it was told to stop, 2 wrong usage, configuration or policy file, 75 a socket cannot be opened.
    """
    _fill_standard_descriptors()
    with signals_held():
        try:
            setup = load_setup(config_path)
        except ConfigurationError as error:
            fail(error)
        _configure_log(setup)
        try:
            with Notifier.of(os.environ) as notifier:
                code = Supervisor(
                    setup,
                    reload=lambda: _reload(setup.config.source),
                    serve=run_worker,
                    inherited=inherited_listener(setup.config.socket, os.environ),
                    notifier=notifier,
                    watchdog=Watchdog.of(os.environ, notifier),
                ).run()
        except ListenError as error:
            fail(error, ExitCode.TEMPORARY)
    raise SystemExit(code)


def _reload(source: Path) -> Setup:
    """Read everything again; the log follows only if all of it is good."""
    setup = load_setup(source)
    _configure_log(setup)
    return setup


def _configure_log(setup: Setup) -> None:
    log.configure(setup.config.log.format, setup.config.log.level)


def _fill_standard_descriptors() -> None:
    """Open what was handed to us closed, as after ``2>&-``: else a connection would be number 2, and get our log."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004 - standard error
        pass
    os.close(descriptor)
