"""Which incoming fields go: whatever anybody could take for ours, and nothing that is plainly somebody else's."""

from collections.abc import Sequence
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assay.facts import HeaderField
from assay.limits import MAX_AUTHSERV_ID_OCTETS, MAX_ODD_AUTHSERV_ID_OCTETS
from assay.stamp.removal import Removal, claiming_names, forged_fields
from support.judged import HOSTILE

AR: Final = b"Authentication-Results"
OURS: Final = ("mx.receiver.example", "Bücher.example")

FORGED = [
    ("as we write it", b" mx.receiver.example; dkim=pass"),
    ("no space", b"mx.receiver.example;dkim=pass"),
    ("upper case", b" MX.Receiver.EXAMPLE; dkim=pass"),
    ("quoted", b' "mx.receiver.example"; dkim=pass'),
    ("quoted pairs", b' "mx\\.rec\\eiver.example"; dkim=pass'),
    ("quoted with spaces", b' " mx.receiver.example "; dkim=pass'),
    ("quoted with a version inside", b' "mx.receiver.example 1"; dkim=pass'),
    ("quoted pairs with a version inside", b' "mx\\.rec\\eiver.example 1"; dkim=pass'),
    ("quoted with a slash", b' "mx.receiver.example/1"; dkim=pass'),
    ("quoted with a port", b' "mx.receiver.example:25"; dkim=pass'),
    ("quoted with at", b' "smtp@mx.receiver.example"; dkim=pass'),
    ("leading comment", b" (c) mx.receiver.example; dkim=pass"),
    ("nested comment with a quoted pair", b" (a(b)\\)c) mx.receiver.example; dkim=pass"),
    ("comment with a semicolon", b" (;) mx.receiver.example; dkim=pass"),
    ("trailing comment", b" mx.receiver.example(x); dkim=pass"),
    ("comment inside the id", b" mx.recei(c)ver.example; dkim=pass"),
    ("space inside the id", b" mx.receiver .example; dkim=pass"),
    ("folded before the id", b"\r\n\tmx.receiver.example; dkim=pass"),
    ("folded inside the id", b" mx.receiver.\r\n example; dkim=pass"),
    ("folded by bare LF", b"\n mx.receiver.example; dkim=pass"),
    ("trailing dot", b" mx.receiver.example.; dkim=pass"),
    ("two trailing dots", b" mx.receiver.example..; dkim=pass"),
    ("leading dot", b" .mx.receiver.example; dkim=pass"),
    ("version 1", b" mx.receiver.example 1; dkim=pass"),
    ("version 1 in comments", b" mx.receiver.example (x) 1 (y); dkim=pass"),
    ("version after a slash", b" mx.receiver.example/1; dkim=pass"),
    ("another version", b" mx.receiver.example 2; dkim=pass"),
    ("a slash outside of quotes in the id of somebody else", b" atk.example/1; dkim=pass"),
    ("no result", b" mx.receiver.example; none"),
    ("nothing after the id", b" mx.receiver.example"),
    ("a longer name that begins like ours", b" mx.receiver.example.atk.example; dkim=pass"),
    ("ours in a comment", b" atk.example (mx.receiver.example); dkim=pass"),
    ("ours as a second word", b" atk.example mx.receiver.example; dkim=pass"),
    ("ours as the first of two", b" mx.receiver.example atk.example; dkim=pass"),
    ("ours after a comma", b" atk.example, mx.receiver.example; dkim=pass"),
    ("U-label", " bücher.example; dkim=pass".encode()),
    ("U-label in upper case", " BÜCHER.example; dkim=pass".encode()),
    ("U-label, decomposed", " bu\u0308cher.example; dkim=pass".encode()),
    ("A-label", b" xn--bcher-kva.example; dkim=pass"),
    ("A-label in upper case", b" XN--BCHER-KVA.EXAMPLE; dkim=pass"),
    ("full-width letters", " \uff4d\uff58.receiver.example; dkim=pass".encode()),
    ("ideographic full stops", " mx。receiver。example; dkim=pass".encode()),
    ("full-width id in quotes with more", ' "\uff4d\uff58.receiver.example 1"; dkim=pass'.encode()),
    ("soft hyphen", " mx.rec\u00adeiver.example; dkim=pass".encode()),
    ("zero-width space", " mx.rec\u200beiver.example; dkim=pass".encode()),
    ("zero-width space in a comment", " atk.example (\u200b); dkim=pass".encode()),
    ("non-breaking space", " mx.receiver.example\u00a0; dkim=pass".encode()),
    ("8 bits that are no UTF-8", b" mx.receiver.ex\xe4mple; dkim=pass"),
    ("8 bits in a comment of the id", b" atk.example (\xff); dkim=pass"),
    ("8 bits that no name can hold", " \u2603\u0301_.example; dkim=pass".encode()),
    ("encoded word", b" =?utf-8?q?mx.receiver.example?=; dkim=pass"),
    ("encoded word in quotes", b' "=?utf-8?b?bXgucmVjZWl2ZXIuZXhhbXBsZQ==?="; dkim=pass'),
    ("encoded word in a comment", b" atk.example (=?utf-8?q?mx?=); dkim=pass"),
    ("NUL in the id", b" mx.receiver\x00.example; dkim=pass"),
    ("cut at a NUL in the id", b" mx.rec"),
    ("cut at a NUL in a comment", b" atk.example ("),
    ("cut at a NUL in quotes", b' "mx.rec'),
    ("cut at a NUL after a backslash", b" (\\"),
    ("cut at a NUL at once", b" "),
    ("empty", b""),
    ("bare CR before the id", b"\rmx.receiver.example; dkim=pass"),
    ("bare CR that starts a line", b" atk.example; spf=pass\rAuthentication-Results: mx.receiver.example; dkim=pass"),
    ("bare LF that starts a line", b" atk.example; spf=pass\nAuthentication-Results: mx.receiver.example; dkim=pass"),
    ("folded by bare LF, which the facts never hold", b" atk.example;\n\tspf=pass"),
    ("vertical tab", b" atk.example\x0b; dkim=pass"),
    ("DEL", b" mx.receiver\x7f.example; dkim=pass"),
    ("NUL behind the id", b" atk.example; spf=pass\x00"),
    ("a control character behind the id", b" atk.example; spf=pass (\x08)"),
    ("DEL behind the id", b" atk.example; spf=pass (\x7f)"),
    ("no id", b" ; dkim=pass"),
    ("an id that is no value", b" @mx.receiver.example; dkim=pass"),
    ("backslash outside of quotes", b" mx\\.receiver.example; dkim=pass"),
    ("unsupported version of somebody else", b" atk.example 2; dkim=pass"),
    ("version 10", b" atk.example 10; dkim=pass"),
    ("version in letters", b" atk.example one; dkim=pass"),
    ("version without a space", b' "atk.example"1; dkim=pass'),
    ("empty quotes", b' ""; dkim=pass'),
    ("empty quotes with a version", b' "" 1; dkim=pass'),
    ("only a version", b" 1 1 1; dkim=pass"),
    ("domain literal", b" [192.0.2.1]; dkim=pass"),
    ("open comment", b" (atk.example; dkim=pass"),
    ("open quote", b' "atk.example; dkim=pass'),
    ("a head longer than anybody writes", b" (" + b"x" * MAX_AUTHSERV_ID_OCTETS + b") atk.example; dkim=pass"),
    ("a thousand open comments", b"(" * 1000),
]

