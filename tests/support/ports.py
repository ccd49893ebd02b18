"""Free ports on loopback."""

import socket

_handed_out: set[int] = set()


def free_port() -> int:
    """A port of 127.0.0.1 that is free for TCP and for UDP, and that this process has not handed out before."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        ):
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue  # somebody's UDP socket
        if port not in _handed_out:
            _handed_out.add(port)
            return port
