"""What an audit says besides its findings: what it saw, what it does not know, and what is next."""

from collections.abc import Mapping

import pytest

from assay.answers import Answer, RRType, Unavailable
from assay.audit.audit import audit
from assay.audit.ids import Id
from assay.audit.report import KeyState, Report
from assay.audit.tags import rewritten
from assay.config.suffixes import read_suffixes
from assay.dns.zone import Zone
from assay.domain import Domain
from assay.limits import AUDIT_MAX_QUERIES, MAX_AUDITED_SPF_TERMS
from support.audit_zone import NAME, SELECTOR, zone
from support.dict_resolver import SERVFAIL, DictResolver

SUFFIXES = read_suffixes()
RUA = "rua=mailto:dmarc@bank.example"


def run(
    changes: Mapping[str, str | None],
    *,
    name: str = NAME,
    selectors: tuple[str, ...] = (SELECTOR,),
    accepted: tuple[Id, ...] = (),
) -> Report:
    source = Zone.parse(zone(changes))
    domains = [Domain.parse(each) for each in selectors]
    return audit(Domain.parse(name), source, SUFFIXES, selectors=domains, accepted=accepted)


def dmarc(text: str) -> dict[str, str | None]:
    return {"dmarc": f'_dmarc.bank TXT "v=DMARC1; {text}"'}


def ids(report: Report) -> list[str]:
    return [found.id for found in report.findings]


def test_a_domain_that_never_sends_needs_no_mx_and_no_key() -> None:
    parked = {"mx": "bank MX 0 .", "spf": 'bank TXT "v=spf1 -all"', "key": None} | dmarc(
        "p=reject; rua=mailto:d@other.example"
    )
    agreed = {"agreed": 'bank.example._report._dmarc.other TXT "v=DMARC1"'}

    assert ids(run(parked | agreed, selectors=())) == []


def test_what_was_seen_is_in_the_report() -> None:
    report = run(
        {"other dmarc": 'bank.example._report._dmarc.other TXT "v=DMARC1"'}
        | dmarc(f"p=reject; {RUA},mailto:d@other.example")
    )

    assert report.mx is not None
    [host] = report.mx.hosts
    assert (host.preference, host.host, host.addresses) == (10, "mx.bank.example", ("192.0.2.1",))
    assert report.spf is not None
    assert (report.spf.record, report.spf.lookups, report.spf.voids) == ("v=spf1 mx ip4:192.0.2.0/24 -all", 1, 0)
    assert report.dkim is not None
    [key] = report.dkim.keys
    assert (key.selector, key.given, key.state, key.type, key.bits) == (SELECTOR, True, KeyState.USABLE, "rsa", 2048)
    section = report.dmarc
    assert section is not None
    assert (section.found_at, section.requested) == (NAME, "reject")
    assert (section.organizational_domain, section.organizational_domain_by_list) == (NAME, NAME)
    assert [sight.name for sight in section.walk] == ["_dmarc.bank.example", "_dmarc.example"]
    assert [(each.host, each.external, each.authorised) for each in section.addresses] == [
        (NAME, False, None),
        ("other.example", True, True),
    ]


def test_a_key_that_was_not_given_is_said_to_be_found() -> None:
    report = run({"more": "google._domainkey.bank TXT {rsa2048}"})

    assert report.dkim is not None
    assert [(key.selector, key.given) for key in report.dkim.keys] == [(SELECTOR, True), ("google", False)]
    assert "google" in report.dkim.tried
    assert ids(report) == []