FOREIGN = [
    ("another name", b" mx.other.example; dkim=pass header.d=mx.receiver.example"),
    ("another name, version 1", b" mx.other.example 1; dkim=pass"),
    ("another name, folded, with comments", b"\r\n\t(a;\r\n b) mx.other.example\r\n\t(c) 1; spf=pass"),
    ("another name in quotes", b' "mx.other.example"; none'),
    ("a name that ends like ours", b" other-mx.receiver.example; dkim=pass"),
    ("a name below ours", b" a.mx.receiver.example; dkim=pass"),
    ("a name that goes on", b" mx.receiver.examples; dkim=pass"),
    ("a name with another letter before ours", b" Xmx.receiver.example; dkim=pass"),
    ("ours as a word of a later result", b" mx.other.example; dkim=pass header.d=mx.receiver.example; spf=none"),
    ("a U-label of somebody else", " größe.example; dkim=pass".encode()),
    ("8 bits behind the id", b" mx.other.example; spf=pass (\xff)"),
    ("a head as long as may be", b" (" + b"x" * (MAX_AUTHSERV_ID_OCTETS - 17) + b")  atk.example; dkim=pass"),
]


@pytest.mark.parametrize("value", [case[1] for case in FORGED], ids=[case[0] for case in FORGED])
def test_a_field_that_claims_us_goes(value: bytes) -> None:
    """RFC 8601 5, standards E.3 and H.4 R1."""
    assert forged_fields([HeaderField(AR, value)], OURS) == (Removal("Authentication-Results", 1),)


