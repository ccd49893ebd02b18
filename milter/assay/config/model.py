"""The configuration of the daemon: its tables, keys and defaults. conf/assay.toml explains each key to people."""

import re
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo

from assay.config.cores import usable_cores
from assay.config.socket import SocketAddress, SocketError, SocketFamily, parse_loopback, parse_socket
from assay.dns.nameservers import Nameserver, NameserverError, parse_nameserver
from assay.domain import Domain
from assay.errors import DomainError
from assay.limits import (
    CLOCK_TOLERANCE,
    DNS_BUDGET,
    DNS_MAX_QUERIES,
    DNS_TIMEOUT,
    MAX_SIGNATURES,
    NEGATIVE_TTL,
)
from assay.log import Format
from assay.policy.fields import NetworkName, text_of
from assay.policy.model import Mode
from assay.results import Discovery
from assay.tomlfile import Table

_SOCKET_MODE = re.compile(r"0?[0-7]{3}")
_GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\$?")
MAX_WORKERS: Final = 256
"""Processes; neither a slip of the finger nor a huge machine should fork thousands (local choice)."""
MAX_SECONDS: Final = 86400
"""Of any time in the configuration: one day (local choice)."""
STOP_TIMEOUT: Final = 20.0
"""Seconds. Over a restart whoever connects waits in the backlog of the socket for as long as the old workers take, and
then for a start, which a slow machine needs some seconds for; Postfix gives up after 30 (milter_command_timeout)."""
MAX_ID: Final = 255
"""Characters of an authserv-id (local choice)."""
DEFAULT_POLICIES: Final = "policies"
"""Name of the default directory of policies."""


