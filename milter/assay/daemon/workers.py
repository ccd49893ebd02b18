"""What runs in a worker process: libmilter on the shared listening socket, and draining.

libmilter's own stop (a signal or ``smfi_stop``) aborts open messages (docs/library-traps.md P7), so it is never used: a
worker that is told to drain takes the listening descriptor out of libmilter's hands, waits until every connection
that it accepted has ended, and exits (P12).
"""

import ctypes
import math
import os
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, NoReturn

import Milter

from assay.answers import Resolver
from assay.daemon.acceptor import LOOK_INTERVAL, Acceptor
from assay.daemon.callbacks import ACTIONS, SmtpConnection, TcpConnection
from assay.daemon.counting import count_fault
from assay.daemon.session import Context, Session
from assay.daemon.setup import Setup
from assay.daemon.wall_clock import WallClock
from assay.daemon.worker_process import PING, READY
from assay.dns.client import DnsClient
from assay.log import get_logger
from assay.metrics.families import FaultPlace
from assay.metrics.table import Counters

log = get_logger()

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
    retirement = Retirement(control)
    context = Context(
        settings=setup.settings,
        new_resolver=new_resolver,
        background=ThreadPoolExecutor(BACKGROUND_THREADS, thread_name_prefix="early-spf"),
        clock=WallClock(),
        authserv_id=setup.config.authserv_id,
        host_name=socket.gethostname(),
        probe=setup.probe,
        counters=counters,
        out_of_memory=retirement.begin,
    )
    serve(listener, control, counters, retirement, lambda: Session(context))


RETIREMENT: Final = 10.0
"""Seconds that a worker whose memory ran out gives to what it has. Another one is started when it has gone, and an MTA
that connects meanwhile waits longer than that."""


RESERVE: Final = 1 << 20
"""Octets that a worker gives back when its memory runs out: enough to remember why, to say so and to answer."""


