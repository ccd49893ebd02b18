"""The keys of the configuration: names and defaults that are promised, values that are refused."""

import os
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from assay.config.load import parse_config
from assay.config.model import Config, LogLevel
from assay.config.socket import SocketAddress, SocketFamily
from assay.dns.nameservers import Nameserver
from assay.errors import ConfigurationError
from assay.log import Format
from assay.policy.model import Mode
from assay.results import Discovery

SOURCE = Path("/etc/assay/assay.toml")


def _config(text: str) -> Config:
    return parse_config(text, SOURCE)


def _problems(text: str) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        _config(text)
    return {problem.place.removeprefix(f"{SOURCE}: "): problem.text for problem in caught.value.problems}


def test_the_defaults_that_are_promised() -> None:
    config = _config("")
    assert config.authserv_id is None
    assert config.socket.libmilter == "inet:8894@127.0.0.1"
    assert config.workers == len(os.sched_getaffinity(0))
    assert config.mode is Mode.MONITOR
    assert config.policies == Path("/etc/assay/policies")
    assert (config.dns.nameservers, config.dns.timeout, config.dns.budget, config.dns.negative_ttl) == ((), 5, 20, 60)
    assert config.exempt.networks == (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    assert config.exempt.authenticated is True
    assert config.exempt.keep_results is False
    assert config.log.format is Format.TEXT
    assert config.metrics.address is None
    assert config.source == SOURCE


def test_every_key_takes_its_value() -> None:
    config = _config(
        """
        authserv_id = "MX.Bücher.example."
        socket = "unix:assay.sock"
        socket_mode = "600"
        socket_group = "postfix"
        workers = 4
        pin_workers = false
        stop_timeout = 0.5
        mode = "enforce"
        policies = "p"
        [dns]
        nameservers = ["192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353"]
        timeout = 2
        budget = 7.5
        negative_ttl = 0
        max_queries = 20
        [dkim]
        max_signatures = 3
        count_test_mode_keys = true
        count_partial_bodies = true
        clock_tolerance = 0
        [dmarc]
        organizational_domain = "psl"
        public_suffix_guard = false
        shadow = true
        [exempt]
        networks = []
        authenticated = false
        keep_results = true
        [stamp]
        remove_ids = ["Old.example", "b/1"]
        [log]
        format = "json"
        level = "debug"
        [metrics]
        address = "[::1]:9894"
        """
    )
    assert config.authserv_id == "mx.xn--bcher-kva.example"
    assert config.socket.path == "/etc/assay/assay.sock"
    assert (config.socket_mode, config.socket_group) == (0o600, "postfix")
    assert (config.workers, config.pin_workers, config.stop_timeout) == (4, False, 0.5)
    assert config.mode is Mode.ENFORCE
    assert config.policies == Path("/etc/assay/p")
    first, six = ip_address("192.0.2.1"), ip_address("2001:db8::1")
    assert config.dns.nameservers == (
        Nameserver(address=first),
        Nameserver(address=first, port=5353),
        Nameserver(address=six),
        Nameserver(address=six, port=5353),
    )
    assert (config.dns.timeout, config.dns.budget, config.dns.negative_ttl, config.dns.max_queries) == (2, 7.5, 0, 20)
    dkim = config.dkim
    assert (dkim.max_signatures, dkim.clock_tolerance) == (3, 0)
    assert dkim.count_test_mode_keys
    assert dkim.count_partial_bodies
    dmarc = config.dmarc
    assert (dmarc.organizational_domain, dmarc.public_suffix_guard, dmarc.shadow) == (Discovery.PSL, False, True)
    exempt = config.exempt
    assert (exempt.networks, exempt.authenticated, exempt.keep_results) == ((), False, True)
    assert config.stamp.remove_ids == ("Old.example", "b/1")
    assert (config.log.format, config.log.level) == (Format.JSON, LogLevel.DEBUG)
    assert config.metrics.address == SocketAddress(family=SocketFamily.INET6, host="::1", port=9894)


@pytest.mark.parametrize(
    ("source", "text", "policies"),
    [
        ("/etc/assay/assay.toml", "", "/etc/assay/policies"),
        ("/usr/share/assay/conf/assay.toml", "", "/usr/share/assay/policies"),
        ("/etc/assay/assay.toml", 'policies = "/srv/p"', "/srv/p"),
        ("/srv/conf/assay.toml", 'policies = "p"', "/srv/conf/p"),
    ],
)
def test_where_the_policies_are(source: str, text: str, policies: str) -> None:
    assert parse_config(text, Path(source)).policies == Path(policies)


def test_empty_texts_stand_for_the_defaults() -> None:
    assert _config('authserv_id = ""\nsocket_group = ""\npolicies = ""') == _config("")


@pytest.mark.parametrize(("cores", "workers"), [(1, 1), (3, 3), (256, 256), (1000, 256)])
def test_without_a_number_there_is_one_worker_for_each_core_that_we_may_use(
    monkeypatch: pytest.MonkeyPatch, cores: int, workers: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(cores)))
    assert (_config("").workers, _config("workers = 0").workers) == (workers, workers)
    assert _config("workers = 2").workers == 2