class LogLevel(StrEnum):
    """The lowest level that is written; one line per message is ``info``."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text in quotes")  # noqa: TRY004 - pydantic wants it
    return value


def _directory(info: ValidationInfo) -> Path:
    """Return the directory of the configuration file: relative paths start there."""
    source: Path = info.context["source"]  # type: ignore[index]  # parse_config always gives it
    return source.parent


def _authserv_id(value: object) -> str | None:
    text = _text(value)
    if not text:
        return None
    try:
        return Domain.parse(text).name
    except DomainError as error:
        raise ValueError(
            f'{text!a} is no host name, which it must be here ({error}); "" takes the host name of the MTA'
        ) from None


def _own_id(value: str) -> str:
    # Earlier products wrote whatever they liked, so an id to be removed need not be a domain (standards E.3.4).
    if not value.strip() or not value.isprintable() or len(value) > MAX_ID:
        raise ValueError(f"must be printable, not empty and at most {MAX_ID} characters long")
    return value


def _socket(value: object, info: ValidationInfo) -> SocketAddress:
    try:
        return parse_socket(_text(value), _directory(info))
    except SocketError as error:
        raise ValueError(str(error)) from None


def _metrics_address(value: object) -> SocketAddress | None:
    text = _text(value)
    try:
        return parse_loopback(text) if text else None
    except SocketError as error:
        raise ValueError(str(error)) from None


def _socket_mode(value: object) -> int:
    # A number cannot be told apart: TOML reads 0o660 as 432, and a decimal 660 would be the mode 1224.
    if not isinstance(value, str) or _SOCKET_MODE.fullmatch(value) is None:
        raise ValueError('must be three octal digits in quotes, such as "0660"')
    return int(value, 8)


def _socket_group(value: object) -> str | None:
    text = _text(value)
    if text and _GROUP.fullmatch(text) is None:
        raise ValueError(f'{text!a} is no name of a group; "" leaves the group alone')
    return text or None


def _workers(value: int) -> int:
    return value or min(usable_cores(), MAX_WORKERS)


def _policies(value: object, info: ValidationInfo) -> Path:
    text = _text(value)
    if not text.isprintable():
        raise ValueError("holds unprintable characters")
    directory = _directory(info)
    if text:
        return directory / text
    # Our own tree keeps conf/assay.toml and policies/ side by side; /etc/assay holds the file and policies/ itself.
    return (directory.parent if directory.name == "conf" else directory) / DEFAULT_POLICIES


def _nameserver(value: object) -> Nameserver:
    try:
        return parse_nameserver(_text(value))
    except NameserverError as error:
        raise ValueError(str(error)) from None


AuthservId = Annotated[str | None, PlainValidator(_authserv_id), text_of("host name")]
NameserverText = Annotated[Nameserver, PlainValidator(_nameserver), text_of("address, with or without a port")]
OwnId = Annotated[str, AfterValidator(_own_id), text_of("authserv-id")]
Seconds = Annotated[float, Field(gt=0, le=MAX_SECONDS, allow_inf_nan=False)]


class DnsConfig(Table):
    """``[dns]``.

    Attributes:
        nameservers: empty: those of the machine's resolv.conf.
        timeout: seconds per query, over all tries.
        budget: seconds of waiting per message.
        negative_ttl: seconds that "no such record" is kept; 0: not beyond the message.
        max_queries: per message.
    """

    nameservers: Annotated[tuple[NameserverText, ...], Field(strict=False)] = ()
    timeout: Seconds = DNS_TIMEOUT
    budget: Seconds = DNS_BUDGET
    negative_ttl: Annotated[int, Field(ge=0, le=MAX_SECONDS)] = NEGATIVE_TTL
    max_queries: Annotated[int, Field(ge=1, le=10_000)] = DNS_MAX_QUERIES


class DkimConfig(Table):
    """``[dkim]``.

    Attributes:
        max_signatures: verified per message.
        count_test_mode_keys: a pass by a key with t=y counts (RFC 6376 3.6.1 says it must not).
        count_partial_bodies: a pass by a signature whose l= leaves text out counts (RFC 6376 8.2 warns of it).
        clock_tolerance: seconds for t= and x=.
    """

    max_signatures: Annotated[int, Field(ge=1, le=100)] = MAX_SIGNATURES
    count_test_mode_keys: bool = False
    count_partial_bodies: bool = False
    clock_tolerance: Annotated[int, Field(ge=0, le=MAX_SECONDS)] = CLOCK_TOLERANCE


class DmarcConfig(Table):
    """``[dmarc]``.

    Attributes:
        organizational_domain: by tree walk (RFC 9989) or by the list of public suffixes (RFC 7489).
        public_suffix_guard: no alignment through a public suffix that publishes without psd.
        shadow: evaluate the other way too and log where it differs.
    """

    organizational_domain: Annotated[Discovery, Field(strict=False)] = Discovery.TREEWALK
    public_suffix_guard: bool = True
    shadow: bool = False


class ExemptConfig(Table):
    """``[exempt]``.

    Attributes:
        networks: clients that are not judged.
        authenticated: authenticated clients are not judged.
        keep_results: exempt mail keeps the fields that claim our authserv-id, for a content filter that re-injects.
    """

    networks: Annotated[tuple[NetworkName, ...], Field(strict=False)] = (
        ip_network("127.0.0.0/8"),
        ip_network("::1/128"),
    )
    authenticated: bool = True
    keep_results: bool = False


class StampConfig(Table):
    """``[stamp]``.

    Attributes:
        remove_ids: further authserv-ids whose incoming fields are removed.
    """

    remove_ids: Annotated[tuple[OwnId, ...], Field(strict=False)] = ()


class LogConfig(Table):
    """``[log]``."""

    format: Annotated[Format, Field(strict=False)] = Format.TEXT
    level: Annotated[LogLevel, Field(strict=False)] = LogLevel.INFO


class MetricsConfig(Table):
    """``[metrics]``.

    Attributes:
        address: where Prometheus finds the numbers, on loopback; None: nowhere.
    """

    address: Annotated[
        SocketAddress | None, PlainValidator(_metrics_address), text_of("address of loopback with a port")
    ] = None


class ConfigFile(Table):
    """What the file holds. To be validated with the context ``{"source": Path}``.

    Attributes:
        authserv_id: None: the host name that the MTA reports (macro ``j``), else the machine's.
        socket: where to listen.
        socket_mode: permissions of a unix socket.
        socket_group: group of a unix socket; None leaves it.
        workers: processes, at least one; 0 in the file: one for each core that this process may use.
        pin_workers: each worker stays on one core.
        stop_timeout: seconds that a worker which was told to stop may take for the messages it has.
        mode: where no policy file says otherwise.
        policies: the directory of policy files.
    """

    authserv_id: AuthservId = None
    socket: Annotated[SocketAddress, PlainValidator(_socket), text_of("socket")] = SocketAddress(
        family=SocketFamily.INET, host="127.0.0.1", port=8894
    )
    socket_mode: Annotated[int, PlainValidator(_socket_mode), text_of("three octal digits")] = 0o660
    socket_group: Annotated[str | None, PlainValidator(_socket_group), text_of("group")] = None
    workers: Annotated[int, Field(ge=0, le=MAX_WORKERS, validate_default=True), AfterValidator(_workers)] = 0
    pin_workers: bool = True
    stop_timeout: Seconds = STOP_TIMEOUT
    mode: Annotated[Mode, Field(strict=False)] = Mode.MONITOR
    policies: Annotated[Path, PlainValidator(_policies), Field(validate_default=True), text_of("directory")] = ""  # type: ignore[assignment]
    dns: DnsConfig = DnsConfig()
    dkim: DkimConfig = DkimConfig()
    dmarc: DmarcConfig = DmarcConfig()
    exempt: ExemptConfig = ExemptConfig()
    stamp: StampConfig = StampConfig()
    log: LogConfig = LogConfig()
    metrics: MetricsConfig = MetricsConfig()


class Config(ConfigFile):
    """The configuration in force; made by :func:`assay.config.load.load_config`.

    Attributes:
        source: the file that it was read from, absolute; no key of the file.
    """

    source: Path
