"""Whatever the DNS holds, an audit ends with a report that can be printed and read back."""

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from assay.answers import Absent, Answer, Found, Mx, RRType, Unavailable
from assay.audit.audit import audit
from assay.audit.report import Report
from assay.cli.audit_text import print_report
from assay.config.suffixes import read_suffixes
from assay.domain import Domain
from support.audit_zone import NAME, SELECTOR
from support.dict_resolver import DictResolver

SUFFIXES = read_suffixes()

spf_terms = st.sampled_from(
    [
        "include:bank.example",
        "a",
        "mx/24//64",
        "ptr:%{d}",
        "exists:%{ir}.x",
        "redirect=bank.example",
        "+all",
        "ip4:1.2.3.4",
        "~",
    ]
)
spf = st.one_of(
    st.lists(spf_terms, max_size=8).map(lambda terms: " ".join(["v=spf1", *terms]).encode()),
    st.binary(max_size=60).map(lambda octets: b"v=spf1 " + octets),
)
dmarc_tags = st.sampled_from(
    [
        *(
            "p=none",
            "p=reject",
            "P=Quarantine",
            "sp=none",
            "np=x",
            "pct=-1",
            "pct=5",
            "t=y",
            "psd=y",
            "psd=n",
            "fo=1:x",
        ),
        *("rf=", "=", "rua=mailto:a@b.example", "rua=mailto:@", "ruf=https://x!10m", "rua=mailto:a@%41.example"),
        "ruf=mailto:a@bank.example!5k,,",
    ]
)
dmarc = st.one_of(
    st.lists(dmarc_tags, max_size=8).map(lambda tags: "; ".join(["v=DMARC1", *tags]).encode()),
    st.binary(max_size=60).map(lambda octets: b"v=DMARC1;" + octets),
)
key = st.binary(max_size=60).map(lambda octets: b"v=DKIM1; p=" + octets)


def answers(texts: st.SearchStrategy[bytes]) -> st.SearchStrategy[Answer]:
    return st.one_of(
        st.lists(st.one_of(texts, st.binary(max_size=20)), min_size=1, max_size=3).map(
            lambda all_: Found(tuple(all_), 60)
        ),
        st.sampled_from([Absent(nxdomain=True), Absent(nxdomain=False), Unavailable("time-out")]),
    )


exchanges = st.lists(
    st.builds(Mx, st.integers(0, 3), st.sampled_from([b"", b"mx.bank.example", b"1.2.3.4", b"\xff\x07 .example"])),
    min_size=1,
    max_size=3,
).map(lambda records: Found(tuple(records), 60))
worlds = st.fixed_dictionaries(
    {
        (NAME.encode(), RRType.TXT): answers(spf),
        (NAME.encode(), RRType.MX): st.one_of(
            exchanges, st.sampled_from([Absent(nxdomain=False), Unavailable("time-out")])
        ),
        (b"_dmarc." + NAME.encode(), RRType.TXT): answers(dmarc),
        (b"_dmarc.example", RRType.TXT): answers(dmarc),
        (f"{SELECTOR}._domainkey.{NAME}".encode(), RRType.TXT): answers(key),
        (f"{NAME}._report._dmarc.b.example".encode(), RRType.TXT): answers(dmarc),
    }
)


@given(world=worlds)
def test_any_records_end_in_a_report(world: dict[bytes | tuple[bytes, RRType], Answer]) -> None:
    report = audit(Domain.parse(NAME), DictResolver(world), SUFFIXES, selectors=[Domain.parse(SELECTOR)])

    assert Report.model_validate_json(report.model_dump_json()) == report
    shown = io.StringIO()
    print_report(report, Console(file=shown, highlight=False, markup=False, emoji=False))
    assert all(char.isprintable() or char == "\n" for char in shown.getvalue())
    assert all(found.remedy and found.text for found in report.findings)
