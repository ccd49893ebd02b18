"""Everything that is counted: names, help, labels, and the cell of each series.

All label values are members of closed sets. Nothing that a sender writes becomes one, so the number of series is
known here, and each has a fixed place in the shared table (:mod:`assay.metrics.table`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from types import MappingProxyType
from typing import Final

from assay.dns.counts import DnsEvent, Outcome
from assay.policy.model import Disposition, Exempt, Unruled
from assay.policy.rules import NO_POLICY, RULES
from assay.results import ArcValue, DkimValue, DmarcValue, SpfValue


class Kind(StrEnum):
    """How Prometheus shall read a family."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Stage(StrEnum):
    """The parts of a message's judging that are timed."""

    SPF = "spf"
    SPF_WAIT = "spf-wait"
    DKIM = "dkim"
    ARC = "arc"
    DMARC = "dmarc"
    POLICY = "policy"
    SHADOW = "shadow"


class FaultPlace(StrEnum):
    """Where a fault of ours was met."""

    MESSAGE = "message"
    DNS = "dns"
    OTHER = "other"


class ShadowVerdict(StrEnum):
    """What the shadow evaluation says beside the verdict."""

    SAME = "same"
    DIFFERENT = "different"


class WorkerState(StrEnum):
    """What a living worker is for."""

    SERVING = "serving"
    DRAINING = "draining"


class WorkerEnd(StrEnum):
    """How a worker process ended."""

    FINISHED = "finished"
    """It was told to, and finished what was open."""

    DIED = "died"

    NEVER_SERVED = "never-served"
    """It died, or hung and was killed, before it accepted connections; or none could be forked."""

    KILLED = "killed"
    """It did not finish within ``stop_timeout``."""


class ReloadOutcome(StrEnum):
    """What became of a reload."""

    DONE = "done"

    REFUSED = "refused"
    """A file is at fault; the old configuration stays."""

    FAILED = "failed"
    """A fault of ours or of the machine; the old configuration stays."""


class ProbeOutcome(StrEnum):
    """What became of a probe message, which is no mail."""

    GOOD = "good"
    """It got the verdict that it must get."""

    WRONG = "wrong"
    """It got another one."""

    UNANSWERED = "unanswered"
    """There was no worker that took it, or no answer in time."""


BOUNDS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0),
)
"""Upper bounds of the classes of all histograms, in seconds. From what a stage takes whose answers are all cached
(docs/performance.md) over what one answer of the DNS takes (10 to 100 ms) and the default time for one query (5 s) to
that for all of a message: 20 s, and as much again for the author domain's policy."""

BOUNDS_NS: Final = tuple(round(bound * 1e9) for bound in BOUNDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric with all its series.

    Attributes:
        name: without the suffix ``_total`` of a counter.
        help: one sentence for who reads the exposition.
        labels: names of the labels.
        cells: the first cell of each series, by its label values. A histogram has one for each class, the last being
            what is above all bounds, and then one for the sum in nanoseconds.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]
    cells: Mapping[tuple[str, ...], int]

    @property
    def cell(self) -> int:
        """The cell of a family without labels."""
        return self.cells[()]


class _Layout:
    """Gives each series its cell."""

    def __init__(self) -> None:
        self.families: list[Family] = []
        self.size = 0

    def add(
        self,
        kind: Kind,
        name: str,
        help: str,  # noqa: A002 - Prometheus' word
        labels: tuple[str, ...] = (),
        series: Iterable[tuple[str, ...]] = ((),),
    ) -> Family:
        width = len(BOUNDS) + 2 if kind is Kind.HISTOGRAM else 1
        cells = {tuple(map(str, values)): self.size + number * width for number, values in enumerate(series)}
        self.size += len(cells) * width
        family = Family(name=name, kind=kind, help=help, labels=labels, cells=MappingProxyType(cells))
        self.families.append(family)
        return family


def _each(values: Iterable[str]) -> list[tuple[str]]:
    return [(value,) for value in values]


def _results() -> list[tuple[str, str]]:
    methods: dict[str, type[StrEnum]] = {"spf": SpfValue, "dkim": DkimValue, "arc": ArcValue, "dmarc": DmarcValue}
    return [(method, value) for method, values in methods.items() for value in values]


RULE_NAMES: Final = (*(rule.name for rule in RULES), NO_POLICY, *Unruled)

# What is done, and what would be done: the same, or nothing in monitor mode.
_DONE_AND_WOULD: Final = tuple(
    (done, would) for done, would in product(Disposition, Disposition) if done in {would, Disposition.NONE}
)

_layout = _Layout()