@pytest.mark.parametrize(
    ("record", "steps"),
    [
        pytest.param(
            "p=none",
            [f"p=none; {RUA.replace('dmarc@', 'dmarc-reports@')}", "p=quarantine", "p=reject"],
            id="reports first, then quarantine, then reject",
        ),
        pytest.param(f"p=none; sp=none; {RUA}", ["p=quarantine", "p=reject"], id="sp=none goes with p=none"),
        pytest.param(f"p=reject; sp=none; pct=10; t=y; {RUA}", ["p=reject"], id="exceptions go together"),
        pytest.param(f"p=quarantine; np=none; {RUA}", ["p=quarantine", "p=reject"], id="exceptions before reject"),
        pytest.param(f"p=reject; {RUA}", [], id="the end"),
        pytest.param(f"p=bogus; {RUA}", [], id="a fault comes first"),
    ],
)
def test_each_next_step_leads_to_reject(record: str, steps: list[str]) -> None:
    for step in steps:
        report = run(dmarc(record))
        assert report.next_step is not None
        published = report.next_step.publish
        assert published.name == "_dmarc.bank.example"
        assert published.value.startswith(f"v=DMARC1; {step}")
        assert not {"pct", "t=y", "np=none", "sp=none"} & set(published.value.split("; "))
        record = published.value.removeprefix("v=DMARC1; ")
    assert run(dmarc(record)).next_step is None


@pytest.mark.parametrize(
    ("record", "next_record"),
    [
        ("p=none", "v=DMARC1; p=reject"),
        (f"p=reject; sp=none; t=y; {RUA}", f"v=DMARC1; p=reject; {RUA}"),
        (f"p=quarantine; pct=5; {RUA}", f"v=DMARC1; p=reject; {RUA}"),
        (f"p=reject; np=reject; {RUA}", None),
        ("p=reject", None),
    ],
)
def test_a_domain_that_sends_nothing_goes_to_reject_at_once(record: str, next_record: str | None) -> None:
    step = run({"spf": 'bank TXT "v=spf1 -all"', "key": None} | dmarc(record), selectors=()).next_step

    assert (step and step.publish.value) == next_record


def test_its_subdomain_that_sends_nothing_changes_nothing_of_the_record_of_all() -> None:
    parked = {"more": 'news.bank MX 0 .\nnews.bank TXT "v=spf1 -all"'}
    report = run(parked | dmarc(f"p=none; {RUA}"), name="news.bank.example", selectors=())

    assert report.next_step is not None
    assert report.next_step.publish.value == f"v=DMARC1; p=quarantine; {RUA}"


def test_a_subdomain_is_judged_by_sp_of_its_organization() -> None:
    news = {"news": 'news.bank MX 10 mx.bank\nnews.bank TXT "v=spf1 mx -all"\ns2026._domainkey.news.bank TXT {rsa2048}'}
    report = run(news | dmarc(f"p=none; sp=reject; {RUA}"), name="news.bank.example")

    assert report.dmarc is not None
    assert (report.dmarc.found_at, report.dmarc.requested) == (NAME, "reject")
    assert ids(report) == []
    assert ids(run(news | dmarc(f"p=reject; sp=quarantine; {RUA}"), name="news.bank.example")) == ["dmarc-quarantine"]


def test_accepted_findings_are_shown_and_do_not_count() -> None:
    report = run(dmarc(f"p=quarantine; pct=100; {RUA}"), accepted=(Id.DMARC_QUARANTINE,))

    assert sorted((found.id, found.accepted) for found in report.findings) == [
        ("dmarc-historic", False),
        ("dmarc-quarantine", True),
    ]
    assert [found.id for found in report.counted] == ["dmarc-historic"]


def test_the_worst_comes_first() -> None:
    report = run({"spf": 'bank TXT "v=spf1 mx ?all"', "key": None} | dmarc(f"p=quarantine; {RUA}"))

    assert ids(report) == ["dkim-missing", "spf-neutral-all", "dmarc-quarantine"]


BROKEN = {
    "the domain itself": (NAME, "domain-missing", "mx-missing", "spf-missing"),
    "the host of the MX": ("mx.bank.example", "mx-unreachable", "spf-voids"),
    "a key": ("s2026._domainkey.bank.example", "dkim-missing", "dkim-none", "dkim-unknown"),
    "the DMARC record": ("_dmarc.bank.example", "dmarc-missing", "dmarc-organization"),
    "the DMARC record of the suffix": ("_dmarc.example", "dmarc-organization"),
    "an included record": ("spf.bank.example", "spf-target-missing", "spf-voids"),
    "the agreement to reports": ("bank.example._report._dmarc.other.example", "report-unauthorised"),
    "the domain of reports": ("other.example", "report-unreachable"),
}


