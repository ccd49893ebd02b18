"""Policy files and the configuration: usable, or a list of problems with their places; never another exception."""

import atexit
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from assay.config.load import parse_config
from assay.errors import ConfigurationError
from assay.facts import Client
from assay.policy.engine import decide
from assay.policy.expect import run_expectations
from assay.policy.load import load_policies
from assay.policy.model import Case, Disposition, Mode
from assay.policy.policies import Policies
from assay.stamp.sanitize import reply_lines
from assay.trace import Trace
from fuzz.inputs import is_clean, parts
from support.judged import DMARC_FAIL, DMARC_PASS, judged

# in memory where that is possible: the files are written anew for each input
_directory = TemporaryDirectory(prefix="assay-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
atexit.register(_directory.cleanup)
_POLICIES = Path(_directory.name)
_SOURCE = Path("/nowhere/conf/assay.toml")
_CASES = [
    Case(results=judged(dmarc=dmarc), client=Client(address=ip_address("192.0.2.9")), indirect_signs=signs)
    for dmarc in (DMARC_PASS, DMARC_FAIL)
    for signs in ((), ("List-Id",))
]


def one_input(data: bytes) -> None:
    """Two parts: default.toml and brand.example.toml; the first is also read as a configuration."""
    default, own = parts(data, 2)
    try:
        config = parse_config(default.decode("utf-8", "replace"), _SOURCE)
    except ConfigurationError as error:
        _check_problems(error)
    else:
        assert config.source == _SOURCE
        assert 1 <= config.workers <= 256
        assert 0 < config.dns.timeout <= 86400
        assert config.socket_mode <= 0o777
        assert config.policies.is_absolute()
    (_POLICIES / "default.toml").write_bytes(default)
    (_POLICIES / "brand.example.toml").write_bytes(own)
    try:
        policies = load_policies(_POLICIES, Mode.ENFORCE)
    except ConfigurationError as error:
        _check_problems(error)
    else:
        _check_policies(policies)


def _check_problems(error: ConfigurationError) -> None:
    assert error.problems
    for problem in error.problems:
        assert problem.place
        assert problem.text
        assert problem.place.isprintable(), problem
        assert problem.text.isprintable(), problem


def _check_policies(policies: Policies) -> None:
    for problem in run_expectations(policies):
        assert problem.text.isprintable()
    assert is_clean(policies.describe(), 500)
    assert all(is_clean(name, 200) and name for name in policies.quarantine_fields)
    for case in _CASES:
        decision = decide(case, policies, Trace())
        policy = policies.for_author(case.results.dmarc.author_domain)
        assert decision.disposition in Disposition
        if policy.mode is Mode.MONITOR:
            assert decision.disposition is Disposition.NONE
        assert is_clean(decision.reason)
        refused = decision.disposition in {Disposition.REJECT, Disposition.TEMPFAIL}
        assert (decision.reply is not None) == refused
        if decision.reply is not None:
            assert (decision.reply.code // 100 == 5) == (decision.disposition is Disposition.REJECT)
            assert reply_lines(decision.reply.text)
