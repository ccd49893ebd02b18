"""Shows what the load generator itself can do: its messages against a milter that answers at once.

Run: .venv/bin/python bench/limit.py CORPUS

A contender is limited by the machine and not by loadgen as long as loadgen takes a small part of the CPU that the
contender takes for the same messages: compare the last column with that of docs/performance.md.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from build import build

ROUNDS = 3
WORKLOADS = (("2k", 10, 20000), ("2k", 50, 20000), ("30k", 10, 10000), ("1m", 4, 1000), ("10m", 2, 100))
TCP = 18894


@contextlib.contextmanager
def responder(loadgen: Path, place: str) -> Iterator[None]:
    """Run the milter that does nothing."""
    process = subprocess.Popen([str(loadgen), "--respond", place])
    try:
        time.sleep(0.3)
        yield
    finally:
        process.terminate()
        process.wait()


def measure(loadgen: Path, place: str, corpus: Path, workload: tuple[str, int, int]) -> dict:
    """Return loadgen's report of one run."""
    name, connections, messages = workload
    options = ["--set", name, "--connections", str(connections), "--messages", str(messages)]
    command = [str(loadgen), "--milter", place, "--corpus", str(corpus), *options]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the load generator against a milter that does nothing.")
    parser.add_argument("corpus", type=Path)
    corpus = parser.parse_args().corpus
    loadgen = build()["loadgen"]
    print(f"{'set':6}{'connections':>12}{'socket':>8}{'messages/s':>12}{'p99 ms':>9}{'CPU s per 1,000':>17}")
    with tempfile.TemporaryDirectory() as directory:
        for kind, place in (("unix", f"unix:{directory}/null.sock"), ("TCP", f"inet:{TCP}@127.0.0.1")):
            with responder(loadgen, place):
                for workload in WORKLOADS:
                    reports = [measure(loadgen, place, corpus, workload) for _ in range(ROUNDS)]
                    rate = statistics.median(each["messages_per_second"] for each in reports)
                    late = statistics.median(each["latency_ms"]["p99"] for each in reports)
                    cpu = statistics.median(each["cpu_seconds"] * 1000 / each["messages"] for each in reports)
                    print(f"{workload[0]:6}{workload[1]:12}{kind:>8}{rate:12.0f}{late:9.2f}{cpu:17.3f}")


if __name__ == "__main__":
    main()
