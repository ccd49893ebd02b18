"""From files to what the daemon runs on: all of it good, or a list of everything that is wrong."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from assay.config.load import find_configuration, load_all
from assay.config.model import Config, DmarcConfig
from assay.config.suffixes import read_suffixes
from assay.daemon.judge import Settings
from assay.dns.nameservers import Nameserver, NameserverError, system_nameservers
from assay.errors import ConfigurationError, Problem
from assay.results import Discovery
from assay.verify.options import DmarcOptions, VerifyOptions
from assay.verify.suffixes import NoSuffixes


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A configuration and its policies, validated, with every expectation met.

    Attributes:
        nameservers: those of the configuration, else those of the machine.
        probe: the queue id by which the workers of this setup know a probe of the watchdog; a secret.
    """

    config: Config
    settings: Settings
    nameservers: tuple[Nameserver, ...]
    probe: str = field(default_factory=secrets.token_hex, repr=False)


def load_setup(path: Path | None) -> Setup:
    """Read the configuration at ``path`` (None: where it is installed) and the policies that it names.

    Raises:
        ConfigurationError: with every problem of every file, and with every expectation that is missed.
    """
    config, policies = load_all(find_configuration(path))
    try:
        nameservers = config.dns.nameservers or system_nameservers()
    except NameserverError as error:
        raise ConfigurationError([Problem(place=f"{config.source}: dns.nameservers", text=str(error))]) from error
    return Setup(
        config=config,
        settings=Settings(
            policies=policies,
            options=VerifyOptions(
                max_signatures=config.dkim.max_signatures,
                count_test_mode_keys=config.dkim.count_test_mode_keys,
                count_partial_bodies=config.dkim.count_partial_bodies,
                clock_tolerance=config.dkim.clock_tolerance,
            ),
            dmarc=_dmarc_options(config.dmarc),
            exempt_networks=config.exempt.networks,
            exempt_authenticated=config.exempt.authenticated,
            keep_results=config.exempt.keep_results,
            own_ids=frozenset(config.stamp.remove_ids),
        ),
        nameservers=nameservers,
    )


def _dmarc_options(config: DmarcConfig) -> DmarcOptions:
    """Choose as configured; the list of public suffixes is read only where something asks it."""
    needed = config.public_suffix_guard or config.shadow or config.organizational_domain is Discovery.PSL
    return DmarcOptions(
        organizational_domain=config.organizational_domain,
        shadow=config.shadow,
        public_suffix_guard=config.public_suffix_guard,
        suffixes=read_suffixes() if needed else NoSuffixes(),
    )
