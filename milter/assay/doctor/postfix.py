"""Postfix as ``postconf`` tells it: parameters, the services of master.cf, and their lists of milters. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from assay.doctor.milters import Listed
from assay.doctor.postfix_milters import SETTINGS, entries

_LOOPBACK: Final = ("127.", "localhost", "[::1]", "::1")
_SUBMISSION_PORTS: Final = frozenset({"submission", "submissions", "smtps", "587", "465"})
_SMTP_PORTS: Final = frozenset({"smtp", "25"})
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_TIME = re.compile(r"([0-9]+)([smhdw]?)", re.ASCII)
_SIGN = re.compile(r"([,{}])")
_BLANKS: Final = " \t"
_COLUMNS: Final = 8
"""Of a line of master.cf: service, type, private, unprivileged, chroot, wake-up time, process limit, command."""


class Role(StrEnum):
    """Whose mail a service of smtpd takes."""

    PUBLIC = "public"
    """Everybody's."""
    SUBMISSION = "submission"
    """That of own users."""
    LOCAL = "local"
    """That of programs on this machine, such as a content filter that hands mail back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A line of master.cf.

    Attributes:
        name: its first column; of an inet service ``port`` or ``host:port``.
        kind: ``inet``, ``unix``, ``pass`` ...
        chroot: sees the queue directory as the root directory.
        limit: processes, None for default_process_limit.
        overrides: what ``-o`` sets, with names of parameters expanded.
    """

    name: str
    kind: str
    chroot: bool
    limit: int | None
    command: str
    overrides: Mapping[str, str]

    @property
    def label(self) -> str:
        """How ``postconf -P`` names it: ``smtp/inet``."""
        return f"{self.name}/{self.kind}"

    @property
    def port(self) -> str:
        """The port of an inet service, as it is written."""
        return self.name.rpartition(":")[2]

    @property
    def on_loopback(self) -> bool:
        """Whether an inet service listens for this machine alone by its name."""
        return self.kind == "inet" and self.name.startswith(_LOOPBACK)

    def lets_in_only(self, permit: str) -> bool:
        """Whether one of its own lists of restrictions ends with this permission and ``reject``."""
        lists = [value for name, value in self.overrides.items() if name.endswith("_restrictions")]
        return any(value.replace(",", " ").split()[-2:] == [permit, "reject"] for value in lists)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostfixFault:
    """A configuration that Postfix itself cannot read; ``why`` in its words."""

    directory: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Postfix:
    """One instance.

    Attributes:
        directory: of its configuration.
        parameters: those of main.cf and the defaults of all others, with names expanded.
        unused: file and name of parameters about milters that mean nothing to Postfix.
    """

    directory: str
    parameters: Mapping[str, str]
    services: tuple[Service, ...]
    unused: tuple[tuple[str, str], ...] = ()

    @property
    def receivers(self) -> tuple[Service, ...]:
        """The services that take mail by SMTP, without those that master does not start."""
        return tuple(
            each
            for each in self.services
            if each.command == "smtpd" and each.kind in {"inet", "pass"} and not self._disabled(each)
        )

    def _disabled(self, service: Service) -> bool:
        """Whether master_service_disable names a service; of that list the first match counts, and ! turns it round."""
        for pattern in self.value("master_service_disable").replace(",", " ").split():
            if pattern.lstrip("!") in {service.kind, service.label, f"{service.name}.{service.kind}"}:
                return not pattern.startswith("!")
        return False

    def value(self, name: str, service: Service | None = None) -> str:
        """Return a parameter as a service sees it; empty for one that this Postfix does not know."""
        if service is not None and name in service.overrides:
            return service.overrides[name]
        return self.parameters.get(name, "")

    def place(self, name: str, service: Service | None = None) -> str:
        """Say where a value is set: the file, the service if it overrides it, and the parameter."""
        if service is not None and name in service.overrides:
            return f"{self.directory}/master.cf: {service.label}: -o {name}"
        return f"{self.directory}/main.cf: {name}"

    def command(self, name: str, value: str, service: Service | None = None) -> str:
        """Give the command that sets a value where it is set now."""
        if service is not None and name in service.overrides:
            return self.override(name, value, service)
        return f"postconf{self.instance} -e '{name} = {_quoted(value)}' && {self.reload}"

    def override(self, name: str, value: str, service: Service) -> str:
        """Give the command that sets a value for one service; in words if postconf -P would not take its blanks."""
        close = _closed_up(value)
        if any(char.isspace() for char in close):
            return f"in {self.directory}/master.cf for {service.label}: -o {{ {name} = {value} }}, then: {self.reload}"
        return f"postconf{self.instance} -P '{service.label}/{name}={_quoted(close)}' && {self.reload}"

    @property
    def reload(self) -> str:
        """The command that makes it read its configuration again."""
        return f"postfix{self.instance} reload"

    @property
    def instance(self) -> str:
        """The option that its programs need to find it, with a blank in front; empty for the machine's own."""
        return "" if self.directory == "/etc/postfix" else f" -c {self.directory}"

    def role(self, service: Service) -> Role:
        """Tell whose mail a service takes.

        A submission service is known by its port, by the name that it gives to milters, or because it lets in nobody
        else than who authenticated himself; one for this machine by its address, because it lets in nobody else than
        mynetworks, or because it alone switches the content filter off, as one does where a filter hands back.
        """
        # behind a proxy that says who the client is, the address tells nothing
        on_loopback = service.on_loopback and not self.value("smtpd_upstream_proxy_protocol", service)
        if service.kind != "inet" or service.port in _SMTP_PORTS:
            return Role.LOCAL if on_loopback else Role.PUBLIC
        named = service.overrides.get("milter_macro_daemon_name") == "ORIGINATING"
        if service.port in _SUBMISSION_PORTS or named or service.lets_in_only("permit_sasl_authenticated"):
            return Role.SUBMISSION
        filters = any(self.value("content_filter", each) for each in self.receivers)
        hands_back = filters and service.overrides.get("content_filter") == ""
        local = on_loopback or hands_back or service.lets_in_only("permit_mynetworks")
        return Role.LOCAL if local else Role.PUBLIC

    def milters(self, service: Service) -> tuple[Listed, ...]:
        """Return the milters that see the mail of a service, in order."""
        if "no_milters" in self.value("receive_override_options", service).replace(",", " ").split():
            return ()
        return tuple(self._listed(self.value("smtpd_milters", service), service))

    @property
    def cleanups(self) -> tuple[Service, ...]:
        """The services of cleanup(8), which hands mail that is born on this machine to milters."""
        return tuple(each for each in self.services if each.command == "cleanup")

    def non_smtpd_milters(self, cleanup: Service) -> tuple[Listed, ...]:
        """Return the milters that see mail born on this machine which one service of cleanup takes."""
        return tuple(self._listed(self.value("non_smtpd_milters", cleanup), cleanup))

    def processes(self) -> int:
        """Return how many processes of smtpd there may be at the same time: so many milter sessions."""
        default = _number(self.value("default_process_limit"))
        return sum(default if each.limit is None else each.limit for each in self.receivers)

    def _listed(self, text: str, service: Service) -> Iterator[Listed]:
        queue = self.value("queue_directory")
        common = {key: self.value(f"milter_{key}", service) for key in SETTINGS}
        for entry in entries(text):
            path = chroot = otherwise = ""
            kind, _, rest = entry.spelled.partition(":")
            if kind in {"unix", "local"} and rest:
                # without a slash in front it starts in the queue directory, which is where every service runs
                below, outside = f"{queue}/{rest.lstrip('/')}", rest if rest.startswith("/") else f"{queue}/{rest}"
                jailed = service.chroot
                path, otherwise = (below, outside) if jailed else (outside, below)
                chroot = queue if jailed else ""
            yield Listed(
                spelled=entry.spelled,
                written=entry.written,
                fault=entry.fault,
                path=path,
                chroot=chroot,
                otherwise=otherwise,
                settings={**common, **entry.settings},
                own=entry.settings,
            )


