"""The public test suite for RFC 7208 over real DNS: our client asks knot, and each scenario is a root zone."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import dns.query
import pytest

from assay.dns.client import DnsClient
from assay.dns.nameservers import Nameserver, parse_nameserver
from support.dnsserver import Behaviour, DnsServer, Exchange, Reply, dead
from support.knot import knot, zone_text
from support.spf_suite import CASES, EXPLAINED, explanation, name, value
from support.suite_zone import MISSING, Scenario, SuiteCase, SuiteName, zone_lines

SILENCE = 1.0
"""Seconds for a query where a scenario has a dead name: every other answer comes from loopback at once."""

pytestmark = [pytest.mark.real, pytest.mark.skipif(not CASES, reason=MISSING)]


class Servers:
    """One knotd for each scenario, started when it is first needed."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self._clients: dict[int, DnsClient] = {}

    def client(self, scenario: Scenario) -> DnsClient:
        if scenario.number not in self._clients:
            self._clients[scenario.number] = self._start(scenario)
        return self._clients[scenario.number]

    def _start(self, scenario: Scenario) -> DnsClient:
        directory = self._directory / str(scenario.number)
        text = zone_text(".", zone_lines(scenario.names))
        server = parse_nameserver(self._stack.enter_context(knot(directory, {".": text})).nameserver)
        silent = {name: unless_held(entry, server) for name, entry in scenario.names.items() if entry.dead}
        if silent:
            # No name server keeps silent for one name: a front does, and hands every other question to knot
            front = DnsServer(behaviours=silent, everything=forward(server))
            server = self._stack.enter_context(front).nameserver
        client = DnsClient([server], timeout=SILENCE) if silent else DnsClient([server])
        self._stack.callback(client.close)
        return client


def forward(server: Nameserver) -> Behaviour:
    def behave(exchange: Exchange) -> list[Reply]:
        answer = dns.query.udp(exchange.query, str(server.address), port=server.port, timeout=SILENCE)
        return [(0, answer.to_wire())]

    return behave


def unless_held(entry: SuiteName, server: Nameserver) -> Behaviour:
    """Keep silent for the types that the name does not hold."""
    held = {str(rrtype) for rrtype in entry.records}
    return lambda exchange: (forward(server) if exchange.seen.rrtype in held else dead)(exchange)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, network_guard: object) -> Iterator[Servers]:
    assert network_guard is not None
    with ExitStack() as stack:
        yield Servers(tmp_path_factory.mktemp("knot"), stack)


@pytest.mark.parametrize("case", CASES, ids=name)
def test_result(case: SuiteCase, servers: Servers) -> None:
    assert value(case, servers.client(case.scenario).for_message()) in case.results


@pytest.mark.parametrize("case", EXPLAINED, ids=name)
def test_explanation(case: SuiteCase, servers: Servers) -> None:
    assert explanation(case, servers.client(case.scenario).for_message()) == case.explanation
