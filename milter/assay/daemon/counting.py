"""From a judgement to the numbers that it changes."""

import time
from typing import Final

from assay.daemon.judge import Judgement
from assay.daemon.shadow import differs
from assay.log import get_logger
from assay.metrics.families import (
    BODY_BYTES,
    DISPOSITIONS,
    END_OF_MESSAGE_SECONDS,
    EXEMPT,
    FAULTS,
    PROBES,
    RELOAD_SUCCESSFUL,
    RELOAD_TIME,
    RELOADS,
    RESULTS,
    SHADOW,
    SIGNATURES,
    STAGE_SECONDS,
    START_TIME,
    WORKER_ENDS,
    WORKER_STARTS,
    WORKERS,
    WORKERS_CONFIGURED,
    FaultPlace,
    ProbeOutcome,
    ReloadOutcome,
    ShadowVerdict,
    Stage,
    WorkerEnd,
    WorkerState,
)
from assay.metrics.table import Counters
from assay.policy.model import Disposition, Unruled
from assay.results import ArcValue, DkimResult, DkimValue, DmarcValue, SpfValue

log = get_logger()

_BEST_FIRST: Final = (
    DkimValue.PASS,
    DkimValue.POLICY,
    DkimValue.TEMPERROR,
    DkimValue.FAIL,
    DkimValue.PERMERROR,
    DkimValue.NEUTRAL,
    DkimValue.NONE,
)
_RANK: Final = {value: rank for rank, value in enumerate(_BEST_FIRST)}
_STAGES: Final = {stage: STAGE_SECONDS.cells[stage,] for stage in Stage}
# one look-up each, without a tuple: a message makes a dozen
_SPF: Final = {value: RESULTS.cells["spf", value] for value in SpfValue}
_DKIM: Final = {value: RESULTS.cells["dkim", value] for value in DkimValue}
_ARC: Final = {value: RESULTS.cells["arc", value] for value in ArcValue}
_DMARC: Final = {value: RESULTS.cells["dmarc", value] for value in DmarcValue}
_SIGNATURE: Final = {value: SIGNATURES.cells[value,] for value in DkimValue}
_END_OF_MESSAGE: Final = END_OF_MESSAGE_SECONDS.cell
_BODY: Final = BODY_BYTES.cell
_FAULT: Final = (
    FAULTS.cells[FaultPlace.MESSAGE,],
    DISPOSITIONS.cells[Unruled.INTERNAL_ERROR, Disposition.TEMPFAIL, Disposition.TEMPFAIL],
)


class Stopwatch:
    """The stages of one message and what they took. Several threads may call :meth:`note`.

    Attributes:
        laps: the first cell of each stage's histogram, and nanoseconds.
    """

    __slots__ = ("_last", "laps")

    def __init__(self) -> None:
        self.laps: list[tuple[int, int]] = []
        self._last = time.monotonic_ns()

    def start(self) -> int:
        """Begin a lap; return the nanoseconds of the monotonic clock."""
        self._last = now = time.monotonic_ns()
        return now

    def lap(self, stage: Stage) -> None:
        """End a lap, which was this stage, and begin the next."""
        now = time.monotonic_ns()
        self.laps.append((_STAGES[stage], now - self._last))
        self._last = now

    def note(self, stage: Stage, since: int) -> None:
        """Note a stage that ran beside the laps.

        Args:
            stage: which.
            since: when it began, in nanoseconds of the monotonic clock.
        """
        self.laps.append((_STAGES[stage], time.monotonic_ns() - since))


def count_message(
    counters: Counters, judgement: Judgement, stopwatch: Stopwatch, *, started: int, body_octets: int
) -> None:
    """Count a message whose judgement was carried out; never raises, since its verdict is good without a number.

    Args:
        counters: of this process.
        judgement: of the message.
        stopwatch: with all its laps.
        started: when its end of message began, in nanoseconds of the monotonic clock.
        body_octets: of its body.
    """
    try:
        stopwatch.laps.append((_END_OF_MESSAGE, time.monotonic_ns() - started))
        counters.add_all(_cells_of(judgement), stopwatch.laps)
        counters.add(_BODY, body_octets)
    except Exception:
        log.exception("a message was not counted")
        counters.fault(FaultPlace.OTHER)


def count_fault(counters: Counters) -> None:
    """Count a message that is deferred for a fault of ours."""
    counters.add_all(_FAULT)


def _cells_of(judgement: Judgement) -> list[int]:
    decision, results = judgement.decision, judgement.results
    ones = [DISPOSITIONS.cells[decision.rule, decision.disposition, decision.would]]
    if judgement.exempt is not None:
        ones.append(EXEMPT.cells[judgement.exempt,])
    if results is not None:
        ones += (
            _SPF[results.spf.value],
            _DKIM[_best(results.dkim)],
            _ARC[results.arc.value],
            _DMARC[results.dmarc.value],
        )
        ones += [_SIGNATURE[each.value] for each in results.dkim]
    different = differs(judgement)
    if different is not None:
        ones.append(SHADOW.cells[ShadowVerdict.DIFFERENT if different else ShadowVerdict.SAME,])
    return ones


def _best(signatures: tuple[DkimResult, ...]) -> DkimValue:
    """Return what stands for a message: the result of its signatures that says most for it."""
    if len(signatures) == 1:
        return signatures[0].value
    return min((each.value for each in signatures), key=_RANK.__getitem__, default=DkimValue.NONE)


class SupervisorCounts:
    """What the supervisor counts."""

    def __init__(self, counters: Counters) -> None:
        """Count into its row; the daemon starts now, with a configuration that was just read."""
        self._counters = counters
        now = round(time.time())
        counters.set(START_TIME.cell, now)
        counters.set(RELOAD_TIME.cell, now)
        counters.set(RELOAD_SUCCESSFUL.cell, 1)

    def workers(self, *, serving: int, draining: int, configured: int) -> None:
        """Say how many workers there are now."""
        self._counters.set(WORKERS.cells[WorkerState.SERVING,], serving)
        self._counters.set(WORKERS.cells[WorkerState.DRAINING,], draining)
        self._counters.set(WORKERS_CONFIGURED.cell, configured)

    def worker_started(self) -> None:
        """Count a worker that serves."""
        self._counters.add(WORKER_STARTS.cell)

    def worker_ended(self, how: WorkerEnd) -> None:
        """Count the end of a worker."""
        self._counters.add(WORKER_ENDS.cells[how,])

    def reloaded(self, outcome: ReloadOutcome) -> None:
        """Count a reload."""
        self._counters.add(RELOADS.cells[outcome,])
        self._counters.set(RELOAD_SUCCESSFUL.cell, int(outcome is ReloadOutcome.DONE))
        if outcome is ReloadOutcome.DONE:
            self._counters.set(RELOAD_TIME.cell, round(time.time()))

    def probed(self, outcome: ProbeOutcome) -> None:
        """Count a probe message of the watchdog."""
        self._counters.add(PROBES.cells[outcome,])
