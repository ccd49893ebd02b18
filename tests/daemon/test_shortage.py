"""A worker that runs out of memory or of descriptors: the message at hand is deferred, the others are served."""

import os
import re
import resource
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from assay.daemon import workers
from assay.daemon.acceptor import Acceptor, is_connection
from assay.daemon.worker_process import DRAIN
from support.conversation import ZoneDaemon, letter, send, stamped
from support.process import wait_until


def _workers(daemon: ZoneDaemon) -> list[int]:
    return [int(found) for found in re.findall(r'"worker started" pid=(\d+)', daemon.output())]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[ZoneDaemon]:
    with ZoneDaemon(tmp_path / "daemon") as running:
        yield running


def test_a_message_of_which_memory_had_no_room_for_a_part_is_deferred(daemon: ZoneDaemon) -> None:
    with daemon.session() as other, daemon.session() as client:
        whole = send(other)
        part_is_missing = send(client, body=b"too much\r\n")
        # the thread that served both may be the same, the fault belongs to one connection
        whole_again = send(other)
        next_one = send(client)

    assert part_is_missing.smtp.startswith("451 4.3.0 ")
    assert {"dmarc=pass" in stamped(verdict) for verdict in (whole, whole_again, next_one)} == {True}


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([b"X-Plain"], id="after fields like any"),
        pytest.param([b"X-\xff"], id="after a field whose name cannot be read"),
    ],
)
def test_a_message_for_whose_end_there_is_no_memory_is_deferred(daemon: ZoneDaemon, names: list[bytes]) -> None:
    forged = (b"Authentication-Results", b" mx.receiver.example; dmarc=pass")
    headers = letter(b"a@good.example", forged, *((name, b" x") for name in names))
    with daemon.session() as client:
        verdict = send(client, headers, queue_id="nomemory")
    assert verdict.smtp.startswith("451 4.3.0 ")
    assert wait_until(lambda: daemon.lines("level=error", "memory ran out"), "its last words")


@pytest.mark.parametrize(
    ("author", "body"),
    [
        pytest.param(b"a@good.example", b"too much", id="before our callback is reached"),
        pytest.param(b"a@memory.example", b"text", id="while the message is judged"),
    ],
)
def test_a_worker_whose_memory_ran_out_finishes_and_another_takes_its_place(
    daemon: ZoneDaemon, author: bytes, body: bytes
) -> None:
    with daemon.session() as other:
        with daemon.session() as client:
            assert send(client, letter(author), body=body).smtp.startswith("451 4.3.0 ")
        (first,) = _workers(daemon)
        wait_until(lambda: daemon.lines("level=error", "memory ran out"), "its last words")
        assert "dmarc=pass" in stamped(send(other))
    wait_until(lambda: len(_workers(daemon)) == 2, "another worker")
    assert daemon.lines("worker died", f"pid={first}", "exit=0")
    with daemon.session() as client:
        assert "dmarc=pass" in stamped(send(client))


def test_an_idle_connection_does_not_keep_a_worker_whose_memory_ran_out(daemon: ZoneDaemon) -> None:
    with daemon.session(), daemon.session() as client:
        assert send(client, body=b"too much").smtp.startswith("451 4.3.0 ")
        wait_until(lambda: len(_workers(daemon)) == 2, "another worker")
        with daemon.session() as new:
            assert "dmarc=pass" in stamped(send(new))


def test_a_worker_with_hardly_a_descriptor_left_accepts_no_connection_until_some_are_closed(daemon: ZoneDaemon) -> None:
    with daemon.session() as early:
        send(early)
        (pid,) = _workers(daemon)
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (64, hard))
        with ExitStack() as silent:

            def refused() -> bool:
                silent.enter_context(socket.create_connection(daemon.address))
                return bool(daemon.lines("level=error", "hardly a descriptor is left", "limit=64"))

            wait_until(refused, "the end of accepting")
            # what is left is for the messages that are there
            assert "dmarc=pass" in stamped(send(early))
        wait_until(lambda: daemon.lines("connections are accepted again"), "the connections to be gone")
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    with daemon.session() as client:
        assert "dmarc=pass" in stamped(send(client))
    assert _workers(daemon) == [pid]


def _no_memory_once() -> Callable[..., None]:
    """Return a function that raises when it is called for the first time, and then returns nothing."""
    faults = iter([MemoryError()])

    def call(*_: object) -> None:
        for fault in faults:
            raise fault

    return call


@pytest.fixture
def acceptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Acceptor]:
    """One whose descriptor libmilter does not know, on a socket to which one connection is open."""
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as mta:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        mta.connect(str(tmp_path / "socket"))
        accepted, _ = listener.accept()
        placeholder = os.open(os.devnull, os.O_RDONLY)
        monkeypatch.setattr("assay.daemon.acceptor._open_placeholder", lambda _: placeholder)
        yield Acceptor(listener)
        accepted.close()
        os.close(placeholder)


def test_who_has_no_memory_to_look_at_the_connections_looks_again(
    acceptor: Acceptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, no_memory = is_connection, _no_memory_once()
    looks: list[bool] = []

    def looked(descriptor: int, address: object) -> bool:
        no_memory()
        looks.append(look(descriptor, address))
        return looks[-1]

    monkeypatch.setattr("assay.daemon.acceptor.is_connection", looked)
    acceptor.drain(0.3)
    assert True in looks


def test_a_worker_whose_memory_ran_out_while_it_listened_to_the_supervisor_drains_when_told_to(
    acceptor: Acceptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        listen, no_memory = workers._told_to_drain, _no_memory_once()

        def told(control: socket.socket) -> bool:
            no_memory()
            return listen(control)

        monkeypatch.setattr(workers, "_told_to_drain", told)
        drain = Acceptor.drain
        monkeypatch.setattr(Acceptor, "drain", lambda self, _: drain(self, 0.0))
        monkeypatch.setattr(os, "_exit", sys.exit)
        ours.sendall(DRAIN)
        with pytest.raises(SystemExit, match="0"):
            workers._obey(theirs, acceptor, workers.Retirement(theirs))


@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET], ids=["unix", "TCP"])
def test_a_connection_counts_until_the_mta_hangs_up(tmp_path: Path, family: socket.AddressFamily) -> None:
    with socket.socket(family) as listener, socket.socket(family) as mta:
        listener.bind(str(tmp_path / "socket") if family is socket.AF_UNIX else ("127.0.0.1", 0))
        listener.listen()
        address = listener.getsockname()
        mta.connect(address)
        with listener.accept()[0] as accepted:
            mta.sendall(b"a command that nobody reads")
            assert is_connection(accepted.fileno(), address)
            assert not is_connection(listener.fileno(), address)
            mta.close()
            wait_until(lambda: not is_connection(accepted.fileno(), address), "the end of the connection")
    with socket.socket(family) as stranger:
        assert not is_connection(stranger.fileno(), address)
    read, write = os.pipe()
    assert not is_connection(read, address)
    os.close(read)
    os.close(write)
