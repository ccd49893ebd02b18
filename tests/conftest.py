"""What holds for every test."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from support.network_guard import NetworkGuard

# its assertions are those of tests, and should say as much when they fail
pytest.register_assert_rewrite("support.spf_cases")

# A slow machine is no fault of what is tested: nothing is measured here, also not by hypothesis.
settings.register_profile("assay", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("assay")


@pytest.fixture(scope="session")
def network_guard() -> Iterator[NetworkGuard]:
    """From the first fixture to the last: those that start daemons are held to it too."""
    guard = NetworkGuard()
    with pytest.MonkeyPatch.context() as patch:
        guard.install(patch)
        yield guard


@pytest.fixture(autouse=True)
def loopback_only(network_guard: NetworkGuard) -> Iterator[None]:
    """Fail a test that tried to leave loopback, even where the code that it tests survived the refusal."""
    before = len(network_guard.denied)
    yield
    denied = network_guard.denied[before:]
    assert not denied, f"a test must not leave loopback: {denied}"
