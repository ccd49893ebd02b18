"""Odd conversations with the real daemon through libmilter: ``python -m fuzz.odd_sessions SECONDS [SEED]``.

Nothing guides it but chance. Each session is made of its name alone (``SEED:NUMBER``), so that one that found something
can be had again, with ``tests`` on the path: ``python -m fuzz.odd_sessions 0 SEED:NUMBER``.
"""

import random
import select
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from assay.daemon.milter_client import ALL_ACTIONS, ALL_PROTOCOL, VERSION, Protocol
from support.conversation import ZoneDaemon, letter, send, stamped

Packet = tuple[bytes, bytes]

PATIENCE = 30.0
"""Seconds in which an answer to an end of message must come."""

_OFFER = struct.pack("!III", VERSION, ALL_ACTIONS, ALL_PROTOCOL)
_SILENT = frozenset(bytes((each,)) for each in b"ODCHMRLNBEAQ")
"""Commands without a reply of their own, except for O and E; T and U would have one, but were negotiated away."""
# Steps out of order, steps of an MTA that did not negotiate, and answers to one that vanished.
_EXPECTED_FAULTS = ("OutOfOrderError", "'NoneType' object has no attribute", "milter.error: cannot ")
_LOCAL = (b"U", b"L")
_NAMES = (b"good.example", b"careful.example", b"evil.example", b"\xff", b"", b"x" * 300, b"a\0b", b"[192.0.2.1]")


class FoundError(AssertionError):
    """A session showed something that must not be."""


