"""One measurement: a contender, fresh, under one workload."""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from build import CACHE, HERE, build
from contenders import Contender
from corpus import write_corpus
from daemons import Running, running
from usage import Group, PeakMemory, memory
from verdicts import Disagreement, disagreements, expectations
from workloads import Workload

CALM: Final = 0.3
"""Seconds without CPU use after which a contender counts as idle: workers have been started, patterns compiled."""
PATIENCE: Final = 30.0
"""Seconds after which it counts as idle anyway."""
LIMIT: Final = 1800.0
"""Seconds for one run of the load generator."""
COMPLAINTS: Final = 3
"""Lines of what the load generator complains about that are kept."""
MIB: Final = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one run showed.

    Attributes:
        cpu_ms: CPU milliseconds of all processes of the contender per message.
        load: what the load generator says.
        memory_idle: proportional set size in MiB, before the first message.
        memory_peak: during the load.
        memory_after: after it.
        log_lines: that were logged per message.
    """

    contender: str
    workload: str
    cpu_ms: float
    load: dict[str, Any]
    memory_idle: float
    memory_peak: float
    memory_after: float
    log_lines: float


def ready_corpus() -> Path:
    """The directory of the corpus; writes it if it is older than what makes it."""
    corpus = CACHE / "corpus"
    table = corpus / "corpus.tsv"
    made_by = [HERE / name for name in ("corpus.py", "bodies.py", "signing.py")]
    if not table.exists() or table.stat().st_mtime < max(path.stat().st_mtime for path in made_by):
        print("writing the corpus", file=sys.stderr)
        table.unlink(missing_ok=True)
        write_corpus(corpus)
    return corpus


class LoadError(Exception):
    """The load generator gave up; its words are the message."""


def settle(group: Group) -> None:
    """Wait until a contender does nothing any more."""
    deadline = time.monotonic() + PATIENCE
    before = group.cpu_seconds()
    while time.monotonic() < deadline:
        time.sleep(CALM)
        now = group.cpu_seconds()
        if now - before < CALM / 100:
            return
        before = now


def load(run: Running, workload: Workload, corpus: Path, **options: object) -> dict[str, Any]:
    """Send messages; ``options`` are further ones of the load generator, without their dashes.

    Raises:
        LoadError: it did not finish.
    """
    settings = {
        "corpus": corpus,
        "set": workload.set_name,
        "connections": workload.connections,
        "step-ms": workload.step_ms,
        "rate": workload.rate,
        **options,
    }
    words = [word for socket in run.sockets for word in ("--milter", socket)]
    words += [word for key, value in settings.items() if value for word in (f"--{key}", str(value))]
    try:
        done = subprocess.run([build()["loadgen"], *words], capture_output=True, text=True, check=False, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        raise LoadError(f"it was not done after {LIMIT:g} s") from None
    if done.returncode:
        raise LoadError(done.stderr)
    answer: dict[str, Any] = json.loads(done.stdout)
    answer["complaints"] = [*run.deaths(), *done.stderr.splitlines()[:COMPLAINTS]]
    return answer


def measure(
    contender: Contender, workload: Workload, corpus: Path, seconds: float
) -> tuple[Measurement, list[Disagreement]]:
    """Run a contender under a workload for about so many seconds; the name server runs already.

    Raises:
        StartError: the contender did not start.
        LoadError: the load generator gave up.
    """
    with tempfile.TemporaryDirectory() as directory, running(contender, workload.family) as run:
        answers = Path(directory) / "answers"
        settle(run.group)
        idle = memory(run.group)
        size = len(expectations(corpus, workload.set_name))
        if workload.warm_set:
            load(run, workload, corpus, set=workload.warm_set, rate=0, **{"step-ms": 0})
            # Every name is new, so the messages that are measured are also the ones whose answers are compared.
            options: dict[str, object] = {"answers": answers}
            count = min(size, round(workload.rate * seconds))
        else:
            load(run, workload, corpus, messages=size, answers=answers)
            options = {}
            count = _whole_passes(size, load(run, workload, corpus)["messages_per_second"] * seconds)
        settle(run.group)
        lines = run.log_lines()
        cpu = run.group.cpu_seconds()
        with PeakMemory(run.group) as watched:
            result = load(run, workload, corpus, messages=count, **options)
            settle(run.group)
        cpu = run.group.cpu_seconds() - cpu
        measurement = Measurement(
            contender=contender.name,
            workload=workload.name,
            cpu_ms=cpu / count * 1e3,
            load=result,
            memory_idle=idle / MIB,
            memory_peak=watched.peak / MIB,
            memory_after=memory(run.group) / MIB,
            log_lines=(run.log_lines() - lines) / count,
        )
        return measurement, disagreements(contender, corpus, workload.set_name, answers)


def _whole_passes(size: int, messages: float) -> int:
    """So many messages that each of the set is sent equally often, and at least once."""
    return size * max(1, round(messages / size))
