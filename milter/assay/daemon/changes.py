"""What a reload changes, key by key: in the configuration, and in what holds for the mail of each domain."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Final

from assay.config.model import ConfigFile
from assay.config.socket import SocketAddress
from assay.daemon.setup import Setup
from assay.domain import Domain
from assay.log import get_logger
from assay.policy.domain_policy import DomainPolicy
from assay.policy.policies import Policies
from assay.tomlfile import Table

log = get_logger()

MAX_LINES: Final = 500
"""Lines of one reload; what exceeds them is counted. A change of a thousand files must not fill the log."""

_NO_KEY: Final = "source"
"""Of a policy: which file it comes from."""

Values = dict[str, object]
"""Values by their dotted key."""


@dataclass(frozen=True, slots=True)
class Change:
    """One key whose value differs.

    Attributes:
        file: its name, without a directory.
        old: as in a file, but without quotes; of a policy what held for the domain before, whichever file said so.
        new: the same.
    """

    file: str
    key: str
    old: str
    new: str


def log_changes(old: Setup, new: Setup) -> None:
    """Write one line for each key that differs."""
    count = 0
    for count, change in enumerate(changes(old, new), 1):
        if count <= MAX_LINES:
            log.info("changed", file=change.file, key=change.key, old=change.old, new=change.new)
    if count > MAX_LINES:
        log.info("more has changed", keys=count - MAX_LINES)


def changes(old: Setup, new: Setup) -> Iterator[Change]:
    """Return every key that differs: the configuration first, then the policies by the names of their files."""
    name = new.config.source.name
    yield from _differences(name, _of_table(old.config), _of_table(new.config))
    if old.config.dns.nameservers == new.config.dns.nameservers:
        # those of /etc/resolv.conf
        yield from _differences(name, {"dns.nameservers": old.nameservers}, {"dns.nameservers": new.nameservers})
    yield from _policy_changes(old.settings.policies, new.settings.policies)


def _policy_changes(old: Policies, new: Policies) -> Iterator[Change]:
    default_old, default_new = _of_policy(old.default), _of_policy(new.default)
    yield from _differences(new.default.source, default_old, default_new)
    inherited = {key: (default_old[key], default_new[key]) for key in default_new}
    for domain in sorted(old.domains.keys() | new.domains.keys(), key=str):
        before, after = (_of_policy(policies.for_author(domain)) for policies in (old, new))
        # what default.toml changed was told, and is told again only for a domain that has it otherwise
        same = {key for key in after if (before[key], after[key]) == inherited[key]}
        own = [{key: value for key, value in values.items() if key not in same} for values in (before, after)]
        yield from _presence(domain, old, new)
        yield from _differences(_file(domain, old, new), *own)
    yield from _expectations(old, new)


def _presence(domain: Domain, old: Policies, new: Policies) -> Iterator[Change]:
    if (domain in old.domains) != (domain in new.domains):
        words = ("no", "yes") if domain in new.domains else ("yes", "no")
        yield Change(_file(domain, old, new), "(file)", *words)


def _file(domain: Domain, old: Policies, new: Policies) -> str:
    return (new.domains.get(domain) or old.domains[domain]).source


def _expectations(old: Policies, new: Policies) -> Iterator[Change]:
    """Tell of the files whose expectations differ; they are too long for a line."""
    kept = set(map(repr, old.expectations)) & set(map(repr, new.expectations))
    counts = [Counter(placed.file.name for placed in policies.expectations) for policies in (old, new)]
    changed = {
        placed.file.name for policies in (old, new) for placed in policies.expectations if repr(placed) not in kept
    }
    for file in sorted(changed):
        yield Change(file, "expect", *(f"{count[file]} tables" for count in counts))


def _differences(file: str, old: Values, new: Values) -> Iterator[Change]:
    for key in new:
        if old[key] != new[key]:
            yield Change(file, key, _text(key, old[key]), _text(key, new[key]))


def _of_table(table: Table, prefix: str = "") -> Values:
    values: Values = {}
    kind = ConfigFile if not prefix else type(table)
    for name in kind.model_fields:
        value = getattr(table, name)
        values |= _of_table(value, f"{prefix}{name}.") if isinstance(value, Table) else {f"{prefix}{name}": value}
    return values


def _of_policy(policy: DomainPolicy) -> Values:
    values: Values = {}
    for each in fields(policy):
        value = getattr(policy, each.name)
        if is_dataclass(value):
            values |= {f"{each.name}.{inner.name}": getattr(value, inner.name) for inner in fields(value)}
        elif each.name != _NO_KEY:
            values[each.name] = value
    return values


def _text(key: str, value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int() if key == "socket_mode":
            return f"{value:04o}"
        case Enum():
            return str(value.value)
        case SocketAddress():
            return value.libmilter
        case tuple():
            return ", ".join(map(str, value))
        case frozenset():
            return ", ".join(sorted(map(str, value)))
        case _:
            return str(value)
