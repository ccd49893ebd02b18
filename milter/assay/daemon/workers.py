"""What runs in a worker process: libmilter on the shared listening socket, and draining.

libmilter's own stop (a signal or ``smfi_stop``) aborts open messages (docs/library-traps.md P7), so it is never used: a
worker that is told to drain takes the listening descriptor out of libmilter's hands, waits until every connection
that it accepted has ended, and exits (P12).
"""

import ctypes
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NoReturn

import Milter

from assay.answers import Resolver
from assay.daemon.callbacks import ACTIONS, SmtpConnection, TcpConnection
from assay.daemon.counting import count_fault
from assay.daemon.session import Context, Session
from assay.daemon.setup import Setup
from assay.daemon.worker_process import PING, READY
from assay.dns.client import DnsClient
from assay.log import get_logger
from assay.metrics.families import FaultPlace
from assay.metrics.table import Counters

log = get_logger()

POLL: Final = 0.05
"""Seconds between two looks at the open connections while draining."""

BACKGROUND_THREADS: Final = 32
"""SPF evaluations that wait for the DNS at the same time. Further ones queue up; where their message is judged before
their turn, the judge evaluates them, which costs only time."""

FILTER_NAME: Final = "assay"

MALLOC_ARENAS: Final = 2
"""Heaps of a worker. glibc gives threads heaps of their own, eight for each core, and each keeps what a large message
once needed; the threads of a Python process hardly ever allocate at the same time."""

_M_ARENA_MAX: Final = -8  # malloc.h of glibc


def run_worker(setup: Setup, listener: socket.socket, control: socket.socket, counters: Counters) -> NoReturn:
    """Be a worker: everything that has a thread or a socket of its own is made here, after the fork."""

    def dns_fault(fault: BaseException) -> None:
        log.error("fault in the DNS client", exc_info=fault)
        counters.fault(FaultPlace.DNS)

    dns = setup.config.dns
    client = DnsClient(
        setup.nameservers,
        timeout=dns.timeout,
        negative_ttl=dns.negative_ttl,
        faults=dns_fault,
        counts=counters,
    )
    serve_with(setup, listener, control, counters, lambda: client.for_message(dns.budget, dns.max_queries))


def serve_with(
    setup: Setup,
    listener: socket.socket,
    control: socket.socket,
    counters: Counters,
    new_resolver: Callable[[], Resolver],
) -> NoReturn:
    """Be a worker that asks this DNS; ``assay demo`` brings its own."""
    context = Context(
        settings=setup.settings,
        new_resolver=new_resolver,
        background=ThreadPoolExecutor(BACKGROUND_THREADS, thread_name_prefix="early-spf"),
        clock=time.time,
        authserv_id=setup.config.authserv_id,
        host_name=socket.gethostname(),
        probe=setup.probe,
        counters=counters,
    )
    serve(listener, control, counters, lambda: Session(context))


def serve(
    listener: socket.socket, control: socket.socket, counters: Counters, new_session: Callable[[], Session]
) -> NoReturn:
    """Serve connections of ``listener`` until told to drain; ends the process.

    Args:
        listener: listening, non-blocking, shared with other processes.
        control: connected to the supervisor.
        counters: of this process.
        new_session: makes the state of one connection; called in the thread that serves it.
    """
    _log_faults(counters)
    _share_heaps()
    _register(new_session, SmtpConnection if listener.family == socket.AF_UNIX else TcpConnection, counters)
    descriptor = _open_placeholder(listener.family)
    # made now: when it is needed there may be no descriptor left
    idle = _nobodys_listener()
    # libmilter polls and accepts on a number; from here on that number is the shared socket
    os.dup2(listener.fileno(), descriptor)
    address = listener.getsockname()
    listener.close()
    threading.Thread(target=_obey, args=(control, descriptor, idle, address), name="control", daemon=True).start()
    control.sendall(READY)
    try:
        Milter.main()
    except Milter.error:
        log.exception("libmilter cannot run")
        os._exit(1)
    # Somebody signalled this process by hand and libmilter stopped; the supervisor starts another worker.
    os._exit(0)


def _share_heaps() -> None:
    """Let all threads take their memory from a few heaps; before there are any threads."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # other C libraries have no arenas
        mallopt(_M_ARENA_MAX, MALLOC_ARENAS)


def _log_faults(counters: Counters) -> None:
    """Make one log line of what is raised outside our callbacks: in libmilter's calls of them, and in threads."""

    def report(kind: type[BaseException], fault: BaseException | None, trace: TracebackType | None) -> None:
        log.error("fault outside the callbacks", exc_info=(kind, fault, trace))
        counters.fault(FaultPlace.OTHER)

    sys.excepthook = report
    threading.excepthook = lambda args: report(args.exc_type, args.exc_value, args.exc_traceback)


