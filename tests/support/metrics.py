"""A Prometheus' side of the conversation."""

import http.client
import socket
from collections.abc import Mapping

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def ask(port: int, path: str = "/metrics", method: str = "GET") -> tuple[int, Mapping[str, str], str]:
    """Ask an endpoint; returns status, header and content."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read().decode()
    finally:
        connection.close()


def families(port: int) -> list[Metric]:
    """Everything that is shown, as the parser of prometheus-client reads it."""
    status, _, text = ask(port)
    assert status == 200, text
    return list(text_string_to_metric_families(text))


def scrape(port: int) -> Samples:
    """Every sample by its name and its labels, in order of their names."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families(port)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    """The number of one series."""
    return samples[name, tuple(sorted(labels.items()))]


def total(samples: Samples, name: str, **labels: str) -> float:
    """The sum of all series of a name that have these labels."""
    return sum(
        number for (sample, pairs), number in samples.items() if sample == name and set(labels.items()) <= set(pairs)
    )


def raw(port: int, octets: bytes) -> bytes:
    """Send octets and return all that comes back until the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(octets)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer
