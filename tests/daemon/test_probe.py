"""The probe of the watchdog: one message whose verdict is known without the DNS."""

from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from assay.config.socket import parse_socket
from assay.daemon.milter_client import ConversationError
from assay.daemon.probe import ProbeError, probe
from assay.daemon.setup import Setup, load_setup
from support.conversation import ZoneDaemon
from support.fake_milter import LEADING_SPACE, FakeMilter

MONITOR = 'mode = "monitor"\n'
REJECT = "[dmarc]\non_from_unusable = 'reject'\n"


def send_probe(daemon: ZoneDaemon, setup: Setup | None = None) -> None:
    """Send one whose secret the daemon does not know: how it is answered does not depend on that."""
    setup = setup or load_setup(daemon.config)
    probe(setup, setup.config.socket, timeout=30)


@pytest.mark.parametrize("unix", [False, True], ids=["inet", "unix"])
@pytest.mark.parametrize(
    ("settings", "default"),
    [
        pytest.param("", "", id="it is held"),
        pytest.param("", MONITOR, id="it would be held"),
        pytest.param("", REJECT, id="it is refused"),
        pytest.param("", "[dmarc]\non_from_unusable = 'tempfail'\n", id="it is deferred"),
        pytest.param("", "[quarantine]\nhow = 'header'\n", id="it is marked"),
        pytest.param('[exempt]\nnetworks = ["0.0.0.0/0", "::/0"]', "", id="everybody is exempt"),
        pytest.param('[exempt]\nnetworks = ["192.0.2.0/24"]', "", id="the first address is exempt"),
        pytest.param('[exempt]\nnetworks = ["0.0.0.0/0"]', "", id="IPv4 is exempt"),
        pytest.param('authserv_id = "mx.receiver.example"', "", id="with a name of ours"),
        pytest.param("[dmarc]\nshadow = true", "", id="with a shadow evaluation"),
        pytest.param('[dmarc]\norganizational_domain = "psl"', "", id="by public suffixes"),
    ],
)
def test_a_daemon_that_is_well_gives_the_verdict_that_is_due(
    tmp_path: Path, settings: str, default: str, *, unix: bool
) -> None:
    daemon = ZoneDaemon(tmp_path / "d", settings=settings, unix=unix, policies={"default.toml": default})
    with daemon:
        daemon.connect().close()
        send_probe(daemon)


def test_a_probe_asks_the_dns_nothing(tmp_path: Path) -> None:
    with ZoneDaemon(tmp_path / "d") as daemon:
        daemon.connect().close()
        send_probe(daemon)
        assert daemon.lines("event=message", "queries=0")


def test_who_guesses_wrong_is_logged_as_mail(tmp_path: Path) -> None:
    # and who guesses right gains nothing but a line of less: the verdicts above do not depend on the secret
    with ZoneDaemon(tmp_path / "d", settings='[log]\nlevel = "debug"') as daemon:
        daemon.connect().close()
        send_probe(daemon)
        assert daemon.lines("event=message", "rule=from-unusable", "disposition=quarantine")
        assert not daemon.lines("probe of the watchdog")


def test_two_probes_are_never_the_same_message(tmp_path: Path) -> None:
    setup = load_setup(ZoneDaemon(tmp_path / "d").config)
    with FakeMilter(LEADING_SPACE) as first, FakeMilter(LEADING_SPACE) as second:
        for fake in (first, second):
            with pytest.raises(ProbeError):
                probe(setup, parse_socket(fake.place, tmp_path), timeout=30)
    headers = [fake.of(b"L") for fake in (first, second)]
    assert headers[0] != headers[1]


@pytest.mark.parametrize(
    ("at_end", "came"),
    [
        pytest.param((b"c",), "held: False, inserted: [], removed: []", id="a filter that does nothing"),
        pytest.param((b"a",), "held: False, inserted: [], removed: [], reply: b'a'", id="a filter that accepts"),
        pytest.param((b"y550 5.7.1 no\0",), "held: None, inserted: None, removed: None, reply: 550", id="a refusal"),
    ],
)
def test_another_answer_is_told_beside_the_one_that_was_due(
    tmp_path: Path, at_end: tuple[bytes, ...], came: str
) -> None:
    setup = load_setup(ZoneDaemon(tmp_path / "d").config)
    with FakeMilter(LEADING_SPACE, at_end) as fake, pytest.raises(ProbeError) as error:
        probe(setup, parse_socket(fake.place, tmp_path), timeout=30)
    assert error.value.came == came
    assert error.value.due.startswith("held: True, inserted: [(0, 'Authentication-Results', ")
    assert "dkim=permerror" in error.value.due


def test_a_daemon_with_another_configuration_is_found_out(tmp_path: Path) -> None:
    with ZoneDaemon(tmp_path / "d") as daemon:
        daemon.connect().close()
        setup = load_setup(daemon.config)
        everybody = (ip_network("0.0.0.0/0"), ip_network("::/0"))
        other = replace(setup, settings=replace(setup.settings, exempt_networks=everybody))
        with pytest.raises(ProbeError, match="dkim=permerror"):
            send_probe(daemon, other)


def test_nobody_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="refused"):
        send_probe(ZoneDaemon(tmp_path / "d"))


@pytest.mark.parametrize(
    "nonsense",
    [
        pytest.param(b"", id="an empty packet"),
        pytest.param(b"i\0", id="half a number"),
        pytest.param(b"m\0\0\0\1name", id="a change without a value"),
    ],
)
def test_a_filter_that_talks_nonsense_is_an_error(tmp_path: Path, nonsense: bytes) -> None:
    setup = load_setup(ZoneDaemon(tmp_path / "d").config)
    with FakeMilter(LEADING_SPACE, (nonsense,)) as fake, pytest.raises(ConversationError):
        probe(setup, parse_socket(fake.place, tmp_path), timeout=30)
