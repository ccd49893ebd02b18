"""Two budgets for one message (standards H.5 D3, D4)."""

from assay.answers import RRType, Unavailable
from assay.dns.reserved import ReservedResolver
from support.dict_resolver import DictResolver, found

RECORD = found(b"v=DMARC1; p=reject")
POOR = Unavailable("budget used up")


def test_the_reserved_names_are_looked_for_at_once_each_once_and_by_their_own_resolver() -> None:
    general, reserved = DictResolver(), DictResolver()
    ReservedResolver(general, reserved, [b"_dmarc.A.test", b"_dmarc.test", b"_dmarc.a.test"])
    assert reserved.prefetched == [(b"_dmarc.a.test", RRType.TXT), (b"_dmarc.test", RRType.TXT)]
    assert general.prefetched == []


def test_a_reserved_question_is_answered_whatever_became_of_the_other_budget() -> None:
    general, reserved = DictResolver({b"_dmarc.a.test": POOR}), DictResolver({b"_dmarc.a.test": RECORD})
    resolver = ReservedResolver(general, reserved, [b"_dmarc.a.test"])
    assert resolver.resolve(b"_DMARC.a.test", RRType.TXT) == RECORD
    assert general.asked == []


def test_another_name_and_another_type_belong_to_the_general_budget() -> None:
    general, reserved = DictResolver({b"_dmarc.a.test": POOR}), DictResolver({b"_dmarc.a.test": RECORD})
    resolver = ReservedResolver(general, reserved, [b"_dmarc.a.test"])
    assert resolver.resolve(b"_dmarc.a.test", RRType.A) == POOR
    resolver.prefetch(b"_dmarc.b.test", RRType.TXT)
    assert general.prefetched == [(b"_dmarc.b.test", RRType.TXT)]
    assert reserved.asked == []
