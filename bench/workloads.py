"""What is measured: which messages, over how many connections, with which DNS."""

from dataclasses import dataclass
from typing import Final

from contenders import Family

DNS_DELAY: Final = 30.0
"""Milliseconds that each answer of the name server takes in the cold workloads: a resolver that has to ask others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One line of load.

    Attributes:
        name: for ``--workloads`` and in the results.
        title: in tables.
        set_name: of the corpus.
        connections: SMTP sessions at the same time, one message each.
        family: of the milter sockets.
        step_ms: what the client waits before each SMTP command.
        rate: messages a second; 0: as fast as they are taken.
        dns_delay_ms: of each answer of the name server.
        warm_set: what is sent before anything counts; empty: the same set. Other domains, where no cache may help.
    """

    name: str
    title: str
    set_name: str
    connections: int
    family: Family = "unix"
    step_ms: float = 0
    rate: float = 0
    dns_delay_ms: float = 0
    warm_set: str = ""


def _cold(name: str, title: str, *, step_ms: float) -> Workload:
    # Few enough a second that no contender is busy: what is left is waiting.
    return Workload(
        name=name,
        title=title,
        set_name="cold",
        connections=20,
        step_ms=step_ms,
        rate=30,
        dns_delay_ms=DNS_DELAY,
        warm_set="30k",
    )


WORKLOADS: Final = (
    Workload(name="2k-10", title="2 KiB, 10 connections", set_name="2k", connections=10),
    Workload(name="2k-50", title="2 KiB, 50 connections", set_name="2k", connections=50),
    Workload(name="30k-10", title="30 KiB, 10 connections", set_name="30k", connections=10),
    Workload(name="30k-50", title="30 KiB, 50 connections", set_name="30k", connections=50),
    Workload(name="1m-4", title="1 MiB, 4 connections", set_name="1m", connections=4),
    Workload(name="1m-text-4", title="1 MiB of text, 4 connections", set_name="1m-text", connections=4),
    Workload(name="10m-2", title="10 MiB, 2 connections", set_name="10m", connections=2),
    Workload(name="10m-text-2", title="10 MiB of text, 2 connections", set_name="10m-text", connections=2),
    Workload(name="1m-spaced-4", title="1 MiB, doubled spaces, 4 connections", set_name="1m-spaced", connections=4),
    Workload(name="10m-spaced-2", title="10 MiB, doubled spaces, 2 connections", set_name="10m-spaced", connections=2),
    Workload(name="2k-10-tcp", title="2 KiB, 10 connections, TCP", set_name="2k", connections=10, family="inet"),
    _cold("cold-paced", "cold DNS, a round trip of 30 ms for each SMTP command", step_ms=DNS_DELAY),
    _cold("cold-at-once", "cold DNS, everything sent at once", step_ms=0),
)