@pytest.mark.parametrize("value", [case[1] for case in FOREIGN], ids=[case[0] for case in FOREIGN])
def test_a_field_that_names_somebody_else_stays(value: bytes) -> None:
    """RFC 8601 5: information of others is kept."""
    assert forged_fields([HeaderField(AR, value)], OURS) == ()


@pytest.mark.parametrize("name", [b"authentication-results", b"AUTHENTICATION-RESULTS", AR + b" ", AR + b"\t"])
def test_the_name_of_the_field_counts_in_any_case_and_with_space_before_the_colon(name: bytes) -> None:
    found = forged_fields([HeaderField(name, b" mx.receiver.example; none")], OURS)
    assert found == (Removal(name.decode(), 1),)


@pytest.mark.parametrize(
    "name",
    [b"ARC-Authentication-Results", b"X-Authentication-Results", b"Subject", b"Authentication\xe4", b"", b"\xff"],
)
def test_other_fields_stay(name: bytes) -> None:
    """A missing ARC-Authentication-Results would break the chain."""
    assert forged_fields([HeaderField(name, b" mx.receiver.example; none")], OURS) == ()


def test_a_short_name_of_ours_is_no_prefix_of_longer_ones() -> None:
    fields = [HeaderField(AR, value) for value in (b" mx.other.example; none", b" mx; none", b" atk (mx); none")]
    assert [removal.index for removal in forged_fields(fields, ["mx"])] == [3, 2]


def test_an_id_of_ours_need_not_be_a_domain() -> None:
    fields = [HeaderField(AR, value) for value in (b' "Our Gate (1)"; none', b" our.gate; none")]
    assert [removal.index for removal in forged_fields(fields, ["our gate (1)"])] == [1]


@pytest.mark.parametrize("own_ids", [(), ("",), (" . ",)])
def test_without_an_id_of_ours_the_unreadable_still_go(own_ids: tuple[str, ...]) -> None:
    fields = [HeaderField(AR, value) for value in (b" other.example; none", b" (")]
    assert forged_fields(fields, own_ids) == (Removal("Authentication-Results", 2),)


def test_fields_that_only_we_write_go_whatever_they_say() -> None:
    """Standards E.3.5 and H.4 R5."""
    fields = [HeaderField(name, b" x") for name in (b"X-Assay-Quarantine", b"x-other", b"x-ASSAY-quarantine ")]
    found = forged_fields(fields, OURS, ["X-Assay-Quarantine", "X-\xe9"])
    assert found == (Removal("x-ASSAY-quarantine ", 1), Removal("X-Assay-Quarantine", 1))


class Postfix:
    """Renumbers at each deletion (standards G.5.4)."""

    def __init__(self, fields: Sequence[HeaderField]) -> None:
        self.fields = list(fields)

    def delete(self, removal: Removal) -> None:
        same = [at for at, each in enumerate(self.fields) if each.name.lower() == removal.name.lower().encode()]
        if removal.index <= len(same):
            del self.fields[same[removal.index - 1]]

    def left(self) -> list[HeaderField]:
        return self.fields


class Sendmail:
    """Keeps deleted fields in the count (standards G.5.4)."""

    def __init__(self, fields: Sequence[HeaderField]) -> None:
        self.fields = list(fields)
        self.deleted: set[int] = set()

    def delete(self, removal: Removal) -> None:
        same = [at for at, each in enumerate(self.fields) if each.name.lower() == removal.name.lower().encode()]
        if removal.index <= len(same):
            self.deleted.add(same[removal.index - 1])

    def left(self) -> list[HeaderField]:
        return [each for at, each in enumerate(self.fields) if at not in self.deleted]


KEPT: Final = (
    HeaderField(b"Received", b" from x"),
    HeaderField(AR, b" mx.other.example; dkim=pass"),
    HeaderField(b"authentication-results", b" mx.third.example; dkim=pass"),
    HeaderField(b"Subject", b" mx.receiver.example; x"),
    HeaderField(b"ARC-Authentication-Results", b" i=1; mx.receiver.example; dkim=pass"),
)


@pytest.mark.parametrize("mta", [Postfix, Sendmail])
@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_forged_fields_between_others_all_go(mta: type[Postfix | Sendmail], count: int) -> None:
    """Standards H.4 R2 (CVE-2022-48521): in turn before, between and after fields that stay."""
    forged = [
        HeaderField(AR if at % 2 else b"AUTHENTICATION-results", FORGED[at % len(FORGED)][1]) for at in range(count)
    ]
    for start in range(len(KEPT) + 1):
        fields = list(KEPT)
        for at, field in enumerate(forged):
            fields.insert((start + 2 * at) % (len(fields) + 1), field)
        header = mta(fields)
        for removal in forged_fields(fields, OURS):
            header.delete(removal)
        assert header.left() == list(KEPT)