@pytest.mark.parametrize("where", BROKEN, ids=str)
def test_no_answer_is_never_no_record(where: str) -> None:
    name, *absences = BROKEN[where]
    changes: dict[str, str | None] = {
        "spf": 'bank TXT "v=spf1 include:spf.bank.example -all"',
        "included": 'spf.bank TXT "v=spf1 mx:bank.example -all"',
        "agreed": 'bank.example._report._dmarc.other TXT "v=DMARC1"',
        **dmarc("p=reject; rua=mailto:d@other.example"),
    }
    assert ids(run(changes)) == []

    source = Zone.parse(zone(changes, without=name), broken={name.encode(): "SERVFAIL"})
    report = audit(Domain.parse(NAME), source, SUFFIXES, selectors=[Domain.parse(SELECTOR)])

    assert {(question.name, question.why) for question in report.unanswered} == {(name, "SERVFAIL")}
    assert not set(ids(report)) & set(absences)
    assert "spf-warning" not in ids(report)


@pytest.mark.parametrize("selectors", [(), (SELECTOR,)], ids=["none given", "one given"])
def test_without_any_answer_nothing_is_said(selectors: tuple[str, ...]) -> None:
    class Silent:
        def resolve(self, name: bytes, rrtype: RRType) -> Unavailable:
            del name, rrtype
            return Unavailable("time-out")

        def prefetch(self, name: bytes, rrtype: RRType) -> None:
            pass

    report = audit(Domain.parse(NAME), Silent(), SUFFIXES, selectors=[Domain.parse(each) for each in selectors])

    assert report.findings == ()
    assert (report.mx, report.spf) == (None, None)
    assert {question.type for question in report.unanswered} >= {"MX", "TXT"}


DISAGREEMENTS = [
    pytest.param(
        {"more": '_dmarc.news.bank TXT "v=DMARC1; p=none"\n_dmarc.news.bank TXT "v=DMARC1; p=reject"'},
        "the record of bank.example",
        "Multiple DMARC policy records",
        "RFC 9989 4.10 discards all records of news.bank.example",
        id="several records at a name: the walk goes on",
    ),
    pytest.param(
        {"more": f'_dmarc.news.bank TXT "v=DMARC1; p=reject; fo=x; {RUA}"'},
        "can be used",
        "x is not a valid option",
        "RFC 9989 4.8",
        id="a tag with a wrong value has its default",
    ),
    pytest.param(
        {"news": 'news.bank MX 10 mx.bank\nnews.bank TXT "v=spf1 exists:news.bank.example -all"'},
        "1 and 1",
        "1 and 0",
        "does not ask what an exists term names",
        id="checkdmarc does not ask what exists names",
    ),
    pytest.param(
        {"news": 'news.bank MX 10 mx.bank\nnews.bank TXT "v=spf1 ptr -all"'},
        "1 and 0",
        "1 and 1",
        "asks for the addresses of a ptr term",
        id="checkdmarc asks for addresses of ptr",
    ),
    pytest.param(
        {"news": 'news.bank MX 10 mx.bank\nnews.bank TXT "v=spf1 mx:odd.bank.example -all"\nodd.bank MX 1 gone.bank'},
        "1 and 1",
        "1 and 0",
        "takes no note of an mx term whose host has no address",
        id="checkdmarc does not count an mx whose host has no address",
    ),
    pytest.param(
        {"news": 'news.bank MX 10 mx.bank\nnews.bank TXT "v=spf1 exists:%{{p}}.x.example -all"'},
        "2 and 0",
        "1 and 0",
        "does not count the macro p",
        id="checkdmarc does not count the macro p",
    ),
    pytest.param(
        {"more": f'_dmarc.news.bank TXT "v=DMARC1; p=reject; {RUA}; moo=\\255"'},
        "the record of news.bank.example",
        "the record of bank.example",
        "in another way",
        id="octets that are no text, in a tag that nobody reads",
    ),
]


