"""The shared table: what each process counts is in the sum, whatever becomes of the process."""

import os
import signal
import threading
from itertools import chain, pairwise

import pytest

from assay.dns.counts import DnsEvent, Outcome
from assay.metrics.families import (
    BODY_BYTES,
    BOUNDS,
    CELLS,
    DISPOSITIONS,
    DNS_CACHE,
    DNS_LOOKUP_SECONDS,
    DNS_LOOKUPS,
    DNS_OVER_BUDGET,
    DNS_QUERIES,
    DNS_TIMEOUTS,
    END_OF_MESSAGE_SECONDS,
    EXEMPT,
    FAMILIES,
    FAULTS,
    RULE_NAMES,
    FaultPlace,
    Kind,
)
from assay.metrics.table import Counters, Table
from assay.policy.model import Disposition
from assay.policy.rules import NO_POLICY, RULES


def test_every_series_has_cells_of_its_own_and_none_is_unused() -> None:
    taken: list[int] = []
    for family in FAMILIES:
        width = len(BOUNDS) + 2 if family.kind is Kind.HISTOGRAM else 1
        taken += chain.from_iterable(range(first, first + width) for first in family.cells.values())

    assert sorted(taken) == list(range(CELLS))


def test_every_rule_is_a_label() -> None:
    assert {rule.name for rule in RULES} | {NO_POLICY} < set(RULE_NAMES)


def test_what_is_done_is_what_would_be_done_or_nothing() -> None:
    pairs = {(done, would) for _, done, would in DISPOSITIONS.cells}

    assert pairs == {(each, each) for each in Disposition} | {("none", each) for each in Disposition}


def test_families_follow_the_conventions_of_prometheus() -> None:
    for family in FAMILIES:
        assert family.name.startswith("assay_")
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket", "_info"))
        assert family.help.endswith(".")
        assert all(len(values) == len(family.labels) for values in family.cells)
        assert family.name.endswith("_seconds") or family.kind is not Kind.HISTOGRAM


def test_the_classes_of_histograms_grow() -> None:
    assert all(low < high for low, high in pairwise(BOUNDS))


@pytest.mark.parametrize(
    ("seconds", "number"),
    [(0.0, 0), (BOUNDS[0], 0), (BOUNDS[0] * 1.01, 1), (BOUNDS[-1], len(BOUNDS) - 1), (BOUNDS[-1] * 2, len(BOUNDS))],
    ids=["nothing", "a bound belongs to its class", "just above", "the last bound", "above all"],
)
def test_a_duration_is_in_the_class_of_the_next_bound(seconds: float, number: int) -> None:
    table = Table(rows=1)
    nanoseconds = round(seconds * 1e9)
    for _ in range(2):
        table.supervisor.add_all((), ((END_OF_MESSAGE_SECONDS.cell, nanoseconds),))
    classes, total = table.totals().classes(END_OF_MESSAGE_SECONDS)

    assert classes == [2 * (place == number) for place in range(len(BOUNDS) + 1)]
    assert total == 2 * nanoseconds


def test_rows_add_up() -> None:
    table = Table()
    for amount in (1, 2, 3):
        table.take().add(BODY_BYTES.cell, amount)
    table.supervisor.add(BODY_BYTES.cell, 10)

    assert table.totals().of(BODY_BYTES) == 16


def _in_a_child(counters: Counters, *, killed: bool) -> None:
    """Count one message and a hundred octets in a process of its own, which ends as told."""
    pid = os.fork()
    if pid == 0:
        counters.add_all((DISPOSITIONS.cells["dmarc-pass", "none", "none"],))
        counters.add(BODY_BYTES.cell, 100)
        if killed:
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(0)
    os.waitpid(pid, 0)


@pytest.mark.parametrize("killed", [False, True], ids=["a child that ends", "a child that is killed"])
def test_what_a_child_counted_stays_when_the_next_one_takes_its_row(killed: bool) -> None:  # noqa: FBT001 - a row
    table = Table(rows=2)
    for number in range(1, 4):
        counters = table.take()
        _in_a_child(counters, killed=killed)
        table.give_back(counters)

        assert table.totals().messages == number
        assert table.totals().of(BODY_BYTES) == 100 * number


def test_a_child_that_was_forked_before_sees_rows_that_came_later() -> None:
    table = Table()
    ours, theirs = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(ours[0], 1)
        os.write(theirs[1], str(table.totals().of(BODY_BYTES)).encode())
        os._exit(0)
    table.take().add(BODY_BYTES.cell, 7)
    os.write(ours[1], b"x")

    assert os.read(theirs[0], 10) == b"7"
    os.waitpid(pid, 0)
    for descriptor in (*ours, *theirs):
        os.close(descriptor)


def test_without_a_free_row_a_process_counts_where_nobody_looks() -> None:
    table = Table(rows=2)
    first, second = table.take(), table.take()
    first.add(BODY_BYTES.cell)
    second.add(BODY_BYTES.cell)
    table.give_back(second)

    assert table.totals().of(BODY_BYTES) == 1
    table.give_back(first)
    table.take().add(BODY_BYTES.cell)
    assert table.totals().of(BODY_BYTES) == 2


def test_no_count_of_many_threads_is_lost() -> None:
    table = Table()
    counters = table.take()

    def count() -> None:
        for _ in range(5000):
            counters.add_all((DNS_TIMEOUTS.cell,), ((END_OF_MESSAGE_SECONDS.cell, 3),))
            counters.add(DNS_TIMEOUTS.cell)
            counters.add(BODY_BYTES.cell, 3)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert table.totals().of(DNS_TIMEOUTS) == 80_000
    assert table.totals().of(BODY_BYTES) == 120_000
    classes, nanoseconds = table.totals().classes(END_OF_MESSAGE_SECONDS)
    assert (sum(classes), nanoseconds) == (40_000, 120_000)


def test_every_event_of_the_dns_has_a_series() -> None:
    table = Table()
    for event in DnsEvent:
        table.supervisor.dns_event(event)
    totals = table.totals()

    assert [totals.of(DNS_CACHE, event) for event in ("hit", "joined", "miss")] == [1, 1, 1]
    assert [totals.of(DNS_QUERIES, transport) for transport in ("udp", "tcp")] == [1, 1]
    assert [totals.of(DNS_TIMEOUTS), totals.of(DNS_OVER_BUDGET)] == [1, 1]


@pytest.mark.parametrize("outcome", Outcome)
def test_a_lookup_counts_once_with_its_time(outcome: Outcome) -> None:
    table = Table()
    table.supervisor.dns_lookup(outcome, 0.03)
    table.supervisor.dns_lookup(outcome, -1.0)  # a clock that was set back must not raise
    totals = table.totals()

    assert totals.of(DNS_LOOKUPS, outcome) == 2
    classes, nanoseconds = totals.classes(DNS_LOOKUP_SECONDS)
    assert (sum(classes), nanoseconds) == (2, 30_000_000)


def test_messages_and_dispositions_are_told_for_who_asks_in_a_sentence() -> None:
    table = Table()
    table.supervisor.add_all(
        (
            DISPOSITIONS.cells["dmarc-fail", "reject", "reject"],
            DISPOSITIONS.cells["dmarc-fail", "none", "reject"],
            DISPOSITIONS.cells["exempt", "none", "none"],
            EXEMPT.cells["network",],
        )
    )
    table.supervisor.fault(FaultPlace.DNS)
    totals = table.totals()

    assert totals.messages == 3
    assert totals.dispositions == {"none": 2, "quarantine": 0, "reject": 1, "tempfail": 0}
    assert totals.of(FAULTS, "dns") == 1
