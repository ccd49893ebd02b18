"""Real mail: swaks hands it to a real Postfix, that to the daemon, which asks a real name server."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.daemon import ID, ROOT, Daemon
from support.mail import arrived, forged_among_others, message, wait_for
from support.postfix import Postfix, Transcript
from support.process import wait_until
from support.world import OWN, STRANGER, sign

pytestmark = pytest.mark.real


def shipped_lines() -> dict[str, str]:
    """What conf/postfix-main.cf tells an administrator to add, apart from the socket."""
    lines = (ROOT / "conf" / "postfix-main.cf").read_text("utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, _, value in pairs if key.strip() != "smtpd_milters"}


@dataclass(frozen=True, slots=True)
class Site:
    """A daemon and the Postfix that hands it mail."""

    daemon: Daemon
    postfix: Postfix

    def send(self, mail: bytes, *, mail_from: str = "a@genuine.example", address: str | None = OWN) -> Transcript:
        return self.postfix.send(mail, mail_from=mail_from, address=address)

    def log_of(self, transcript: Transcript) -> str:
        """The daemon's line for an accepted message."""
        queued = re.search(r"queued as (\S+)", transcript.verdict.text)
        assert queued is not None, transcript.raw
        return self.daemon.line(f"queue_id={queued[1]}")


@pytest.fixture(scope="module", params=["inet", "unix"])
def site(request: pytest.FixtureRequest, nameserver: str, open_directory: Callable[[], Path]) -> Iterator[Site]:
    """Enforcing, over TCP and over a unix socket, attached with the lines that are shipped."""
    daemon = Daemon(open_directory(), nameserver=nameserver, unix=request.param == "unix")
    with daemon, Postfix(daemon.postfix_socket, shipped_lines()) as postfix:
        yield Site(daemon, postfix)


@pytest.fixture
def watching(nameserver: str, open_directory: Callable[[], Path]) -> Iterator[Site]:
    """In monitor mode."""
    daemon = Daemon(open_directory(), nameserver=nameserver, mode="monitor")
    with daemon, Postfix(daemon.postfix_socket) as postfix:
        yield Site(daemon, postfix)


def test_genuine_mail_is_delivered_with_our_field_above_received(site: Site) -> None:
    sent = site.send(sign(message("genuine"), b"genuine.example"))
    delivered = wait_for(site.postfix, "genuine")

    assert sent.verdict.code == 250
    assert delivered.names[:3] == ["Authentication-Results", "Received", "DKIM-Signature"]
    assert delivered.methods() == {"spf": "pass", "dkim": "pass", "dmarc": "pass", "arc": "none"}
    assert "smtp.mailfrom=genuine.example" in delivered.stamp
    assert "header.from=genuine.example" in delivered.stamp


def test_forgery_under_reject_gets_550_at_end_of_data(site: Site) -> None:
    sent = site.send(message("forgery"), mail_from="a@relaxed.example", address=STRANGER)

    assert (sent.verdict.command, sent.verdict.code) == (".", 550)
    assert sent.verdict.text == "5.7.26 rejected by DMARC policy of genuine.example"
    assert arrived(site.postfix, "forgery") == []
    assert site.postfix.held() == []


def test_forgery_under_quarantine_waits_in_the_hold_queue(site: Site) -> None:
    before = site.postfix.held()
    sent = site.send(message("held", "a@careful.example"), mail_from="a@careful.example", address=STRANGER)
    [held] = [entry for entry in site.postfix.held() if entry not in before]

    assert sent.verdict.code == 250
    assert sent.verdict.text.endswith(held.queue_id)
    assert held.sender == "a@careful.example"
    assert arrived(site.postfix, "held") == []
    site.postfix.release(held)
    assert wait_for(site.postfix, "held").methods()["dmarc"] == "fail"


def test_forgery_is_let_in_where_its_owner_asks_for_nothing(site: Site) -> None:
    site.send(message("relaxed", "a@relaxed.example"), mail_from="a@relaxed.example", address=STRANGER)

    assert wait_for(site.postfix, "relaxed").methods()["dmarc"] == "fail"


def test_a_broken_body_fails_dkim(site: Site) -> None:
    broken = sign(message("broken", "a@relaxed.example"), b"relaxed.example").replace(b"hello", b"hullo")
    site.send(broken, mail_from="a@relaxed.example", address=STRANGER)

    assert wait_for(site.postfix, "broken").methods()["dkim"] == "fail"


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_forged_fields_with_our_id_are_gone_and_those_of_others_stay(site: Site, count: int) -> None:
    token = f"stamped{count}"
    fields = forged_among_others(token, count)
    sent = site.send(message(token, fields=fields))
    delivered = wait_for(site.postfix, token)

    assert sent.verdict.code == 250
    assert b"forged.example" not in delivered.raw
    assert delivered.methods()["dkim"] == "none"
    assert delivered.results[1:] == [f"other{number}.example; dkim=fail ({token})" for number in range(count + 1)]


def test_no_from_field_is_refused(site: Site) -> None:
    sent = site.send(b"Subject: nobody\r\n\r\nhello\r\n")

    assert (sent.verdict.command, sent.verdict.code) == (".", 550)
    assert sent.verdict.text.startswith("5.7.1 ")