FIELDS = st.lists(
    st.builds(
        HeaderField,
        st.sampled_from([AR, AR.lower(), b"X-Q", b"x-q", b"To"]),
        st.sampled_from(FORGED + FOREIGN).map(lambda case: case[1]),
    ),
    max_size=30,
)


@given(FIELDS, st.sampled_from([Postfix, Sendmail]))
def test_any_mixture_leaves_what_is_not_ours(fields: list[HeaderField], mta: type[Postfix | Sendmail]) -> None:
    foreign = {case[1] for case in FOREIGN}
    header = mta(fields)
    for removal in forged_fields(fields, OURS, ["x-q"]):
        header.delete(removal)
    assert header.left() == [
        each for each in fields if each.name == b"To" or (each.name.lower() == AR.lower() and each.value in foreign)
    ]
    assert forged_fields(header.left(), OURS, ["x-q"]) == ()


@example(value=b"authentication-results", semicolon=False)
@given(st.binary(max_size=300) | HOSTILE.map(lambda text: text.encode("utf-8", "surrogatepass")), st.booleans())
def test_no_octets_are_a_fault(value: bytes, semicolon: bool) -> None:  # noqa: FBT001 -- drawn by hypothesis
    fields = [HeaderField(AR, value + b";" * semicolon), HeaderField(value, value)]
    second = 2 if value.lower() == AR.lower() else 1
    assert set(forged_fields(fields, OURS)) <= {
        Removal("Authentication-Results", 1),
        Removal(value.decode("latin-1"), second),
    }


_DISGUISE = st.lists(st.sampled_from([" ", "\t", "(c)", "((;))", "\r\n ", '(\\")']), max_size=4).map("".join)


@given(_DISGUISE, st.sampled_from(["{}", '"{}"']), st.lists(st.booleans(), min_size=19, max_size=19), _DISGUISE)
def test_any_legal_spelling_of_our_id_goes(before: str, form: str, upper: list[bool], after: str) -> None:
    name = "".join(char.upper() if up else char for char, up in zip("mx.receiver.example", upper, strict=True))
    value = (before + form.format(name) + after + "; dkim=pass").encode()
    assert forged_fields([HeaderField(AR, value)], OURS) == (Removal("Authentication-Results", 1),)


@given(
    st.text("a1.-_; \t", max_size=12).map(str.encode)
    | st.sampled_from([b" mx.receiver.example 1;", b"\tMx.Receiver.Example;"])
)
def test_a_plain_id_is_read_as_the_grammar_reads_it(value: bytes) -> None:
    # an empty comment changes nothing but takes the way through the tokens
    plain, by_grammar = (bool(forged_fields([HeaderField(AR, text)], OURS)) for text in (value, b"()" + value))
    assert plain == by_grammar


def test_of_odd_ids_so_many_octets_are_read_and_plain_ones_always() -> None:
    odd = HeaderField(AR, b" (" + b"x" * 2000 + b") other.example; dkim=pass")
    plain = HeaderField(AR, b" other.example; dkim=pass")
    read = MAX_ODD_AUTHSERV_ID_OCTETS // len(odd.value)
    removals = forged_fields([plain, *[odd] * (read + 2), plain], OURS)
    assert [removal.index for removal in removals] == [read + 3, read + 2]


def test_odd_ids_that_fill_the_limit_to_the_last_octet_are_all_read() -> None:
    other = b") other.example; dkim=pass"
    odd = HeaderField(AR, b"(" + b"x" * (MAX_AUTHSERV_ID_OCTETS - 1 - len(other)) + other)
    fitting = MAX_ODD_AUTHSERV_ID_OCTETS // MAX_AUTHSERV_ID_OCTETS
    assert fitting * len(odd.value) == MAX_ODD_AUTHSERV_ID_OCTETS
    assert forged_fields([odd] * fitting, OURS) == ()
    assert forged_fields([odd] * (fitting + 1), OURS) == (Removal("Authentication-Results", fitting + 1),)


def test_the_names_that_may_claim_to_be_ours_are_ours_alone_and_that_of_the_results() -> None:
    """Standards E.3.5: what goes from a message whose header is too large to be read."""
    assert claiming_names() == {b"authentication-results"}
    assert claiming_names(["X-Assay-Quarantine ", "x-held"]) == {
        b"authentication-results",
        b"x-assay-quarantine",
        b"x-held",
    }
