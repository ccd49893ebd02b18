"""What systemd does for a service, for a program that a test starts: it holds the socket and hears what is told."""

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.daemon import Daemon

_HAND_OVER = """\
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="assay.socket")
os.execv(sys.argv[2], sys.argv[2:])
"""


def handing_over(listener: socket.socket, command: Sequence[str]) -> list[str]:
    """Return a command that starts ``command`` with the socket as systemd would; the descriptor must be passed on."""
    return [sys.executable, "-c", _HAND_OVER, str(listener.fileno()), *command]


class NotifySocket:
    """The other end of sd_notify(3).

    Args:
        address: a path, or "@" and an abstract name.

    Attributes:
        environment: what a service needs to find it.
        told: every datagram so far, each as the assignments in it.
    """

    def __init__(self, address: str) -> None:
        self.environment = {"NOTIFY_SOCKET": address}
        self.told: list[dict[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.settimeout(0)

    def hear(self) -> list[dict[str, str]]:
        """Read what came, and return all of it so far."""
        try:
            while data := self._socket.recv(4096):
                self.told.append(dict(line.split("=", 1) for line in data.decode().splitlines()))
        except BlockingIOError:
            pass
        return self.told

    def words(self) -> list[str]:
        """The words apart from STATUS alone, in their order: READY, RELOADING, STOPPING, WATCHDOG."""
        return [next(iter(each)) for each in self.hear() if next(iter(each)) != "STATUS"]

    def close(self) -> None:
        self._socket.close()


class ActivatedDaemon(Daemon):
    """``assay run`` below a stand-in for systemd that holds its socket, from the first start until :meth:`close`.

    Args:
        directory: as :class:`Daemon`.
        watchdog: seconds of WatchdogSec; 0: none.
        options: as :class:`Daemon`.
    """

    def __init__(self, directory: Path, *, watchdog: float = 0, **options: Any) -> None:
        super().__init__(directory, **options)
        kind, _, place = self.postfix_socket.partition(":")
        if kind == "unix":
            self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.listener.bind(place)
            os.chmod(place, 0o666)  # noqa: PTH101 - the user of the MTA must reach it
        else:
            host, _, port = place.rpartition(":")
            self.listener = socket.create_server((host, int(port)))
        self.listener.listen(4096)
        self.notify = NotifySocket(str(directory / "notify"))
        environment = self.notify.environment
        if watchdog:
            environment = {**environment, "WATCHDOG_USEC": str(round(watchdog * 1e6))}
        self.argv = tuple(handing_over(self.listener, self.argv))
        self.descriptors = (self.listener.fileno(),)
        self.environment |= environment

    def restart(self) -> None:
        """``systemctl restart``: the socket stays open meanwhile."""
        assert self.stop() == 0
        self.start()

    def close(self) -> None:
        """Close what systemd holds."""
        self.listener.close()
        self.notify.close()
