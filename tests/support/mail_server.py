"""A mail server of one's own: a Debian machine (support.debian) with Postfix, on which assay is installed and used."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from support.debian import Machine
from support.process import Process

ROOT: Final = Path(__file__).parent.parent.parent

ZONE: Final = """\
good.example. TXT "v=spf1 ip4:192.0.2.10 -all"
_dmarc.good.example. TXT "v=DMARC1; p=reject"
"""
OWN: Final = "192.0.2.10"
"""Where the mail of good.example comes from."""
STRANGER: Final = "192.0.2.66"

_SERVE: Final = """\
import signal, sys
from pathlib import Path
from support.dnsserver import DnsServer
with DnsServer(Path(sys.argv[1]).read_text()) as server:
    print(server.nameserver, flush=True)
    signal.sigwait([signal.SIGTERM])
"""

# One conversation as an MTA, with the MTA's side that the installed package has.
_CONVERSE: Final = """\
import json
from ipaddress import ip_address
from assay.daemon.milter_client import MilterClient
with MilterClient.connect_to(("127.0.0.1", 8894)) as connection:
    connection.negotiate()
    connection.macros(b"C", j="mx.receiver.example")
    connection.connect(ip_address("192.0.2.10"))
    connection.helo(b"mail.good.example")
    verdict = connection.message(
        mail_from=b"<a@good.example>",
        headers=[(b"From", b" a@good.example"), (b"Subject", b" hello")],
        body=b"text\\r\\n",
        queue_id="Q1",
    )
print(json.dumps([" ".join(value.decode().split()) for _, name, value in verdict.inserted]))
"""

# Mail through Postfix, from an address of one's choice, until the file /tmp/enough is there. One session for each two
# messages: some are open when the daemon ends, and some begin while it is away.
_SEND: Final = """\
import json, os, smtplib, sys, threading, time
[_, senders, client, at_least] = sys.argv
replies = []
message = "From: a@good.example\\r\\nTo: postmaster@localhost\\r\\nSubject: hello\\r\\n\\r\\ntext\\r\\n.\\r\\n"
def sender():
    while len(replies) < int(at_least) or not os.path.exists("/tmp/enough"):
        smtp = smtplib.SMTP("127.0.0.1", 25, timeout=60)
        smtp.ehlo()
        smtp.docmd("XCLIENT", f"ADDR={client} NAME=mail.good.example")
        smtp.ehlo()
        for _ in range(2):
            for command in ("MAIL FROM:<a@good.example>", "RCPT TO:<postmaster@localhost>", "DATA"):
                code, text = smtp.docmd(command)
                if code >= 400:
                    replies.append((code, command, text.decode()))
                    break
            else:
                smtp.send(message)
                code, text = smtp.getreply()
                replies.append((code, ".", text.decode()))
        smtp.quit()
threads = [threading.Thread(target=sender) for _ in range(int(senders))]
for thread in threads: thread.start()
while any(thread.is_alive() for thread in threads):
    with open("/tmp/sent", "w") as file: file.write(str(len(replies)))
    time.sleep(0.05)
print(json.dumps(replies))
"""


def converse(machine: Machine, *, prefix: str = "/usr/lib/assay") -> str:
    """Hand over a message to the milter and return the Authentication-Results that it wrote, unfolded.

    Args:
        machine: where both are.
        prefix: the assay that plays the MTA.
    """
    [field] = json.loads(machine.python(_CONVERSE, prefix=prefix))
    return str(field)


def send(machine: Machine, *, client: str, count: int) -> list[tuple[int, str, str]]:
    """Send mail through Postfix, one session at a time; return what it said: code, to which command, and text."""
    machine.run("touch", "/tmp/enough")
    replies = json.loads(machine.python(_SEND, "1", client, str(count)))
    machine.run("rm", "/tmp/enough")
    return [(code, command, text) for code, command, text in replies]


class Traffic:
    """Mail that comes in, from several sessions at a time, until it is told to stop."""

    def __init__(self, machine: Machine, directory: Path, *, senders: int) -> None:
        self._machine = machine
        machine.write("/tmp/send.py", _SEND.encode())
        command = machine.command("/usr/lib/assay/bin/python", "/tmp/send.py", str(senders), OWN, "1")
        self._process = Process(command, log=directory / "traffic")

    def start(self) -> None:
        self._process.start()
        self.wait_for(1)

    def sent(self) -> int:
        """Return how many messages Postfix has answered so far."""
        return int(self._machine.run("cat", "/tmp/sent", check=False) or 0)

    def wait_for(self, more: int) -> None:
        """Wait until so many more messages are answered."""
        target = self.sent() + more
        self._process.wait_for(lambda: self.sent() >= target, f"{more} more messages")

    def stop(self) -> list[tuple[int, str, str]]:
        """Stop, and return what Postfix said to each message."""
        self._machine.run("touch", "/tmp/enough")
        assert self._process.wait() == 0, self._process.output()
        self._machine.run("rm", "/tmp/enough", "/tmp/sent")
        return [(code, command, text) for code, command, text in json.loads(self._process.output())]


@contextmanager
def name_server(machine: Machine, directory: Path) -> Iterator[str]:
    """Run a name server in the machine's network and give its address as ``[dns] nameservers`` spells it."""
    (directory / "zone").write_text(ZONE, "utf-8")
    command = machine.in_its_network(sys.executable, "-c", _SERVE, directory / "zone")
    sources = f"{ROOT / 'milter'}:{ROOT / 'tests'}"
    with Process(command, log=directory / "dns", env={"PYTHONPATH": sources}) as server:
        server.wait_for(server.output, "the address of the name server")
        yield server.output().strip()


def delivered(machine: Machine) -> list[str]:
    """Wait until Postfix has delivered everything, and return the messages in the postmaster's mailbox."""
    code = """
import mailbox, subprocess, time, sys
while subprocess.run(["postqueue", "-p"], capture_output=True, text=True).stdout.strip() != "Mail queue is empty":
    time.sleep(0.1)
for message in mailbox.mbox("/var/mail/root"):
    print(" ".join(str(message["Authentication-Results"]).split()))
"""
    return machine.python(code).splitlines()
