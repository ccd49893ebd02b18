"""Supervisor and workers: stopping, reloading and dying lose no message."""

import os
import re
import signal
from pathlib import Path

import pytest

from assay.daemon.milter_client import ConversationError, MilterClient
from support.conversation import ZoneDaemon, letter, send, stamped
from support.process import leave_descriptors, wait_until


def _workers(daemon: ZoneDaemon) -> list[int]:
    """Every worker process id that the log named so far, the oldest first."""
    return [int(found) for found in re.findall(r'"worker started" pid=(\d+)', daemon.output())]


def _gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def _refused(daemon: ZoneDaemon) -> bool:
    try:
        MilterClient.connect_to(daemon.address).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # it was closed while this connection came in: the next one is refused
    return False


def _begin(daemon: ZoneDaemon, author: bytes = b"a@good.example") -> MilterClient:
    """Open a session with a message up to the middle of its body."""
    client = daemon.session()
    client.mail(b"<bounce@good.example>")
    client.rcpt(b"<user@receiver.example>")
    for name, value in letter(author):
        client.header(name, value)
    client.end_of_headers()
    client.body(b"first half\r\n")
    return client


def _finish(client: MilterClient) -> str:
    client.body(b"second half\r\n")
    return stamped(client.end_of_message())


def test_stopping_finishes_the_message_that_is_open(tmp_path: Path) -> None:
    with ZoneDaemon(tmp_path / "d") as daemon:
        client = _begin(daemon)
        daemon.signal(signal.SIGTERM)
        daemon.wait_for_output("event=stopping")
        wait_until(lambda: _refused(daemon), "the end of listening")
        assert daemon.alive()
        assert "dmarc=pass" in _finish(client)
        client.quit()
        assert daemon.wait() == 0
        assert daemon.lines("worker finished")
        assert all(_gone(pid) for pid in _workers(daemon))


def test_a_worker_without_a_descriptor_left_finishes_its_message_too(tmp_path: Path) -> None:
    with ZoneDaemon(tmp_path / "d") as daemon:
        client = _begin(daemon)
        (pid,) = wait_until(lambda: _workers(daemon), "a worker")
        wait_until(lambda: _connections(pid, daemon) == 1, "the connection")
        used = {int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()}
        leave_descriptors(pid, min(set(range(len(used) + 1)) - used))
        daemon.signal(signal.SIGTERM)
        wait_until(lambda: _refused(daemon), "the end of listening")
        assert "dmarc=pass" in _finish(client)
        assert not _gone(pid)
        client.quit()
        assert daemon.wait() == 0
        assert daemon.lines("worker finished", f"pid={pid}")


def test_a_client_that_does_not_go_is_cut_off_at_stop_timeout(tmp_path: Path) -> None:
    with ZoneDaemon(tmp_path / "d", settings="stop_timeout = 0.5") as daemon:
        client = _begin(daemon)
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
        assert daemon.lines("level=error", "did not finish in time", "deferred")
        with pytest.raises((ConversationError, ConnectionResetError)):
            client.end_of_message()
        assert all(_gone(pid) for pid in _workers(daemon))


def test_a_message_in_the_judge_s_hands_is_finished_too(tmp_path: Path) -> None:
    with ZoneDaemon(tmp_path / "d") as daemon:
        client = _begin(daemon, b"a@slow.example")
        client.send(b"E")
        daemon.signal(signal.SIGTERM)
        daemon.wait_for_output("event=stopping")
        command, _ = client.receive()
        assert command in {b"y", b"i"}
        client.close()
        assert daemon.wait() == 0


def test_reloading_takes_new_settings_for_new_connections_and_finishes_old_ones(tmp_path: Path) -> None:
    with ZoneDaemon(tmp_path / "d") as daemon:
        old = _begin(daemon, b"a@good.example")
        (first,) = wait_until(lambda: _workers(daemon), "a worker")
        daemon.write_config('authserv_id = "new.example"')
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_output("event=reloaded")
        with daemon.session() as new:
            assert stamped(send(new)).startswith("new.example;")
        assert _finish(old).startswith("mx.receiver.example;")
        assert not _gone(first)
        old.quit()
        wait_until(lambda: daemon.lines("worker finished", f"pid={first}"), "the old worker's end")


