"""The real daemon on a zone in memory, started as a process: ``python own_daemon.py CONFIG ZONE [NAME ...]``.

It differs from ``assay run`` in where the DNS comes from, and in names that bring trouble on purpose. The DNS fails
(SERVFAIL) at each NAME of the command line. Four others are always there: looking up ``_dmarc.fault.example`` raises,
as a fault of ours would; looking up ``_dmarc.slow.example`` takes two seconds; looking up ``_dmarc.deadly.example``
kills the worker; looking up ``_dmarc.memory.example`` finds no memory. Nor is there any to hand over a piece of a body
that begins with "too much", or to begin the end of a message whose queue id is "nomemory".

A worker that starts while there is a file ``lie`` beside CONFIG exempts everybody from judging.
"""

import functools
import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NoReturn

from assay import log
from assay.answers import Answer, RRType
from assay.daemon import workers
from assay.daemon.callbacks import SmtpConnection
from assay.daemon.notify import Notifier
from assay.daemon.setup import Setup, load_setup
from assay.daemon.supervisor import Supervisor
from assay.daemon.watchdog import Watchdog
from assay.daemon.workers import serve_with
from assay.dns.zone import Zone
from assay.metrics.table import Counters


class TroubledZone:
    """A zone with names that bring trouble."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    def resolve(self, name: bytes, rrtype: RRType) -> Answer:
        match name:
            case b"_dmarc.fault.example":
                raise RuntimeError("a fault of ours,\nplanted by a test")
            case b"_dmarc.slow.example":
                time.sleep(2)
            case b"_dmarc.deadly.example":
                os._exit(70)
            case b"_dmarc.memory.example":
                raise MemoryError
        return self._zone.resolve(name, rrtype)

    def prefetch(self, name: bytes, rrtype: RRType) -> None:
        self._zone.prefetch(name, rrtype)


def _hand_over(body: Callable[[SmtpConnection, bytes], int]) -> Callable[[SmtpConnection, bytes], int]:
    def called(self: SmtpConnection, chunk: bytes) -> int:
        if chunk.startswith(b"too much"):
            raise MemoryError
        return body(self, chunk)

    return functools.update_wrapper(called, body)


def _end(end_of_message: Callable[[Any, Counters], int]) -> Callable[[Any, Counters], int]:
    def called(ctx: Any, counters: Counters) -> int:
        if ctx.getsymval("i") == "nomemory":
            raise MemoryError
        return end_of_message(ctx, counters)

    return called


def main(config: str, zone: str, *servfail: str) -> None:
    path = Path(config)
    setup = load_setup(path)
    broken = {name.encode(): "SERVFAIL" for name in servfail}
    resolver = TroubledZone(Zone.parse(Path(zone).read_text("utf-8"), place=zone, broken=broken))
    log.configure(setup.config.log.format, setup.config.log.level)
    SmtpConnection.body = _hand_over(SmtpConnection.body)
    workers._end_of_message = _end(workers._end_of_message)

    def serve(setup: Setup, listener: socket.socket, control: socket.socket, counters: Counters) -> NoReturn:
        if path.with_name("lie").exists():
            setup = replace(setup, settings=replace(setup.settings, exempt_networks=(ip_network("0.0.0.0/0"),)))
        serve_with(setup, listener, control, counters, lambda: resolver)

    with Notifier.of(os.environ) as notifier:
        watchdog = Watchdog.of(os.environ, notifier)
        supervisor = Supervisor(
            setup, reload=lambda: load_setup(path), serve=serve, notifier=notifier, watchdog=watchdog
        )
        raise SystemExit(supervisor.run())


if __name__ == "__main__":
    main(*sys.argv[1:])
