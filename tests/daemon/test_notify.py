"""What systemd is told."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.daemon.notify import Notifier
from support.service_manager import NotifySocket


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NotifySocket]:
    heard = NotifySocket(
        str(tmp_path / "n") if request.param == "path" else f"@assay-test-{tmp_path.name}-{id(request)}"
    )
    yield heard
    heard.close()


def test_each_word_is_one_datagram_as_sd_notify_has_it(manager: NotifySocket) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    with Notifier.of(manager.environment) as notifier:
        notifier.ready("workers 2")
        notifier.reloading()
        notifier.status("two\nlines")
        notifier.alive()
        notifier.stopping(61.5)

    ready, reloading, status, alive, stopping = manager.hear()
    assert ready == {"READY": "1", "STATUS": "workers 2"}
    assert int(reloading.pop("MONOTONIC_USEC")) >= before
    assert reloading == {"RELOADING": "1", "STATUS": "reading the configuration again"}
    assert status == {"STATUS": "two lines"}
    assert alive == {"WATCHDOG": "1"}
    assert stopping == {"STOPPING": "1", "EXTEND_TIMEOUT_USEC": "61500000", "STATUS": "finishing open messages"}


@pytest.mark.parametrize("variables", [{}, {"NOTIFY_SOCKET": ""}])
def test_without_a_service_manager_nothing_is_said(
    variables: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    notifier = Notifier.of(variables)
    notifier.ready("workers 2")
    assert not notifier.listened_to
    assert capfd.readouterr() == ("", "")


def test_a_service_manager_that_went_away_costs_a_warning(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Notifier(str(tmp_path / "nobody")) as notifier:
        notifier.ready("workers 2")
    assert "systemd cannot be told" in "".join(capfd.readouterr())


def test_an_address_of_another_kind_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    assert not Notifier("vsock:2:1234").listened_to
    assert "vsock:2:1234" in "".join(capfd.readouterr())


def test_a_service_manager_that_does_not_read_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("assay.daemon.notify.PATIENCE", 0.01)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf, Notifier(str(tmp_path / "n")) as notifier:
        deaf.bind(str(tmp_path / "n"))
        said = ""
        while "systemd cannot be told" not in said:
            notifier.status("x" * 1000)
            said = "".join(capfd.readouterr())
