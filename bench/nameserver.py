"""The name server of a measurement: Debian's knot on the zone of a corpus, if asked behind a delay for each answer.

Run: .venv/bin/python bench/nameserver.py CORPUS [--address A] [--port P] [--delay-ms D]
"""

import argparse
import contextlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from build import build

PATIENCE = 30.0
"""Seconds until a program that was started must answer."""

# A question for the SOA of the root, and its answer's first octets, without a library: this runs in any interpreter.
_QUESTION = struct.pack("!HHHHHH", 4711, 0x0100, 1, 0, 0, 0) + b"\0" + struct.pack("!HH", 6, 1)


@contextlib.contextmanager
def name_server(
    corpus: Path, address: str = "127.0.0.1", port: int = 53, delay_ms: float = 0
) -> Iterator[tuple[str, int]]:
    """Serve ``corpus/zone``, the root zone, until the block ends.

    Args:
        corpus: as bench/corpus.py wrote it.
        address: to listen on.
        port: for UDP and TCP.
        delay_ms: how much later than knot's each answer comes; 0 leaves the delay out altogether.

    Yields:
        Where to ask.

    Raises:
        RuntimeError: a program is missing, or does not answer; its output is in the message.
    """
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-dns-")))
        behind = ("127.0.0.1", _free_port()) if delay_ms else (address, port)
        config = scratch / "knot.conf"
        config.write_text(_knot_conf(scratch, corpus.resolve() / "zone", *behind), encoding="utf-8")
        stack.enter_context(_running([_knotd(), "-c", str(config)], scratch / "knotd.log", *behind))
        if delay_ms:
            command = [str(build()["delay"]), f"{address}:{port}", f"{behind[0]}:{behind[1]}", str(delay_ms)]
            stack.enter_context(_running(command, scratch / "delay.log", address, port))
        yield address, port


def _knotd() -> str:
    path = shutil.which("knotd") or shutil.which("knotd", path="/usr/sbin")
    if path is None:
        raise RuntimeError("knotd is not installed: script/bench and script/test install it")
    return path


def _knot_conf(scratch: Path, zone: Path, address: str, port: int) -> str:
    return f"""\
server:
    rundir: "{scratch}"
    listen: {address}@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: warning
database:
    storage: "{scratch}"
template:
  - id: default
    storage: "{scratch}"
    journal-content: none
    zonefile-sync: -1
zone:
  - domain: "."
    file: "{zone}"
"""


@contextlib.contextmanager
def _running(command: Sequence[str], log: Path, address: str, port: int) -> Iterator[None]:
    """Run a server from when it answers to the end of the block."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    try:
        deadline = time.monotonic() + PATIENCE
        while not _answers(address, port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command} does not answer on {address} port {port}:\n{log.read_text()}")
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _answers(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.2)
        with contextlib.suppress(OSError):
            client.connect((address, port))
            client.send(_QUESTION)
            answer = client.recv(512)
            return answer[:2] == _QUESTION[:2] and answer[3] & 0x0F == 0
    time.sleep(0.05)  # refused at once where nobody listens yet
    return False


def _free_port() -> int:
    """Find a port of 127.0.0.1 that is free for UDP and TCP, connections that ended a moment ago included."""
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream:
            stream.bind(("127.0.0.1", 0))
            port: int = stream.getsockname()[1]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams, contextlib.suppress(OSError):
                datagrams.bind(("127.0.0.1", port))
                return port
    raise RuntimeError("no port of 127.0.0.1 is free for UDP and TCP")


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the zone of a corpus until interrupted.")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5300)
    parser.add_argument("--delay-ms", type=float, default=0, help="added to each answer (%(default)s)")
    arguments = parser.parse_args()
    # Both signals become an exception, so that what was started is stopped, too; a shell starts what runs in its
    # background with SIGINT ignored.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with (
        contextlib.suppress(KeyboardInterrupt),
        name_server(arguments.corpus, arguments.address, arguments.port, arguments.delay_ms) as (address, port),
    ):
        print(f"answering on {address} port {port}; stop with Ctrl-C", flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