@pytest.mark.parametrize(("changes", "ours", "theirs", "why"), DISAGREEMENTS)
def test_where_checkdmarc_sees_it_in_another_way_the_report_says_which_and_why(
    changes: dict[str, str | None], ours: str, theirs: str, why: str
) -> None:
    news = {
        "news": 'news.bank MX 10 mx.bank\nnews.bank TXT "v=spf1 mx -all"',
        "news key": "s2026._domainkey.news.bank TXT {rsa2048}",
    }

    [other] = run(news | changes, name="news.bank.example").disagreements

    assert other.assay == ours
    assert theirs in other.checkdmarc
    assert why in other.why


@pytest.mark.parametrize(
    ("record", "says"),
    [
        pytest.param(f"p=reject; pct=50; {RUA}", "pct=50 is not read any more", id="pct"),
        pytest.param(f"p=reject; rf=afrf; ri=1; {RUA}", "rf= is not read any more", id="rf"),
        pytest.param(f"p=reject; ri=1; {RUA}", "ri= is not read any more", id="ri"),
        pytest.param(RUA, "a record without p= is one with p=none", id="p may be missing"),
        pytest.param(f"p=reject; t=y; {RUA}", "t=y asks for one level less", id="t"),
        pytest.param(f"p=reject; sp=none; {RUA}", "it is not set, so that sp holds", id="np"),
        pytest.param(f"p=reject; psd=n; {RUA}", "psd=n is set", id="psd"),
        pytest.param(f"p=reject; {RUA}", "receivers must not reject for p=reject alone", id="reject"),
        pytest.param(f"p=reject; {RUA}", "it is bank.example both ways", id="organizational domain"),
        pytest.param(
            f"p=reject; {RUA}",
            "looked for at _dmarc.bank.example, _dmarc.example (RFC 7489: at _dmarc.bank.example)",
            id="tree walk",
        ),
    ],
)
def test_what_rfc_9989_changed_for_the_record_is_said(record: str, says: str) -> None:
    assert [text for text in run(dmarc(record)).rfc9989 if says in text]


def test_a_published_record_keeps_what_it_does_not_change() -> None:
    text = "v=DMARC1; RUA=mailto:a@b.example , mailto:c@d.example;p=none ; adkim=s; pct=10"

    assert rewritten(text, {"p": "reject", "t": "y"}) == (
        "v=DMARC1; p=reject; t=y; rua=mailto:a@b.example , mailto:c@d.example; adkim=s"
    )


@pytest.mark.parametrize(
    ("record", "lookups", "unknown"),
    [
        pytest.param("exists:%{i}.x.example -all", 1, ["exists:%{i}.x.example"], id="exists"),
        pytest.param("include:%{d}.x.example -all", 1, ["include:%{d}.x.example"], id="include"),
        pytest.param("redirect=%{d}.x.example", 1, ["redirect=%{d}.x.example"], id="redirect"),
        pytest.param("a:%{p}.x.example -all", 2, ["a:%{p}.x.example"], id="p counts like ptr"),
        pytest.param("ip4:192.0.2.1 -all a mx ptr", 0, [], id="nothing behind all counts"),
        pytest.param("-all redirect=x.example", 0, [], id="nor does redirect beside all"),
    ],
)
def test_what_depends_on_the_message_is_counted_and_not_followed(record: str, lookups: int, unknown: list[str]) -> None:
    text = record.replace("{", "{{").replace("}", "}}") if "%" in record else record
    report = run({"spf": f'bank TXT "v=spf1 {text}"'})

    assert report.spf is not None
    assert report.spf.lookups == lookups
    assert list(report.spf.unknown) == [f"{each} (in the record of bank.example)" for each in unknown]
    assert not set(ids(report)) & {"spf-target-missing", "spf-syntax", "spf-voids", "spf-ptr"}


