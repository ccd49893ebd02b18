"""Stands where the system's log would be: what the milters send to ``/dev/log`` is counted and thrown away.

It runs in the benchmark's own process and is counted with no contender, just as journald would not be. script/bench
makes ``/dev`` for it, with ``/dev/log`` as a link to :data:`SOCKET`; the machine's own ``/dev`` has no such directory.
"""

import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

SOCKET: Final = Path("/dev/bench/log")
LONGEST: Final = 2**16
"""Octets of a line that are read; the rest is thrown away, too."""


class LogSink:
    """Takes every line from the start to the end of a block.

    Args:
        path: of its socket.

    Attributes:
        lines: how many came.

    Raises:
        FileNotFoundError: there is no directory for the socket.
    """

    def __init__(self, path: Path = SOCKET) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._read)
        self.lines = 0

    def _read(self) -> None:
        while self._socket.recv(LONGEST):
            self.lines += 1

    def __enter__(self) -> Self:
        try:
            self._socket.bind(str(self._path))
        except FileNotFoundError:
            self._socket.close()
            raise FileNotFoundError(f"there is no {self._path.parent}: script/bench makes it") from None
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._socket.shutdown(socket.SHUT_RD)  # what waits in recv gets nothing, and so the thread ends
        self._thread.join()
        self._socket.close()
        self._path.unlink()