def test_the_configuration_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        _config("").workers = 2  # type: ignore[misc]


BAD = [
    ("worker = 1", "worker", 'unknown key; did you mean "workers"?'),
    ("source = 1", "source", "unknown key"),
    ("[dns]\ntimeuot = 1", "dns.timeuot", 'unknown key; did you mean "timeout"?'),
    ("timeout = 1", "timeout", 'unknown key; "timeout" stands in the table [dns]'),
    ('[log]\nsocket = "x"', "log.socket", 'unknown key; "socket" stands at the top, before the first table'),
    ("[exempted]\nx = 1", "exempted", 'unknown key; did you mean "exempt"?'),
    ('"a\\nb.c" = 1', "'a\\nb.c'", "unknown key"),
    ("workers = -1", "workers", "must be at least 0"),
    ("workers = 257", "workers", "must be at most 256"),
    ("workers = true", "workers", "must be a whole number, without quotes"),
    ('workers = "1"', "workers", "must be a whole number, without quotes"),
    ("workers = 1.0", "workers", "must be a whole number, without quotes"),
    ("stop_timeout = 0", "stop_timeout", "must be more than 0"),
    ('mode = "enforced"', "mode", 'must be "monitor" or "enforce"; did you mean "enforce"?'),
    ("mode = 1", "mode", 'must be "monitor" or "enforce"'),
    ("authserv_id = 1", "authserv_id", "must be a text in quotes"),
    ('authserv_id = "a b"', "authserv_id", "'a b' is no host name, which it must be here"),
    ('socket = "inet:127.0.0.1:8894"', "socket", 'here it is "inet:8894@127.0.0.1"'),
    ("socket = 8894", "socket", "must be a text in quotes"),
    ("socket_mode = 0o660", "socket_mode", 'must be three octal digits in quotes, such as "0660"'),
    ('socket_mode = "0680"', "socket_mode", "must be three octal digits"),
    ('socket_mode = "rw-rw----"', "socket_mode", "must be three octal digits"),
    ('socket_group = "a b"', "socket_group", "'a b' is no name of a group"),
    ("policies = []", "policies", "must be a text in quotes"),
    ('policies = "a\\u0000b"', "policies", "holds unprintable characters"),
    ("[dns]\ntimeout = inf", "dns.timeout", "must be a finite number"),
    ('[dns]\ntimeout = "5"', "dns.timeout", "must be a number, without quotes"),
    ("[dns]\nbudget = -1", "dns.budget", "must be more than 0"),
    ("[dns]\nnegative_ttl = -1", "dns.negative_ttl", "must be at least 0"),
    ('[dns]\nnameservers = "192.0.2.1"', "dns.nameservers", "must be a list"),
    ('[dns]\nnameservers = ["192.0.2.1", "ns.example"]', "dns.nameservers #2", "'ns.example' is no name server"),
    ("[dns]\nnameservers = [1]", "dns.nameservers #1", "must be a text in quotes"),
    ('[exempt]\nnetworks = ["127.0.0.1/8"]', "exempt.networks #1", 'did you mean "127.0.0.0/8"?'),
    ('[exempt]\nauthenticated = "yes"', "exempt.authenticated", "must be true or false"),
    ('[stamp]\nremove_ids = [""]', "stamp.remove_ids #1", "must be printable, not empty"),
    ('[stamp]\nremove_ids = ["a\\nb"]', "stamp.remove_ids #1", "must be printable"),
    ("[stamp]\nremove_ids = [1]", "stamp.remove_ids #1", "must be a text in quotes"),
    ('[log]\nformat = "xml"', "log.format", 'must be "text" or "json"'),
    ('[log]\nlevel = "warn"', "log.level", 'did you mean "warning"?'),
    ("log = 1", "log", "must be a table"),
    ("[metrics]\naddress = 9894", "metrics.address", "must be a text in quotes"),
    ('[metrics]\naddress = "0.0.0.0:9894"', "metrics.address", "can be reached from elsewhere"),
    ("[[dns]]\ntimeout = 1", "dns", "must be a table"),
    ("workers = 99999999999999999999", "workers", "must be at most 256"),
]


@pytest.mark.parametrize(("text", "place", "complaint"), BAD, ids=[row[0] for row in BAD])
def test_a_bad_key_is_named_with_what_would_be_right(text: str, place: str, complaint: str) -> None:
    problems = _problems(text)
    assert list(problems) == [place]
    assert complaint in problems[place]


def test_every_problem_is_listed() -> None:
    assert len(_problems('worker = 1\nmode = "x"\n[dns]\ntimeout = 0\nnameservers = ["x", "y"]\n[log]\nlevel = 1')) == 6
