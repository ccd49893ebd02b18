"""A real name server for the tests that drive the daemon through a real MTA."""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.sendmail_root import SendmailRoot, sendmail_root
from support.world import real_dns


@pytest.fixture(scope="session")
def nameserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The domains of :mod:`support.world`, as ``[dns] nameservers`` spells it."""
    with real_dns(tmp_path_factory.mktemp("knot")) as address:
        yield address


@pytest.fixture(scope="session")
def open_directory() -> Iterator[Callable[[], Path]]:
    """Make directories that other users may enter, which pytest's own are not: an MTA must reach unix sockets there.

    Their paths are short, since that of a unix socket must be.
    """
    with tempfile.TemporaryDirectory(prefix="assay-test-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        numbers = itertools.count()
        yield lambda: Path(name) / str(next(numbers))


@pytest.fixture(scope="session")
def root() -> Iterator[SendmailRoot]:
    """A copy of this machine with Debian's Sendmail."""
    with sendmail_root() as copy:
        yield copy
