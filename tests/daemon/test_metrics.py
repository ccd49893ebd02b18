"""The numbers of a real daemon, as Prometheus gets them: right over all workers, whatever becomes of those."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from assay.daemon.milter_client import ConversationError, MilterClient
from support.conversation import ZoneDaemon, letter, send
from support.metrics import Samples, ask, families, scrape, total, value
from support.ports import free_port
from support.process import wait_until

FORGER = "192.0.2.66"


def _settings(port: int) -> str:
    return f'[metrics]\naddress = "127.0.0.1:{port}"'


class Watched(ZoneDaemon):
    """A daemon that shows its numbers."""

    def __init__(self, directory: Path, *, workers: int = 2, **options: object) -> None:
        self.port = free_port()
        super().__init__(directory, settings=_settings(self.port), workers=workers, **options)  # type: ignore[arg-type]

    def pids(self, event: str = '"worker started"') -> list[int]:
        return [int(found) for found in re.findall(rf"event={event} .*?pid=(\d+)", self.output())]

    def samples(self) -> Samples:
        self.wait_for_output("metrics are shown")
        return scrape(self.port)

    def await_value(self, expected: float, name: str, **labels: str) -> None:
        self.wait_for(lambda: value(self.samples(), name, **labels) == expected, f"{name}{labels} to be {expected}")


def _connections(daemon: Watched, pid: int) -> int:
    """Count the accepted connections of a worker."""
    port = f":{int(daemon.address[1]):04X}"
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    inodes = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(port) and row[3] == "01"}
    return sum(str(entry.readlink()) in inodes for entry in Path(f"/proc/{pid}/fd").iterdir())


def _sessions_of(daemon: Watched, pids: list[int], client: str) -> list[MilterClient]:
    """Open connections until each of these workers has one."""
    sessions = [daemon.session(client)]

    def all_serve() -> bool:
        sessions.append(daemon.session(client))
        return all(_connections(daemon, pid) > 0 for pid in pids)

    wait_until(all_serve, "a connection for each worker")
    return sessions


def _kill_in_the_middle_of_a_message(daemon: Watched, pids: list[int]) -> int:
    """Kill the worker that has just begun a message, wait until it is replaced, and return its process id."""
    wait_until(lambda: not any(_connections(daemon, pid) for pid in pids), "the end of all connections")
    client = daemon.session(FORGER)
    client.mail(b"<bounce@good.example>")
    client.rcpt(b"<user@receiver.example>")
    [victim] = wait_until(lambda: [pid for pid in pids if _connections(daemon, pid)], "the connection")
    before = len(daemon.pids())
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(daemon.pids()) > before, "another worker")
    return victim


def test_totals_are_right_over_all_workers_a_killed_one_and_a_reload(tmp_path: Path) -> None:
    good = forged = 0
    with Watched(tmp_path / "d") as daemon:
        first = wait_until(lambda: daemon.pids() if len(daemon.pids()) == 2 else None, "two workers")
        sessions = _sessions_of(daemon, first, "192.0.2.10")
        for session in sessions:
            assert send(session).reply == b"c"
            good += 1
        for session in sessions:
            session.close()
        victim = _kill_in_the_middle_of_a_message(daemon, first)
        for session in _sessions_of(daemon, [pid for pid in daemon.pids() if pid != victim], FORGER):
            assert send(session).reply == b"y"
            forged += 1
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_output("event=reloaded")
        with daemon.session() as client:
            for _ in range(3):
                assert send(client).reply == b"c"
                good += 1

        daemon.await_value(good + forged, "assay_messages_total")
        samples = daemon.samples()
        counts = {
            labels: number
            for (name, labels), number in samples.items()
            if name == "assay_dispositions_total" and number
        }
        assert counts == {
            (("disposition", "none"), ("rule", "dmarc-pass"), ("would", "none")): good,
            (("disposition", "reject"), ("rule", "dmarc-fail"), ("would", "reject")): forged,
        }
        assert value(samples, "assay_results_total", method="spf", result="pass") == good
        assert value(samples, "assay_results_total", method="spf", result="fail") == forged
        assert total(samples, "assay_results_total", method="dkim") == good + forged
        assert value(samples, "assay_end_of_message_seconds_count") == good + forged
        assert value(samples, "assay_body_bytes_total") == (good + forged) * len(b"text\r\n")
        assert value(samples, "assay_worker_starts_total") == 5
        assert value(samples, "assay_worker_ends_total", how="died") == 1
        assert value(samples, "assay_reloads_total", outcome="done") == 1
        assert value(samples, "assay_workers", state="serving") == 2
        assert value(samples, "assay_workers_configured") == 2


def test_a_message_that_dies_with_its_worker_is_counted_by_nobody(tmp_path: Path) -> None:
    with Watched(tmp_path / "d", workers=1) as daemon:
        client = daemon.session()
        with pytest.raises((ConversationError, ConnectionResetError)):
            send(client, letter(b"a@deadly.example"))
        daemon.await_value(1, "assay_worker_ends_total", how="died")
        with daemon.session() as client:
            assert send(client).reply == b"c"
        daemon.await_value(1, "assay_messages_total")


def test_a_message_that_meets_a_fault_of_ours_counts_as_deferred(tmp_path: Path) -> None:
    with Watched(tmp_path / "d", workers=1) as daemon, daemon.session() as client:
        assert send(client, letter(b"a@fault.example")).reply == b"y"
        daemon.await_value(
            1, "assay_dispositions_total", rule="internal-error", disposition="tempfail", would="tempfail"
        )
        samples = daemon.samples()
        assert value(samples, "assay_faults_total", place="message") == 1
        assert value(samples, "assay_messages_total") == 1


def test_reloads_count_by_what_became_of_them(tmp_path: Path) -> None:
    with Watched(tmp_path / "d", workers=1) as daemon:
        before = daemon.samples()
        daemon.write_config("workerz = 1")
        daemon.signal(signal.SIGHUP)
        daemon.await_value(1, "assay_reloads_total", outcome="refused")
        samples = daemon.samples()
        assert value(samples, "assay_config_last_reload_successful") == 0
        age = "assay_config_last_reload_success_timestamp_seconds"
        assert value(samples, age) == value(before, age) == value(before, "assay_start_time_seconds")

        daemon.write_config(_settings(daemon.port))
        daemon.signal(signal.SIGHUP)
        daemon.await_value(1, "assay_reloads_total", outcome="done")
        assert value(daemon.samples(), "assay_config_last_reload_successful") == 1


def test_a_worker_that_drains_is_told_from_those_that_serve(tmp_path: Path) -> None:
    with Watched(tmp_path / "d", workers=1) as daemon:
        with daemon.session():
            daemon.signal(signal.SIGHUP)
            daemon.wait_for_output("event=reloaded")
            daemon.await_value(1, "assay_workers", state="draining")
            assert value(daemon.samples(), "assay_workers", state="serving") == 1
        daemon.await_value(0, "assay_workers", state="draining")
        assert value(daemon.samples(), "assay_worker_ends_total", how="finished") == 1


def test_a_worker_that_dies_before_it_has_finished_is_not_taken_for_one_that_has(tmp_path: Path) -> None:
    with Watched(tmp_path / "d", workers=1) as daemon, daemon.session():
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_output("event=reloaded")
        os.kill(daemon.pids()[0], signal.SIGKILL)
        daemon.await_value(1, "assay_worker_ends_total", how="died")
        [line] = daemon.lines("worker died", "exit=-9", "level=error")
        assert "restart_in" not in line
        assert value(daemon.samples(), "assay_workers", state="draining") == 0
        assert len(daemon.pids()) == 2


def test_an_mta_that_cannot_do_what_is_needed_counts_as_refused(tmp_path: Path) -> None:
    with Watched(tmp_path / "d", workers=1) as daemon:
        with daemon.connect() as client:
            client.send(b"O", (6).to_bytes(4) + (0x1FF).to_bytes(4) + (0).to_bytes(4))  # no leading space
            with pytest.raises((ConversationError, ConnectionResetError)):
                client.receive()
        daemon.await_value(1, "assay_refused_connections_total")


HOSTILE = [
    (b"From", b' evil"label{x="y"}@\xff\\.example'),
    (b"DKIM-Signature", b" v=1; a=rsa-sha256; d=evil-label.example; s=evil; h=from; bh=AAAA; b=AAAA"),
    (b"DKIM-Signature", b" v=1; a=evil-label"),
    (b"ARC-Seal", b" i=1; cv=evil-label; d=evil-label.example"),
    (b"Evil-Label", b" evil-label"),
]


def test_nothing_that_mail_says_becomes_a_label_or_a_series(tmp_path: Path) -> None:
    with Watched(tmp_path / "d", workers=1) as daemon:
        before = daemon.samples()
        with daemon.session(FORGER, helo=b"evil-label.example") as client:
            send(client, HOSTILE, mail_from=b"<evil-label@evil-label.example>", queue_id="evil-label")
            send(client, letter(b"a@evil-label.example", *HOSTILE), mail_from=b"<>")
        daemon.await_value(2, "assay_messages_total")

        assert daemon.samples().keys() == before.keys()
        assert "evil" not in ask(daemon.port)[2]


def test_the_exposition_follows_the_rules_of_its_format(tmp_path: Path) -> None:
    with Watched(tmp_path / "d", workers=1) as daemon:
        daemon.samples()
        status, header, text = ask(daemon.port)
        assert (status, header["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        shown = families(daemon.port)

    assert len({family.name for family in shown}) == len(shown)
    for family in shown:
        assert family.documentation
        assert family.type in {"counter", "gauge", "histogram"}
        assert f"# HELP {family.name}" in text
        assert family.samples
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples)
    [build] = [sample for family in shown for sample in family.samples if sample.name == "assay_build_info"]
    assert set(build.labels) == {"version", "python"}


def test_it_is_off_unless_it_is_configured(tmp_path: Path) -> None:
    with ZoneDaemon(tmp_path / "d") as daemon:
        with daemon.session() as client:
            assert send(client).reply == b"c"
        assert "metrics" not in daemon.output()
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        mine = _sockets(daemon.pid)
        assert [int(row[1].rpartition(":")[2], 16) for row in rows if row[9] in mine] == [int(daemon.address[1])]


def _sockets(pid: int) -> set[str]:
    """The inodes of the sockets of a process."""
    links = (str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir())
    return {link[8:-1] for link in links if link.startswith("socket:[")}


def test_it_listens_on_the_loopback_of_ipv6_too(tmp_path: Path) -> None:
    with Watched(tmp_path / "d", workers=1) as daemon:
        daemon.samples()
        daemon.write_config(f'[metrics]\naddress = "[::1]:{daemon.port}"')
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_output(f"http://[::1]:{daemon.port}/metrics")
        with socket.create_connection(("::1", daemon.port)) as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            assert connection.recv(15) == b"HTTP/1.1 200 OK"


def test_a_dead_endpoint_is_replaced_and_no_mail_notices(tmp_path: Path) -> None:
    with Watched(tmp_path / "d", workers=1) as daemon:
        with daemon.session() as client:
            assert send(client).reply == b"c"
            daemon.await_value(1, "assay_messages_total")
            [endpoint] = daemon.pids('"metrics are shown"')
            os.kill(endpoint, signal.SIGKILL)
            daemon.wait_for(lambda: len(daemon.pids('"metrics are shown"')) == 2, "another endpoint")
            assert daemon.lines("metrics ended", f"pid={endpoint}", "exit=-9", "restart_in=0.0", "level=error")
            assert send(client).reply == b"c"
        daemon.await_value(2, "assay_messages_total")
        assert value(daemon.samples(), "assay_worker_ends_total", how="died") == 0


def test_an_endpoint_that_keeps_dying_is_replaced_with_growing_delay(tmp_path: Path) -> None:
    with Watched(tmp_path / "d", workers=1) as daemon:
        for count in range(1, 4):
            pids = daemon.wait_for(
                lambda: pids if len(pids := daemon.pids('"metrics are shown"')) == count else None,  # noqa: B023 - awaited here
                "an endpoint",
            )
            os.kill(pids[-1], signal.SIGKILL)
            daemon.wait_for(lambda: len(daemon.lines("metrics ended")) == count, "its end")  # noqa: B023 - as above
        assert re.findall(r'"metrics ended".*restart_in=([\d.]+)', daemon.output()) == ["0.0", "1.0", "2.0"]


def test_a_reload_moves_the_endpoint_and_takes_it_away(tmp_path: Path) -> None:
    with Watched(tmp_path / "d", workers=1) as daemon:
        daemon.samples()
        old, daemon.port = daemon.port, free_port()
        daemon.write_config(_settings(daemon.port))
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_output(f"127.0.0.1:{daemon.port}")
        daemon.await_value(1, "assay_reloads_total", outcome="done")
        with pytest.raises(ConnectionRefusedError):
            ask(old)

        daemon.write_config("")
        daemon.signal(signal.SIGHUP)
        daemon.wait_for(lambda: len(daemon.lines("event=reloaded")) == 2, "the second reload")
        with pytest.raises(ConnectionRefusedError):
            ask(daemon.port)


def test_a_reload_to_an_address_in_use_keeps_the_old_one_and_says_so(tmp_path: Path) -> None:
    with Watched(tmp_path / "d", workers=1) as daemon, socket.create_server(("127.0.0.1", 0)) as other:
        daemon.samples()
        daemon.write_config(_settings(other.getsockname()[1]))
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_output("event=reloaded")
        assert daemon.lines("level=warning", "the metrics stay where they were", "another process listens there")
        daemon.await_value(1, "assay_reloads_total", outcome="done")


def test_an_address_in_use_at_the_start_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        config = tmp_path / "assay.toml"
        (tmp_path / "policies").mkdir()
        (tmp_path / "policies/default.toml").write_text("")
        config.write_text(f'socket = "inet:{free_port()}@127.0.0.1"\n{_settings(other.getsockname()[1])}')
        done = subprocess.run(
            [sys.executable, "-m", "assay", "run", "--config", config], capture_output=True, text=True, check=False
        )

    assert done.returncode == 75
    assert "[metrics] address: cannot listen on" in done.stderr
    assert "another process listens there: stop it or choose another port" in done.stderr


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_the_endpoint_ends_with_its_daemon(tmp_path: Path, how: signal.Signals) -> None:
    with Watched(tmp_path / "d", workers=1) as daemon:
        daemon.samples()
        [endpoint] = daemon.pids('"metrics are shown"')
        daemon.signal(how)
        daemon.wait()
        wait_until(lambda: not Path(f"/proc/{endpoint}").exists(), "the end of the endpoint")


def test_while_workers_drain_at_a_stop_the_numbers_are_still_shown(tmp_path: Path) -> None:
    with Watched(tmp_path / "d", workers=1) as daemon, daemon.session() as client:
        daemon.samples()
        daemon.signal(signal.SIGTERM)
        daemon.await_value(1, "assay_workers", state="draining")
        client.close()
        assert daemon.wait() == 0


def test_the_endpoint_has_a_log_too_where_that_is_a_pipe(tmp_path: Path) -> None:
    with Watched(tmp_path / "d", workers=1) as daemon:
        daemon.samples()
    command = [sys.executable, "-m", "assay", "run", "--config", daemon.config]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            found = next(filter(None, (re.search(r'"metrics are shown".* pid=(\d+)', line) for line in process.stderr)))
            assert ask(daemon.port)[0] == 200
            descriptors = {entry.name: str(entry.readlink()) for entry in Path(f"/proc/{found[1]}/fd").iterdir()}
            # the log opens a pipe once more, so that it need not wait for its reader
            assert list(descriptors.values()).count(descriptors["2"]) == 2
        finally:
            process.terminate()
            process.communicate()


def test_the_endpoint_holds_nothing_of_the_milter_and_the_workers_nothing_of_the_endpoint(tmp_path: Path) -> None:
    with Watched(tmp_path / "d", workers=2) as daemon:
        daemon.samples()
        os.kill(daemon.pids()[0], signal.SIGKILL)  # the next worker is forked with the endpoint there
        wait_until(lambda: len(daemon.pids()) == 3, "another worker")
        [endpoint] = daemon.pids('"metrics are shown"')
        of_supervisor, of_endpoint = _sockets(daemon.pid), _sockets(endpoint)
        # the endpoint's own listening socket is all that is shared
        assert len(of_supervisor & of_endpoint) == 1
        for worker in daemon.pids()[1:]:
            assert not _sockets(worker) & of_endpoint
