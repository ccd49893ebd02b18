"""From files to what the daemon runs on: all of it good, or a list of everything that is wrong."""

from dataclasses import dataclass
from pathlib import Path

from assay.config.load import find_configuration, load_all
from assay.config.model import Config
from assay.daemon.judge import Settings
from assay.verify.options import VerifyOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A configuration and its policies, validated, with every expectation met."""

    config: Config
    settings: Settings


def load_setup(path: Path | None) -> Setup:
    """Read the configuration at ``path`` (None: where it is installed) and the policies that it names.

    Raises:
        ConfigurationError: with every problem of every file, and with every expectation that is missed.
    """
    config, policies = load_all(find_configuration(path))
    return Setup(
        config=config,
        settings=Settings(
            policies=policies,
            options=VerifyOptions(
                max_signatures=config.dkim.max_signatures,
                count_test_mode_keys=config.dkim.count_test_mode_keys,
                clock_tolerance=config.dkim.clock_tolerance,
            ),
            exempt_networks=config.exempt.networks,
            exempt_authenticated=config.exempt.authenticated,
            keep_results=config.exempt.keep_results,
            own_ids=frozenset(config.stamp.remove_ids),
        ),
    )
