"""A judgement can be repeated from what was recorded (issue 2 point 9)."""

from hypothesis import given
from hypothesis import strategies as st

from assay.answers import Absent, RRType, Unavailable
from assay.dns.replay import Replayer
from assay.dns.zone import Zone
from assay.trace import Query

ZONE = Zone({(b"a.test", RRType.TXT): [b"x"]}, broken={b"b.test": "timeout"})


@given(st.lists(st.tuples(st.sampled_from([b"a.test", b"B.test", b"test", b"x"]), st.sampled_from(list(RRType)))))
def test_a_replay_answers_as_the_record(asked: list[tuple[bytes, RRType]]) -> None:
    answers = [ZONE.resolve(*question) for question in asked]
    replayer = Replayer(Query(*question, answer) for question, answer in zip(asked, answers, strict=True))
    assert [replayer.resolve(name.upper(), rrtype) for name, rrtype in asked] == answers


def test_what_was_not_recorded_is_unavailable_and_never_absent() -> None:
    replayer = Replayer([Query(b"a.test", RRType.TXT, Absent(nxdomain=True))])
    replayer.prefetch(b"b.test", RRType.TXT)
    assert replayer.resolve(b"b.test", RRType.TXT) == Unavailable("not recorded")
    assert replayer.resolve(b"a.test", RRType.A) == Unavailable("not recorded")


def test_the_first_of_several_answers_counts() -> None:
    first, second = (Query(b"a.test", RRType.TXT, Unavailable(why)) for why in ("first", "second"))
    assert Replayer([first, second]).resolve(b"a.test", RRType.TXT) == Unavailable("first")
