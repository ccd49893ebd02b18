"""``assay demo``: the real daemon, four messages, and what became of each; needs no MTA and no network."""

import os
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console
from rich.text import Text

from assay import log
from assay.cli.exit_codes import ExitCode
from assay.cli.render import printable
from assay.daemon.milter_client import MilterClient, Verdict
from assay.daemon.setup import Setup, load_setup
from assay.daemon.supervisor import Supervisor
from assay.daemon.workers import serve_with
from assay.demo.messages import POLICY, Example, Key, examples, zone_text
from assay.dns.zone import Zone
from assay.message.header import split_message

RECEIVER = "mx.receiver.example"

_CONFIGURATION = """\
authserv_id = "{receiver}"
socket = "inet:{port}@127.0.0.1"
mode = "enforce"
policies = "policies"
workers = 1
"""


@click.command()
def demo() -> None:
    """Run the daemon on a free loopback port, send it four messages, and print what it did with them.

    Exit codes: 0 it is shown, 2 wrong usage, 75 the daemon does not start.
    """
    bank, lists = Key.new("bank.example", "s2026"), Key.new("lists.example", "arc")
    console = Console(highlight=False, markup=False, emoji=False)
    with tempfile.TemporaryDirectory(prefix="assay-demo-") as directory:
        root = Path(directory)
        port = _free_port()
        setup = _prepare(root, port)
        console.print(
            Text(f"The daemon, in enforce mode, with this policy besides the default:\n{POLICY}"), soft_wrap=True
        )
        with _daemon(setup, zone_text(bank, lists), root / "log"):
            for number, example in enumerate(examples(bank, lists), 1):
                verdict = _send(example, port)
                _show(console, number, example, verdict)
                console.print(Text(f"  log: {_last_line(root / 'log')}", style="dim"), soft_wrap=True)


def _prepare(root: Path, port: int) -> Setup:
    policies = root / "policies"
    policies.mkdir()
    (policies / "default.toml").write_text("")
    (policies / "bank.example.toml").write_text(POLICY)
    path = root / "assay.toml"
    path.write_text(_CONFIGURATION.format(receiver=RECEIVER, port=port))
    return load_setup(path)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _daemon(setup: Setup, zone: str, log_file: Path) -> Iterator[None]:
    """Run the supervisor and its worker in a child process, answering from ``zone``; its log goes to a file."""
    log_file.touch()
    pid = os.fork()
    if pid == 0:
        _run_daemon(setup, zone, log_file)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


def _run_daemon(setup: Setup, zone: str, log_file: Path) -> NoReturn:
    try:
        log.configure("text", "info", log_file.open("ab", buffering=0))
        source = Zone.parse(zone, place="demo zone")
        supervisor = Supervisor(
            setup,
            reload=lambda: setup,
            serve=lambda setup, listener, control, counters: serve_with(
                setup, listener, control, counters, lambda: source
            ),
        )
        supervisor.run()
    finally:
        os._exit(0)


def _send(example: Example, port: int) -> Verdict:
    """Hand a message over as an MTA does."""
    headers, body = split_message(example.octets)
    with _connect(port) as client:
        client.negotiate()
        client.macros(b"C", j=RECEIVER)
        client.connect(example.client)
        client.helo(example.helo)
        verdict = client.message(
            mail_from=example.mail_from,
            headers=[(field.name, field.value.replace(b"\r\n", b"\n")) for field in headers],
            body=body,
        )
        client.quit()
        return verdict


def _connect(port: int) -> MilterClient:
    """Connect as soon as the daemon listens."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return MilterClient.connect_to(("127.0.0.1", port))
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                click.echo(f"assay: the daemon does not listen on port {port}", err=True)
                raise SystemExit(ExitCode.TEMPORARY) from None
            time.sleep(0.02)


def _show(console: Console, number: int, example: Example, verdict: Verdict) -> None:
    console.print(Text(f"\n{number}. {example.title}", style="bold"))
    console.print(Text(f"  client {example.client}, MAIL FROM:{example.mail_from.decode()}"))
    match verdict.reply:
        case b"y":
            console.print(Text(f"  refused: {printable(verdict.smtp)}", style="red"), soft_wrap=True)
        case b"c" if verdict.quarantine is not None:
            console.print(Text(f"  held: {printable(verdict.quarantine)}", style="yellow"))
        case _:
            console.print(Text("  delivered", style="green"))
    for _index, name, value in verdict.inserted:
        console.print(Text(f"  {name.decode()}:{value.decode()}"), soft_wrap=True)


def _last_line(log_file: Path) -> str:
    lines = [line for line in log_file.read_text().splitlines() if "event=message" in line]
    return lines[-1] if lines else ""
