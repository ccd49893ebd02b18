"""Log lines: what they hold, that nothing breaks them, and that a failing write is never a fault."""

import errno
import io
import itertools
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from assay import log
from assay.domain import Domain
from assay.facts import Client, Envelope, MessageFacts
from assay.policy.model import Decision, Disposition, Override
from assay.results import DkimResult, DkimValue, SpfIdentity, SpfResult, SpfValue
from support.judged import CLIENT, DELIVERED, DMARC_FAIL, HOSTILE, SPF_PASS, judged, signature
from support.log_lines import Sink, pairs


@pytest.fixture(autouse=True)
def structlog_as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def logged(write: Callable[[log.Logger], None], **options: Any) -> str:
    """Return the one line that ``write`` logs."""
    sink = Sink()
    log.configure(stream=sink, **{"journal": False} | options)
    write(log.get_logger())
    assert len(sink.writes) == 1
    return sink.text


FACTS = MessageFacts(
    client=CLIENT,
    envelope=Envelope(helo=b"mail.sender.example", mail_from=b"<a@bounce.sender.example>"),
    headers=(),
    queue_id="4F1C2",
)


def message(**changes: Any) -> dict[str, object]:
    arguments: dict[str, Any] = {
        "facts": FACTS,
        "results": judged(dkim=(signature(),)),
        "decision": DELIVERED,
        "milliseconds": 12.345,
        "queries": 7,
    }
    return log.message_line(**arguments | changes)


def test_the_line_of_a_message() -> None:
    line = logged(lambda logger: logger.info("message", **message()))
    assert re.fullmatch(
        "queue_id=4F1C2 event=message client=192.0.2.25 mail_from=bounce.sender.example from=sender.example spf=pass "
        "dkim=pass:sender.example arc=none dmarc=pass requested=reject disposition=none rule=no-policy "
        r'reason="nothing asked" ms=12.3 queries=7 level=info time=[0-9T:.-]{26}Z\n',
        line,
    )


def test_the_line_of_a_message_that_was_not_read() -> None:
    refused = Decision(
        disposition=Disposition.REJECT, would=Disposition.REJECT, rule="header-too-large", reason="too many fields"
    )
    line = logged(lambda logger: logger.info("message", **message(results=None, decision=refused)))
    assert line.startswith(
        "queue_id=4F1C2 event=message client=192.0.2.25 mail_from=bounce.sender.example disposition=reject "
        'rule=header-too-large reason="too many fields" ms=12.3 queries=7 '
    )


def test_the_line_of_a_message_in_json() -> None:
    found = json.loads(logged(lambda logger: logger.info("message", **message()), format="json"))
    time = found.pop("time")
    assert re.fullmatch(r"[0-9T:.-]{26}Z", time)
    assert found == {
        "queue_id": "4F1C2",
        "event": "message",
        "client": "192.0.2.25",
        "mail_from": "bounce.sender.example",
        "from": "sender.example",
        "spf": "pass",
        "dkim": "pass:sender.example",
        "arc": "none",
        "dmarc": "pass",
        "requested": "reject",
        "disposition": "none",
        "rule": "no-policy",
        "reason": "nothing asked",
        "ms": 12.3,
        "queries": 7,
        "level": "info",
    }
    assert next(iter(found)) == "queue_id"


def test_a_message_in_monitor_mode_shows_what_would_be_done() -> None:
    decision = Decision(
        disposition=Disposition.NONE,
        would=Disposition.REJECT,
        rule="dmarc-fail",
        reason="x",
        override=Override.LOCAL_POLICY,
    )
    found = message(decision=decision, results=judged(dmarc=DMARC_FAIL))
    assert {key: found[key] for key in ("disposition", "would", "rule", "override", "requested", "dkim")} == {
        "disposition": "none",
        "would": "reject",
        "rule": "dmarc-fail",
        "override": "local_policy",
        "requested": "reject",
        "dkim": "none",
    }


def test_every_signature_is_shown() -> None:
    results = judged(dkim=(signature(), DkimResult(value=DkimValue.PERMERROR, reason="")))
    assert message(results=results)["dkim"] == "pass:sender.example,permerror:-"


@pytest.mark.parametrize("exempt", ["network", "authenticated"])
def test_the_line_of_an_exempt_message_says_why(exempt: str) -> None:
    assert message(results=None, exempt=exempt, facts=replace(FACTS, client=Client(address=None))) == {
        "queue_id": "4F1C2",
        "client": "local",
        "mail_from": "bounce.sender.example",
        "exempt": exempt,
        "ms": 12.3,
        "queries": 7,
    }


NO_DOMAIN = SpfResult(value=SpfValue.NONE, identity=SpfIdentity.MAILFROM, domain=None, reason="")
HELO = replace(SPF_PASS, identity=SpfIdentity.HELO, domain=Domain.parse("helo.example"))