def test_a_reload_that_misses_an_expectation_keeps_everything(tmp_path: Path) -> None:
    with ZoneDaemon(tmp_path / "d") as daemon:
        daemon.connect().close()
        missed = '[[expect]]\ndmarc = "fail"\nrequested = "reject"\ndisposition = "none"\nrule = "dmarc-fail"\n'
        (tmp_path / "d" / "policies" / "bank.example.toml").write_text(f"[spf]\non_fail = 'reject'\n{missed}")
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_output("reload refused")
        assert daemon.lines("reload refused, the old configuration stays", "bank.example.toml", "expect")
        assert not daemon.lines("event=changed")
        assert not daemon.lines("event=reloaded")


def test_a_reload_says_key_by_key_what_changed(tmp_path: Path) -> None:
    with ZoneDaemon(tmp_path / "d") as daemon:
        daemon.connect().close()
        daemon.write_config('authserv_id = "new.example"')
        (tmp_path / "d" / "policies" / "bank.example.toml").write_text("[spf]\non_fail = 'reject'\n")
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_output("event=reloaded")
        assert [line.partition(" level=")[0] for line in daemon.lines("event=changed")] == [
            'event=changed file=assay.toml key=authserv_id old="" new=new.example',
            "event=changed file=bank.example.toml key=(file) old=no new=yes",
            "event=changed file=bank.example.toml key=spf.on_fail old=none new=reject",
        ]


def test_a_reload_with_a_mistake_keeps_everything_and_lists_every_problem(tmp_path: Path) -> None:
    with ZoneDaemon(tmp_path / "d") as daemon:
        with daemon.session() as client:
            assert "dmarc=pass" in stamped(send(client))
        before = _workers(daemon)
        daemon.write_config('authserv_id = "new.example"\nworkerz = 2\n[dns]\ntimeout = "x"')
        daemon.signal(signal.SIGUSR1)
        wait_until(lambda: len(daemon.lines("reload refused")) == 2, "both problems in the log")
        assert daemon.lines("reload refused", "workerz", "did you mean")
        assert daemon.lines("reload refused", "dns.timeout")
        with daemon.session() as client:
            assert stamped(send(client)).startswith("mx.receiver.example;")
        assert _workers(daemon) == before


def test_a_reload_that_moves_the_socket_says_that_this_needs_a_restart(tmp_path: Path) -> None:
    with ZoneDaemon(tmp_path / "d") as daemon:
        with daemon.session() as client:
            assert send(client).reply == b"c"
        address, daemon.address = daemon.address, ("127.0.0.1", 1)
        daemon.write_config("")
        daemon.address = address
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_output("event=reloaded")
        assert daemon.lines("level=warning", "needs a restart", "key=socket")
        with daemon.session() as client:
            assert send(client).reply == b"c"


def test_a_worker_that_dies_is_replaced_and_said_to_have_died(tmp_path: Path) -> None:
    with ZoneDaemon(tmp_path / "d") as daemon:
        with daemon.session() as client:
            assert send(client).reply == b"c"
        (first,) = _workers(daemon)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: len(_workers(daemon)) == 2, "a second worker")
        assert daemon.lines("level=error", "worker died", f"pid={first}", "exit=-9", "restart_in=0.0")
        with daemon.session() as client:
            assert send(client).reply == b"c"


def test_a_worker_that_keeps_dying_is_replaced_with_growing_delay(tmp_path: Path) -> None:
    with ZoneDaemon(tmp_path / "d") as daemon:
        for count in range(1, 4):
            client = _begin(daemon, b"a@deadly.example")
            with pytest.raises((ConversationError, ConnectionResetError)):
                client.end_of_message()
            wait_until(lambda: len(daemon.lines("worker died")) == count, "its death in the log")  # noqa: B023 - awaited here
        delays = re.findall(r"restart_in=([\d.]+)", daemon.output())
        assert delays == ["0.0", "1.0", "2.0"]


