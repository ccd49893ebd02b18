"""A real Prometheus reads a real daemon that has mail: each panel of the dashboard has something to show."""

import json
import os
import re
import signal
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from assay.daemon.milter_client import MilterClient
from support.conversation import RECEIVER, letter, send
from support.daemon import Daemon
from support.dnsserver import DnsServer, rcode
from support.ports import free_port
from support.process import wait_until
from support.prometheus import Prometheus

pytestmark = pytest.mark.real

DASHBOARD = json.loads((Path(__file__).parents[2] / "conf/grafana-assay.json").read_text())
TARGETS = [
    pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", ())
]
ZONE = """
good.example. TXT "v=spf1 ip4:192.0.2.10 -all"
_dmarc.good.example. TXT "v=DMARC1; p=reject"
"""
BROKEN = b"_dmarc.broken.example"


class World:
    """A daemon with two workers, a Prometheus that reads it, and how much mail there was."""

    def __init__(self, daemon: Daemon, prometheus: Prometheus) -> None:
        self.daemon = daemon
        self.prometheus = prometheus
        self.messages = 0

    def workers(self) -> list[int]:
        return [int(pid) for pid in re.findall(r'"worker started" pid=(\d+)', self.daemon.output())]

    def mail(self, client: str, author: bytes, count: int) -> None:
        """Hand over messages, each over a connection of its own, so that both workers get some."""
        _, _, port = self.daemon.postfix_socket.rpartition(":")
        for _ in range(count):
            with MilterClient.connect_to(("127.0.0.1", int(port))) as mta:
                mta.negotiate()
                mta.macros(b"C", j=RECEIVER)
                mta.connect(ip_address(client))
                mta.helo(b"mail.good.example")
                send(mta, letter(author))
                mta.quit()
            self.messages += 1


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Some mail of all kinds, with the death of a worker and a reload in between, and then a while of watching."""
    directory = tmp_path_factory.mktemp("prometheus")
    port = free_port()
    with (
        DnsServer(ZONE, {BROKEN: rcode("SERVFAIL")}) as dns,
        Daemon(
            directory / "daemon",
            nameserver=str(dns.nameserver),
            workers=2,
            settings=f'metrics.address = "127.0.0.1:{port}"',
        ) as daemon,
        Prometheus(directory / "prometheus", port) as prometheus,
    ):
        world = World(daemon, prometheus)
        # the first step of a counter shows in a rate only if its beginning was read
        wait_until(lambda: prometheus.value("count_over_time(assay_build_info[1m]) >= 2"), "two scrapes")
        world.mail("192.0.2.10", b"a@good.example", 10)
        os.kill(world.workers()[0], signal.SIGKILL)
        wait_until(lambda: len(world.workers()) == 3, "another worker")
        world.mail("192.0.2.66", b"a@good.example", 5)
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_output("event=reloaded")
        world.mail("192.0.2.10", b"a@broken.example", 3)
        world.mail("127.0.0.1", b"a@good.example", 2)
        wait_until(
            lambda: prometheus.value("sum(assay_messages_total)") == world.messages or None, "all mail in Prometheus"
        )
        yield world


@pytest.mark.parametrize("expression", TARGETS)
def test_each_panel_has_something_to_show(world: World, expression: str) -> None:
    filled = expression.replace("$__rate_interval", "1m").replace("$job", ".*").replace("$instance", ".*")
    assert world.prometheus.query(filled)


def test_prometheus_knows_what_became_of_every_message(world: World) -> None:
    ask = world.prometheus.value
    assert ask("assay_messages_total") == 20
    assert ask("resets(assay_messages_total[5m])") == 0
    assert ask('assay_dispositions_total{rule="dmarc-pass", disposition="none", would="none"}') == 10
    assert ask('sum(assay_dispositions_total{rule="dmarc-fail"})') == 5
    assert ask('sum(assay_results_total{method="dmarc", result="temperror"})') == 3
    assert ask('assay_exempt_messages_total{reason="network"}') == 2
    assert ask("assay_end_of_message_seconds_count") == 20
    assert ask('assay_worker_ends_total{how="died"}') == 1
    assert ask('assay_reloads_total{outcome="done"}') == 1


def test_prometheus_knows_what_became_of_the_dns(world: World) -> None:
    ask = world.prometheus.value
    lookups = ask("sum(assay_dns_lookups_total)")
    assert lookups
    assert ask('assay_dns_lookups_total{outcome="found"}')
    assert ask('assay_dns_lookups_total{outcome="unavailable"}')
    assert ask('assay_dns_cache_requests_total{result="miss"}') == lookups
    assert ask('assay_dns_cache_requests_total{result="hit"}')
    assert ask("assay_dns_lookup_seconds_count") == lookups
    queries = ask('assay_dns_queries_total{transport="udp"}')
    assert queries is not None
    assert queries >= lookups


def test_prometheus_evaluates_every_alert_and_the_death_of_the_worker_raises_one(world: World) -> None:
    firing = wait_until(
        lambda: {rule["name"] for rule in world.prometheus.rules() if rule["state"] == "firing"}, "the alert"
    )
    assert firing == {"AssayWorkerDied"}
    wait_until(lambda: "unknown" not in {rule["health"] for rule in world.prometheus.rules()}, "all to be evaluated")
    rules = world.prometheus.rules()
    assert [rule["lastError"] for rule in rules if "lastError" in rule] == []
    assert {rule["health"] for rule in rules} == {"ok"}
