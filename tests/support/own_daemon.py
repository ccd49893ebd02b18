"""The real daemon on a zone in memory, started as a process: ``python own_daemon.py CONFIG ZONE [NAME ...]``.

It differs from ``assay run`` in where the DNS comes from, and in names that bring trouble on purpose. The DNS fails
(SERVFAIL) at each NAME of the command line. Three others are always there: looking up ``_dmarc.fault.example`` raises,
as a fault of ours would; looking up ``_dmarc.slow.example`` takes two seconds; looking up ``_dmarc.deadly.example``
kills the worker.
"""

import os
import sys
import time
from pathlib import Path

from assay import log
from assay.answers import Answer, RRType
from assay.daemon.setup import load_setup
from assay.daemon.supervisor import Supervisor
from assay.daemon.workers import serve_with
from assay.dns.zone import Zone


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
        return self._zone.resolve(name, rrtype)

    def prefetch(self, name: bytes, rrtype: RRType) -> None:
        self._zone.prefetch(name, rrtype)


def main(config: str, zone: str, *servfail: str) -> None:
    path = Path(config)
    setup = load_setup(path)
    broken = {name.encode(): "SERVFAIL" for name in servfail}
    resolver = TroubledZone(Zone.parse(Path(zone).read_text("utf-8"), place=zone, broken=broken))
    log.configure(setup.config.log.format, setup.config.log.level)
    supervisor = Supervisor(
        setup,
        reload=lambda: load_setup(path),
        serve=lambda setup, listener, control, counters: serve_with(
            setup, listener, control, counters, lambda: resolver
        ),
    )
    raise SystemExit(supervisor.run())


if __name__ == "__main__":
    main(*sys.argv[1:])
