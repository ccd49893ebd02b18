"""Domain names, normalised once (RFC 1035 2.3.4, RFC 5890, standards H.1 E12, H.2 F13, F14)."""

from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assay.domain import Domain
from assay.errors import DomainError
from assay.limits import MAX_LABEL_OCTETS, MAX_NAME_OCTETS

LONGEST = ".".join(["a" * 63] * 3 + ["b" * 61])


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    id: str
    section: str
    text: str | bytes
    name: str


NAMES = [
    Case(id="a name", section="RFC 1035 2.3.1", text="mail.example.com", name="mail.example.com"),
    Case(id="octets", section="RFC 8616 4", text=b"mail.example.com", name="mail.example.com"),
    Case(id="upper case", section="H.1 E12", text="MAIL.Example.com", name="mail.example.com"),
    Case(id="one final dot", section="H.1 E12", text="example.com.", name="example.com"),
    Case(id="one label", section="RFC 1035 2.3.1", text="localhost", name="localhost"),
    Case(id="digits and hyphens", section="RFC 1123 2.1", text="1.r3---sn-2.example", name="1.r3---sn-2.example"),
    Case(id="underscores", section="RFC 8552 1.1", text="_dmarc.a_b.example", name="_dmarc.a_b.example"),
    Case(id="the longest label", section="RFC 1035 2.3.4", text="a" * 63 + ".b", name="a" * 63 + ".b"),
    Case(id="the longest name", section="RFC 1035 2.3.4", text=LONGEST, name=LONGEST),
    Case(id="the longest name with a dot", section="RFC 1035 2.3.4", text=LONGEST + ".", name=LONGEST),
    Case(id="127 labels", section="H.2 F13", text="a." * 126 + "b", name="a." * 126 + "b"),
    Case(id="A-labels", section="RFC 5890 2.3.2.1", text="XN--R8JZ45G.jp", name="xn--r8jz45g.jp"),
    Case(id="U-labels", section="RFC 5890 2.3.2.1", text="例え.JP", name="xn--r8jz45g.jp"),
    Case(id="U-labels as octets", section="RFC 8616 4", text="例え.jp".encode(), name="xn--r8jz45g.jp"),
    Case(id="U-labels in upper case", section="H.1 E12", text="ÖBB.at", name="xn--bb-eka.at"),
    Case(id="U-labels not composed", section="H.1 E12", text="O\u0308bb.at", name="xn--bb-eka.at"),
    Case(id="sharp s stays itself", section="RFC 5892 F", text="faß.de", name="xn--fa-hia.de"),
    Case(id="ideographic full stops", section="RFC 3490 3.1", text="例え。テスト。", name="xn--r8jz45g.xn--zckzah"),
    Case(id="full-width letters", section="UTS 46 4", text="ex\uff41mple\uff0ecom", name="example.com"),
    Case(id="what shows nothing is nothing", section="H.2 F14", text="bra\u200bnd.example", name="brand.example"),
    Case(
        id="labels that IDNA does not know beside a U-label",
        section="RFC 8616 4",
        text="_spf.r3---sn.例え.jp",
        name="_spf.r3---sn.xn--r8jz45g.jp",
    ),
]


@pytest.mark.parametrize("case", NAMES, ids=lambda case: case.id)
def test_a_name_has_one_form(case: Case) -> None:
    domain = Domain.parse(case.text)
    assert domain.name == case.name
    assert Domain.parse(domain.name) == domain


NO_NAMES: dict[str, str | bytes] = {
    "nothing": "",
    "a dot": ".",
    "two dots at the end": "a..",
    "a dot first": ".a",
    "two dots in the middle": "a..b",
    "two full stops beside a U-label": "ü..",
    "a full-width dot": "\uff0e",
    "only what shows nothing": "\u200b",
    "a label of 64": "a" * 64,
    "a U-label whose A-label has more than 63": "ü" * 60,
    "a name of 254": LONGEST + "b",
    "a long U-label name": "ü." * 200,
    "a space": "a b",
    "a final space": "a.b ",
    "a line end": "a.b\n",
    "NUL": "a\0b",
    "specials": "brand.example(a",
    "a quote": "brand.example'a",
    "an at": "a@b",
    "a slash": "a/b",
    "an address literal": "[192.0.2.1]",
    "a star": "*.example",
    "a hyphen first": "-a.example",
    "a hyphen last": "a-.example",
    "a hyphen alone": "-",
    "octets that are no UTF-8": b"\xff.example",
    "a surrogate": "\udc80.example",
    "right-to-left override": "a\u202eb.example",
    "letters of both directions": "אa.example",
    "a character that is a slash when mapped": "a℀b.example",
    "a character that is a dot in a number when mapped": "a⒈b.example",
    "an A-label inside of a U-label": "xn--ü.example",
    "a space beside a U-label": "ü a.example",
}


@pytest.mark.parametrize("text", NO_NAMES.values(), ids=NO_NAMES)
def test_what_is_no_name_is_refused(text: str | bytes) -> None:
    with pytest.raises(DomainError) as caught:
        Domain.parse(text)
    assert str(caught.value).isascii()


anything = st.one_of(
    st.text(max_size=40),
    st.binary(max_size=40),
    st.text("ab-_.1ü例。\uff0e\u200b\u0308A", max_size=40),
    st.text("a.", min_size=240, max_size=270),
)


@given(anything)
@example("\ud800")
def test_any_text_is_a_name_or_an_error(text: str | bytes) -> None:
    try:
        domain = Domain.parse(text)
    except DomainError:
        return
    assert domain.name == domain.name.lower()
    assert domain.name.isascii()
    assert 0 < len(domain.name) <= MAX_NAME_OCTETS
    assert all(0 < len(label) <= MAX_LABEL_OCTETS for label in domain.labels)
    assert set(domain.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.")
    assert Domain.parse(domain.name + ".") == Domain.parse(bytes(domain).upper()) == domain


labels = st.from_regex(r"\A[a-z0-9_](?:[a-z0-9_-]{0,5}[a-z0-9_])?\Z")
domains = st.lists(labels, min_size=1, max_size=6).map(lambda parts: Domain.parse(".".join(parts)))


@given(domains, domains)
def test_a_name_is_under_its_suffixes_and_no_other(domain: Domain, other: Domain) -> None:
    for count in range(1, len(domain.labels) + 1):
        suffix = domain.suffix(count)
        assert suffix.labels == domain.labels[-count:]
        assert domain.is_under(suffix)
        assert suffix.is_under(domain) == (count == len(domain.labels))
    assert domain.is_under(other) == (other.labels == domain.labels[-len(other.labels) :])


def test_a_name_that_ends_alike_is_not_under() -> None:
    assert not Domain("notbrand.example").is_under(Domain("brand.example"))


def test_text_and_octets_of_a_name() -> None:
    assert str(Domain("a.example")) == "a.example"
    assert bytes(Domain("a.example")) == b"a.example"
