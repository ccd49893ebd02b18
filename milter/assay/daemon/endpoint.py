"""The process that shows the numbers to Prometheus, and the supervisor's hold on it.

It is a child of its own, so that nothing that is done to it can disturb mail: it may be flooded, hang or die. It has
one thread, answers few connections at a time, each for a few seconds at most, and only ``GET /metrics``.
"""

import asyncio
import gc
import os
import signal
import socket
import stat
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final, NoReturn

from assay.config.socket import SocketAddress
from assay.daemon.back_off import BackOff
from assay.daemon.listener import ListenError, open_listener
from assay.log import get_logger
from assay.metrics.exposition import CONTENT_TYPE, exposition
from assay.metrics.table import Table

log = get_logger()

PATH: Final = "/metrics"

MAX_CONNECTIONS: Final = 16
"""At the same time; further ones are told to come back. A Prometheus has one (local choice)."""

MAX_REQUEST: Final = 8192
"""Octets of a request line and its header; Prometheus sends under 400 (local choice)."""

DEADLINE: Final = 5.0
"""Seconds for one connection, from its first octet to its end. Prometheus gives up after ten by default."""

FRESH: Final = 1.0
"""Seconds for which the same numbers are shown again, so that a flood of requests adds them up once a second."""


QUIET: Final = 60.0
"""Seconds between two lines about trouble with connections: whoever floods the process must not flood the log."""


class Endpoint:
    """What the supervisor knows of the process: its socket, which stays while processes come and go."""

    def __init__(self, table: Table) -> None:
        """Show this table; nothing starts before :meth:`open`."""
        self._table = table
        self._address: SocketAddress | None = None
        self._listener: socket.socket | None = None
        self._control: socket.socket | None = None
        self._pid: int | None = None
        self._started = 0.0
        self._back_off = BackOff()

    def open(self, address: SocketAddress | None) -> None:
        """Listen at another address, or nowhere; what listened before goes on until the new one does.

        Raises:
            ListenError: the address is in use, or not of this machine; nothing has changed.
        """
        if address == self._address:
            return
        listener = None
        if address is not None:
            try:
                listener = open_listener(address, mode=0, group=None)
            except ListenError as error:
                raise ListenError(f"[metrics] address: {error}") from error
        self.close()
        self._address, self._listener = address, listener
        self._back_off = BackOff()

    def tend(self) -> float:
        """Start the process if it is missing and its time has come; return the seconds until there is more to do."""
        if self._listener is None or self._pid is not None:
            return 3600.0
        if not self._back_off.left():
            try:
                self._fork(self._listener)
            except OSError as error:
                delay = self._back_off.failed()
                log.error("no process or descriptor is left for the metrics", reason=error, retry_in=delay)  # noqa: TRY400 - the reason says it
            else:
                return 3600.0
        return self._back_off.left()

    @property
    def lives(self) -> bool:
        """Whether there is a process that may end."""
        return self._pid is not None

    def buried(self, pid: int, status: int) -> None:
        """Take note of a child that ended, if it is ours."""
        if pid != self._pid:
            return
        self._forget_process()
        delay = self._back_off.failed(lived=time.monotonic() - self._started)
        log.error("metrics ended", pid=pid, exit=os.waitstatus_to_exitcode(status), restart_in=delay)

    def close(self) -> None:
        """Stop listening and end the process."""
        if self._listener is not None:
            self._listener.close()
        if self._pid is not None:
            # it holds nothing that could be lost
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(self._pid, 0)
        self._forget_process()
        self._address = self._listener = None

    def leave(self) -> None:
        """Close what a child that was forked for something else has of it."""
        for each in (self._listener, self._control):
            if each is not None:
                each.close()

    def _forget_process(self) -> None:
        if self._control is not None:
            self._control.close()
        self._control = self._pid = None

    def _fork(self, listener: socket.socket) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            gc.freeze()
            try:
                pid = os.fork()
            except OSError:
                ours.close()
                raise
            if pid == 0:
                _become_endpoint(listener, theirs, self._table)
        self._pid, self._control, self._started = pid, ours, time.monotonic()
        log.info("metrics are shown", url=f"http://{_host(listener)}{PATH}", pid=pid)


