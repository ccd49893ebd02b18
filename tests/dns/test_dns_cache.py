"""Answers are kept for their TTL exactly, in bounded memory (issue 2 point 4)."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.answers import Absent, Answer, Found, Mx, RRType, Unavailable
from assay.dns.cache import TtlCache

KEY = (b"\x01a\x00", RRType.TXT)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_an_answer_is_kept_for_its_ttl_and_not_a_moment_longer() -> None:
    clock = Clock()
    cache = TtlCache(clock)
    answer = Found((b"x",), 60)
    cache.put(KEY, answer, 60)
    clock.now += 59.999
    assert cache.get(KEY) is answer
    clock.now += 0.001
    assert cache.get(KEY) is None
    assert (len(cache), cache.octets) == (0, 0)


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        pytest.param(Found((b"x",), 0), 0, id="TTL 0"),
        pytest.param(Absent(nxdomain=True), 0, id="negative_ttl 0"),
        pytest.param(Unavailable("timeout"), 60, id="a failure"),
        pytest.param(Found((b"x" * 5000,), 60), 60, id="an answer larger than the cache"),
    ],
)
def test_what_must_not_be_kept_is_not(answer: Answer, seconds: float) -> None:
    cache = TtlCache(Clock(), max_octets=2000)
    cache.put(KEY, Found((b"old",), 60), 60)
    cache.put(KEY, answer, seconds)
    assert cache.get(KEY) is None
    assert cache.octets == 0


def test_types_of_one_name_are_kept_apart() -> None:
    cache = TtlCache(Clock())
    cache.put(KEY, Absent(nxdomain=False), 60)
    assert cache.get((KEY[0], RRType.A)) is None


def test_a_newer_answer_takes_the_place_of_the_older() -> None:
    clock = Clock()
    cache = TtlCache(clock)
    cache.put(KEY, Found((b"x",), 60), 60)
    clock.now += 30
    cache.put(KEY, Found((b"y",), 60), 60)
    clock.now += 59
    assert cache.get(KEY) == Found((b"y",), 60)
    assert len(cache) == 1


def test_the_oldest_answers_go_when_the_memory_is_full() -> None:
    cache = TtlCache(Clock(), max_octets=2000)
    for number in range(10):
        cache.put((b"%d" % number, RRType.TXT), Found((b"x",), 60), 60)
    kept = [number for number in range(10) if cache.get((b"%d" % number, RRType.TXT))]
    assert kept == [7, 8, 9]


records = st.one_of(
    st.binary(max_size=300),
    st.just(IPv4Address("127.0.0.1")),
    st.builds(Mx, st.integers(0, 9), st.binary(max_size=250)),
)


@given(st.lists(st.tuples(st.binary(max_size=3), st.lists(records, min_size=1, max_size=4), st.integers(0, 9))))
def test_memory_stays_within_its_bound(puts: list[tuple[bytes, list[bytes], int]]) -> None:
    clock = Clock()
    cache = TtlCache(clock, max_octets=3000)
    for name, held, ttl in puts:
        cache.put((name, RRType.TXT), Found(tuple(held), ttl), ttl)
        clock.now += 1
        assert 0 <= cache.octets <= 3000
        assert len(cache) * 400 <= cache.octets
