"""Whole conversations with the real daemon through real libmilter on loopback."""

import json
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.daemon.milter_client import ALL_ACTIONS, ALL_PROTOCOL, Action, ConversationError, Protocol
from support.conversation import RECEIVER, ZoneDaemon, letter, send, stamped


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZoneDaemon]:
    with ZoneDaemon(tmp_path_factory.mktemp("daemon")) as running:
        yield running


# -- negotiation (standards G.1)


SILENT = Protocol.NR_CONN | Protocol.NR_HELO | Protocol.NR_MAIL | Protocol.NR_HDR | Protocol.NR_EOH | Protocol.NR_BODY
OPTIONS = Protocol.HDR_LEADSPC | Protocol.NOUNKNOWN | Protocol.SKIP


def test_what_decides_nothing_is_not_answered_but_what_makes_the_mta_send(tmp_path: Path) -> None:
    with ZoneDaemon(tmp_path / "d", unix=True) as daemon, daemon.connect() as client:
        client.negotiate()
        assert client.protocol == SILENT | OPTIONS | Protocol.NODATA
        client.helo(b"mail.good.example")
        client.mail(b"<bounce@good.example>")
        assert client.rcpt(b"<user@receiver.example>") == b"c"


def test_over_tcp_data_is_answered_too(daemon: ZoneDaemon) -> None:
    """Else Nagle's algorithm holds the header back until the kernel acknowledges DATA, 40 ms later."""
    with daemon.connect() as client:
        client.negotiate()
        assert client.protocol == SILENT | OPTIONS
        client.helo(b"mail.good.example")
        client.mail(b"<bounce@good.example>")
        assert client.rcpt(b"<user@receiver.example>") == b"c"
        assert client.step(b"T") == b"c"


def test_only_the_actions_that_are_used_are_taken(daemon: ZoneDaemon) -> None:
    with daemon.connect() as client:
        client.negotiate()
        assert client.actions == Action.ADDHDRS | Action.CHGHDRS | Action.QUARANTINE | Action.SETSYMLIST


def test_only_the_macros_that_are_read_are_asked_for(daemon: ZoneDaemon) -> None:
    with daemon.connect() as client:
        client.negotiate()
        asked = set(b" ".join(client.macro_lists.values()).split())
        assert asked == {b"j", b"i", b"{auth_authen}", b"{mail_addr}"}
        assert set(client.macro_lists) == {0, 1, 2, 3, 5, 6}


def test_an_mta_without_leading_space_is_refused_and_the_log_says_why(daemon: ZoneDaemon) -> None:
    with daemon.connect() as client, pytest.raises(ConversationError):
        client.negotiate(protocol=ALL_PROTOCOL & ~Protocol.HDR_LEADSPC)
    assert daemon.lines("level=error", "leading space", "DKIM cannot be")


@pytest.mark.parametrize("missing", [Action.ADDHDRS, Action.CHGHDRS, Action.QUARANTINE])
def test_an_mta_that_lets_us_do_too_little_is_refused(daemon: ZoneDaemon, missing: Action) -> None:
    with daemon.connect() as client, pytest.raises(ConversationError):
        client.negotiate(actions=ALL_ACTIONS & ~missing)
    assert daemon.lines("level=error", "does not let us", f"offered={hex(ALL_ACTIONS & ~missing)}")


def test_an_mta_that_waits_for_every_reply_gets_every_reply(daemon: ZoneDaemon) -> None:
    with daemon.connect() as client:
        client.negotiate(actions=ALL_ACTIONS & ~Action.SETSYMLIST, protocol=Protocol.HDR_LEADSPC)
        assert client.protocol == Protocol.HDR_LEADSPC
        client.macros(b"C", j=RECEIVER)
        client.step(b"C", b"client.example\0004" + struct.pack("!H", 25) + b"192.0.2.10\0")
        assert client.helo(b"mail.good.example") == b"c"
        assert client.mail(b"<bounce@good.example>") == b"c"
        assert client.rcpt(b"<user@receiver.example>") == b"c"
        assert client.step(b"T") == b"c"
        assert [client.header(name, value) for name, value in letter()] == [b"c"] * 3
        assert client.end_of_headers() == b"c"
        assert client.body(b"text\r\n") == b"c"
        assert "dmarc=pass" in stamped(client.end_of_message())


# -- verdicts


