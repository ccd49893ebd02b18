"""The endpoint's HTTP: one request, one path, and no way to keep it busy."""

import asyncio
import errno
import os
import socket
from collections.abc import Iterator
from threading import Thread

import pytest

from assay.daemon import endpoint
from assay.metrics.families import BODY_BYTES
from assay.metrics.table import Table
from support.metrics import ask, raw, scrape, value
from support.process import wait_until

MORE_THAN_ANY_BUFFER = 50_000_000


class Shown:
    """A table and its endpoint, in a thread of this process."""

    def __init__(self, kind: type[socket.socket] = socket.socket) -> None:
        self.table = Table(rows=1)
        listener = kind()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        self.port: int = listener.getsockname()[1]
        self._control, self._theirs = socket.socketpair()
        self._thread = Thread(target=lambda: asyncio.run(endpoint.show(listener, self._theirs, self.table)))
        self._thread.start()

    def stop(self) -> None:
        self._control.close()
        self._thread.join()
        self._theirs.close()


@pytest.fixture
def shown() -> Iterator[Shown]:
    shown = Shown()
    yield shown
    shown.stop()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/metrics", 200),
        ("GET", "/metrics?name[]=assay_messages_total", 200),
        ("GET", "/", 404),
        ("GET", "/metrics/", 404),
        ("GET", "/metricsx", 404),
        ("GET", "/../metrics", 404),
        ("POST", "/", 404),
        ("POST", "/metrics", 405),
        ("HEAD", "/metrics", 405),
        ("DELETE", "/metrics", 405),
    ],
)
def test_only_get_of_one_path_gets_the_numbers(shown: Shown, method: str, path: str, status: int) -> None:
    answered, header, text = ask(shown.port, path, method)

    assert answered == status
    assert ("assay_messages_total" in text) is (status == 200)
    assert header.get("Allow") == ("GET" if status == 405 else None)
    assert header["Connection"] == "close"


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"\r\n\r\n", b"400 Bad Request"),
        (b"GET /metrics\r\n\r\n", b"400 Bad Request"),
        (b"GET /metrics HTTP/2.0\r\n\r\n", b"400 Bad Request"),
        (b"GET /metrics HTTP/1.1 x\r\n\r\n", b"400 Bad Request"),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"400 Bad Request"),
        (b"GET /\xff HTTP/1.1\r\n\r\n", b"404 Not Found"),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 9000, b"431 Request Header Fields Too Large"),
        (b"GET /metrics HTTP/1.0\r\n\r\n", b"200 OK"),
    ],
    ids=["nothing", "HTTP/0.9", "HTTP/2", "four words", "TLS", "no UTF-8", "too long a header", "HTTP/1.0"],
)
def test_what_is_no_request_gets_an_error_and_the_end(shown: Shown, octets: bytes, status: bytes) -> None:
    answer = raw(shown.port, octets)

    assert answer.startswith(b"HTTP/1.1 " + status + b"\r\n")


def test_who_says_nothing_is_cut_off(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "DEADLINE", 0.1)
    assert raw(shown.port, b"GET /metrics HTT") == b""


def test_who_does_not_read_is_cut_off(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "DEADLINE", 0.3)
    monkeypatch.setattr(endpoint, "MAX_CONNECTIONS", 1)
    monkeypatch.setattr(endpoint, "FRESH", 0.0)
    with monkeypatch.context() as patch, socket.create_connection(("127.0.0.1", shown.port)) as connection:
        patch.setattr(endpoint, "exposition", lambda _table: b"x" * MORE_THAN_ANY_BUFFER)
        connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        patch.undo()
        assert wait_until(lambda: ask(shown.port)[0] == 200, "a free place")
        read = 0
        while chunk := connection.recv(2**20):
            read += len(chunk)
        assert read < MORE_THAN_ANY_BUFFER


def test_a_few_connections_are_answered_at_the_same_time_and_no_more(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "MAX_CONNECTIONS", 2)
    silent = [socket.create_connection(("127.0.0.1", shown.port)) for _ in range(2)]
    assert ask(shown.port)[0] == 503
    for connection in silent:
        connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        connection.close()
    assert wait_until(lambda: ask(shown.port)[0] == 200, "a free place")


def test_a_flood_of_requests_adds_the_numbers_up_once(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "FRESH", 3600.0)
    for count in range(3):
        shown.table.supervisor.add(BODY_BYTES.cell)
        assert value(scrape(shown.port), "assay_body_bytes_total") == 1, count


class NoDescriptor(socket.socket):
    """A listening socket whose process has no descriptor left when it first wants to accept."""

    faults = 100

    def accept(self) -> tuple[socket.socket, object]:
        if self.faults:
            self.faults -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return super().accept()


def test_without_a_descriptor_there_is_one_line_in_the_log_and_later_an_answer(
    capfd: pytest.CaptureFixture[str],
) -> None:
    shown = Shown(NoDescriptor)
    try:
        assert ask(shown.port)[0] == 200
    finally:
        shown.stop()
    lines = "".join(capfd.readouterr()).splitlines()
    assert ["the metrics have trouble" in line and "Too many open files" in line for line in lines] == [True]


def test_a_fault_of_ours_is_an_error_of_the_server_and_the_next_request_works(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_table: Table) -> bytes:
        raise RuntimeError("planted by a test")

    with monkeypatch.context() as patch:
        patch.setattr(endpoint, "exposition", fail)
        assert ask(shown.port)[0] == 500
    assert ask(shown.port)[0] == 200
