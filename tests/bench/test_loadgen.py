"""The load generator speaks as Postfix does, and what it reports is what the milters said."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest

from support.daemon import Daemon
from support.fake_milter import LEADING_SPACE, NO_REPLIES, FakeMilter, changed, inserted
from support.ports import free_port
from support.process import Process

BENCH = Path(__file__).parent.parent.parent / "bench"
HEADING = "name set file client helo mail_from rcpt spf dkim dmarc arc"
MESSAGE = b"Old: 1\r\nFrom: a@x.example\r\nOld:2\r\nFolded: a\r\n\tb\r\n\r\n" + b"line\r\n" * 20000


@pytest.fixture(scope="module")
def loadgen() -> str:
    done = subprocess.run([sys.executable, BENCH / "build.py"], capture_output=True, text=True, check=True)
    programs = dict(line.split("\t") for line in done.stdout.splitlines())
    return programs["loadgen"]


@pytest.fixture
def one_message(tmp_path: Path) -> Path:
    row = "m s m.eml 192.0.2.9 mail.x.example a@x.example user@dest.example none none none none"
    (tmp_path / "corpus.tsv").write_text("".join(line.replace(" ", "\t") + "\n" for line in (HEADING, row)))
    (tmp_path / "m.eml").write_bytes(MESSAGE)
    return tmp_path


def run(loadgen: str, corpus: Path, *arguments: str, milters: tuple[str, ...]) -> tuple[dict, list[list[str]], str]:
    """Return what it reports, its answers, and what it says on stderr."""
    answers = corpus / "answers"
    places = [word for place in milters for word in ("--milter", place)]
    done = subprocess.run(
        [loadgen, *places, "--corpus", corpus, "--answers", answers, "--timeout", "20", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout), [line.split("\t") for line in answers.read_text().splitlines()], done.stderr


def test_each_milter_of_a_chain_sees_what_the_one_before_left(loadgen: str, one_message: Path) -> None:
    changes = [inserted(0, b"Top", b" t"), inserted(2, b"Low", b" l"), changed(1, b"Old", b""), b"hEnd\0 e\0", b"c"]
    with (
        FakeMilter(NO_REPLIES | LEADING_SPACE, changes) as first,
        FakeMilter(LEADING_SPACE) as second,
        FakeMilter(0) as third,
    ):
        run(loadgen, one_message, "--set", "s", milters=(first.place, second.place, third.place))

    # index 2 is below the MTA's own Received, which no milter sees
    assert first.of(b"L") == [b"Old\0 1\0", b"From\0 a@x.example\0", b"Old\x002\0", b"Folded\0 a\n\tb\0"]
    assert second.of(b"L") == [
        b"Top\0 t\0",
        b"Low\0 l\0",
        b"From\0 a@x.example\0",
        b"Old\x002\0",
        b"Folded\0 a\n\tb\0",
        b"End\0 e\0",
    ]
    assert third.of(b"L")[0] == b"Top\0t\0"


def test_the_conversation_is_that_of_postfix(loadgen: str, one_message: Path) -> None:
    with FakeMilter(NO_REPLIES | LEADING_SPACE | 0x200) as milter:
        run(loadgen, one_message, "--set", "s", "--messages", "2", "--per-connection", "2", milters=(milter.place,))

    commands = b"".join(command for command, _ in milter.packets)
    # macros go before every event, and where DATA is not wanted they go alone
    message = b"DMDRD" + b"DL" * 4 + b"DN" + b"DB" * 2 + b"DE" + b"A"
    assert commands == b"O" + b"DCDH" + message * 2 + b"AQ"
    assert milter.of(b"O") == [b"\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff"]
    assert milter.of(b"C") == [b"mail.x.example\0004\xc0\x00192.0.2.9\0"]
    assert b"".join(milter.of(b"B")) == b"line\r\n" * 40000
    assert max(map(len, milter.of(b"B"))) == 65535


@pytest.mark.parametrize(
    ("verdict", "kind", "text"),
    [
        (b"c", "accept", "accept"),
        (b"a", "accept", "accept"),
        (b"r", "reject", "reject 550 5.7.1"),
        (b"t", "tempfail", "tempfail 451 4.7.1"),
        (b"y554 5.7.0 no\0", "reject", "reject 554 5.7.0 no"),
        (b"y450 4.7.0 later\0", "tempfail", "tempfail 450 4.7.0 later"),
        (b"d", "discard", "discard discard"),
    ],
)
def test_a_verdict_is_counted_as_what_it_is(
    loadgen: str, one_message: Path, verdict: bytes, kind: str, text: str
) -> None:
    with FakeMilter(NO_REPLIES, [b"p", inserted(0, b"Authentication-Results", b"mx;\n\tspf=pass"), verdict]) as milter:
        report, answers, _ = run(loadgen, one_message, "--set", "s", "--messages", "3", milters=(milter.place,))

    assert {key: count for key, count in report["replies"].items() if count} == {kind: 3}
    assert answers == [["m", text, "mx; spf=pass"]] * 3


def test_an_answer_that_the_protocol_does_not_know_is_an_error_that_is_named(loadgen: str, one_message: Path) -> None:
    with FakeMilter(NO_REPLIES, [b"Z"]) as milter:
        report, _, said = run(loadgen, one_message, "--set", "s", "--messages", "2", milters=(milter.place,))

    assert report["replies"]["errors"] == 2
    assert f"m: {milter.place}: the answer 'Z' to the command 'E'" in said


def test_a_milter_that_is_not_there_is_an_error_for_each_message(loadgen: str, one_message: Path) -> None:
    place = f"inet:{free_port()}@127.0.0.1"

    report, _, said = run(loadgen, one_message, "--set", "s", "--messages", "4", milters=(place,))

    assert report["replies"]["errors"] == 4
    assert "Connection refused" in said


def test_its_own_milter_answers_every_message(loadgen: str, one_message: Path) -> None:
    place = f"inet:{free_port()}@127.0.0.1"
    with Process([loadgen, "--respond", place], log=one_message / "respond.log") as responder:
        responder.wait_for(
            lambda: not run(loadgen, one_message, "--set", "s", milters=(place,))[0]["replies"]["errors"], "answers"
        )
        report, _, _ = run(
            loadgen,
            one_message,
            *("--set", "s", "--messages", "200", "--connections", "5", "--idle-connections", "5", "--rate", "4000"),
            milters=(place, place),
        )

    assert report["messages"] == report["replies"]["accept"] == 200


@pytest.mark.real
def test_a_corpus_through_the_daemon_and_a_delayed_name_server_gets_the_stated_results(
    loadgen: str, tmp_path: Path
) -> None:
    corpus = tmp_path / "corpus"
    subprocess.run([sys.executable, BENCH / "corpus.py", corpus, "--sets", "2k,cold", "--domains", "3"], check=True)
    port = free_port()
    server = [sys.executable, str(BENCH / "nameserver.py"), str(corpus), "--port", str(port), "--delay-ms", "5"]
    with (
        Process(server, log=tmp_path / "nameserver.log") as process,
        Daemon(tmp_path / "daemon", nameserver=f"127.0.0.1:{port}", mode="monitor") as daemon,
    ):
        process.wait_for_output("answering")
        host, _, daemon_port = daemon.postfix_socket.removeprefix("inet:").rpartition(":")
        place = (f"inet:{daemon_port}@{host}",)
        _, mixed, _ = run(loadgen, corpus, "--set", "2k", "--connections", "4", milters=place)
        _, cold, _ = run(loadgen, corpus, "--set", "cold", "--step-ms", "1", milters=place)
        over_tcp = dns.query.tcp(dns.message.make_query("nowhere.example", "A"), "127.0.0.1", port=port, timeout=10)

    with (corpus / "corpus.tsv").open(encoding="ascii", newline="") as file:
        stated = {
            row["name"]: [row[key] for key in ("spf", "dkim", "dmarc", "arc")]
            for row in csv.DictReader(file, delimiter="\t")
        }
    found = {}
    for name, reply, field in [*mixed, *cold]:
        assert reply == "accept"
        results = dict(re.findall(r"; (spf|dkim|dmarc|arc)=([a-z]+)", field))
        found[name] = [results[key] for key in ("spf", "dkim", "dmarc", "arc")]
    assert found == stated
    assert over_tcp.rcode() == dns.rcode.NXDOMAIN
