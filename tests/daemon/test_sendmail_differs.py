"""Where a real Sendmail does otherwise than Postfix: docs/guides/sendmail.md and docs/library-traps.md tell of each."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.daemon import ID, Daemon
from support.mail import message, wait_for
from support.sendmail import EXEMPT, Sendmail, Site, filter_lines
from support.sendmail_root import HOST, SHARED, SendmailRoot
from support.world import sign

pytestmark = pytest.mark.real

NUL_IS_LET_IN = "define(`confREJECT_NUL', `false')dnl"
OWN = f"{ID}; dkim=pass header.d=forged.example".encode()


@pytest.fixture(scope="module")
def daemon(nameserver: str, open_directory: Callable[[], Path]) -> Iterator[Daemon]:
    with Daemon(open_directory(), nameserver=nameserver, settings=EXEMPT) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def site(root: SendmailRoot, daemon: Daemon) -> Iterator[Site]:
    """As Debian has it."""
    with Sendmail(root, filter_lines(daemon.libmilter_socket)) as sendmail:
        yield Site(daemon, sendmail)


@pytest.fixture(scope="module")
def lenient(root: SendmailRoot, daemon: Daemon) -> Iterator[Site]:
    """As Sendmail is without Debian's RejectNUL."""
    with Sendmail(root, [NUL_IS_LET_IN, *filter_lines(daemon.libmilter_socket)]) as sendmail:
        yield Site(daemon, sendmail)


@pytest.fixture
def absent(nameserver: str, open_directory: Callable[[], Path]) -> Daemon:
    """A daemon that is not started yet."""
    return Daemon(open_directory(), nameserver=nameserver, settings=EXEMPT)


def test_with_the_flag_senders_are_asked_to_come_back_while_we_are_away(root: SendmailRoot, absent: Daemon) -> None:
    mail = sign(message("patient"), b"genuine.example")
    with Sendmail(root, filter_lines(absent.libmilter_socket)) as sendmail:
        away = sendmail.send(mail, mail_from="a@near.example")
        with absent:
            back = sendmail.send(mail, mail_from="a@near.example")
        delivered = wait_for(sendmail, "patient")
        sendmail.wait_for_syslog(r"Milter \(assay\): error connecting to filter: Connection refused")

    assert (away.command, away.code, away.text) == ("MAIL FROM:", 451, "4.3.2 Please try again later")
    assert back.code == 250
    assert delivered.methods()["dmarc"] == "pass"


def test_without_the_flag_mail_passes_unjudged_while_we_are_away(root: SendmailRoot, absent: Daemon) -> None:
    with Sendmail(root, filter_lines(absent.libmilter_socket, flags="F=")) as sendmail:
        sent = sendmail.send(message("unjudged"), mail_from="a@near.example")
        delivered = wait_for(sendmail, "unjudged")
        sendmail.wait_for_syslog(r"Milter \(assay\): error connecting to filter: Connection refused")

    assert sent.code == 250
    assert delivered.results == []


def test_with_the_flag_also_mail_of_this_machine_waits_while_we_are_away(root: SendmailRoot, absent: Daemon) -> None:
    with Sendmail(root, filter_lines(absent.libmilter_socket)) as sendmail:
        sent = sendmail.send(message("local"), mail_from="a@dest.example", address="127.0.0.1")

    assert sent.code == 451


def test_sendmail_does_not_start_where_a_filter_is_named_twice(root: SendmailRoot, absent: Daemon) -> None:
    lines = filter_lines(absent.libmilter_socket)
    twice = "Xassay: duplicate filter definition"
    with pytest.raises(AssertionError, match=twice), Sendmail(root, [*lines, *lines]):
        pass


@pytest.mark.parametrize(
    ("mail", "code", "text"),
    [
        pytest.param(message("x", body="a\0b"), 554, "5.6.1 NUL byte not allowed", id="NUL in the body"),
        pytest.param(message("x", fields=["X-A: a\0b"]), 554, "5.6.1 NUL byte not allowed", id="NUL in the header"),
        pytest.param(message("x", body="a\rb"), 421, "4.5.0 Bare carriage return (CR) not allowed", id="bare CR"),
        pytest.param(message("x", body="a\nb"), 421, "4.5.0 Bare linefeed (LF) not allowed", id="bare LF"),
        pytest.param(
            message("x", fields=["X-A: " + "\r\n\t".join(["a" * 70] * 500)]),
            552,
            "5.6.0 Headers too large (32768 max)",
            id="a header of more than 32 KiB",
        ),
    ],
)
def test_sendmail_refuses_by_itself(site: Site, mail: bytes, code: int, text: str) -> None:
    sent = site.send(mail)

    assert (sent.code, sent.text) == (code, text)