DISPOSITIONS: Final = _layout.add(
    Kind.COUNTER,
    "assay_dispositions",
    "Messages by the rule that decided, what was done, and what enforce mode does (the same unless monitor mode).",
    ("rule", "disposition", "would"),
    [(rule, done, would) for rule in RULE_NAMES for done, would in _DONE_AND_WOULD],
)
EXEMPT: Final = _layout.add(
    Kind.COUNTER,
    "assay_exempt_messages",
    "Messages let in unjudged, by what exempts them.",
    ("reason",),
    _each(Exempt),
)
RESULTS: Final = _layout.add(
    Kind.COUNTER,
    "assay_results",
    "Judged messages by method and result; for DKIM the best result of the message's signatures.",
    ("method", "result"),
    _results(),
)
SIGNATURES: Final = _layout.add(
    Kind.COUNTER, "assay_dkim_signatures", "DKIM signatures by result.", ("result",), _each(DkimValue)
)
BODY_BYTES: Final = _layout.add(
    Kind.COUNTER, "assay_body_bytes", "Octets of the bodies of all messages that reached their end."
)
FAULTS: Final = _layout.add(
    Kind.COUNTER,
    "assay_faults",
    "Faults of assay itself, each with a traceback in the log; one in a message defers it.",
    ("place",),
    _each(FaultPlace),
)
REFUSED_CONNECTIONS: Final = _layout.add(
    Kind.COUNTER,
    "assay_refused_connections",
    "Connections of an MTA that cannot do what assay needs, which the log explains.",
)
SHADOW: Final = _layout.add(
    Kind.COUNTER,
    "assay_shadow_messages",
    "Messages for which DMARC was evaluated both ways, by whether the verdicts differ ([dmarc] shadow).",
    ("verdict",),
    _each(ShadowVerdict),
)
END_OF_MESSAGE_SECONDS: Final = _layout.add(
    Kind.HISTOGRAM,
    "assay_end_of_message_seconds",
    "What the MTA waits for at end of message, until our answer.",
)
STAGE_SECONDS: Final = _layout.add(
    Kind.HISTOGRAM,
    "assay_stage_seconds",
    "What a part of judging takes, waiting for the DNS included; spf runs mostly ahead, spf-wait is the rest of it.",
    ("stage",),
    _each(Stage),
)
DNS_LOOKUPS: Final = _layout.add(
    Kind.COUNTER,
    "assay_dns_lookups",
    "Questions that name servers were asked, by what came out.",
    ("outcome",),
    _each(Outcome),
)
DNS_LOOKUP_SECONDS: Final = _layout.add(
    Kind.HISTOGRAM,
    "assay_dns_lookup_seconds",
    "What a question to name servers takes, repetitions and aliases included.",
)
DNS_QUERIES: Final = _layout.add(
    Kind.COUNTER,
    "assay_dns_queries",
    "Queries sent to name servers, repetitions and followed aliases included.",
    ("transport",),
    _each((DnsEvent.UDP, DnsEvent.TCP)),
)
DNS_TIMEOUTS: Final = _layout.add(
    Kind.COUNTER, "assay_dns_timeouts", "Questions that no name server answered in time; they are unavailable."
)
DNS_OVER_BUDGET: Final = _layout.add(
    Kind.COUNTER,
    "assay_dns_over_budget",
    "Questions left open since their message had used up its queries or its time for the DNS.",
)
DNS_CACHE: Final = _layout.add(
    Kind.COUNTER,
    "assay_dns_cache_requests",
    "Questions of messages: answered by the cache, joined to one that is under way, or asked.",
    ("result",),
    _each((DnsEvent.HIT, DnsEvent.JOINED, DnsEvent.MISS)),
)
WORKERS: Final = _layout.add(
    Kind.GAUGE, "assay_workers", "Worker processes that live, by state.", ("state",), _each(WorkerState)
)
WORKERS_CONFIGURED: Final = _layout.add(Kind.GAUGE, "assay_workers_configured", "Worker processes that should serve.")
WORKER_STARTS: Final = _layout.add(Kind.COUNTER, "assay_worker_starts", "Worker processes that came to serve.")
WORKER_ENDS: Final = _layout.add(
    Kind.COUNTER, "assay_worker_ends", "Worker processes that ended, by how.", ("how",), _each(WorkerEnd)
)
RELOADS: Final = _layout.add(
    Kind.COUNTER,
    "assay_reloads",
    "Reloads by outcome; refused: a file is at fault, failed: something else is. Both keep the old configuration.",
    ("outcome",),
    _each(ReloadOutcome),
)
RELOAD_SUCCESSFUL: Final = _layout.add(
    Kind.GAUGE,
    "assay_config_last_reload_successful",
    "1 while what runs is what the files said when they were last read, 0 after a reload that was refused or failed.",
)
RELOAD_TIME: Final = _layout.add(
    Kind.GAUGE,
    "assay_config_last_reload_success_timestamp_seconds",
    "When the configuration in force was read, in seconds since 1970.",
)
START_TIME: Final = _layout.add(
    Kind.GAUGE, "assay_start_time_seconds", "When the daemon started, in seconds since 1970."
)
PROBES: Final = _layout.add(
    Kind.COUNTER,
    "assay_probes",
    "Probe messages of the watchdog by outcome; they are no mail and counted nowhere else.",
    ("outcome",),
    _each(ProbeOutcome),
)

FAMILIES: Final = tuple(_layout.families)
CELLS: Final = _layout.size
"""Cells of one process."""