def _closed_up(value: str) -> str:
    """Leave out the blanks of a list that mean nothing: behind ``,`` and ``{``, and before ``,`` and ``}``."""
    parts = ["", *_SIGN.split(value), ""]
    for index in range(1, len(parts), 2):
        if parts[index - 1] in {",", "{"}:
            parts[index] = parts[index].lstrip(_BLANKS)
        if parts[index + 1] in {",", "}"}:
            parts[index] = parts[index].rstrip(_BLANKS)
    return "".join(parts)


def _quoted(value: str) -> str:
    """Write a value so that it can stand between single quotes in a shell."""
    return value.replace("'", "'\\''")


def seconds(text: str) -> float | None:
    """Read a time of Postfix, such as ``30s``; None for what is none. Without a unit it is seconds."""
    match = _TIME.fullmatch(text.strip())
    return None if match is None else int(match[1]) * _UNITS[match[2] or "s"]


def parse_parameters(text: str) -> Mapping[str, str]:
    """Read the output of ``postconf -x``."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


def parse_services(master: str, overrides: str, *, chroot: bool) -> tuple[Service, ...]:
    """Read what postconf says of master.cf.

    Args:
        master: the output of ``postconf -M``.
        overrides: the output of ``postconf -x -P``: options with names of parameters expanded.
        chroot: what an open column means.
    """
    options: dict[str, dict[str, str]] = {}
    for place, value in parse_parameters(overrides).items():
        label, _, name = place.rpartition("/")
        options.setdefault(label, {})[name] = value
    return tuple(_services(master.splitlines(), options, chroot=chroot))


def _services(lines: Sequence[str], options: Mapping[str, Mapping[str, str]], *, chroot: bool) -> Iterator[Service]:
    for line in lines:
        name, kind, _private, _unprivileged, jailed, _wakeup, limit, command = line.split(None, _COLUMNS)[:_COLUMNS]
        yield Service(
            name=name,
            kind=kind,
            chroot=jailed == "y" or (jailed == "-" and chroot),
            limit=None if limit == "-" else _number(limit),
            command=command,
            overrides=options.get(f"{name}/{kind}", {}),
        )


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
