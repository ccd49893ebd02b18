"""Measures how CPU, memory and throughput grow, and plots each: SVG files and growth.json in .cache/bench/results.

Called by script/bench growth, which makes the network that it needs: see there.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

import matplotlib as mpl
from matplotlib import pyplot as plt

from contenders import CONTENDERS, Contender, assay
from daemons import running
from machine import machine
from measure import MIB, Measurement, load, measure, ready_corpus
from nameserver import name_server
from report import RESULTS
from run import ADDRESS
from usage import memory
from workloads import Workload

UNITS: Final = {"k": 2**10, "m": 2**20}
ENDURANCE: Final = 200_000
"""Messages over which memory must not grow."""
STEPS: Final = 20
"""Looks at the memory on that way."""
BY_NAME: Final = {contender.name: contender for contender in CONTENDERS}
PEERS: Final = ("assay-1-worker", "opendkim+opendmarc", "rspamd")


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement of a curve.

    Attributes:
        x: how much there was of what grows.
        y: what came of it, by the name of the panel.
        wrong: what the contender found otherwise than the corpus says; such a point is listed, and not plotted.
    """

    x: float
    y: dict[str, float]
    wrong: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What is let grow, and what is looked at.

    Attributes:
        name: of the plot and its file.
        axis: what grows, in words.
        loads: how much there is of it, and the load for that.
        contenders: one curve for each.
        panels: what is plotted, of those in :func:`_panels`.
        logarithmic: both axes.
        one_process: the loads go to the same processes, one after another, instead of to fresh ones.
        workers: what grows is the number of workers of assay.
    """

    name: str
    axis: str
    loads: Sequence[tuple[float, Workload]]
    contenders: Sequence[str] = PEERS
    panels: Sequence[str] = ("CPU, ms per message", "memory, MiB")
    logarithmic: bool = False
    one_process: bool = False
    workers: bool = False


def _load(set_name: str, connections: int) -> Workload:
    return Workload(name=set_name, title=set_name, set_name=set_name, connections=connections)


def _sets(kind: str, names: Sequence[str], connections: int) -> list[tuple[float, Workload]]:
    return [(float(name.rstrip("km")) * UNITS.get(name[-1], 1), _load(f"{kind}-{name}", connections)) for name in names]


GROWTHS: Final = (
    Growth(
        name="size",
        axis="octets of a message",
        loads=_sets("size", ("2k", "8k", "32k", "128k", "512k", "2m", "8m"), 4),
        contenders=(*PEERS, "hash-only"),
        logarithmic=True,
    ),
    Growth(name="fields", axis="header fields", loads=_sets("fields", ("25", "100", "400", "1000"), 10)),
    Growth(name="signatures", axis="signatures", loads=_sets("sigs", ("1", "2", "4", "8"), 10)),
    Growth(
        name="connections",
        axis="connections at once, messages of 2 KiB",
        loads=[(count, _load("2k", count)) for count in (1, 2, 5, 10, 20, 50, 100, 200)],
        contenders=("assay", *PEERS),
        panels=("CPU, ms per message", "messages a second", "memory, MiB"),
    ),
    Growth(
        name="large-at-once",
        axis="messages of 10 MiB at once",
        loads=[(count, _load("10m", count)) for count in (1, 2, 5, 10, 20)],
        contenders=PEERS,
    ),
    Growth(
        name="workers",
        axis="workers, messages of 2 KiB over 10 connections",
        loads=[(count, _load("2k", 10)) for count in (1, 2, 3, 4)],
        contenders=("assay",),
        panels=("CPU, ms per message", "messages a second", "memory, MiB"),
        workers=True,
    ),
    Growth(
        name="messages",
        axis="messages of 2 KiB so far",
        loads=[(ENDURANCE * step / STEPS, _load("2k", 10)) for step in range(1, STEPS + 1)],
        contenders=("assay-1-worker",),
        panels=("CPU, ms per message", "memory, MiB"),
        one_process=True,
    ),
)


def main() -> None:
    """Measure, write the numbers, and draw."""
    parser = argparse.ArgumentParser(prog="script/bench growth", description=__doc__.splitlines()[0])
    names = [growth.name for growth in GROWTHS]
    parser.add_argument("--only", metavar="NAME,...", help=f"plots: {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many is plotted")
    parser.add_argument("--seconds", type=float, default=4, help="about, for each measurement")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else names
    if unknown := set(wanted) - set(names):
        parser.error(f"{', '.join(sorted(unknown))}: there is {', '.join(names)}")
    corpus = ready_corpus()
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "growth.json"
    document: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    with name_server(corpus, *ADDRESS, 0):
        for growth in GROWTHS:
            if growth.name in wanted:
                curves = {name: _curve(growth, name, corpus, options) for name in growth.contenders}
                _draw(growth, curves, options.output / f"{growth.name}.svg")
                document[growth.name] = {
                    "command": shlex.join(["script/bench", "growth", *sys.argv[1:]]),
                    "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
                    "machine": machine(),
                    "curves": {name: [asdict(point) for point in curve] for name, curve in curves.items()},
                }
                path.write_text(json.dumps(document, indent=1) + "\n")


def _curve(growth: Growth, name: str, corpus: Path, options: argparse.Namespace) -> list[Point]:
    if growth.one_process:
        return _endurance(growth, BY_NAME[name], corpus)
    curve = []
    for x, workload in growth.loads:
        contender = _workers(int(x)) if growth.workers else BY_NAME[name]
        found = [measure(contender, workload, corpus, options.seconds) for _ in range(options.rounds)]
        panels = [_panels(measurement) for measurement, _ in found]
        wrong = {f"{item.method} {item.found} instead of {item.expected}" for _, items in found for item in items}
        point = Point(
            x, {panel: median(one[panel] for one in panels) for panel in growth.panels}, ", ".join(sorted(wrong))
        )
        print(f"{growth.name}, {name}: {point}", file=sys.stderr)
        curve.append(point)
    return curve


def _endurance(growth: Growth, contender: Contender, corpus: Path) -> list[Point]:
    """Load the same processes all the time, and look at them from time to time."""
    curve = []
    sent, cpu = 0.0, 0.0
    with running(contender) as run:
        for x, workload in growth.loads:
            load(run, workload, corpus, messages=int(x - sent))
            used = run.group.cpu_seconds()
            y = {"CPU, ms per message": (used - cpu) / (x - sent) * 1e3, "memory, MiB": memory(run.group) / MIB}
            sent, cpu = x, used
            print(f"{growth.name}, {contender.name}: {x:.0f} {y}", file=sys.stderr)
            curve.append(Point(x, y))
    return curve


def _workers(count: int) -> Contender:
    return replace(BY_NAME["assay"], programs=lambda place: assay(place, count))


def _panels(found: Measurement) -> dict[str, float]:
    return {
        "CPU, ms per message": found.cpu_ms,
        "messages a second": found.load["messages_per_second"],
        "memory, MiB": found.memory_peak,
    }


def _draw(growth: Growth, curves: Mapping[str, Sequence[Point]], path: Path) -> None:
    mpl.rcParams.update({"svg.hashsalt": "assay", "svg.fonttype": "none"})  # the same numbers draw the same octets
    figure, axes = plt.subplots(1, len(growth.panels), figsize=(5 * len(growth.panels), 3.6), squeeze=False)
    for panel, place in zip(growth.panels, axes[0], strict=True):
        for name, curve in curves.items():
            points = [point for point in curve if not point.wrong]
            place.plot([point.x for point in points], [point.y[panel] for point in points], marker="o", label=name)
        if growth.logarithmic:
            place.set_xscale("log", base=2)
            place.set_yscale("log")
        else:
            place.set_ylim(bottom=0)
            place.xaxis.get_major_locator().set_params(integer=True)
        place.set_xlabel(growth.axis)
        place.set_title(panel)
        place.grid(alpha=0.3)
    axes[0][0].legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
