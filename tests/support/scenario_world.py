"""What scenarios with the same settings share: one zone, one set of policy files, one daemon."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from assay.dns.zone import Zone
from assay.dns.zonefile import read_zone
from assay.errors import ConfigurationError, Problem
from support.conversation import ZoneDaemon
from support.scenario import BASE_ZONE, Case
from support.scenario_message import fill

RECEIVER: Final = "mx.dest.example"
"""The receiving host, and the authserv-id."""


@dataclass(frozen=True, slots=True)
class World:
    """Everything around the messages of scenarios with the same configuration.

    Attributes:
        zone: the text of a zone file.
        servfail: names at which the DNS fails.
        policies: policy files beside the shipped ones: text by file name.
        settings: lines of the configuration.
    """

    zone: str
    servfail: tuple[str, ...]
    policies: Mapping[str, str]
    settings: str

    def resolver(self) -> Zone:
        """The DNS in memory."""
        return Zone.parse(self.zone, broken={name.encode(): "SERVFAIL" for name in self.servfail})

    def daemon(self, directory: Path) -> ZoneDaemon:
        """A daemon of this world, not yet started."""
        return ZoneDaemon(
            directory, zone=self.zone, settings=self.settings, servfail=self.servfail, policies=self.policies
        )


def worlds(cases: Iterable[Case], now: float) -> dict[str, World]:
    """Make the worlds of these scenarios, by their ``config``.

    Args:
        cases: all that will run.
        now: seconds since 1970, for placeholders.

    Raises:
        ConfigurationError: two scenario files use the same DNS name or policy file.
        ZoneError: a zone cannot be read.
    """
    files = {case.path: case.scenario for case in cases}
    by_config: dict[str, list[Path]] = {}
    for path, scenario in files.items():
        by_config.setdefault(scenario.config, []).append(path)
    result = {}
    for config, paths in by_config.items():
        names = _Owners("the DNS name")
        policies = _Owners("the policy file")
        base = fill(BASE_ZONE.read_text("utf-8"), now)
        names.take(BASE_ZONE, _names(base, BASE_ZONE))
        zones = [base]
        for path in paths:
            scenario = files[path]
            zone = fill(scenario.zone, now)
            names.take(path, _names(zone, path) | set(scenario.servfail))
            policies.take(path, set(scenario.policy))
            zones.append(zone)
        result[config] = World(
            zone="\n$ORIGIN .\n$TTL 300\n".join(zones),
            servfail=tuple(name for path in paths for name in files[path].servfail),
            policies={name: text for path in paths for name, text in files[path].policy.items()},
            settings=f'authserv_id = "{RECEIVER}"\n{config}',
        )
    return result


def _names(zone: str, path: Path) -> set[str]:
    return {record.name.decode("latin-1").lower() for record in read_zone(zone, str(path))}


class _Owners:
    """Who uses what: each name belongs to one file."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._owners: dict[str, Path] = {}

    def take(self, path: Path, names: Iterable[str]) -> None:
        for name in names:
            owner = self._owners.setdefault(name, path)
            if owner != path:
                text = f"{self._what} {name} is already that of {owner.name}; use one of your own"
                raise ConfigurationError([Problem(place=str(path), text=text)])