def _host(listener: socket.socket) -> str:
    name = listener.getsockname()
    return f"[{name[0]}]:{name[1]}" if listener.family == socket.AF_INET6 else f"{name[0]}:{name[1]}"


def _become_endpoint(listener: socket.socket, control: socket.socket, table: Table) -> NoReturn:
    """Run in the child, and never return into the supervisor's code."""
    try:
        os.setpgid(0, 0)  # as for workers: a terminal's interrupt is the supervisor's business
        _close_other_sockets({0, 1, 2, listener.fileno(), control.fileno()})
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        asyncio.run(show(listener, control, table))
    except BaseException:
        log.exception("the metrics failed")
        os._exit(1)
    os._exit(0)


def _close_other_sockets(kept: set[int]) -> None:
    """Close the supervisor's sockets: above all that of the milter, which whoever holds keeps open.

    The objects that have these numbers live in the frames above, to which nobody returns. What is no socket stays, such
    as the descriptor of the log.
    """
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers, not paths
        with suppress(OSError):  # the one that listed them is gone
            if int(name) not in kept and stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                os.close(int(name))


async def show(listener: socket.socket, control: socket.socket, table: Table) -> None:
    """Answer requests until the other end of ``control`` is closed: also when the supervisor was killed."""
    over = asyncio.Event()
    loop, answering = asyncio.get_running_loop(), _Answering(table)
    loop.set_exception_handler(answering.fault)
    loop.add_reader(control, over.set)
    async with await asyncio.start_server(answering.connection, sock=listener, limit=MAX_REQUEST):
        await over.wait()


class _Answering:
    """What is asked, and what is answered."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._open = 0
        self._text = b""
        self._fresh_until = 0.0
        self._quiet_until = 0.0

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and close."""
        self._open += 1
        try:
            async with asyncio.timeout(DEADLINE):
                writer.write(await self._answer(reader))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass  # nobody is there any more, or nobody who speaks HTTP
        finally:
            self._open -= 1
            writer.transport.abort()

    def fault(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Make one log line a minute of what asyncio would print: without a descriptor that is a hundred tracebacks."""
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET
            log.error("the metrics have trouble", reason=context.get("exception") or context["message"])

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        if self._open > MAX_CONNECTIONS:
            return _response(HTTPStatus.SERVICE_UNAVAILABLE)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _response(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        match head.partition(b"\r\n")[0].split(b" "):
            case [method, target, version] if version.startswith(b"HTTP/1."):
                if target.partition(b"?")[0] != PATH.encode():
                    return _response(HTTPStatus.NOT_FOUND)
                if method != b"GET":
                    return _response(HTTPStatus.METHOD_NOT_ALLOWED, allow=True)
            case _:
                return _response(HTTPStatus.BAD_REQUEST)
        try:
            return _response(HTTPStatus.OK, self._numbers(), CONTENT_TYPE)
        except Exception:
            log.exception("the metrics cannot be shown")
            return _response(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _numbers(self) -> bytes:
        now = time.monotonic()
        if now >= self._fresh_until:
            self._text = exposition(self._table)
            self._fresh_until = now + FRESH
        return self._text


def _response(
    status: HTTPStatus, content: bytes = b"", kind: str = "text/plain; charset=utf-8", *, allow: bool = False
) -> bytes:
    content = content or f"{status.phrase}; the numbers are at {PATH}\n".encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(content)}",
        "Cache-Control: no-store",
        *(("Allow: GET",) if allow else ()),
        "Connection: close",
    )
    return "".join(f"{line}\r\n" for line in (*head, "")).encode() + content
