"""What one DNS query costs the process that asks it: ours, dnspython, and pycares where it is installed.

    python bench/dns_clients.py [--queries 3000] [--rounds 5]

Every name is asked once, so no cache helps. The server is a process of its own on loopback that answers each query
with one TXT record and knows no zone. CPU is user and system time of the asking process, all its threads.
"""

import argparse
import importlib.util
import multiprocessing
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from ipaddress import IPv4Address

import dns.resolver

from assay.answers import Found, RRType
from assay.dns.client import DnsClient
from assay.dns.nameservers import Nameserver

HOST = "127.0.0.1"
RECORD = b"v=DKIM1; k=rsa; p=" + b"A" * 216

Ask = Callable[[list[str]], None]


def serve(sock: socket.socket) -> None:
    """Answer every query until killed."""
    data = bytes((len(RECORD),)) + RECORD
    answer = b"\xc0\x0c\x00\x10\x00\x01\x00\x00\x01\x2c" + len(data).to_bytes(2) + data
    while True:
        query, peer = sock.recvfrom(4096)
        end = query.index(b"\0", 12) + 5
        sock.sendto(query[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + query[12:end] + answer, peer)


@contextmanager
def server() -> Iterator[int]:
    """Run the server; give its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        process = multiprocessing.get_context("fork").Process(target=serve, args=(sock,), daemon=True)
        process.start()
        try:
            yield sock.getsockname()[1]
        finally:
            process.terminate()
            process.join()


@contextmanager
def ours(port: int) -> Iterator[Ask]:
    client = DnsClient([Nameserver(address=IPv4Address(HOST), port=port)])

    def ask(names: list[str]) -> None:
        resolver = client.for_message(max_queries=len(names))
        for name in names:
            assert isinstance(resolver.resolve(name.encode(), RRType.TXT), Found)

    yield ask
    client.close()


@contextmanager
def ours_prefetched(port: int) -> Iterator[Ask]:
    client = DnsClient([Nameserver(address=IPv4Address(HOST), port=port)])

    def ask(names: list[str]) -> None:
        for start in range(0, len(names), 10):  # what a message starts before it waits for the first answer
            resolver = client.for_message()
            for name in names[start : start + 10]:
                resolver.prefetch(name.encode(), RRType.TXT)
            for name in names[start : start + 10]:
                assert isinstance(resolver.resolve(name.encode(), RRType.TXT), Found)

    yield ask
    client.close()


@contextmanager
def dnspython(port: int) -> Iterator[Ask]:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [HOST]
    resolver.port = port

    def ask(names: list[str]) -> None:
        for name in names:
            assert resolver.resolve(name, "TXT", search=False)

    yield ask


@contextmanager
def pycares(port: int) -> Iterator[Ask]:
    cares = importlib.import_module("pycares")
    channel = cares.Channel(servers=[HOST], udp_port=port, timeout=5, tries=6)

    def ask(names: list[str]) -> None:
        for name in names:
            channel.query(f"{name}.", cares.QUERY_TYPE_TXT, callback=lambda *_: None)
            channel.wait()

    yield ask
    channel.close()


def measure(
    client: Callable[[int], AbstractContextManager[Ask]], port: int, queries: int, rounds: int
) -> tuple[float, float]:
    """Median CPU and elapsed microseconds per query."""
    cpu, elapsed = [], []
    with client(port) as ask:
        ask([f"warm{number}.example.test" for number in range(100)])
        for turn in range(rounds):
            names = [f"selector{turn}-{number}._domainkey.example.test" for number in range(queries)]
            cpu_before, before = time.process_time(), time.perf_counter()
            ask(names)
            cpu.append((time.process_time() - cpu_before) / queries * 1e6)
            elapsed.append((time.perf_counter() - before) / queries * 1e6)
    return statistics.median(cpu), statistics.median(elapsed)


def main() -> None:
    """Measure every client and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    clients = {"ours": ours, "ours, ten at a time": ours_prefetched, "dnspython": dnspython}
    if importlib.util.find_spec("pycares") is not None:
        clients["pycares"] = pycares
    print(f"{'client':<22}{'CPU us/query':>14}{'elapsed us':>14}{'CPU, ours = 1':>16}")
    base = 0.0
    with server() as port:
        for name, client in clients.items():
            cpu, elapsed = measure(client, port, options.queries, options.rounds)
            base = base or cpu
            print(f"{name:<22}{cpu:>14.0f}{elapsed:>14.0f}{cpu / base:>16.2f}")


if __name__ == "__main__":
    main()
