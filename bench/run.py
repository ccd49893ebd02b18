"""Measures every contender under every workload in turn, several rounds, and prints how they compare.

Called by script/bench, which makes the network that it needs: see there.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from contenders import CONTENDERS, NAME_SERVER, Contender
from daemons import StartError
from machine import machine, package_versions
from measure import LoadError, Measurement, measure, ready_corpus
from nameserver import name_server
from report import RESULTS, tables
from verdicts import cause
from workloads import WORKLOADS, Workload

ADDRESS: Final = (NAME_SERVER, 53)
T = TypeVar("T", Contender, Workload)


def main() -> None:
    """Measure and print."""
    options = _options()
    corpus = ready_corpus()
    options.output.mkdir(parents=True, exist_ok=True)
    bench = Benchmark(corpus, options)
    for number in range(options.rounds):
        for workload in options.workloads:
            with name_server(corpus, *ADDRESS, workload.dns_delay_ms):
                for contender in _turned(options.only, number):
                    if contender.knows or not workload.dns_delay_ms:
                        bench.measure(contender, workload, number)
    print(tables(bench.document))


class Benchmark:
    """Measures, and keeps what it found in a file all the time.

    Attributes:
        document: all that was found.
    """

    def __init__(self, corpus: Path, options: argparse.Namespace) -> None:
        self._corpus = corpus
        self._options = options
        packages = [name for contender in CONTENDERS for name in contender.packages]
        self.document: dict[str, Any] = {
            "command": shlex.join(["script/bench", *sys.argv[1:]]),
            "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            "machine": machine(),
            "rounds": options.rounds,
            "seconds": options.seconds,
            "packages": package_versions([*packages, "knot"]),
            "contenders": [{"name": contender.name, "what": contender.what} for contender in options.only],
            "workloads": [
                {"name": workload.name, "title": workload.title, "paced": workload.rate > 0}
                for workload in options.workloads
            ],
            "measurements": [],
            "disagreements": [],
            "failures": [],
        }

    def measure(self, contender: Contender, workload: Workload, number: int) -> None:
        """Measure once, in the round of this number, from 0."""
        where = f"round {number + 1}, {workload.name}, {contender.name}"
        try:
            found, disagreements = measure(contender, workload, self._corpus, self._options.seconds)
        except (StartError, LoadError) as error:
            self.document["failures"].append({"where": where, "why": str(error)})
            print(f"{where}: {error}", file=sys.stderr)
            return
        self.document["measurements"].append({"round": number, **asdict(found)})
        for item in disagreements:
            entry = {"contender": contender.name, **asdict(item), "cause": cause(contender, item)}
            if not any({**entry, "example": known["example"]} == known for known in self.document["disagreements"]):
                self.document["disagreements"].append(entry)
        path: Path = self._options.output / "results.json"
        path.write_text(json.dumps(self.document, indent=1) + "\n")
        print(f"{where}: {_line(found)}", file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round of two seconds each")
    parser.add_argument("--only", metavar="NAME,...", help=f"contenders: {_names(CONTENDERS)}")
    parser.add_argument("--workloads", metavar="NAME,...", help=f"workloads: {_names(WORKLOADS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8, help="about, for each measurement")
    parser.add_argument("--output", type=Path, default=RESULTS, help="directory for results.json")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 2
    options.only = _chosen(parser, CONTENDERS, options.only)
    options.workloads = _chosen(parser, WORKLOADS, options.workloads)
    return options


def _names(items: Iterable[Contender] | Iterable[Workload]) -> str:
    return ", ".join(item.name for item in items)


def _chosen(parser: argparse.ArgumentParser, items: Sequence[T], names: str | None) -> list[T]:
    if names is None:
        return list(items)
    wanted = names.split(",")
    if unknown := set(wanted) - {item.name for item in items}:
        parser.error(f"{', '.join(sorted(unknown))}: there is {_names(items)}")
    return [item for item in items if item.name in wanted]


def _turned(items: Sequence[T], number: int) -> list[T]:
    """Another one begins in each round, so that none always follows the same one."""
    start = number % len(items)
    return [*items[start:], *items[:start]]


def _line(found: Measurement) -> str:
    latency, replies = found.load["latency_ms"], found.load["replies"]
    others = {reply: number for reply, number in replies.items() if number and reply != "accept"}
    return (
        f"{found.cpu_ms:.2f} ms CPU, {found.load['messages_per_second']:.0f}/s,"
        f" p50 {latency['p50']:.1f} p99 {latency['p99']:.1f} ms, {found.memory_peak:.0f} MiB"
        f" {others or ''} {'; '.join(found.load['complaints'])}"
    )


if __name__ == "__main__":
    main()