class OddSession:
    """One connection that keeps to no order."""

    def __init__(self, daemon: ZoneDaemon, name: str) -> None:
        self._random = random.Random(name)
        self._daemon = daemon
        self._exempt = False
        self._closed = False
        self._received = b""

    def run(self) -> None:
        """Say everything, hang up, and look at what came back.

        Raises:
            FoundError: naming what is wrong.
        """
        self._socket = _connect(self._daemon)
        said = []
        with self._socket:
            for command, data in self._packets():
                said.append((command, data))
                self._say(self._framed(command, data))
            if self._random.random() < 0.2:
                return  # a client that vanishes
            self._hang_up()
        # A "continue" replies to RCPT, or to DATA, or is the verdict on a message, which must carry our stamp.
        commands = [command for command, _ in said]
        if said[0] == (b"O", _OFFER) and commands.count(b"O") == 1 and _SILENT.issuperset(commands):
            steps = commands.count(b"R") + commands.count(b"T")
            self._check_verdicts(steps, exempt=any(_may_exempt(*packet) for packet in said))

    def _hang_up(self) -> None:
        """Half close: libmilter then gives up, whatever it was waiting for."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._closed = True
        deadline = time.monotonic() + PATIENCE
        while not self._closed:
            if time.monotonic() > deadline:
                raise FoundError("the daemon does not let go of a connection")
            self._read(1.0)

    def _check_verdicts(self, steps: int, *, exempt: bool) -> None:
        stamped_now = False
        unstamped = 0
        for command, data in self._replies():
            match command:
                case b"i":
                    stamped_now |= data[4:].startswith(b"Authentication-Results\0")
                case b"c" | b"a":
                    unstamped += not stamped_now
                    if unstamped > steps and not exempt:
                        raise FoundError("a message was accepted without a stamp")
                    stamped_now = False
                case b"r" | b"t" | b"y":
                    stamped_now = False
                case b"O" | b"m" | b"q" | b"p":
                    pass
                case _:
                    raise FoundError(f"no reply of this filter: {(command + data)[:60]!r}")

    def _packets(self) -> Iterator[Packet]:
        rng = self._random
        plan = [b"O", b"D", b"C", b"H"]
        for _ in range(rng.randint(1, 3)):
            plan += [b"D", b"M", b"R", *([b"L"] * rng.randint(0, 5)), b"N", *([b"B"] * rng.randint(0, 3)), b"D", b"E"]
        plan.append(b"Q")
        for _ in range(rng.choice((0, 0, 1, 2, 5, 20))):
            self._disturb(plan)
        for command in plan:
            yield command, self._data(command)

    def _disturb(self, plan: list[bytes]) -> None:
        rng = self._random
        at = rng.randrange(len(plan))
        match rng.randrange(5):
            case 0 if len(plan) > 1:
                del plan[at]
            case 1:
                plan.insert(at, plan[at])
            case 2:
                plan.insert(at, rng.choice([bytes((each,)) for each in b"OCHMRTLNBEAQKDU\0z"]))
            case 3:
                other = rng.randrange(len(plan))
                plan[at], plan[other] = plan[other], plan[at]
            case _:
                plan.insert(at, b"A")

    def _data(self, command: bytes) -> bytes:
        rng = self._random
        if rng.random() < 0.05 and command != b"D":
            return rng.randbytes(rng.choice((0, 1, 5, 80, 4000)))
        name = rng.choice(_NAMES) if rng.random() < 0.3 else b"good.example"
        match command:
            case b"O":
                if rng.random() < 0.9:
                    return _OFFER
                return struct.pack("!III", rng.choice((VERSION, 2)), ALL_ACTIONS, Protocol(rng.getrandbits(21)))
            case b"C":
                return self._client()
            case b"H":
                return name + b"\0"
            case b"M":
                path = rng.choice((b"<a@%b>", b"<a@%b", b"%b", b"<@x,%b>", b'<"a\0b"@%b>')) % name
                path = path if rng.random() < 0.8 else b"<>"
                return b"\0".join((path, *([b"SMTPUTF8"] * rng.randint(0, 1)))) + b"\0"
            case b"R":
                return b"<user@%b>\0" % name
            case b"L":
                field = rng.choice((b"From", b"From", b"from ", b"DKIM-Signature", b"ARC-Seal", b"X", b"", b"\xe9"))
                value = (
                    rng.choice((b" a@%b", b"a@%b", b" x <a@\n %b>", b" v=1; d=%b;\n\tb=", b" %b; dmarc=pass")) % name
                )
                return field + b"\0" + value + b"\0" * (rng.random() < 0.97)
            case b"B":
                return rng.choice((b"text\r\n", b"", b"\n\r", b"\0", b"x" * 65535)) * rng.randint(0, 1)
            case b"D":
                return self._macros()
            case _:
                return b""

    def _client(self) -> bytes:
        rng = self._random
        if rng.random() < 0.1:
            return b"localhost\0" + rng.choice(_LOCAL) + b"\0\0/run/x\0" * rng.randint(0, 1)
        address = rng.choice(
            (b"192.0.2.10", b"192.0.2.99", b"999.1.1.1", b"", b"2001:db8::1", b"IPv6:2001:db8::1", b"::x")
        )
        host = rng.choice((b"client.example", b"[192.0.2.10]", b"\xff", b""))
        return host + b"\0" + rng.choice((b"4", b"6")) + struct.pack("!H", 25) + address + b"\0"

    def _macros(self) -> bytes:
        """Names and values in pairs: of an odd number of texts libmilter 8.17 reads on beyond its table, and dies."""
        rng = self._random
        stage = rng.choice((b"C", b"H", b"M", b"R", b"N", b"E", b"T", b"?"))
        pairs = [b"j", b"mx.receiver.example"]
        for _ in range(rng.randint(0, 2)):
            name = rng.choice((b"i", b"{mail_addr}", b"{auth_authen}", b"{x", b"", b"j"))
            pairs += [name, rng.choice(_NAMES).replace(b"\0", b"")]
        return stage + b"".join(text + b"\0" for text in pairs)

    def _framed(self, command: bytes, data: bytes) -> bytes:
        length = len(data) + 1
        if self._random.random() < 0.01 and command != b"D":
            length = self._random.choice((0, 1, length + 1, 70_000, 2**31, 2**32 - 1))
        return struct.pack("!I", length) + command + data

    def _say(self, octets: bytes) -> None:
        try:
            self._socket.sendall(octets)
        except OSError:
            self._closed = True
        self._read(0)

    def _read(self, seconds: float) -> None:
        """Take what is there, waiting for the first octet of it."""
        while not self._closed and select.select([self._socket], [], [], seconds)[0]:
            try:
                received = self._socket.recv(65536)
            except OSError:
                received = b""
            self._closed = not received
            self._received += received
            seconds = 0

    def _replies(self) -> Iterator[Packet]:
        rest = self._received
        while rest:
            length = struct.unpack("!I", rest[:4])[0] if len(rest) >= 4 else 2**32
            if len(rest) < 4 + length:
                raise FoundError(f"half a packet: {rest[:60]!r}")
            packet, rest = rest[4 : 4 + length], rest[4 + length :]
            yield packet[:1], packet[1:]


def _may_exempt(command: bytes, data: bytes) -> bool:
    """Whether the session may have said that it is local or authenticated, so that its mail is not judged."""
    if command == b"C":
        return data.partition(b"\0")[2][:1] not in (b"4", b"6")
    return command == b"D" and b"auth_authen" in data


def _connect(daemon: ZoneDaemon) -> socket.socket:
    assert isinstance(daemon.address, tuple)
    connection = socket.create_connection(daemon.address, PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def check_normal_mail(daemon: ZoneDaemon) -> None:
    """Good mail is stamped and forged mail refused, as if nothing had been."""
    with daemon.session() as connection:
        good = send(connection)
        if good.reply != b"c" or "dmarc=pass" not in stamped(good):
            raise FoundError(f"good mail gets {good}")
    with daemon.session("192.0.2.99") as connection:
        forged = send(connection, letter(), mail_from=b"<a@evil.example>")
        if not forged.smtp.startswith("550 5.7.26"):
            raise FoundError(f"forged mail gets {forged}")


def check_log(daemon: ZoneDaemon) -> None:
    """One worker all the time, and no faults but those that a broken MTA brings about."""
    output = daemon.output()
    if output.count("worker started") != 1:
        raise FoundError(f"a worker ended:\n{output[-3000:]}")
    for line in output.splitlines():
        if "Traceback" in line and not any(known in line for known in _EXPECTED_FAULTS):
            raise FoundError(f"a fault: {line}")


def check_leaks(daemon: ZoneDaemon, before: int) -> None:
    """No descriptor stays behind once every connection is gone."""
    daemon.wait_for(lambda: _descriptors(daemon) <= before, "the descriptors to be closed")


def _descriptors(daemon: ZoneDaemon) -> int:
    children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split()
    return sum(len(list(Path(f"/proc/{child}/fd").iterdir())) for child in children)


def drive(directory: Path, names: Iterator[str]) -> int:
    """Run sessions against a daemon of their own; return how many.

    Raises:
        FoundError: naming the session and what is wrong.
    """
    done = 0
    with ZoneDaemon(directory) as daemon:
        daemon.wait_for_output("event=listening")
        check_normal_mail(daemon)
        before = _descriptors(daemon)
        for name in names:
            try:
                OddSession(daemon, name).run()
                if done % 20 == 0:
                    check_normal_mail(daemon)
            except Exception as error:
                error.add_note(f"in the session {name}; the log ends with:\n{daemon.output()[-2000:]}")
                raise
            done += 1
        check_normal_mail(daemon)
        check_log(daemon)
        check_leaks(daemon, before + 1)
    return done


def names_until(deadline: float, seed: str) -> Iterator[str]:
    """Names of sessions for as long as there is time."""
    number = 0
    while time.monotonic() < deadline:
        yield f"{seed}:{number}"
        number += 1


def main(seconds: str = "600", seed: str = "") -> None:
    """Run for so many seconds, or the one session that is named in full."""
    seed = seed or str(time.time_ns())
    names = iter([seed]) if ":" in seed else names_until(time.monotonic() + float(seconds), seed)
    with tempfile.TemporaryDirectory(prefix="assay-fuzz-") as directory:
        done = drive(Path(directory) / "daemon", names)
    sys.stdout.write(f"stat::number_of_executed_units: {done}\n")  # as libFuzzer says it


if __name__ == "__main__":
    main(*sys.argv[1:])
