"""What we tell systemd about ourselves: the protocol of sd_notify(3), one datagram for each word.

Without a service manager that listens every call does nothing. None of them raises: a service manager that cannot be
told must not cost mail.
"""

import os
import socket
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from assay.log import get_logger

log = get_logger()

PATIENCE: Final = 5.0
"""Seconds that a full queue of the service manager may hold us up."""


class Notifier:
    """The supervisor's line to the service manager.

    Args:
        address: value of NOTIFY_SOCKET: a path, or ``@`` and an abstract name; None or empty: nobody listens.
    """

    def __init__(self, address: str | None = None) -> None:
        self._address: bytes | None = None
        self._socket: socket.socket | None = None
        if not address:
            return
        if address[0] not in "/@":
            log.warning("NOTIFY_SOCKET is no unix socket: systemd is told nothing", address=address)
            return
        octets = os.fsencode(address)
        self._address = b"\0" + octets[1:] if address[0] == "@" else octets
        # made now: later there may be no descriptor left
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(PATIENCE)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Speak to whom the environment names."""
        return cls(environment.get("NOTIFY_SOCKET"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            self._socket.close()

    @property
    def listened_to(self) -> bool:
        """Whether there is somebody to tell."""
        return self._socket is not None

    def ready(self, status: str) -> None:
        """Say that we serve: for the first time, or again after a reload.

        Args:
            status: one line for ``systemctl status``.
        """
        self._send("READY=1", _status(status))

    def reloading(self) -> None:
        """Say that a reload began; :meth:`ready` ends it, whatever came of it."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={microseconds}", _status("reading the configuration again"))

    def stopping(self, seconds: float) -> None:
        """Say that the end began, and how long it may take: a longer stop_timeout needs no change of the unit."""
        self._send("STOPPING=1", f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}", _status("finishing open messages"))

    def status(self, text: str) -> None:
        """Replace the line of ``systemctl status``."""
        self._send(_status(text))

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if self._socket is None or self._address is None:
            return
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            log.warning("systemd cannot be told", what=lines[0], reason=error)


def _status(text: str) -> str:
    return "STATUS=" + text.replace("\n", " ")