@pytest.mark.parametrize(
    ("path", "spf", "shown"),
    [
        (b"<A@Bounce.Sender.Example>", SPF_PASS, "bounce.sender.example"),
        (b"<>", HELO, "<>"),
        (b"<a@x@[192.0.2.1]>", NO_DOMAIN, "[192.0.2.1]"),
        (b"<a@\xff\n>", NO_DOMAIN, "\\xff\n"),
        (b"", NO_DOMAIN, "-"),
        (b"<postmaster>", NO_DOMAIN, "<postmaster"),
    ],
)
def test_the_domain_of_mail_from(path: bytes, spf: SpfResult, shown: str) -> None:
    facts = replace(FACTS, envelope=Envelope(helo=b"x", mail_from=path))
    assert message(facts=facts, results=judged(spf=spf))["mail_from"] == shown


def test_a_message_without_author_domain() -> None:
    assert message(results=judged(dmarc=replace(DMARC_FAIL, author_domain=None)))["from"] == "-"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "plain"),
        ("", '""'),
        ("a b", '"a b"'),
        ("a=b", '"a=b"'),
        ('"', '"\\""'),
        ("\\", '"\\\\"'),
        ("a\r\nb", '"a\\r\\nb"'),
        ("\x00\x1b[31m\x7f", '"\\u0000\\u001b[31m\\u007f"'),
        ("\u2028\x85", '"\\u2028\\u0085"'),
        ("é\U0001f600", '"\\u00e9\\ud83d\\ude00"'),
        ("\ud800", '"\\ufffd"'),
        (b"a\xffb\n", '"a\\\\xffb\\n"'),
        (Domain("a.example"), "a.example"),
        (Disposition.REJECT, "reject"),
        (ip_address("2001:db8::1"), "2001:db8::1"),
        (True, "true"),
        (3, "3"),
        (1.5, "1.5"),
        ("x" * 257, "x" * 253 + "..."),
        ("x" * 256, "x" * 256),
        (b"x" * 5000, "x" * 253 + "..."),
    ],
)
def test_a_value_in_text(value: object, shown: str) -> None:
    line = logged(lambda logger: logger.info("message", value=value), journal=True)
    assert line == f"<6>event=message value={shown} level=info\n"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\r\n\u2028\x7f\ud800", '"a\\r\\n\\u2028\\u007f\\ufffd"'),
        (b"\xff", '"\\\\xff"'),
        (True, "true"),
        (1.5, "1.5"),
        (Domain("a.example"), '"a.example"'),
    ],
)
def test_a_value_in_json(value: object, shown: str) -> None:
    line = logged(lambda logger: logger.info("message", value=value), format="json", journal=True)
    assert line == f'{{"event": "message", "value": {shown}, "level": "info"}}\n'


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_a_value_that_cannot_be_shown_is_no_fault() -> None:
    line = logged(lambda logger: logger.info("message", value=Broken()))
    assert pairs(line)["value"] == "<Broken: RuntimeError>"


def test_nothing_is_shown_for_none() -> None:
    assert "value" not in pairs(logged(lambda logger: logger.info("message", value=None)))


@given(st.dictionaries(st.sampled_from(["queue_id", "client", "from", "reason"]), HOSTILE | st.binary()))
def test_no_value_breaks_a_text_line(values: dict[str, Any]) -> None:
    found = pairs(logged(lambda logger: logger.info("message", **values)))
    assert list(found)[: 1 + ("queue_id" in values)][-1] == "event"
    for key, value in values.items():
        assert len(found[key]) <= log.MAX_VALUE
        if isinstance(value, str) and len(value) <= log.MAX_VALUE:
            assert found[key] == re.sub("[\ud800-\udfff]", "\ufffd", value)


@given(st.dictionaries(st.sampled_from(["queue_id", "client", "from", "reason"]), HOSTILE | st.binary()))
def test_no_value_breaks_a_json_line(values: dict[str, Any]) -> None:
    line = logged(lambda logger: logger.info("message", **values), format=log.Format.JSON)
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    assert line.isascii()
    assert set(json.loads(line)) == {"event", "level", "time", *values}


def fail_deeply(depth: int, text: str) -> None:
    if depth:
        fail_deeply(depth - 1, text)
    raise RuntimeError(text)


def test_a_traceback_is_one_value_at_the_end_of_its_line() -> None:
    def write(logger: log.Logger) -> None:
        try:
            fail_deeply(2, "a\nqueue_id=FORGED")
        except RuntimeError:
            logger.exception("internal error", queue_id="4F1C2")

    line = logged(write)
    found = pairs(line)
    assert found["queue_id"] == "4F1C2"
    assert found["level"] == "error"
    assert list(found)[-1] == "exception"
    assert found["exception"].startswith("Traceback (most recent call last):\n")
    assert found["exception"].endswith("RuntimeError: a\nqueue_id=FORGED")


def test_a_fault_that_was_remembered_is_logged_later() -> None:
    fault = ValueError("remembered")
    line = logged(lambda logger: logger.error("internal error", exc_info=fault))
    assert pairs(line)["exception"] == "ValueError: remembered"


@pytest.mark.parametrize("char", ["\x00", "é", "\U0001f600", '"'])
def test_the_longest_traceback_stays_below_what_journald_takes(char: str) -> None:
    """LineMax= of journald.conf(5): 48 KiB; what follows would be a line of its own."""
    line = logged(lambda logger: logger.error("internal error", exc_info=ValueError(char * 100_000 + "the end")))
    assert len(line) < 48 * 1024
    assert pairs(line)["exception"].endswith("the end")