def test_genuine_mail_is_stamped_above_everything(daemon: ZoneDaemon) -> None:
    with daemon.session() as client:
        verdict = send(client)
    assert verdict.reply == b"c"
    assert stamped(verdict).startswith(f"{RECEIVER}; spf=pass smtp.mailfrom=good.example; dkim=none; dmarc=pass")
    assert verdict.inserted[0][2].startswith(b" ")


def test_a_forged_from_under_p_reject_is_refused_at_end_of_data(daemon: ZoneDaemon) -> None:
    with daemon.session("192.0.2.66") as client:
        verdict = send(client, mail_from=b"<any@stranger.example>")
    assert (verdict.reply, verdict.smtp) == (b"y", "550 5.7.26 rejected by DMARC policy of good.example")
    assert not verdict.inserted
    assert not verdict.changed


def test_p_quarantine_is_held(daemon: ZoneDaemon) -> None:
    with daemon.session("192.0.2.66") as client:
        verdict = send(client, letter(b"a@careful.example"))
    assert verdict.reply == b"c"
    assert verdict.quarantine == b"assay: dmarc-fail"
    assert "disposition=quarantine" in stamped(verdict)


def test_a_client_over_mapped_ipv6_is_an_ipv4_client(daemon: ZoneDaemon) -> None:
    with daemon.session("::ffff:192.0.2.10") as client:
        assert "spf=pass" in stamped(send(client))


def test_the_null_sender_is_checked_by_helo(daemon: ZoneDaemon) -> None:
    with daemon.session(helo=b"good.example") as client:
        assert "smtp.helo=good.example" in stamped(send(client, mail_from=b"<>"))


def test_forged_results_are_removed_from_the_bottom_up(daemon: ZoneDaemon) -> None:
    name = b"Authentication-Results"
    forged = [(name, b" " + RECEIVER.upper().encode() + b"; dmarc=pass"), (name, b" other.example; spf=pass")] * 2
    with daemon.session() as client:
        verdict = send(client, [*forged, *letter()])
    assert verdict.changed == [(name, 3, b""), (name, 1, b"")]


# -- exemptions


@pytest.mark.parametrize("client", ["127.0.0.1", "::1", None])
def test_loopback_is_exempt_but_forged_results_go(daemon: ZoneDaemon, client: str | None) -> None:
    before = len(daemon.lines("exempt=network"))
    forged = (b"Authentication-Results", b" " + RECEIVER.encode() + b"; dmarc=pass")
    with daemon.session(client) as connection:
        verdict = send(connection, letter(b"a@good.example", forged))
    assert (verdict.reply, verdict.inserted) == (b"c", [])
    assert verdict.changed == [(b"Authentication-Results", 1, b"")]
    assert len(daemon.lines("exempt=network")) == before + 1


def test_authenticated_mail_is_exempt(daemon: ZoneDaemon) -> None:
    with daemon.session("192.0.2.66") as client:
        client.macros(b"M", auth_authen="somebody")
        verdict = send(client, queue_id="QAUTH")
    assert (verdict.reply, verdict.inserted) == (b"c", [])
    assert daemon.lines("queue_id=QAUTH", "exempt=authenticated")


# -- nothing of one message leaks into the next


def test_several_messages_on_a_connection_are_judged_each_by_itself(daemon: ZoneDaemon) -> None:
    with daemon.session("192.0.2.66") as client:
        assert send(client, mail_from=b"<any@stranger.example>").reply == b"y"
        assert "header.from=other.example" in stamped(send(client, letter(b"a@other.example")))
        assert send(client).reply == b"y"


def test_an_aborted_message_leaves_nothing_behind(daemon: ZoneDaemon) -> None:
    with daemon.session() as client:
        client.mail(b"<bounce@other.example>")
        client.rcpt(b"<user@receiver.example>")
        client.header(b"From", b" a@other.example")
        client.header(b"List-Id", b" <x.other.example>")
        client.end_of_headers()
        client.body(b"half a body")
        client.abort()
        verdict = send(client)
    assert "dmarc=pass" in stamped(verdict)
    assert "smtp.mailfrom=good.example" in stamped(verdict)


def test_a_second_mail_without_abort_starts_anew(daemon: ZoneDaemon) -> None:
    with daemon.session() as client:
        client.mail(b"<bounce@other.example>")
        client.header(b"From", b" a@other.example")
        assert "dmarc=pass" in stamped(send(client))


def test_authentication_of_one_message_does_not_exempt_the_next(daemon: ZoneDaemon) -> None:
    with daemon.session("192.0.2.66") as client:
        client.macros(b"M", auth_authen="somebody")
        assert not send(client).inserted
        client.macros(b"M", mail_addr="bounce@good.example")
        assert send(client).reply == b"y"