@pytest.mark.parametrize(
    ("changes", "name", "walked", "listed", "remedy"),
    [
        pytest.param(
            {"dmarc": f'_dmarc.news.bank TXT "v=DMARC1; p=reject; {RUA}"'},
            "news.bank.example",
            "news.bank.example",
            NAME,
            "publish a DMARC record for bank.example",
            id="only the subdomain has a record",
        ),
        pytest.param(
            {"more": f'_dmarc.example. TXT "v=DMARC1; p=reject; {RUA}"'},
            NAME,
            "example",
            NAME,
            "write psd=n into the record of bank.example",
            id="the suffix has a record without psd",
        ),
        pytest.param(
            {"dmarc": f'_dmarc.bank TXT "v=DMARC1; p=reject; psd=y; {RUA}"'},
            "news.bank.example",
            "news.bank.example",
            NAME,
            "take psd=y in the record of bank.example out",
            id="psd=y above it",
        ),
    ],
)
def test_where_the_two_ways_give_different_organizational_domains_the_report_says_what_makes_them_one(
    changes: dict[str, str | None], name: str, walked: str, listed: str, remedy: str
) -> None:
    news = {
        "news": 'news.bank MX 10 mx.bank\nnews.bank TXT "v=spf1 mx -all"',
        "news key": "s2026._domainkey.news.bank TXT {rsa2048}",
    }
    report = run(news | changes, name=name)

    [found] = [each for each in report.findings if each.id == "dmarc-organization"]
    assert f"is {walked} by the tree walk (RFC 9989) and {listed} by the list" in found.text
    assert found.remedy.startswith(remedy)


def test_one_family_of_addresses_is_enough() -> None:
    class OnlyA(Zone):
        def resolve(self, name: bytes, rrtype: RRType) -> Answer:
            return Unavailable("SERVFAIL") if rrtype is RRType.AAAA else super().resolve(name, rrtype)

    source = OnlyA.parse(zone({"spf": 'bank TXT "v=spf1 a:mx.bank.example -all"'}))
    report = audit(Domain.parse(NAME), source, SUFFIXES, selectors=[Domain.parse(SELECTOR)])

    assert report.unanswered == ()
    assert report.findings == ()


def test_what_is_asked_in_any_case_is_asked_ahead() -> None:
    resolver = DictResolver({NAME.encode(): SERVFAIL})

    audit(Domain.parse(NAME), resolver, SUFFIXES, selectors=[Domain.parse(SELECTOR)])

    assert {b"_dmarc.bank.example", b"_dmarc.example", b"s2026._domainkey.bank.example"} <= {
        name for name, _ in resolver.prefetched
    }
    assert {(NAME.encode(), RRType.MX), (NAME.encode(), RRType.TXT)} <= set(resolver.prefetched)


def test_records_that_include_each_other_many_times_end_soon() -> None:
    answers: dict[bytes | tuple[bytes, RRType], object] = {}
    for number in range(12):
        text = " ".join(["v=spf1", *[f"include:r{number + 1}.example"] * 9, "-all"])
        answers[b"r%d.example" % number, RRType.TXT] = Zone({(b"x", RRType.TXT): [text.encode()]}).resolve(
            b"x", RRType.TXT
        )
    resolver = DictResolver(answers)  # type: ignore[arg-type] # a dictionary of answers

    report = audit(Domain.parse("r0.example"), resolver, SUFFIXES)

    assert report.spf is not None
    assert 10 < report.spf.lookups <= MAX_AUDITED_SPF_TERMS + 12
    assert len(resolver.asked) < AUDIT_MAX_QUERIES
    assert "spf-lookups" in ids(report)


def test_octets_of_the_dns_that_are_no_text_end_no_audit() -> None:
    odd = {
        "spf": 'bank TXT "v=spf1 \\027 -all"\nbank TXT "\\255\\254"',
        "key": 's2026._domainkey.bank TXT "v=DKIM1; p=\\000"',
        "dmarc": '_dmarc.bank TXT "v=DMARC1; p=reject; rua=mailto:\\200@x"',
        "mx": "bank MX 10 \\255.bank",
    }

    assert {"spf-syntax", "dkim-unusable", "report-malformed", "report-missing", "mx-unreachable"} <= set(ids(run(odd)))


def test_the_same_failed_question_is_named_once() -> None:
    resolver = DictResolver({NAME.encode(): SERVFAIL})

    report = audit(Domain.parse(NAME), resolver, SUFFIXES)

    questions = [(question.name, question.type) for question in report.unanswered]
    assert sorted(questions) == sorted(set(questions))
