"""The faults. Each is a context: it strikes on entry, and is over on leaving."""

import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from chaos.site import PipedDaemon, Site
from support.process import descriptors, wait_until
from support.smtp_load import Load

Strike = Callable[[Site, Load, Random], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One of the faults of docs/faults.md.

    Attributes:
        name: there.
        strike: brings it about.
        answers: that the senders get while it lasts.
        dns_fails: the DNS is part of it.
    """

    name: str
    strike: Strike
    answers: int = 150
    dns_fails: bool = False


@contextmanager
def log_is_full(site: Site, _load: Load, _random: Random) -> Iterator[None]:
    """No process may write beyond the present end of the log, as on a full disk."""
    end = site.daemon.log.stat().st_size + 30
    with _limited([site.daemon.pid, *site.daemon.living()], resource.RLIMIT_FSIZE, lambda _: end):
        yield


@contextmanager
def log_stands_still(site: Site, load: Load, _random: Random) -> Iterator[None]:
    """Nobody reads the pipe that the log is written to, until it is more than full; then the reader goes on."""
    assert isinstance(site.daemon, PipedDaemon)
    site.daemon.reader.signal(signal.SIGSTOP)
    try:
        load.wait_for_more(400)  # 120 KB, and a pipe holds 64
        yield
    finally:
        site.daemon.reader.signal(signal.SIGCONT)


@contextmanager
def log_has_no_reader(site: Site, _load: Load, _random: Random) -> Iterator[None]:
    """Who read the log is gone for good."""
    assert isinstance(site.daemon, PipedDaemon)
    site.daemon.reader.signal(signal.SIGKILL)
    site.daemon.reader.wait()
    yield


@contextmanager
def resolver_is_silent(site: Site, _load: Load, _random: Random) -> Iterator[None]:
    """Queries arrive, and nothing comes back."""
    site.dns.process.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        site.dns.process.signal(signal.SIGCONT)


@contextmanager
def resolver_is_gone(site: Site, _load: Load, _random: Random) -> Iterator[None]:
    """Nobody listens where the name server was."""
    site.dns.process.stop()
    try:
        yield
    finally:
        site.dns.process.start()


@contextmanager
def worker_is_killed(site: Site, load: Load, _random: Random) -> Iterator[None]:
    """SIGKILL, twice, while messages come in: the worker with the most, since a new one may not have any yet."""
    for _ in range(2):
        before = len(load.deferred())
        os.kill(max(site.two_workers(), key=descriptors), signal.SIGKILL)
        load.wait_for_deferred(before + 1)
    yield


@contextmanager
def supervisor_is_killed(site: Site, _load: Load, _random: Random) -> Iterator[None]:
    """SIGKILL; then the daemon is started again, as systemd does."""
    old = site.daemon.living()
    site.daemon.signal(signal.SIGKILL)
    site.daemon.wait()
    wait_until(partial(_started, site), "a new supervisor")
    wait_until(lambda: not set(old) & set(site.daemon.living()), "the end of the old workers")
    yield


@contextmanager
def descriptors_run_out(site: Site, _load: Load, random: Random) -> Iterator[None]:
    """Each worker may open a few descriptors more than it has, and somebody connects who says nothing."""

    def few_more(pid: int) -> int:
        return descriptors(pid) + random.randint(0, 8)

    with _limited(site.two_workers(), resource.RLIMIT_NOFILE, few_more), ExitStack() as silent:
        for _ in range(120):
            silent.enter_context(site.connect())
        yield


@contextmanager
def memory_runs_out(site: Site, _load: Load, random: Random) -> Iterator[None]:
    """No worker may take much more memory than it has at the moment."""

    def little_more(pid: int) -> int:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
        return pages * resource.getpagesize() + random.randint(0, 4 << 20)

    with _limited(site.two_workers(), resource.RLIMIT_AS, little_more):
        yield


@contextmanager
def clock_jumps(site: Site, load: Load, random: Random) -> Iterator[None]:
    """Forward by a year or by hours, and back again."""
    site.clock.write_text(str(random.choice([365 * 86400, 3 * 3600, 240])))
    load.wait_for_more(100)
    yield
    site.clock.write_text("0")


@contextmanager
def configuration_is_unreadable(site: Site, load: Load, _random: Random) -> Iterator[None]:
    """A reload finds one thing after the other that it cannot read."""
    for spoil in (_is_a_loop, _is_half_written, _has_gone, _is_a_file):
        config = site.daemon.config
        with _aside(config if spoil in {_is_a_loop, _is_half_written} else config.parent / "policies") as (place, kept):
            refused = site.daemon.output().count("the old configuration stays")
            spoil(place, kept)
            site.daemon.signal(signal.SIGHUP)
            site.daemon.wait_for(
                lambda: site.daemon.output().count("the old configuration stays") > refused,  # noqa: B023 - awaited here
                f"a refusal: {spoil.__name__}",
            )
            load.wait_for_more(20)
    yield
    reloaded = site.daemon.output().count("event=reloaded")
    site.daemon.signal(signal.SIGHUP)
    site.daemon.wait_for(lambda: site.daemon.output().count("event=reloaded") > reloaded, "a reload")


FAULTS = (
    Fault("log-full", log_is_full),
    Fault("resolver-silent", resolver_is_silent, dns_fails=True),
    Fault("resolver-gone", resolver_is_gone, dns_fails=True),
    Fault("worker-killed", worker_is_killed),
    Fault("supervisor-killed", supervisor_is_killed),
    Fault("descriptors", descriptors_run_out, answers=100),
    Fault("memory", memory_runs_out),
    Fault("clock", clock_jumps),
    Fault("configuration", configuration_is_unreadable, answers=1),
)


PIPED = (Fault("log-stands-still", log_stands_still), Fault("log-without-reader", log_has_no_reader))
"""For a :class:`PipedDaemon`; after the second it has no log."""


@contextmanager
def _limited(pids: Sequence[int], kind: int, limit: Callable[[int], int]) -> Iterator[None]:
    """Lower a limit of processes for a while; who ends meanwhile needs it no more."""
    with ExitStack() as undo:
        for pid in pids:
            before, hard = resource.prlimit(pid, kind)
            resource.prlimit(pid, kind, (limit(pid), hard))
            undo.callback(_limit, pid, kind, (before, hard))
        yield


def _limit(pid: int, kind: int, limits: tuple[int, int]) -> None:
    with suppress(ProcessLookupError):
        resource.prlimit(pid, kind, limits)


def _started(site: Site) -> bool:
    """Start the daemon; False if it ended, since another one still listened."""
    with suppress(AssertionError):
        site.daemon.start()
    return site.daemon.alive()


@contextmanager
def _aside(place: Path) -> Iterator[tuple[Path, Path]]:
    """Put a file or directory aside; whatever takes its place is removed at the end."""
    kept = place.rename(place.with_name(f"{place.name}.kept"))
    try:
        yield place, kept
    finally:
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
        kept.rename(place)


def _is_a_loop(place: Path, _kept: Path) -> None:
    place.symlink_to(place)


def _is_half_written(place: Path, kept: Path) -> None:
    whole = kept.read_bytes()
    place.write_bytes(whole[: len(whole) - len(whole.rpartition(b"=")[2]) - 1])


def _has_gone(_place: Path, _kept: Path) -> None:
    pass


def _is_a_file(place: Path, _kept: Path) -> None:
    place.write_text("no directory")