def test_helo_may_come_again_and_replaces_the_first(daemon: ZoneDaemon) -> None:
    with daemon.session(helo=b"other.example") as client:
        client.helo(b"good.example")
        assert "smtp.helo=good.example" in stamped(send(client, mail_from=b"<>"))


@pytest.mark.parametrize("steps", range(7))
def test_a_client_that_vanishes_takes_nothing_with_it(daemon: ZoneDaemon, steps: int) -> None:
    gone = daemon.session()
    for step in (
        lambda: gone.mail(b"<bounce@other.example>"),
        lambda: gone.rcpt(b"<user@receiver.example>"),
        lambda: gone.header(b"From", b" a@other.example"),
        gone.end_of_headers,
        lambda: gone.body(b"half a body"),
        lambda: gone.send(b"E"),
    )[:steps]:
        step()
    gone.close()
    with daemon.session() as client:
        assert "dmarc=pass" in stamped(send(client))


# -- what pymilter cannot read


def test_macros_that_are_no_utf_8_are_values_like_others(daemon: ZoneDaemon) -> None:
    with daemon.session() as client:
        client.send(b"D", b"M{mail_addr}\0\xff@good.example\0")
        send(client, mail_from=b"<\xff@good.example>", queue_id="QODDMACRO")
        client.send(b"D", b"M{mail_addr}\0bounce@good.example\0")
        assert "dmarc=pass" in stamped(send(client))
    with daemon.session("192.0.2.66") as client:
        client.send(b"D", b"M{auth_authen}\0m\xfcller\0")
        assert not send(client).inserted
    assert daemon.lines("queue_id=QODDMACRO", "event=message", "spf=")


@pytest.mark.parametrize("name", [b"\xff.example", None], ids=["a client whose name is no UTF-8", "no client at all"])
def test_a_client_that_is_not_known_is_deferred_and_never_exempt(daemon: ZoneDaemon, name: bytes | None) -> None:
    with daemon.connect() as client:
        client.negotiate()
        if name is not None:
            client.step(b"C", name + b"\0004" + struct.pack("!H", 25) + b"127.0.0.1\0")
        client.helo(b"mail.good.example")
        verdict = send(client, queue_id="QNOCLIENT")
    assert (verdict.reply, verdict.smtp[:9]) == (b"y", "451 4.3.0")
    assert daemon.lines("queue_id=QNOCLIENT", "level=error", "no client was reported")


# -- faults


def test_an_internal_fault_defers_its_message_with_one_log_line_and_the_next_works(daemon: ZoneDaemon) -> None:
    with daemon.session() as client:
        verdict = send(client, letter(b"a@fault.example"), queue_id="QFAULT")
        assert (verdict.reply, verdict.smtp[:9]) == (b"y", "451 4.3.0")
        assert not verdict.inserted
        assert "dmarc=pass" in stamped(send(client))
    (line,) = daemon.lines("queue_id=QFAULT")
    assert "level=error" in line
    assert "Traceback" in line
    assert "a fault of ours,\\\\nplanted by a test" in line


# -- bad input: a result and a log line, never a traceback to the MTA

ODD = {
    "no From": [(b"To", b" x@y.example")],
    "ten From fields": [(b"From", b" a@good.example")] * 10,
    "1,000 header fields": [(b"X-%d" % number, b" value") for number in range(1000)] + letter(),
    "a header field as long as a packet": [(b"X-Long", b" " + b"x" * 65000), *letter()],
    "a From as long as a packet": [(b"From", b" " + b"a" * 65000 + b"@good.example")],
    "no header field at all": [],
    "an empty value": [(b"From", b"")],
    "every octet but NUL": [(b"Subject", b" " + bytes(range(1, 256))), *letter()],
    "8-bit From": [(b"From", b" M\xfcller <a@good.example>")],
    "UTF-8 From": [(b"From", " Müller <a@good.example>".encode())],
    "group syntax": [(b"From", b" Group: a@good.example, b@good.example;")],
    "an empty group": [(b"From", b" Nobody:;")],
    "a bare CR and LF in a value": [(b"Subject", b" a\rb\nc"), *letter()],
    "a signature of garbage": [(b"DKIM-Signature", b" v=1; a=\xff; b=((("), *letter()],
    "an ARC set of garbage": [(b"ARC-Seal", b" i=1"), (b"ARC-Seal", b" i=x; ;;"), *letter()],
    "format characters": [(b"From", b" %s%n <a@good.example>")],
}
PATHS = {
    "a source route": b"<@a.example,@b.example:x@good.example>",
    "a quoted local part": b'<"a b@c"@good.example>',
    "8-bit": "<ü@gööd.example>".encode(),
    "nothing": b"",
    "garbage": b"<<>>(((",
    "a comment": b"<any@good.example(a.atk.example>",
    "a very long one": b"<" + b"a" * 65000 + b"@good.example>",
}
BODIES = {
    "no body": b"",
    "no final newline": b"text",
    "bare CR and LF": b"a\rb\nc\r\n.\n\r",
    "NUL": b"a\0b\r\n",
    "every octet": bytes(range(256)) * 300,
}


