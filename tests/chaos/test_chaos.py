"""Faults under load through a real Postfix: no message is lost, comes twice, or passes unjudged (docs/faults.md)."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from chaos.faults import FAULTS, PIPED, Fault
from chaos.ledger import Balance, balance
from chaos.site import PipedDaemon, Site, running
from support.daemon import Daemon
from support.process import wait_until
from support.smtp_load import EVERY_KIND, Load

pytestmark = pytest.mark.real


@contextmanager
def _running(kind: type[Daemon]) -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="assay-chaos-", dir="/tmp") as name:
        directory = Path(name)
        directory.chmod(0o755)
        with running(directory, kind) as site:
            yield site


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with _running(Daemon) as site:
        yield site


@pytest.fixture(scope="module")
def piped_site() -> Iterator[Site]:
    with _running(PipedDaemon) as site:
        yield site


@pytest.fixture
def random() -> Random:
    """The seed is printed; ASSAY_CHAOS_SEED takes one."""
    seed = int(os.environ.get("ASSAY_CHAOS_SEED", time.time_ns() % 1_000_000))
    print(f"ASSAY_CHAOS_SEED={seed}")
    return Random(seed)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_loses_no_message_and_lets_none_pass(site: Site, fault: Fault, random: Random) -> None:
    _survives(site, fault, random)


@pytest.mark.parametrize("fault", PIPED, ids=lambda fault: fault.name)
def test_a_log_that_goes_nowhere_defers_no_message(piped_site: Site, fault: Fault, random: Random) -> None:
    assert not _survives(piped_site, fault, random).deferrals


def test_the_log_says_how_much_of_it_was_lost(piped_site: Site) -> None:
    assert "log lines could not be written and are lost" in piped_site.daemon.output()


def _survives(site: Site, fault: Fault, random: Random) -> Balance:
    site.two_workers()
    with Load(site.postfix, EVERY_KIND) as load:
        load.wait_for_more(50)
        with fault.strike(site, load, random):
            load.wait_for_more(fault.answers)
        healed = time.monotonic()
        wait_until(lambda: load.right_at_once(since=healed), "mail as before")
    counted = balance(load, site.postfix, dns_failed=fault.dns_fails)
    print(counted)
    if fault.dns_fails:
        assert counted.deferrals
    return counted
