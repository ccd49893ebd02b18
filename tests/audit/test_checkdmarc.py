"""checkdmarc behind its adapter, and the faults of checkdmarc that the adapter works around (docs/library-traps.md).

If one of the pins fails, checkdmarc has changed: look whether its work-around may go.
"""

import subprocess
import sys

import dns.resolver
import pytest
from checkdmarc import dmarc, spf, utils

from assay.answers import Mx, RRType
from assay.audit.checkdmarc import Checkdmarc, Opinion, _OurNameserver
from assay.dns.zone import Zone
from assay.domain import Domain
from support.audit_zone import NAME, zone
from support.dict_resolver import SERVFAIL, DictResolver, found

DOMAIN = Domain(NAME)
SPF = found(b"v=spf1 -all")
DMARC = found(b"v=DMARC1; p=reject")


def resolver(source: Zone | DictResolver) -> dns.resolver.Resolver:
    made = dns.resolver.Resolver(configure=False)
    made.nameservers = [_OurNameserver(source)]
    utils.DNS_CACHE.clear()
    return made


def test_it_reads_the_records_that_our_resolver_gives() -> None:
    other = Checkdmarc(DOMAIN, Zone.parse(zone()))

    assert other.mx() == Opinion()
    opinion = other.spf()
    assert opinion is not None
    assert (opinion.record, opinion.lookups, opinion.voids) == ("v=spf1 mx ip4:192.0.2.0/24 -all", 1, 0)
    opinion = other.dmarc()
    assert opinion is not None
    assert (opinion.record, opinion.location) == ("v=DMARC1; p=reject; rua=mailto:dmarc@bank.example", NAME)


def test_a_record_of_more_than_255_octets_arrives_whole() -> None:
    text = "v=spf1 " + " ".join(f"ip4:192.0.2.{number}" for number in range(60)) + " -all"
    opinion = Checkdmarc(DOMAIN, DictResolver({(NAME.encode(), RRType.TXT): found(text.encode())})).spf()

    assert opinion is not None
    assert opinion.record == text


@pytest.mark.parametrize(
    ("broken", "question"),
    [
        pytest.param(NAME.encode(), Checkdmarc.mx, id="MX"),
        pytest.param(NAME.encode(), Checkdmarc.spf, id="SPF"),
        pytest.param(b"_dmarc." + NAME.encode(), Checkdmarc.dmarc, id="DMARC"),
    ],
)
def test_a_failed_look_up_is_no_opinion(broken: bytes, question: object) -> None:
    other = Checkdmarc(DOMAIN, DictResolver({broken: SERVFAIL}))

    assert question(other) is None  # type: ignore[operator] # a method


def test_a_failure_of_its_own_is_an_error_and_no_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> object:
        raise IndexError("planted by a test")

    monkeypatch.setattr(dmarc, "query_dmarc_record", fail)

    assert Checkdmarc(DOMAIN, DictResolver({})).dmarc() == Opinion(error="checkdmarc fails with IndexError")


def test_c1_a_failed_look_up_is_no_record_to_it() -> None:
    with pytest.raises(spf.SPFRecordNotFound):
        spf.query_spf_record(NAME, resolver=resolver(DictResolver({NAME.encode(): SERVFAIL})))


def test_c2_its_cache_outlives_the_question() -> None:
    source = DictResolver({(NAME.encode(), RRType.TXT): SPF})
    asking = resolver(source)
    spf.query_spf_record(NAME, resolver=asking)
    spf.query_spf_record(NAME, resolver=asking)
    assert source.names(RRType.TXT) == [NAME.encode()]

    changed = DictResolver({(NAME.encode(), RRType.TXT): found(b"v=spf1 ~all")})
    opinion = Checkdmarc(DOMAIN, changed).spf()
    assert opinion is not None
    assert opinion.record == "v=spf1 ~all"


def test_c3_the_name_of_an_explanation_is_asked_of_the_name_servers_and_not_of_the_resolver() -> None:
    given, instead = DictResolver({}), DictResolver({b"why.example": found(b"because")})
    servers = [_OurNameserver(instead)]

    spf.parse_spf_record("v=spf1 -all exp=why.example", NAME, resolver=resolver(given), nameservers=servers)

    assert given.asked == []
    assert instead.asked == [(b"why.example", RRType.TXT)]


def test_c3_the_adapter_answers_that_too() -> None:
    source = DictResolver(
        {
            (NAME.encode(), RRType.TXT): found(b"v=spf1 -all exp=why.example"),
            (b"why.example", RRType.TXT): found(b"because"),
        }
    )
    opinion = Checkdmarc(DOMAIN, source).spf()

    assert opinion is not None
    assert opinion.warnings == ()
    assert b"why.example" in source.names(RRType.TXT)


def test_c4_a_txt_record_beside_it_hides_the_policy() -> None:
    source = DictResolver({b"_dmarc." + NAME.encode(): found(b"v=DMARC1; p=reject", b"hello")})
    with pytest.raises(dmarc.UnrelatedTXTRecordFoundAtDMARC):
        dmarc.query_dmarc_record(NAME, resolver=resolver(source))
    opinion = Checkdmarc(DOMAIN, source).dmarc()
    assert opinion is not None
    assert opinion.record == "v=DMARC1; p=reject"


def test_c5_reading_a_record_asks_the_dns_about_report_addresses() -> None:
    text = "v=DMARC1; p=reject; rua=mailto:a@other.example"
    asked, spared = DictResolver({}), DictResolver({})
    dmarc.parse_dmarc_record(text, NAME, resolver=resolver(asked))
    assert (b"bank.example._report._dmarc.other.example", RRType.TXT) in asked.asked

    assert Checkdmarc(DOMAIN, spared).dmarc_record(text, DOMAIN) == Opinion()
    assert spared.asked == []


def test_c6_several_records_end_its_search() -> None:
    source = DictResolver({b"_dmarc.bank.example": found(b"v=DMARC1", b"v=DMARC1; p=none"), b"_dmarc.example": DMARC})
    with pytest.raises(dmarc.MultipleDMARCRecords):
        dmarc.query_dmarc_record(NAME, resolver=resolver(source))


def test_c7_one_wrong_option_voids_the_whole_record() -> None:
    with pytest.raises(dmarc.InvalidDMARCTagValue):
        dmarc.parse_dmarc_record("v=DMARC1; p=reject; fo=x", NAME)


@pytest.mark.parametrize(
    ("terms", "lookups", "voids"),
    [
        pytest.param("ptr:gone.example", 1, 1, id="asks for the addresses of ptr"),
        pytest.param("exists:gone.example", 1, 0, id="does not ask what exists names"),
        pytest.param("mx:dead.example", 1, 0, id="passes over an mx whose host has no address"),
        pytest.param("exists:%{p}.example", 1, 0, id="does not count the macro p"),
    ],
)
def test_c8_it_counts_look_ups_in_its_own_way(terms: str, lookups: int, voids: int) -> None:
    source = DictResolver({(b"dead.example", RRType.MX): found(Mx(1, b"gone.example"))})

    result = spf.parse_spf_record(f"v=spf1 {terms} -all", NAME, resolver=resolver(source))

    assert (result["dns_lookups"], result["void_dns_lookups"]) == (lookups, voids)


@pytest.mark.parametrize("modules", ["assay.cli", "assay.daemon.workers"])
def test_no_other_command_pays_for_importing_it(modules: str) -> None:
    code = (
        f"import sys, {modules}; print(*(name for name in ('checkdmarc', 'httpx', 'requests') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []
