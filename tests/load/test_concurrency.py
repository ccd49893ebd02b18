"""Five hundred connections that dawdle, break off or say nothing, while good mail flows (issue 3, concurrency)."""

import os
import random
import re
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

from assay.daemon.milter_client import ALL_ACTIONS, ALL_PROTOCOL, VERSION, MilterClient
from assay.daemon.workers import BACKGROUND_THREADS
from support.conversation import RECEIVER, ZoneDaemon, letter, send, stamped
from support.process import wait_until

SILENT = 420
"""Connections that are held open, each broken off at another place of the conversation."""
TRICKLING = 60
"""Connections that hand over a good message a few octets at a time."""
BREAKING = 20
"""Connections at a time that break off with a reset, again and again."""
GOOD_SENDERS = 4
GOOD_MESSAGES = 100

NEGOTIATION = struct.pack("!IcIII", 13, b"O", VERSION, ALL_ACTIONS, ALL_PROTOCOL)


def _packet(command: bytes, data: bytes) -> bytes:
    return (len(data) + 1).to_bytes(4) + command + data


CONVERSATION = (
    NEGOTIATION
    + _packet(b"D", b"Cj\0" + RECEIVER.encode() + b"\0")
    + _packet(b"C", b"client.example\x004\0\x19192.0.2.66\0")
    + _packet(b"H", b"mail.atk.example\0")
    + _packet(b"M", b"<a@atk.example>\0")
    + _packet(b"R", b"<user@receiver.example>\0")
    + _packet(b"L", b"From\0 a@good.example\0")
    + _packet(b"L", b"DKIM-Signature\0 v=1; a=rsa-sha256; d=atk.example; s=s; h=from; bh=" + b"A" * 43 + b"=; b=AAAA\0")
    + _packet(b"N", b"")
    + _packet(b"B", b"never finished\r\n")
)
CLAIMS = b"\0\0\xff\xffB", b"\xff\xff\xff\xffB", b"\0\0\0\0"
"""Lengths that no packet follows, or none can have."""


class Trickle:
    """A socket whose octets go out a few at a time."""

    def __init__(self, connection: socket.socket, chance: random.Random) -> None:
        self._connection = connection
        self._chance = chance

    def sendall(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            size = self._chance.randint(1, 9)
            self._connection.sendall(data[at : at + size])
            at += size
            time.sleep(0.005)

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)


def _connection(daemon: ZoneDaemon) -> socket.socket:
    connection = socket.create_connection(daemon.address, timeout=30)  # type: ignore[arg-type]
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@contextmanager
def _silent(daemon: ZoneDaemon) -> Iterator[None]:
    """Hold connections that stop anywhere."""
    held = []
    try:
        for number in range(SILENT):
            connection = _connection(daemon)
            held.append(connection)
            if number % 10 == 9:
                connection.sendall(NEGOTIATION + CLAIMS[number % len(CLAIMS)])
            else:
                connection.sendall(CONVERSATION[: number * len(CONVERSATION) // SILENT])
        yield
    finally:
        for number, connection in enumerate(held):
            if number % 2:
                _reset(connection)
            else:
                connection.close()


def _break_off(daemon: ZoneDaemon, stop: threading.Event, chance: random.Random) -> int:
    """Begin conversations and end them by a reset; returns how many."""
    count = 0
    while not stop.is_set():
        connections = [_connection(daemon) for _ in range(BREAKING)]
        for connection in connections:
            with suppress(OSError):  # the daemon may have hung up over what it was sent
                connection.sendall(CONVERSATION[: chance.randrange(len(CONVERSATION))])
        for connection in connections:
            _reset(connection)
        count += len(connections)
        stop.wait(0.05)
    return count


def _trickle(daemon: ZoneDaemon, number: int) -> str:
    with MilterClient(Trickle(_connection(daemon), random.Random(number))) as client:  # type: ignore[arg-type]
        client.negotiate()
        client.macros(b"C", j=RECEIVER)
        client.connect(ip_address("192.0.2.10"))
        client.helo(b"mail.good.example")
        return _verdict(client, f"T{number}", forged=False)


def _verdict(client: MilterClient, queue_id: str, *, forged: bool) -> str:
    verdict = send(client, letter(b"a@good.example"), queue_id=queue_id)
    return verdict.smtp if forged else stamped(verdict)


def _send_good_mail(daemon: ZoneDaemon, sender: int) -> list[str]:
    """Send good and forged mail in turn, each on a connection of its own; returns what is wrong with the verdicts."""
    wrong = []
    for number in range(GOOD_MESSAGES):
        forged = number % 4 == 3
        with daemon.session("192.0.2.66" if forged else "192.0.2.10") as client:
            said = _verdict(client, f"G{sender}-{number}", forged=forged)
        if not (said.startswith("550 5.7.26") if forged else "dmarc=pass" in said and "spf=pass" in said):
            wrong.append(said)
    return wrong


def _workers(daemon: ZoneDaemon) -> list[int]:
    return [int(found) for found in re.findall(r'"worker started" pid=(\d+)', daemon.output())]


def _counts(pid: int) -> tuple[int, int]:
    """Count the descriptors and the threads of a process."""
    return len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208 - only counted


def test_good_mail_flows_between_five_hundred_bad_connections_and_nothing_of_them_stays(tmp_path: Path) -> None:
    with ZoneDaemon(tmp_path / "d", workers=2) as daemon:
        workers = wait_until(lambda: _workers(daemon) if len(_workers(daemon)) == 2 else None, "two workers")
        for _ in range(8):
            with daemon.session() as client:
                assert "dmarc=pass" in stamped(send(client))
        before = {pid: _counts(pid) for pid in workers}
        stop = threading.Event()
        with ThreadPoolExecutor(TRICKLING + GOOD_SENDERS + 1) as pool, _silent(daemon):
            breaking = pool.submit(_break_off, daemon, stop, random.Random(3))
            trickling: list[Future[str]] = [pool.submit(_trickle, daemon, number) for number in range(TRICKLING)]
            idle = sum(count for count, _ in before.values())
            wait_until(
                # the daemon hangs up only on those that claimed an impossible length
                lambda: sum(_counts(pid)[0] for pid in workers) - idle > 0.9 * SILENT,
                "the silent connections to be accepted",
            )
            good = [pool.submit(_send_good_mail, daemon, sender) for sender in range(GOOD_SENDERS)]
            try:
                assert [future.result() for future in good] == [[]] * GOOD_SENDERS
                assert all("dmarc=pass" in future.result() for future in trickling)
            finally:
                stop.set()
            assert breaking.result() > BREAKING
        for pid in workers:
            files, threads = before[pid]
            wait_until(
                lambda: _counts(pid)[0] <= files and _counts(pid)[1] <= threads + BACKGROUND_THREADS,  # noqa: B023
                "as few descriptors and threads as before",
            )
        assert _workers(daemon) == workers  # nobody died
        assert not daemon.lines("level=error")
        with daemon.session() as client:
            assert "dmarc=pass" in stamped(send(client))
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
        assert len(daemon.lines("worker finished")) == 2