def test_levels_below_the_configured_one_are_not_written() -> None:
    sink = Sink()
    log.configure(level="warning", stream=sink)
    logger = log.get_logger()
    logger.debug("no")
    logger.info("no")
    logger.warning("yes")
    assert pairs(sink.text)["event"] == "yes"


@pytest.mark.parametrize(
    ("level", "priority"), [("debug", 7), ("info", 6), ("warning", 4), ("error", 3), ("exception", 3)]
)
def test_the_journal_gets_priorities_and_no_time(level: str, priority: int) -> None:
    """sd-daemon(3)."""
    line = logged(lambda logger: getattr(logger, level)("x"), level="debug", journal=True)
    assert line.startswith(f"<{priority}>event=x level=")
    assert "time=" not in line


def test_a_logger_made_before_the_configuration_follows_it() -> None:
    logger = log.get_logger()
    assert logged(lambda _: logger.info("first")).startswith("event=first ")
    assert logged(lambda _: logger.info("second"), format="json").startswith('{"event": "second"')


@pytest.mark.parametrize("code", [errno.EPIPE, errno.ENOSPC, errno.EBADF])
def test_a_write_that_fails_is_no_fault(code: int) -> None:
    class Failing:
        def write(self, _data: memoryview, /) -> int:
            raise OSError(code, os.strerror(code))

    log.configure(stream=Failing())
    log.get_logger().info("lost")


def test_a_closed_stream_is_no_fault() -> None:
    stream = io.BytesIO()
    log.configure(stream=stream)
    stream.close()
    log.get_logger().info("lost")


def test_a_line_that_is_written_in_parts_is_written_whole() -> None:
    class Slow(Sink):
        def write(self, data: memoryview, /) -> int:
            return super().write(data[:7])

    sink = Slow()
    log.configure(stream=sink)
    log.get_logger().info("message", value="x" * 100)
    assert pairs(sink.text)["value"] == "x" * 100


def test_a_stream_that_would_block_loses_the_line() -> None:
    calls = []

    class Full:
        def write(self, data: memoryview, /) -> None:
            calls.append(len(data))

    log.configure(stream=Full())
    log.get_logger().info("lost")
    assert len(calls) == 1


def test_a_line_that_cannot_be_made_is_no_fault() -> None:
    sink = Sink()
    log.configure(stream=sink, journal=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "_clean", _no_memory(after=0))
        log.get_logger().exception("lost")  # nothing can be made any more
        patch.setattr(log, "_clean", _no_memory(after=1))
        log.get_logger().exception("lost")
    log.get_logger().info("after")
    assert "event=after" in sink.text


def test_of_a_line_that_could_not_be_made_the_event_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clean, failures = log._clean, iter([MemoryError()])

    def fails_once(key: str, value: object) -> object:
        for failure in failures:
            raise failure
        return clean(key, value)

    sink = Sink()
    log.configure(stream=sink, journal=False)
    monkeypatch.setattr(log, "_clean", fails_once)
    log.get_logger().info("an event", number=1)
    line = pairs(sink.text)
    assert (line["event"], line["of"], line["reason"]) == ("a log line could not be made", "an event", "MemoryError")


def _no_memory(*, after: int) -> Callable[[str, object], object]:
    calls = itertools.count()

    def clean(_key: str, value: object) -> object:
        if next(calls) >= after:
            raise MemoryError
        return value

    return clean


def test_lines_of_many_threads_do_not_mix() -> None:
    read, write = os.pipe()
    with open(read, "rb") as reader:  # noqa: PTH123 -- a descriptor
        with io.FileIO(write, "w") as sink:
            log.configure(stream=sink)
            logger = log.get_logger()

            def work(name: str) -> None:
                for _ in range(20):
                    logger.info("message", value=name * 50)

            threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        lines = reader.read().decode().splitlines(keepends=True)
    assert sorted(pairs(line)["value"] for line in lines) == sorted(name * 50 for name in "abcd" * 20)


def test_standard_error_is_the_default(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    log.configure()
    log.get_logger().info("started")
    out, err = capfd.readouterr()
    assert out == ""
    assert pairs(err)["event"] == "started"


def test_the_journal_is_recognised(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd.exec(5), JOURNAL_STREAM."""
    status = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
    log.configure()
    log.get_logger().info("started")
    assert capfd.readouterr().err == "<6>event=started level=info\n"


def test_a_process_without_standard_error_can_be_configured(capfd: pytest.CaptureFixture[str]) -> None:
    def refuse(_descriptor: int) -> os.stat_result:
        raise OSError(errno.EBADF, "closed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fstat", refuse)
        log.configure()
    log.get_logger().info("started")
    assert pairs(capfd.readouterr().err)["event"] == "started"


@pytest.mark.parametrize(("options", "error"), [({"format": "xml"}, ValueError), ({"level": "loud"}, KeyError)])
def test_an_unknown_option_is_refused(options: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        log.configure(options.get("format", "text"), options.get("level", "info"))
