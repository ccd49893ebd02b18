"""The line of systemctl status."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.daemon.notify import Notifier
from assay.daemon.status import MINUTE, PERIOD, StatusLine
from assay.metrics.families import DISPOSITIONS
from assay.metrics.table import Table
from assay.policy.model import Disposition
from support.service_manager import NotifySocket


class Clock:
    now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: made.now)
    return made


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[NotifySocket]:
    heard = NotifySocket(str(tmp_path / "n"))
    yield heard
    heard.close()


class World:
    def __init__(self, notifier: Notifier) -> None:
        self.table = Table(rows=2)
        self.worker = self.table.take()
        self.line = StatusLine(notifier, self.table)
        self.text = lambda: self.line.text(2, 2)

    def message(self, done: Disposition, times: int = 1) -> None:
        cell = next(cell for (_, disposition, _), cell in DISPOSITIONS.cells.items() if disposition == done)
        self.worker.add(cell, times)


def test_messages_are_told_by_what_became_of_them(clock: Clock) -> None:
    world = World(Notifier())
    assert world.text() == (
        "0 messages in the last minute: 0 accepted, 0 quarantined, 0 rejected, 0 deferred; workers 2"
    )
    for times, disposition in enumerate(Disposition, 1):
        world.message(disposition, times)
    clock.now += PERIOD
    counts = {disposition: times for times, disposition in enumerate(Disposition, 1)}
    assert world.text() == (
        f"10 messages in the last minute: {counts[Disposition.NONE]} accepted,"
        f" {counts[Disposition.QUARANTINE]} quarantined, {counts[Disposition.REJECT]} rejected,"
        f" {counts[Disposition.TEMPFAIL]} deferred; workers 2"
    )


def test_what_is_longer_ago_than_a_minute_is_forgotten(clock: Clock) -> None:
    world = World(Notifier())
    world.text()
    world.message(Disposition.NONE, 5)
    for _ in range(int(MINUTE / PERIOD)):
        clock.now += PERIOD
        assert world.text().startswith("5 messages")
    clock.now += PERIOD
    assert world.text().startswith("0 messages")


def test_missing_workers_and_a_note_are_told(clock: Clock) -> None:
    world = World(Notifier())
    world.line.note = "the last reload was refused, see the log"
    assert world.line.text(1, 4).endswith("; workers 1 of 4; the last reload was refused, see the log")
    assert clock.now


def test_systemd_is_told_when_something_changed_and_not_more_often(clock: Clock, manager: NotifySocket) -> None:
    with Notifier.of(manager.environment) as notifier:
        world = World(notifier)
        world.line.tend(2, 2)
        world.message(Disposition.REJECT)
        assert world.line.patience() == PERIOD
        world.line.tend(2, 2)
        assert len(manager.hear()) == 1
        clock.now += PERIOD
        world.line.tend(2, 2)
        clock.now += PERIOD
        world.line.tend(2, 2)
        first, second = (each["STATUS"] for each in manager.hear())
        assert (first[:10], second[:10]) == ("0 messages", "1 messages")


def test_without_systemd_nothing_is_ever_due() -> None:
    assert World(Notifier()).line.patience() == float("inf")
