"""When a process that keeps dying is tried again."""

import pytest

from assay.daemon import back_off
from assay.daemon.back_off import BackOff


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of the monotonic clock."""
    now = [1000.0]
    monkeypatch.setattr(back_off.time, "monotonic", lambda: now[0])
    return now


def test_it_is_at_once_the_first_time_then_after_twice_as_long_each_up_to_a_minute() -> None:
    waiting = BackOff()

    assert [waiting.failed(lived=1.0) for _ in range(10)] == [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_the_time_comes_as_the_clock_says(clock: list[float]) -> None:
    waiting = BackOff()
    assert waiting.left() == 0
    for _ in range(3):
        waiting.failed()
    clock[0] += 1.5
    assert waiting.left() == 0.5
    clock[0] += 1.0
    assert waiting.left() == 0


def test_a_death_after_a_minute_of_life_is_a_first_one() -> None:
    waiting = BackOff()
    for _ in range(5):
        waiting.failed(lived=59.0)

    assert [waiting.failed(lived=60.0), waiting.failed(lived=0.0)] == [0, 1]
