"""``assay run``: the daemon, in the foreground."""

import os
import socket
from pathlib import Path
from typing import NoReturn

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
from assay.metrics.table import Counters


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
                    reload=lambda: load_setup(setup.config.source),
                    serve=_serve,
                    adopted=_configure_log,
                    inherited=inherited_listener(setup.config.socket, os.environ),
                    notifier=notifier,
                    watchdog=Watchdog.of(os.environ, notifier),
                ).run()
        except ListenError as error:
            fail(error, ExitCode.TEMPORARY)
    raise SystemExit(code)


def _serve(setup: Setup, listener: socket.socket, control: socket.socket, counters: Counters) -> NoReturn:
    """Be a worker: its log is that of its own configuration, whatever becomes of the reload that it belongs to."""
    _configure_log(setup)
    run_worker(setup, listener, control, counters)


def _configure_log(setup: Setup) -> None:
    log.configure(setup.config.log.format, setup.config.log.level)


def _fill_standard_descriptors() -> None:
    """Open what was handed to us closed, as after ``2>&-``: else a connection would be number 2, and get our log."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004 - standard error
        pass
    os.close(descriptor)
