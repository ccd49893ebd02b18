"""The policy record: what is one, what a tag is worth, and what makes it unusable (standards C.1)."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assay.results import Alignment, DmarcRecord, Psd, Requested
from assay.verify.dmarc_record import parse_record

NONE, QUARANTINE, REJECT = Requested.NONE, Requested.QUARANTINE, Requested.REJECT
RELAXED, STRICT = Alignment.RELAXED, Alignment.STRICT


@dataclass(frozen=True, kw_only=True)
class Case:
    """``expect`` names the attributes of the record that the case is about; None: no record."""

    id: str
    section: str
    text: bytes
    expect: dict[str, Any] | None


VERSION = [
    Case(id="a version alone is a record", section="C.1", text=b"v=DMARC1", expect={"p": None, "invalid": None}),
    Case(
        id="white space around the version's equals sign is allowed",
        section="C.1.2",
        text=b"v \t=\t DMARC1 \t; p=none",
        expect={"p": NONE},
    ),
    Case(id="the version's value is case-sensitive", section="C.1.2", text=b"v=dmarc1; p=none", expect=None),
    Case(id="the version's name is not", section="C.1.5", text=b"V=DMARC1; p=none", expect={"p": NONE}),
    Case(id="a longer version is another version", section="C.1.2", text=b"v=DMARC1x; p=none", expect=None),
    Case(id="a version with a point is another version", section="C.1.2", text=b"v=DMARC1.0; p=none", expect=None),
    Case(id="a shorter version is another version", section="C.1.2", text=b"v=DMARC; p=none", expect=None),
    Case(id="a missing semicolon makes another version", section="C.1.2", text=b"v=DMARC1 p=none", expect=None),
    Case(id="the version comes first", section="C.1.2", text=b"p=none; v=DMARC1", expect=None),
    Case(id="white space before the version is no record", section="C.1", text=b" v=DMARC1; p=none", expect=None),
    Case(id="a line end is no white space of the grammar", section="C.1", text=b"v=DMARC1\r\n; p=none", expect=None),
    Case(id="a NUL after the version is another version", section="C.1.2", text=b"v=DMARC1\0; p=none", expect=None),
    Case(id="a semicolon before the version is no record", section="C.1", text=b";v=DMARC1; p=none", expect=None),
    Case(id="an SPF record is no policy record", section="H.5 D1", text=b"v=spf1 -all", expect=None),
    Case(id="no text is no record", section="C.1", text=b"", expect=None),
    Case(id="text that is not ASCII is no record", section="C.1", text=b"\xff\xfe", expect=None),
]

TAGS = [
    Case(
        id="a final semicolon changes nothing",
        section="C.1",
        text=b"v=DMARC1;p=reject ; ",
        expect={"p": REJECT, "invalid": None},
    ),
    Case(
        id="every tag that is absent has its default",
        section="C.1.7",
        text=b"v=DMARC1; p=reject",
        expect={
            "text": "v=DMARC1; p=reject",
            "p": REJECT,
            "sp": None,
            "np": None,
            "testing": False,
            "psd": Psd.UNKNOWN,
            "adkim": RELAXED,
            "aspf": RELAXED,
            "fo": ("0",),
            "rua": (),
            "ruf": (),
            "invalid": None,
        },
    ),
    Case(
        id="every tag is read, in any order",
        section="C.1.3",
        text=b"v=DMARC1;ruf=mailto:f@a.example;fo=1:d:s;aspf=s;adkim=s;psd=n;t=y;np=reject;sp=quarantine;p=none;"
        b"rua=mailto:r@a.example",
        expect={
            "p": NONE,
            "sp": QUARANTINE,
            "np": REJECT,
            "testing": True,
            "psd": Psd.NO,
            "adkim": STRICT,
            "aspf": STRICT,
            "fo": ("1", "d", "s"),
            "rua": ("mailto:r@a.example",),
            "ruf": ("mailto:f@a.example",),
            "invalid": None,
        },
    ),
    Case(
        id="words and names are read in any case",
        section="C.1.3",
        text=b"v=DMARC1; P=Reject; SP=QUARANTINE; Np=nOne; T=Y; PSD=Y; ADKIM=S; aSpf=S; FO=D:S",
        expect={
            "p": REJECT,
            "sp": QUARANTINE,
            "np": NONE,
            "testing": True,
            "psd": Psd.YES,
            "adkim": STRICT,
            "aspf": STRICT,
            "fo": ("d", "s"),
            "invalid": None,
        },
    ),
    Case(
        id="URIs keep their case",
        section="C.1.3",
        text=b"v=DMARC1; p=none; rua=MailTo:Reports@A.Example",
        expect={"rua": ("MailTo:Reports@A.Example",)},
    ),
    Case(
        id="white space around a tag's parts is allowed",
        section="C.1",
        text=b"v=DMARC1\t; \tp\t = \treject\t ;\t",
        expect={"p": REJECT, "invalid": None},
    ),
    Case(
        id="unknown and historic tags are ignored",
        section="C.1.4, C.1.7",
        text=b"v=DMARC1; p=reject; pct=0; rf=afrf; ri=86400; future=\xff",
        expect={"p": REJECT, "testing": False, "invalid": None},
    ),
    Case(
        id="what is no tag is ignored",
        section="C.1.4",
        text=b"v=DMARC1;; p=reject;; sp none; x-1=2; =3; p\xc3\xa9=none; ;",
        expect={"p": REJECT, "sp": None, "invalid": None},
    ),
    Case(
        id="an optional tag with a bad value has its default",
        section="C.1.4",
        text=b"v=DMARC1; p=reject; t=yes; psd=maybe; adkim=strict; aspf=; fo=2; rua=reports@a.example; ruf=:",
        expect={
            "p": REJECT,
            "testing": False,
            "psd": Psd.UNKNOWN,
            "adkim": RELAXED,
            "aspf": RELAXED,
            "fo": ("0",),
            "rua": (),
            "ruf": (),
            "invalid": None,
        },
    ),
    Case(
        id="a value outside of the grammar's characters is a bad value",
        section="C.1.4",
        text=b"v=DMARC1; p=reject; adkim=s\0; aspf=\xd1\x95; psd=\xc3\xbf; t=y\r",
        expect={"adkim": RELAXED, "aspf": RELAXED, "psd": Psd.UNKNOWN, "testing": False, "invalid": None},
    ),
    Case(
        id="t=n and psd=u are said as well as left out",
        section="C.1.7",
        text=b"v=DMARC1; p=none; t=n; psd=u; adkim=r; aspf=r",
        expect={"testing": False, "psd": Psd.UNKNOWN, "adkim": RELAXED, "aspf": RELAXED},
    ),
    Case(id="0 and 1 exclude each other in fo", section="C.1.7", text=b"v=DMARC1; fo=1:0", expect={"fo": ("0",)}),
    Case(
        id="fo allows white space and repetition",
        section="C.1.7",
        text=b"v=DMARC1; fo=1 : d:d\t:1",
        expect={"fo": ("1", "d")},
    ),
    Case(id="an empty part breaks fo", section="C.1.7", text=b"v=DMARC1; fo=1::d", expect={"fo": ("0",)}),
]

POLICY = [
    Case(
        id="an absent p is no fault of the record's text",
        section="C.1.8",
        text=b"v=DMARC1; sp=reject; rua=mailto:r@a.example",
        expect={"p": None, "sp": REJECT, "invalid": None},
    ),
    Case(
        id="a bad p makes the policy unusable",
        section="C.1.8",
        text=b"v=DMARC1; p=bogus; sp=reject",
        expect={"p": None, "invalid": "p: not one of none, quarantine, reject"},
    ),
    Case(
        id="an empty p makes the policy unusable",
        section="C.1.8",
        text=b"v=DMARC1; p=",
        expect={"p": None, "invalid": "p: not one of none, quarantine, reject"},
    ),
    Case(
        id="a bad sp makes the policy unusable",
        section="C.1.8, H.5 D7",
        text=b"v=DMARC1; p=reject; sp=rejected",
        expect={"p": REJECT, "sp": None, "invalid": "sp: not one of none, quarantine, reject"},
    ),
    Case(
        id="a bad np makes the policy unusable",
        section="C.1.8",
        text=b"v=DMARC1; p=reject; np=no ne",
        expect={"p": REJECT, "np": None, "invalid": "np: not one of none, quarantine, reject"},
    ),
    Case(
        id="every bad policy is named",
        section="C.1.8",
        text=b"v=DMARC1; np=a; sp=b; p=\xff",
        expect={"invalid": "p and sp and np: not one of none, quarantine, reject"},
    ),
    Case(
        id="a policy that stands twice makes the record unusable",
        section="C.1.5",
        text=b"v=DMARC1; p=reject; p=none; rua=mailto:r@a.example",
        expect={"p": REJECT, "rua": ("mailto:r@a.example",), "invalid": "the tag p stands more than once"},
    ),
    Case(
        id="a policy that stands twice alike makes the record unusable",
        section="C.1.5",
        text=b"v=DMARC1; p=reject; p=reject",
        expect={"invalid": "the tag p stands more than once"},
    ),
    Case(
        id="case does not hide a repetition",
        section="C.1.5",
        text=b"v=DMARC1; p=reject; P=none",
        expect={"invalid": "the tag p stands more than once"},
    ),
    Case(
        id="any repeated tag makes the whole list unusable, an unknown one too",
        section="C.1.5",
        text=b"v=DMARC1; p=reject; unknown=1; unknown=2",
        expect={"p": REJECT, "invalid": "the tag unknown stands more than once"},
    ),
    Case(
        id="what has no equals sign is no tag, and repeats none",
        section="C.1.4",
        text=b"v=DMARC1; p; p=reject; rua",
        expect={"p": REJECT, "invalid": None, "rua": ()},
    ),
    Case(
        id="what has no name of letters is no tag, and repeats none",
        section="C.1.4",
        text=b"v=DMARC1; p=reject; 1=a; 1=b; =c; =d",
        expect={"p": REJECT, "invalid": None},
    ),
    Case(
        id="a name is the whole name",
        section="C.1.4",
        text=b"v=DMARC1; p=none; Xp=reject; pX=reject",
        expect={"p": NONE, "invalid": None},
    ),
    Case(
        id="no white space but space and tab stands around a name",
        section="C.1.2",
        text=b"v=DMARC1; p=reject;\nsp=none; \tnp\t =none",
        expect={"p": REJECT, "sp": None, "np": NONE},
    ),
    Case(
        id="no white space but space and tab stands around a letter of fo",
        section="C.1.7",
        text=b"v=DMARC1; p=none; fo=1:\nd",
        expect={"fo": ("0",)},
    ),
    Case(
        id="0 stands beside d and s",
        section="C.1.7",
        text=b"v=DMARC1; p=none; fo=0:d : S",
        expect={"fo": ("0", "d", "s")},
    ),
    Case(
        id="a second version is a repetition",
        section="C.1.5",
        text=b"v=DMARC1; p=reject; v=DMARC1",
        expect={"invalid": "the tag v stands more than once"},
    ),
    Case(
        id="of a repeated rua the first occurrence is read",
        section="C.1.5",
        text=b"v=DMARC1; p=none; rua=mailto:a@a.example; rua=mailto:b@a.example",
        expect={"rua": ("mailto:a@a.example",), "invalid": "the tag rua stands more than once"},
    ),
    Case(
        id="the first repetition is named, and not at any length",
        section="C.1.5",
        text=b"v=DMARC1; " + b"x" * 99 + b"=1; " + b"x" * 99 + b"=2; p=none; p=none",
        expect={"invalid": f"the tag {'x' * 20} stands more than once"},
    ),
    Case(
        id="the text of the record is kept, other octets as escapes",
        section="C.1",
        text=b"v=DMARC1; p=none; x=\xe9\n",
        expect={"text": "v=DMARC1; p=none; x=\\xe9\n"},
    ),
]


@pytest.mark.parametrize("case", [*VERSION, *TAGS, *POLICY], ids=lambda case: f"{case.id} ({case.section})")
def test_a_record_is_read(case: Case) -> None:
    record = parse_record(case.text)
    if case.expect is None:
        assert record is None
    else:
        assert record is not None
        assert {name: getattr(record, name) for name in case.expect} == case.expect


TAG = st.sampled_from(
    [b"p", b"sp", b"np", b"t", b"psd", b"adkim", b"aspf", b"fo", b"rua", b"ruf", b"v", b"pct", b"P", b" p\t", b"", b"1"]
)
VALUE = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [b"none", b"reject", b"y", b"n", b"s", b"r", b"1:d", b"mailto:a@b!9k", b"https://[::]:1/", b" x:y"]
    ),
)
RECORD = st.one_of(
    st.binary(max_size=200).map(lambda tail: b"v=DMARC1;" + tail),
    st.lists(st.tuples(TAG, VALUE), max_size=8).map(
        lambda tags: b";".join([b"v=DMARC1", *(name + b"=" + value for name, value in tags)])
    ),
)


@given(st.binary(max_size=300))
def test_octets_never_raise(text: bytes) -> None:
    record = parse_record(text)
    assert (record is None) or text[:1].lower() == b"v"


@given(RECORD)
@example(b"v=DMARC1;rua=" + b"mailto:" * 5000)
@example(b"v=DMARC1;rua=https://" + b"a" * 60000 + b"%")
@example(b"v=DMARC1;rua=" + b"!1" * 30000)
@example(b"v=DMARC1" + b";p=none" * 9000)
@example(b"v" + b" " * 60000 + b"x")
def test_a_record_is_read_or_refused_and_its_text_is_ascii(text: bytes) -> None:
    record = parse_record(text)
    if record is not None:
        assert record.text.isascii()
        assert all(uri.isascii() and uri.isprintable() and " " not in uri for uri in (*record.rua, *record.ruf))
        assert record.invalid is None or record.invalid.isprintable()


@given(RECORD, st.sampled_from([b"future=1", b"x=", b"novalue", b"", b"a-b=c", b"\xff=1"]))
def test_what_is_unknown_changes_nothing_but_the_text(text: bytes, extra: bytes) -> None:
    before = parse_record(text)
    after = parse_record(text + b";" + extra)
    seen = {part.partition(b"=")[0].strip(b" \t").lower() for part in text.split(b";")}
    if before is None or after is None or extra.partition(b"=")[0] in seen:
        return
    assert replace(after, text="") == replace(before, text="")


@given(st.lists(st.sampled_from([b"p=reject", b"sp=none", b"t=y", b"psd=y", b"fo=d", b"adkim=s"]), unique=True))
def test_the_order_of_tags_is_free(tags: list[bytes]) -> None:
    def read(parts: list[bytes]) -> DmarcRecord:
        record = parse_record(b";".join([b"v=DMARC1", *parts]))
        assert record is not None
        return replace(record, text="")

    assert read(tags) == read(tags[::-1])
