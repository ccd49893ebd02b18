"""Real mail through a real Sendmail: what Postfix is asked in test_postfix.py, and where the two differ."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.daemon import ID, Daemon
from support.mail import arrived, forged_among_others, message, wait_for
from support.ports import free_port
from support.sendmail import EXEMPT, Sendmail, Site, filter_lines
from support.sendmail_root import PASSWORD, USER, SendmailRoot
from support.world import NEAR, sign

pytestmark = pytest.mark.real

MSA = free_port()
"""Of the submission service."""


@pytest.fixture(scope="module")
def site(root: SendmailRoot, nameserver: str, open_directory: Callable[[], Path]) -> Iterator[Site]:
    """Enforcing, attached with the lines that are shipped."""
    daemon = Daemon(open_directory(), nameserver=nameserver, settings=EXEMPT)
    submission = f"DAEMON_OPTIONS(`Family=inet, Name=MSA, Addr=127.0.0.1, Port={MSA}, M=E, InputMailFilters=')dnl"
    with daemon, Sendmail(root, [*filter_lines(daemon.libmilter_socket), submission]) as sendmail:
        yield Site(daemon, sendmail)


def test_genuine_mail_is_delivered_with_our_field_above_received(site: Site) -> None:
    sent = site.send(sign(message("genuine", "a@near.example"), b"near.example"))
    delivered = wait_for(site.sendmail, "genuine")

    assert sent.code == 250
    assert delivered.names[:3] == ["Authentication-Results", "Received", "DKIM-Signature"]
    assert delivered.methods() == {"spf": "pass", "dkim": "pass", "dmarc": "pass", "arc": "none"}
    assert "smtp.mailfrom=near.example" in delivered.stamp
    assert b"\nAuthentication-Results: mx.dest.example;\n\tspf=pass" in delivered.raw
    site.sendmail.wait_for_syslog(r"Milter \(assay\) insert \(0\): header: Authentication-Results: ")


def test_forgery_under_reject_gets_550_at_end_of_data(site: Site) -> None:
    sent = site.send(message("forgery"), mail_from="a@relaxed.example")

    assert (sent.command, sent.code) == (".", 550)
    assert sent.text == "5.7.26 rejected by DMARC policy of genuine.example"
    assert arrived(site.sendmail, "forgery") == []
    site.sendmail.wait_for_syslog("Milter: data, reject=550 5.7.26 rejected by DMARC policy of genuine.example")


def test_forgery_under_quarantine_stays_in_the_queue_until_it_is_released(site: Site) -> None:
    sent = site.send(message("held", "a@careful.example"), mail_from="a@careful.example")
    [held] = [entry for entry in site.sendmail.quarantined() if entry.queue_id in sent.text]

    assert sent.code == 250
    assert (held.sender, held.reason) == ("a@careful.example", "assay: dmarc-fail")
    site.sendmail.wait_for_syslog(f"{held.queue_id}: milter=assay, quarantine=assay: dmarc-fail")
    assert "QUARANTINE: assay: dmarc-fail" in site.sendmail.mailq("-qQ")
    assert held.queue_id not in site.sendmail.mailq()
    site.sendmail.flush()
    assert arrived(site.sendmail, "held") == []
    site.sendmail.release(held)
    assert wait_for(site.sendmail, "held").methods()["dmarc"] == "fail"


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_forged_fields_with_our_id_are_gone_and_those_of_others_stay(site: Site, count: int) -> None:
    token = f"stamped{count}"
    fields = forged_among_others(token, count)
    sent = site.send(message(token, "a@near.example", fields=fields))
    delivered = wait_for(site.sendmail, token)

    assert sent.code == 250
    assert b"forged.example" not in delivered.raw
    assert delivered.methods()["dkim"] == "none"
    assert delivered.results[1:] == [f"other{number}.example; dkim=fail ({token})" for number in range(count + 1)]


def test_many_chunks_of_a_body_are_hashed_whole(site: Site) -> None:
    body = "\r\n".join(["0123456789abcdef" * 4, "." * 70] * 2**14)
    sent = site.send(sign(message("large", body=body), b"genuine.example"))
    delivered = wait_for(site.sendmail, "large")

    assert sent.code == 250
    assert len(delivered.body) > 2_000_000
    assert delivered.methods()["dkim"] == "pass"


@pytest.mark.parametrize(
    ("token", "body"),
    [
        pytest.param("eight", b"caf\xe9 \xff\xfe\r\n", id="8-bit"),
        pytest.param("from", b"From here on\r\n>From there\r\n", id="lines that begin with From"),
        pytest.param("long", b"x" * 3000 + b"\r\n", id="a line longer than SMTP allows"),
    ],
)
def test_what_is_odd_in_a_body_does_not_break_its_hash(site: Site, token: str, body: bytes) -> None:
    mail = message(token, body="BODY").replace(b"BODY\r\n", body)
    site.send(sign(mail, b"genuine.example"))

    assert wait_for(site.sendmail, token).methods()["dkim"] == "pass"


FOLDS = {
    "no space after the colon": b"X-Odd:tight",
    "two spaces after the colon": b"X-Odd:  wide",
    "a tab after the colon": b"X-Odd:\ttab",
    "a fold right after the colon": b"X-Odd:\r\n folded",
    "folds with a tab and with spaces": b"X-Odd: one\r\n\ttwo\r\n   three",
    "white space at the end": b"X-Odd: trailing \t ",
    "octets that are no ASCII": b"X-Odd: caf\xe9 \xff",
    "an empty field": b"X-Odd:",
}


@pytest.mark.parametrize("field", FOLDS.values(), ids=FOLDS)
@pytest.mark.parametrize("canonicalisation", [b"simple", b"relaxed"])
def test_dkim_holds_for_a_header_field_with(site: Site, field: bytes, canonicalisation: bytes) -> None:
    token = f"fold{list(FOLDS.values()).index(field)}{canonicalisation.decode()}"
    mail = field + b"\r\n" + message(token)
    site.send(sign(mail, b"genuine.example", header=canonicalisation))

    assert wait_for(site.sendmail, token).methods()["dkim"] == "pass"


def test_a_client_of_an_exempt_network_is_not_judged_but_cannot_claim_to_be_us(site: Site) -> None:
    forged = f"Authentication-Results: {ID}; dkim=pass header.d=forged.example"
    sent = site.send(message("exempt", fields=[forged]), address="127.0.0.1")

    assert wait_for(site.sendmail, "exempt").results == []
    assert "exempt=network" in site.log_of(sent)


def test_the_submission_service_without_filters_is_not_judged(site: Site) -> None:
    with site.sendmail.connect(port=MSA) as client:
        sent = site.sendmail.send(message("submitted"), mail_from="a@genuine.example", client=client)
    delivered = wait_for(site.sendmail, "submitted")

    assert sent.code == 250
    assert delivered.results == []
    assert "a@genuine.example" not in site.daemon.output()


def test_mail_of_a_client_that_authenticated_itself_is_not_judged(site: Site) -> None:
    with site.sendmail.connect() as client:
        code, _ = client.login(USER, PASSWORD)
        sent = site.sendmail.send(message("authenticated"), mail_from="a@genuine.example", client=client)

    assert (code, sent.code) == (235, 250)
    assert wait_for(site.sendmail, "authenticated").results == []
    assert "exempt=authenticated" in site.log_of(sent)


def test_a_log_line_tells_it_all(site: Site) -> None:
    sent = site.send(message("logged", "a@careful.example"), mail_from="a@careful.example")

    for part in (f"client={NEAR}", "mail_from=careful.example", "spf=fail", "dmarc=fail", "disposition=quarantine"):
        assert part in site.log_of(sent).split()


def test_nothing_of_one_message_leaks_into_the_next_on_its_connection(site: Site) -> None:
    with site.sendmail.connect() as client:
        site.sendmail.send(sign(message("first"), b"genuine.example"), mail_from="a@near.example", client=client)
        client.mail("a@careful.example")
        client.rcpt("user@dest.example")
        client.rset()
        site.sendmail.send(message("second", "a@relaxed.example"), mail_from="", client=client)

    assert wait_for(site.sendmail, "first").methods()["dkim"] == "pass"
    second = wait_for(site.sendmail, "second")
    assert second.methods() == {"spf": "none", "dkim": "none", "dmarc": "fail", "arc": "none"}
    assert "careful" not in second.stamp
