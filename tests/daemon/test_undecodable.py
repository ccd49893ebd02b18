"""What pymilter cannot hand to a callback, since it reads names as UTF-8 before it calls: the mail is still answered.

In a step whose reply was negotiated away libmilter sends no reply, whatever a filter says. A verdict there ends the
message for libmilter alone: the MTA would wait for the answer at end of message until its own time-out.
"""

from collections.abc import Iterator

import pytest

from support.conversation import ZoneDaemon, letter, send, stamped


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZoneDaemon]:
    with ZoneDaemon(tmp_path_factory.mktemp("undecodable") / "daemon") as process:
        yield process


@pytest.mark.parametrize("place", [0, 1, 3], ids=["above From", "below From", "at the end"])
def test_a_field_whose_name_is_no_utf8_leaves_the_verdict_as_it_is(daemon: ZoneDaemon, place: int) -> None:
    headers = letter()
    headers.insert(place, (b"X-\xe9", b" anything"))

    with daemon.session() as client:
        genuine = send(client, headers)
    with daemon.session("192.0.2.99") as client:
        forged = send(client, headers)

    assert genuine.reply == b"c"
    assert "dmarc=pass" in stamped(genuine)
    assert forged.smtp.startswith("550 5.7.26 ")


def test_a_helo_that_is_no_utf8_leaves_the_verdict_as_it_is(daemon: ZoneDaemon) -> None:
    with daemon.session("192.0.2.99", helo=b"\xff.example") as client:
        forged = send(client)

    assert forged.smtp.startswith("550 5.7.26 ")


def test_an_mta_that_never_negotiated_gets_no_mail_accepted(daemon: ZoneDaemon) -> None:
    with daemon.connect() as client:
        for command, data in (
            (b"H", b"x\0"),
            (b"M", b"<a@good.example>\0"),
            (b"R", b"<b@c.example>\0"),
            (b"L", b"From\0 a@good.example\0"),
            (b"N", b""),
        ):
            client.send(command, data)
            assert client.receive()[0] == b"c"
        client.send(b"E")

        assert client.receive()[0] == b"t"