class Retirement:
    """How a worker ends itself whose memory ran out: it finishes what it has, and the supervisor starts another.

    What is left of a memory that ran out may suffice for nothing but to defer, message after message.

    Attributes:
        begun: it ends.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._reserve = bytearray(RESERVE)
        self.begun = False

    def begin(self) -> None:
        """Drain and exit; from any thread, any number of times."""
        self._reserve.clear()  # first: nothing below may find memory without it
        if not self.begun:
            self.begun = True
            # the control thread finds the end of its stream
            with suppress(OSError):
                self._control.shutdown(socket.SHUT_RD)
            log.error("memory ran out: this worker finishes what it has, and ends")


_serving = threading.local()
"""``session``: that of the connection which the calling thread serves. pymilter gives each connection a thread state of
its own, whatever thread it is served by, and what is local to a thread is kept there."""


def serve(
    listener: socket.socket,
    control: socket.socket,
    counters: Counters,
    retirement: Retirement,
    new_session: Callable[[], Session],
) -> NoReturn:
    """Serve connections of ``listener`` until told to drain; ends the process.

    Args:
        listener: listening, non-blocking, shared with other processes.
        control: connected to the supervisor.
        counters: of this process.
        retirement: of this process.
        new_session: makes the state of one connection; called in the thread that serves it.
    """
    verdict = _Verdict()
    report = _log_faults(counters, retirement, verdict)
    _share_heaps()
    kind = SmtpConnection if listener.family == socket.AF_UNIX else TcpConnection
    _register(new_session, kind, counters, report, verdict)
    acceptor = Acceptor(listener)
    threading.Thread(target=_obey, args=(control, acceptor, retirement), name="control", daemon=True).start()
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


class _Verdict:
    """What pymilter answers for a step whose callback it could not call, or that raised: the same for all connections.

    It must be "deferred". Else a message for whose end there was no memory would be let in, unjudged. But for what is
    no UTF-8, such as the name of a header field, it is "go on": a verdict in a step without a reply does not reach the
    MTA, libmilter skips the rest of the message, its end included, and the MTA would wait for that answer (P10). What
    the session misses so is refused there: a client that was never reported defers the message; a field whose name is
    no ASCII means nothing to any method.
    """

    def __init__(self) -> None:
        self.lenient = False
        self.defer()

    def defer(self) -> None:
        """From now on."""
        Milter.set_exception_policy(Milter.TEMPFAIL)
        self.lenient = False

    def go_on(self) -> None:
        """Until the next step of any connection."""
        self.lenient = True
        Milter.set_exception_policy(Milter.CONTINUE)


Report = Callable[[type[BaseException], BaseException | None, TracebackType | None], None]


def _log_faults(counters: Counters, retirement: Retirement, verdict: _Verdict) -> Report:
    """Make one log line of what is raised outside our callbacks: in libmilter's calls of them, and in threads.

    A step of a message that the session missed defers the message: it may have been the body's, and then a genuine
    signature would fail.
    """

    def note(kind: type[BaseException], fault: BaseException | None, trace: TracebackType | None) -> None:
        log.error("fault outside the callbacks", exc_info=(kind, fault, trace))
        counters.fault(FaultPlace.OTHER)

    def report(kind: type[BaseException], fault: BaseException | None, trace: TracebackType | None) -> None:
        if kind is MemoryError:
            retirement.begin()
        session: Session | None = getattr(_serving, "session", None)
        if session is not None:
            session.remember(fault or MemoryError())  # without memory there may be no object for it
        note(kind, fault, trace)

    def of_pymilter(kind: type[BaseException], fault: BaseException | None, trace: TracebackType | None) -> None:
        if kind is UnicodeDecodeError:
            note(kind, fault, trace)
            verdict.go_on()  # last: a step of another connection meanwhile would end it
        else:
            report(kind, fault, trace)

    sys.excepthook = of_pymilter  # it asks for its verdict after this
    threading.excepthook = lambda args: report(args.exc_type, args.exc_value, args.exc_traceback)
    return report


def _register(
    new_session: Callable[[], Session],
    kind: type[SmtpConnection],
    counters: Counters,
    report: Report,
    verdict: _Verdict,
) -> None:
    """Hand libmilter our callbacks, as the library's ``runmilter`` does, which cannot share a socket."""

    def connected(ctx: object, options: list[int]) -> int:
        session = _serving.session = new_session()
        connection = kind(session)
        connection._setctx(ctx)  # noqa: SLF001 - the library's way to attach a connection to its context
        return connection.negotiate(options)

    def step(name: str) -> Callable[..., int]:
        """Let a step count as answered once its fault is remembered: its end of message defers the message for it."""

        def called(ctx: Any, *arguments: object) -> int:  # noqa: ANN401 - pymilter ships no types
            if verdict.lenient:
                verdict.defer()
            try:
                return int(getattr(ctx.getpriv(), name)(*arguments))
            except BaseException as fault:  # noqa: BLE001 - mail is never lost
                report(type(fault), fault, fault.__traceback__)
                return int(Milter.CONTINUE)

        return called

    Milter.set_flags(ACTIONS | Milter.SETSYMLIST)
    Milter.set_connect_callback(step("connect"))
    Milter.set_helo_callback(step("hello"))
    Milter.set_envfrom_callback(step("envfrom"))
    Milter.set_envrcpt_callback(step("envrcpt"))
    Milter.set_header_callback(step("header"))
    Milter.set_eoh_callback(step("eoh"))
    Milter.set_body_callback(step("body"))
    Milter.set_eom_callback(lambda ctx: _end_of_message(ctx, counters))
    Milter.set_abort_callback(step("abort"))
    Milter.set_close_callback(Milter.close_callback)
    Milter.register(FILTER_NAME, data=step("data"), unknown=step("unknown"), negotiate=connected)


def _end_of_message(ctx: Any, counters: Counters) -> int:  # noqa: ANN401 - pymilter ships no types
    """Have the message judged; defer it where there is nobody to ask: for an MTA that did not negotiate."""
    try:
        return int(ctx.getpriv().eom())
    except BaseException:
        log.exception("fault outside the callbacks, message deferred")
        count_fault(counters)
        return int(Milter.TEMPFAIL)


def _obey(control: socket.socket, acceptor: Acceptor, retirement: Retirement) -> None:
    """Answer the supervisor and look after the descriptors until told to drain, then drain; in the control thread."""
    control.settimeout(LOOK_INTERVAL)
    told = False
    while not told:
        with suppress(OSError, MemoryError):  # whatever it finds: there must be somebody to drain
            told = _told_to_drain(control)
            acceptor.look()
    acceptor.drain(RETIREMENT if retirement.begun else math.inf)
    # The interpreter's own exit would wait for libmilter's main loop.
    os._exit(0)


def _told_to_drain(control: socket.socket) -> bool:
    """Listen to the supervisor for a moment; the end of the stream means that it died, or that we retire."""
    try:
        word = control.recv(1)
        if word == PING:
            control.sendall(PING)
    except TimeoutError:
        return False
    except OSError:
        return True
    return word != PING