def test_a_slow_name_is_waited_for(site: Site) -> None:
    site.send(message("slow", "a@slow.example"), mail_from="a@slow.example")

    assert wait_for(site.postfix, "slow").methods()["spf"] == "pass"


def test_a_dead_name_is_no_failure(site: Site) -> None:
    sent = site.send(message("dead", "a@dead.example"), mail_from="a@dead.example", address=STRANGER)
    delivered = wait_for(site.postfix, "dead")

    assert sent.verdict.code == 250
    assert delivered.methods()["spf"] == "temperror"
    assert delivered.methods()["dmarc"] == "temperror"


def test_nothing_of_one_message_leaks_into_the_next_on_its_connection(site: Site) -> None:
    genuine = sign(message("first"), b"genuine.example")
    with site.postfix.connect(address=OWN) as client:
        client.sendmail("a@genuine.example", ["user@dest.example"], genuine)
        client.mail("a@careful.example")
        client.rcpt("user@dest.example")
        client.rset()
        client.sendmail("", ["user@dest.example"], message("second", "a@relaxed.example", fields=["X-Own: 1"]))
        client.sendmail("a@genuine.example", ["user@dest.example"], message("third"))

    assert wait_for(site.postfix, "first").methods()["dkim"] == "pass"
    second = wait_for(site.postfix, "second")
    assert second.methods() == {"spf": "none", "dkim": "none", "dmarc": "fail", "arc": "none"}
    assert "careful" not in second.stamp
    third = wait_for(site.postfix, "third")
    assert third.methods()["dkim"] == "none"
    assert "smtp.mailfrom=genuine.example" in third.stamp


def test_a_client_that_vanishes_leaves_the_daemon_well(site: Site) -> None:
    client = site.postfix.connect(address=OWN)
    client.mail("a@careful.example")
    client.rcpt("user@dest.example")
    client.docmd("DATA")
    client.send(b"From: a@careful.example\r\n\r\nand then")
    client.close()
    sent = site.send(message("after"))

    assert sent.verdict.code == 250
    assert wait_for(site.postfix, "after").methods()["dmarc"] == "pass"


def test_ten_mebibytes_are_hashed_whole(site: Site) -> None:
    body = "\r\n".join(["0123456789abcdef" * 4] * (10 * 2**20 // 66))
    sent = site.send(sign(message("large", body=body), b"genuine.example"))
    delivered = wait_for(site.postfix, "large")

    assert sent.verdict.code == 250
    assert len(delivered.body) > 10_000_000
    assert delivered.methods()["dkim"] == "pass"


@pytest.mark.parametrize(
    ("token", "raw"),
    [
        pytest.param("eight", b"caf\xe9 \xff\xfe", id="8-bit"),
        pytest.param("return", b"one\rtwo\rthree", id="bare CR"),
        pytest.param("feed", b"one\ntwo\nthree", id="bare LF"),
        pytest.param("nul", b"one\0two", id="NUL"),
    ],
)
def test_odd_octets_are_judged_as_any_others(site: Site, token: str, raw: bytes) -> None:
    mail = b"X-Odd: " + raw.partition(b"\n")[0] + b"\r\n" + message(token, body="BODY").replace(b"BODY", raw)
    sent = site.send(mail)

    assert wait_for(site.postfix, token).methods()["dmarc"] == "pass"
    assert "disposition=none" in site.log_of(sent)
    assert "Traceback" not in site.daemon.output()


def test_a_thousand_header_fields_and_one_of_a_mebibyte(site: Site) -> None:
    fields = [f"X-Number-{number}: {number}" for number in range(1000)]
    fields.append("X-Long: " + "\r\n ".join(["long"] * (2**20 // 7)))
    sent = site.send(message("thousand", fields=fields))

    assert sent.verdict.code == 250
    assert wait_for(site.postfix, "thousand").methods()["dmarc"] == "pass"


def test_a_client_of_an_exempt_network_is_not_judged_but_cannot_claim_to_be_us(site: Site) -> None:
    forged = f"Authentication-Results: {ID}; dkim=pass header.d=forged.example"
    sent = site.send(message("exempt", fields=[forged]), address=None)

    assert wait_for(site.postfix, "exempt").results == []
    assert "exempt=network" in site.log_of(sent)


def test_a_log_line_tells_it_all(site: Site) -> None:
    sent = site.send(message("logged", "a@careful.example"), mail_from="a@careful.example", address=STRANGER)
    line = site.log_of(sent)

    assert line.startswith("queue_id=")
    for part in (f"client={STRANGER}", "mail_from=careful.example", "spf=fail", "dmarc=fail", "disposition=quarantine"):
        assert part in line.split()


def test_monitor_mode_stamps_and_does_nothing_else(watching: Site) -> None:
    rejected = watching.send(message("rejected"), address=STRANGER)
    quarantined = watching.send(
        message("quarantined", "a@careful.example"), mail_from="a@careful.example", address=STRANGER
    )

    assert (rejected.verdict.code, quarantined.verdict.code) == (250, 250)
    assert wait_for(watching.postfix, "rejected").methods()["dmarc"] == "fail"
    assert wait_for(watching.postfix, "quarantined").methods()["dmarc"] == "fail"
    assert "would" in watching.log_of(rejected)
    assert wait_until(lambda: watching.postfix.queue() == [], "an empty queue")
