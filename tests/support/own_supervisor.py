"""The real supervisor with workers that only wait, started as a process: ``python own_supervisor.py CONFIG``.

The file ``trouble`` beside CONFIG says what is wrong at the moment, one word a line: ``fork``: the system gives no
process; ``die``: a worker dies before it serves; ``hang``: a worker never gets to serve; ``deaf``: a worker does not
end when told to; ``load``: reading the configuration raises what nobody expects; ``pin``: a sandbox forbids to choose
a core.
"""

import errno
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, ParamSpec, TypeVar

from assay import log
from assay.daemon import supervisor, worker_process
from assay.daemon.notify import Notifier
from assay.daemon.setup import Setup, load_setup
from assay.daemon.worker_process import PING, READY
from assay.metrics.table import Counters

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def main(config: str) -> None:
    path = Path(config)

    def troubled_by(word: str) -> bool:
        return word in path.with_name("trouble").read_text().split()

    def load() -> Setup:
        if troubled_by("load"):
            raise RuntimeError("planted by a test")
        return load_setup(path)

    def serve(_setup: Setup, _listener: socket.socket, control: socket.socket, _counters: Counters) -> NoReturn:
        if troubled_by("die"):
            os._exit(3)
        if troubled_by("hang"):
            time.sleep(3600)
        deaf = troubled_by("deaf")
        control.sendall(READY)
        while control.recv(1) == PING:
            if not troubled_by("mute"):
                control.sendall(PING)
        time.sleep(3600 if deaf else 0)
        os._exit(0)

    worker_process.START_TIMEOUT = 0.5  # type: ignore[misc] # no test should wait for thirty seconds
    os.fork = _failing(os.fork, errno.EAGAIN, lambda: troubled_by("fork"))
    os.sched_setaffinity = _failing(os.sched_setaffinity, errno.EPERM, lambda: troubled_by("pin"))
    log.configure()
    with Notifier.of(os.environ) as notifier:
        raise SystemExit(supervisor.Supervisor(load(), reload=load, serve=serve, notifier=notifier).run())


def _failing(
    call: Callable[_Arguments, _Result], error: int, fails: Callable[[], bool]
) -> Callable[_Arguments, _Result]:
    def call_or_fail(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        if fails():
            raise OSError(error, os.strerror(error))
        return call(*args, **kwargs)

    return call_or_fail


if __name__ == "__main__":
    main(*sys.argv[1:])