def _register(new_session: Callable[[], Session], kind: type[SmtpConnection], counters: Counters) -> None:
    """Hand libmilter our callbacks, as the library's ``runmilter`` does, which cannot share a socket."""

    def connected(ctx: object, options: list[int]) -> int:
        connection = kind(new_session())
        connection._setctx(ctx)  # noqa: SLF001 - the library's way to attach a connection to its context
        return connection.negotiate(options)

    Milter.set_flags(ACTIONS | Milter.SETSYMLIST)
    Milter.set_connect_callback(lambda ctx, name, family, address: ctx.getpriv().connect(name, family, address))
    Milter.set_helo_callback(lambda ctx, name: ctx.getpriv().hello(name))
    Milter.set_envfrom_callback(lambda ctx, *arguments: ctx.getpriv().envfrom(*arguments))
    Milter.set_envrcpt_callback(lambda ctx, *arguments: ctx.getpriv().envrcpt(*arguments))
    Milter.set_header_callback(lambda ctx, name, value: ctx.getpriv().header(name, value))
    Milter.set_eoh_callback(lambda ctx: ctx.getpriv().eoh())
    Milter.set_body_callback(lambda ctx, chunk: ctx.getpriv().body(chunk))
    Milter.set_eom_callback(lambda ctx: _end_of_message(ctx, counters))
    Milter.set_abort_callback(lambda ctx: ctx.getpriv().abort())
    Milter.set_close_callback(Milter.close_callback)
    # For an exception outside our callbacks, such as a name of a header field that is no UTF-8. A verdict in a step
    # without a reply would not reach the MTA, but libmilter would skip the rest of the message, its end included, and
    # the MTA would wait for that answer (P10). What the session misses so is refused there: a client that was never
    # reported defers the message; a field whose name is no ASCII means nothing to any method.
    Milter.set_exception_policy(Milter.CONTINUE)
    Milter.register(
        FILTER_NAME,
        data=lambda ctx: ctx.getpriv().data(),
        unknown=lambda ctx, command: ctx.getpriv().unknown(command),
        negotiate=connected,
    )


def _end_of_message(ctx: Any, counters: Counters) -> int:  # noqa: ANN401 - pymilter ships no types
    """Have the message judged; defer it where there is nobody to ask: for an MTA that did not negotiate."""
    try:
        return int(ctx.getpriv().eom())
    except BaseException:
        log.exception("fault outside the callbacks, message deferred")
        count_fault(counters)
        return int(Milter.TEMPFAIL)


def _open_placeholder(family: int) -> int:
    """Let libmilter open a listening socket of its own and return its descriptor.

    libmilter accepts only peers of the family that it opened, so the placeholder has the family of the real one.
    """
    before = _listening()
    with tempfile.TemporaryDirectory(prefix="assay-") as directory:
        match family:
            case socket.AF_UNIX:
                Milter.setconn(f"unix:{Path(directory) / 'placeholder'}")
            case socket.AF_INET6:
                Milter.setconn("inet6:0@[::1]")
            case _:
                Milter.setconn("inet:0@127.0.0.1")
        Milter.opensocket(0)
    (descriptor,) = _listening() - before
    return descriptor


def _obey(control: socket.socket, descriptor: int, idle: socket.socket, address: object) -> None:
    """Wait for the word to drain, then drain; runs in the worker's control thread."""
    with suppress(OSError):
        # Any other octet is the word; the end of the stream means that the supervisor died, and says the same.
        while control.recv(1) == PING:
            control.sendall(PING)
    drain(descriptor, idle, address)
    # The interpreter's own exit would wait for libmilter's main loop.
    os._exit(0)


def drain(descriptor: int, idle: socket.socket, address: object) -> None:
    """Stop accepting and wait until every accepted connection has ended.

    Connections that wait in the backlog stay there, for the other workers or the next generation. The connections
    are counted by looking at this process's descriptors and not by callbacks: between accept and the first callback
    there is a moment in which a count of callbacks would be zero.

    Args:
        descriptor: where libmilter accepts.
        idle: from :func:`_nobodys_listener`; it is closed.
        address: of the listening socket that all workers share.
    """
    os.dup2(idle.fileno(), descriptor)
    idle.close()  # and so there is one descriptor left to look with
    while True:
        # before the first look, too: an accept that was under way shows its descriptor a moment later
        time.sleep(POLL)
        # Without a descriptor to look with nothing is known, and that is not the same as no connection.
        with suppress(OSError):
            if not any(_is_accepted(number, address) for number in _descriptors()):
                return


def _nobodys_listener() -> socket.socket:
    """Open a listening socket that nobody knows: accept on it finds nothing, for ever."""
    idle = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    idle.bind("")  # Linux gives it a free abstract name
    idle.listen(1)
    idle.settimeout(0)
    return idle


def _descriptors() -> list[int]:
    with os.scandir("/proc/self/fd") as entries:
        return [int(entry.name) for entry in entries]


@contextmanager
def _as_socket(descriptor: int) -> Iterator[socket.socket | None]:
    """Look at a descriptor as a socket without owning it; None if it is none or was closed meanwhile."""
    try:
        candidate = socket.socket(fileno=descriptor)
    except OSError:
        yield None
        return
    try:
        yield candidate
    finally:
        candidate.detach()


def _listening() -> set[int]:
    return {descriptor for descriptor in _descriptors() if _is_listening(descriptor)}


def _is_listening(descriptor: int) -> bool:
    with _as_socket(descriptor) as candidate:
        return candidate is not None and candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def _is_accepted(descriptor: int, address: object) -> bool:
    """Whether the descriptor is a connection that came in through the listening socket at ``address``."""
    with _as_socket(descriptor) as candidate:
        if candidate is None or candidate.type != socket.SOCK_STREAM:
            return False
        with suppress(OSError):
            candidate.getpeername()
            return _same_port(candidate.getsockname(), address)
        return False


def _same_port(local: object, listening: object) -> bool:
    """Compare the port (TCP: a listener on every address accepts on a concrete one) or the path (unix)."""
    match local, listening:
        case (_, int(port), *_), (_, int(other), *_):
            return port == other
        case _:
            return local == listening
