"""The clock that judgements use: always that of the system, with a word about its jumps."""

from collections.abc import Iterator

import pytest
import structlog

from assay import log
from assay.daemon.wall_clock import WallClock
from support.log_lines import Sink, pairs


@pytest.fixture
def sink() -> Iterator[Sink]:
    written = Sink()
    log.configure(stream=written, journal=False)
    yield written
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("wall", "steady", "jump"),
    [
        pytest.param(1_003_700.0, 100.0, "3600.0", id="forward"),
        pytest.param(996_500.0, 100.0, "-3600.0", id="backward"),
        pytest.param(1_000_105.0, 100.0, None, id="what a time daemon corrects is no jump"),
        pytest.param(1_086_500.0, 86_500.0, None, id="a day without a message is none"),
    ],
)
def test_a_jump_is_said_once(sink: Sink, wall: float, steady: float, jump: str | None) -> None:
    walls, steadies = iter([1_000_000.0, wall, wall + 1]), iter([0.0, steady, steady + 1])
    clock = WallClock(lambda: next(walls), lambda: next(steadies))
    assert [clock(), clock()] == [wall, wall + 1]
    assert [pairs(f"{line}\n")["seconds"] for line in sink.text.splitlines()] == ([] if jump is None else [jump])
