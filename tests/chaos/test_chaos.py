"""Faults under load through a real Postfix: no message is lost, comes twice, or passes unjudged (docs/faults.md)."""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from chaos.faults import FAULTS, Fault
from chaos.ledger import balance
from chaos.site import Site, running
from support.process import wait_until
from support.smtp_load import EVERY_KIND, Load

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="assay-chaos-", dir="/tmp") as name:
        directory = Path(name)
        directory.chmod(0o755)
        with running(directory) as site:
            yield site


@pytest.fixture
def random() -> Random:
    """The seed is printed; ASSAY_CHAOS_SEED takes one."""
    seed = int(os.environ.get("ASSAY_CHAOS_SEED", time.time_ns() % 1_000_000))
    print(f"ASSAY_CHAOS_SEED={seed}")
    return Random(seed)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_loses_no_message_and_lets_none_pass(site: Site, fault: Fault, random: Random) -> None:
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