def test_a_nul_that_is_let_in_leaves_the_signature_of_a_body_whole(lenient: Site) -> None:
    lenient.send(sign(message("nul", body="a\0b"), b"genuine.example"))
    delivered = wait_for(lenient.sendmail, "nul")

    assert delivered.methods()["dkim"] == "pass"
    assert b"a\0b" in delivered.body


@pytest.mark.parametrize("place", [0, 1, len(ID), len(ID) + 1])
def test_a_nul_in_a_header_field_hides_nothing_from_us(lenient: Site, place: int) -> None:
    token = f"hidden{place}"
    with_nul = OWN[:place] + b"\0" + OWN[place:]
    lenient.send(b"Authentication-Results: " + with_nul + b"\r\n" + message(token, "a@near.example"))
    delivered = wait_for(lenient.sendmail, token)

    assert b"forged.example" not in delivered.raw


@pytest.mark.parametrize(
    "name", [b"Authentication-Results ", b"AUTHENTICATION-results\t", b"Authentication-Results \t "]
)
def test_white_space_before_the_colon_does_not_save_a_forged_field(site: Site, name: bytes) -> None:
    token = f"colon{name.hex()}"
    site.send(name + b": " + OWN + b"\r\n" + message(token, "a@near.example"))
    delivered = wait_for(site.sendmail, token)

    assert b"forged.example" not in delivered.raw
    assert len(delivered.results) == 1


def test_a_from_field_with_white_space_before_the_colon_is_refused(site: Site) -> None:
    sent = site.send(b"From : a@near.example\r\nSubject: odd\r\n\r\nhello\r\n")

    assert (sent.code, sent.text) == (550, "5.7.1 rejected: no From field")


@pytest.mark.parametrize("mail_from", ["user@dest.example", "user@DEST.example"])
def test_a_path_of_the_own_domain_keeps_its_domain(site: Site, mail_from: str) -> None:
    """Sendmail's macro mail_addr tells the user alone."""
    sent = site.send(message(f"own{mail_from}", "a@near.example"), mail_from=mail_from)

    assert sent.code == 550
    site.daemon.line("mail_from=dest.example", "disposition=reject")


def test_the_name_of_the_machine_is_ours_where_none_is_configured(root: SendmailRoot, absent: Daemon) -> None:
    absent.config.write_text(absent.config.read_text("utf-8").replace(f'authserv_id = "{ID}"', 'authserv_id = ""'))
    with absent, Sendmail(root, filter_lines(absent.libmilter_socket)) as sendmail:
        sendmail.send(message("named", "a@near.example"), mail_from="a@near.example")
        delivered = wait_for(sendmail, "named")

    assert [result.partition(";")[0] for result in delivered.results] == [HOST]


def over_a_unix_socket(root: SendmailRoot, nameserver: str, name: str) -> tuple[Daemon, Sendmail]:
    daemon = Daemon(root.shared / name, nameserver=nameserver, settings=EXEMPT, unix=True)
    socket = daemon.libmilter_socket.replace(str(root.shared), str(SHARED))
    return daemon, Sendmail(root, filter_lines(socket))


def test_mail_goes_through_a_unix_socket(root: SendmailRoot, nameserver: str) -> None:
    daemon, sendmail = over_a_unix_socket(root, nameserver, "unix")
    with daemon, sendmail:
        sendmail.send(message("unix", "a@near.example"), mail_from="a@near.example")

        assert wait_for(sendmail, "unix").methods()["dmarc"] == "pass"


def test_sendmail_does_not_start_where_a_group_may_write_to_the_directory_of_the_socket(
    root: SendmailRoot, nameserver: str
) -> None:
    daemon, sendmail = over_a_unix_socket(root, nameserver, "unsafe")
    daemon.config.parent.chmod(0o775)
    unsafe = r"local socket name \S+ unsafe: Group writable directory"
    with daemon, pytest.raises(AssertionError, match=unsafe), sendmail:
        pass


def test_mail_waits_where_a_group_may_write_there_later(root: SendmailRoot, nameserver: str) -> None:
    daemon, sendmail = over_a_unix_socket(root, nameserver, "later")
    with daemon, sendmail:
        daemon.config.parent.chmod(0o775)
        sent = sendmail.send(message("later", "a@near.example"), mail_from="a@near.example")

        assert (sent.command, sent.code) == ("MAIL FROM:", 451)
        sendmail.wait_for_syslog(r"Milter \(assay\): local socket name \S+ unsafe")