def test_two_workers_share_the_socket(tmp_path: Path) -> None:
    with ZoneDaemon(tmp_path / "d", workers=2) as daemon:
        first, second = wait_until(lambda: _workers(daemon) if len(_workers(daemon)) == 2 else None, "two workers")
        sessions = [daemon.session()]

        def both_serve() -> bool:
            # a connection more, until each worker has accepted one
            sessions.append(daemon.session())
            return _connections(first, daemon) > 0 and _connections(second, daemon) > 0

        wait_until(both_serve, "a connection for each worker")
        for client in sessions:
            assert "dmarc=pass" in stamped(send(client))


def test_each_worker_has_a_core_of_its_own_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    cores = os.sched_getaffinity(0)
    with ZoneDaemon(tmp_path / "pinned", workers=len(cores)) as daemon:
        pids = wait_until(lambda: _workers(daemon) if len(_workers(daemon)) == len(cores) else None, "the workers")
        assert sorted(map(os.sched_getaffinity, pids), key=min) == [{core} for core in sorted(cores)]
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_output("event=reloaded")
        after = [pid for pid in _workers(daemon) if pid not in pids]
        assert sorted(map(os.sched_getaffinity, after), key=min) == [{core} for core in sorted(cores)]
    with ZoneDaemon(tmp_path / "free", settings="pin_workers = false", workers=2) as daemon:
        for pid in wait_until(lambda: _workers(daemon) if len(_workers(daemon)) == 2 else None, "two workers"):
            assert os.sched_getaffinity(pid) == cores


def _connections(pid: int, daemon: ZoneDaemon) -> int:
    """Count the accepted connections of a process."""
    port = f":{int(daemon.address[1]):04X}"
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    inodes = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(port) and row[3] == "01"}
    return sum(str(entry.readlink()) in inodes for entry in Path(f"/proc/{pid}/fd").iterdir())


def test_workers_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    with ZoneDaemon(tmp_path / "d", workers=2) as daemon:
        with daemon.session() as client:
            assert send(client).reply == b"c"
        pids = _workers(daemon)
        daemon.signal(signal.SIGKILL)
        daemon.wait()
        wait_until(lambda: all(_gone(pid) for pid in pids), "the end of the workers")


def test_no_descriptor_and_no_thread_stays_behind(tmp_path: Path) -> None:
    with ZoneDaemon(tmp_path / "d") as daemon:
        for _ in range(3):
            with daemon.session() as client:
                send(client)
        (pid,) = _workers(daemon)

        def counts() -> tuple[int, int]:
            return len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208 - only counted

        def settled() -> tuple[int, int] | None:
            # The early SPF threads stay for the worker's life; there are at most 32 of them.
            return counts() if counts() == counts() else None

        before = wait_until(settled, "a quiet worker")
        for number in range(60):
            client = daemon.session()
            if number % 3 == 0:
                send(client)
            elif number % 3 == 1:
                client.mail(b"<bounce@good.example>")
            client.close()
        wait_until(lambda: counts()[0] <= before[0] and counts()[1] <= before[1] + 32, "as few as before")


def test_a_large_body_is_never_kept(tmp_path: Path) -> None:
    # 100 MiB with a body hash asked for; the peak of the worker may rise by 5 MiB at most.
    signature = b" v=1; a=rsa-sha256; c=relaxed/relaxed; d=good.example; s=s; h=from; bh=AAAA; b=AAAA"
    chunk = (b"x" * 78 + b"\r\n") * 800
    with ZoneDaemon(tmp_path / "d") as daemon, daemon.session() as client:
        for _ in range(3):
            send(client, letter(b"a@good.example", (b"DKIM-Signature", signature)), body=chunk)
        (pid,) = wait_until(lambda: _workers(daemon), "a worker")
        before = _peak(pid)
        client.mail(b"<bounce@good.example>")
        client.rcpt(b"<user@receiver.example>")
        for name, value in letter(b"a@good.example", (b"DKIM-Signature", signature)):
            client.header(name, value)
        client.end_of_headers()
        for _ in range(100 * 1048576 // len(chunk)):
            client.body(chunk)
        client.end_of_message()
        assert _peak(pid) - before < 5 * 1024


def _peak(pid: int) -> int:
    """Return the largest resident size of a process so far, in KiB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])