@pytest.mark.parametrize("headers", ODD.values(), ids=ODD.keys())
def test_odd_header_fields_get_an_answer(daemon: ZoneDaemon, headers: list[tuple[bytes, bytes]]) -> None:
    _gets_an_answer(daemon, headers, b"<bounce@good.example>", b"text\r\n")


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
def test_odd_paths_get_an_answer(daemon: ZoneDaemon, path: bytes) -> None:
    _gets_an_answer(daemon, letter(), path, b"text\r\n")


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_odd_bodies_get_an_answer(daemon: ZoneDaemon, body: bytes) -> None:
    signature = b" v=1; a=rsa-sha256; c=relaxed/relaxed; d=good.example; s=s; h=from; bh=AAAA; b=AAAA"
    _gets_an_answer(daemon, letter(b"a@good.example", (b"DKIM-Signature", signature)), b"<b@good.example>", body)


def _gets_an_answer(daemon: ZoneDaemon, headers: list[tuple[bytes, bytes]], path: bytes, body: bytes) -> None:
    queue_id = f"ODD{len(daemon.lines('queue_id=ODD'))}"
    with daemon.session() as client:
        verdict = send(client, headers, mail_from=path, body=body, queue_id=queue_id)
        assert verdict.reply in {b"c", b"y"}
        assert not verdict.smtp.startswith("451 4.3.0")
        assert "dmarc=pass" in stamped(send(client))
    (line,) = daemon.lines(f"queue_id={queue_id} ")
    assert "level=info" in line


def test_no_odd_input_ever_left_a_traceback(daemon: ZoneDaemon) -> None:
    assert [
        line for line in daemon.lines("Traceback") if "planted by a test" not in line and "QNOCLIENT" not in line
    ] == []


# -- sockets


def test_a_unix_socket_has_the_configured_mode_and_goes_with_the_daemon(tmp_path: Path) -> None:
    with ZoneDaemon(tmp_path / "d", unix=True, settings='socket_mode = "0600"') as daemon:
        with daemon.session() as client:
            assert send(client).reply == b"c"
        path = Path(str(daemon.address))
        assert path.stat().st_mode & 0o777 == 0o600
        assert f"postfix=unix:{path}" in daemon.output()
    assert not path.exists()


def test_a_socket_left_behind_by_a_killed_daemon_is_replaced(tmp_path: Path) -> None:
    daemon = ZoneDaemon(tmp_path / "d", unix=True)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(daemon.address))
    with daemon, daemon.session() as client:
        assert send(client).reply == b"c"


def test_a_socket_that_another_process_serves_is_not_taken(tmp_path: Path) -> None:
    daemon = ZoneDaemon(tmp_path / "d", unix=True)
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(daemon.address))
        living.listen()
        daemon.start()
        assert daemon.wait() != 0
        assert "another process serves it" in daemon.output()


def test_json_lines_hold_the_same_values(tmp_path: Path) -> None:
    with ZoneDaemon(tmp_path / "d", settings='[log]\nformat = "json"') as daemon:
        with daemon.session() as client:
            send(client, queue_id="QJSON")
        lines = [json.loads(line) for line in daemon.output().splitlines()]
    (line,) = (line for line in lines if line["event"] == "message")
    assert (line["queue_id"], line["dmarc"], line["disposition"]) == ("QJSON", "pass", "none")
    assert next(iter(line)) == "queue_id"


def test_a_peer_that_speaks_no_milter_is_dropped(daemon: ZoneDaemon) -> None:
    with daemon.connect() as stranger:
        stranger.send(b"\xff", b"GET / HTTP/1.1")
        with pytest.raises((ConversationError, ConnectionResetError)):
            stranger.receive()
    with daemon.session() as client:
        assert send(client).reply == b"c"
