"""Each finding, alone: the zone has one fault, and the audit says that and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from assay.audit.audit import audit
from assay.audit.findings import CATALOGUE
from assay.audit.ids import Id
from assay.audit.report import Report
from assay.config.suffixes import read_suffixes
from assay.dns.zone import Zone
from assay.domain import Domain
from support.audit_zone import NAME, SELECTOR, zone

SUFFIXES = read_suffixes()
ELEVEN = " ".join(f"a:h{number}.bank.example" for number in range(11))
HOSTS = "\n".join(f"h{number}.bank A 192.0.2.{number + 10}" for number in range(11))


@dataclass(frozen=True, kw_only=True)
class Case:
    """A fault.

    Attributes:
        id: the claim.
        finds: the only finding.
        says: a part of its text.
        publish: a part of the record that it asks for.
    """

    id: str
    finds: str
    says: str
    zone: Mapping[str, str | None]
    name: str = NAME
    selectors: tuple[str, ...] = (SELECTOR,)
    publish: str | None = None


def dmarc(text: str, at: str = "bank") -> dict[str, str | None]:
    return {"dmarc": f'_dmarc.{at} TXT "v=DMARC1; {text}"'}


def spf(text: str, **more: str) -> dict[str, str | None]:
    return {"spf": f'bank TXT "v=spf1 {text}"', **more}


RUA = "rua=mailto:dmarc@bank.example"
OTHER = "rua=mailto:dmarc@other.example"
PARKED: dict[str, str | None] = {
    "mx": "bank MX 0 .",
    "spf": 'bank TXT "v=spf1 -all"',
    "key": None,
    "agreed": 'bank.example._report._dmarc.other TXT "v=DMARC1"',
}

CASES = [
    Case(
        id="a domain that does not exist",
        finds="domain-missing",
        says="NXDOMAIN",
        zone={},
        name="nobody.example",
    ),
    Case(
        id="no MX",
        finds="mx-missing",
        says="fall back to its address",
        zone={"mx": None, **spf("ip4:192.0.2.0/24 -all")},
        publish="10 mail.bank.example.",
    ),
    Case(id="null MX of a domain that sends", finds="mx-null", says="null MX", zone={"mx": "bank MX 0 ."}
         | spf("ip4:192.0.2.0/24 -all") | dmarc("p=reject; rua=mailto:dmarc@rep.bank.example")
         | {"reports": "rep.bank MX 10 mx.bank"}),
    Case(id="an address where a host belongs", finds="mx-malformed", says="192.0.2.1",
         zone={"mx": "bank MX 10 192.0.2.1.", **spf("ip4:192.0.2.0/24 -all")}),
    Case(id="null MX beside another", finds="mx-malformed", says="null MX record",
         zone={"mx": "bank MX 0 .\nbank MX 10 mx.bank"}),
    Case(id="an MX host without an address", finds="mx-unreachable", says="gone.bank.example",
         zone={"mx": "bank MX 10 mx.bank\nbank MX 20 gone.bank", **spf("ip4:192.0.2.0/24 -all")}),
    Case(id="no SPF record", finds="spf-missing", says="has no SPF record", zone={"spf": None},
         publish="v=spf1 mx ~all"),
    Case(id="two SPF records", finds="spf-several", says="2 SPF records",
         zone={"spf": 'bank TXT "v=spf1 mx -all"\nbank TXT "v=spf1 -all"'}),
    Case(id="a term that is none", finds="spf-syntax", says="ipv4:192.0.2.1", zone=spf("ipv4:192.0.2.1 -all")),
    Case(id="a fault in an included record", finds="spf-syntax", says="other.example",
         zone=spf("include:other.example -all", fault='other TXT "v=spf1 nonsense -all"')),
    Case(id="an include of a name without SPF", finds="spf-target-missing", says="other.example has no SPF record",
         zone=spf("include:other.example -all")),
    Case(id="a redirect to a name without SPF", finds="spf-target-missing", says="redirect=other.example",
         zone=spf("redirect=other.example")),
    Case(id="a circle of includes", finds="spf-loop", says="leads back to bank.example",
         zone=spf("include:other.example -all", circle='other TXT "v=spf1 include:bank.example -all"')),
    Case(id="eleven look-ups", finds="spf-lookups", says='from "a:h10.bank.example" in the record of bank.example on',
         zone=spf(f"{ELEVEN} -all", hosts=HOSTS)),
    Case(id="an mx with eleven hosts", finds="spf-lookups", says="11 MX records",
         zone={"mx": "\n".join(f"bank MX 10 h{number}.bank" for number in range(11)), "hosts": HOSTS}),
    Case(id="three terms that find nothing", finds="spf-voids", says="3 terms",
         zone=spf("a:x.bank.example mx:y.bank.example exists:z.bank.example -all")),
    Case(id="everybody may send", finds="spf-pass-all", says="+all", zone=spf("mx +all"), publish="v=spf1 mx ~all"),
    Case(id="everybody may send, by a network", finds="spf-pass-all", says="ip6:::/0", zone=spf("ip6:::/0 -all")),
    Case(id="everybody may send, by a network of IPv4", finds="spf-pass-all", says="every IPv4 address",
         zone=spf("ip4:192.0.2.1/0 -all")),
    Case(id="everybody may send, by a name that exists", finds="spf-pass-all", says="exists:mx.bank.example",
         zone=spf("exists:mx.bank.example -all")),
    Case(id="everybody may send, by an included record", finds="spf-pass-all", says="record of other.example",
         zone=spf("include:other.example -all", more='other TXT "v=spf1 all"')),
    Case(id="the end is neutral", finds="spf-neutral-all", says="?all", zone=spf("mx ?all"), publish="v=spf1 mx ~all"),
    Case(id="no end", finds="spf-no-all", says="without all", zone=spf("mx"), publish="v=spf1 mx ~all"),
    Case(id="the record that is redirected to has no end", finds="spf-no-all", says="other.example",
         zone=spf("redirect=other.example", more='other TXT "v=spf1 ip4:192.0.2.7"')),
    Case(id="ptr", finds="spf-ptr", says='"ptr"', zone=spf("mx ptr -all")),
    Case(id="a modifier that nobody knows", finds="spf-warning", says="unknown modifier",
         zone=spf("mx moo=cow -all")),
    Case(id="one term that finds nothing", finds="spf-warning", says="x.bank.example",
         zone=spf("mx a:x.bank.example -all")),
    Case(id="no selector is known", finds="dkim-unknown", says="selectors cannot be listed", zone={}, selectors=()),
    Case(id="there is no key at all", finds="dkim-none", says="_domainkey.bank.example does not exist",
         zone={"key": None}, selectors=()),
    Case(id="a selector without a key", finds="dkim-missing", says="old._domainkey.bank.example", zone={},
         selectors=(SELECTOR, "old")),
    Case(id="a revoked key", finds="dkim-revoked", says="revoked",
         zone={"key": 's2026._domainkey.bank TXT "v=DKIM1; p="'}),
    Case(id="a record that is no key", finds="dkim-unusable", says="not base64",
         zone={"key": 's2026._domainkey.bank TXT "v=DKIM1; p=!"'}),
    Case(id="a key of 512 bits", finds="dkim-weak", says="512 bits",
         zone={"key": "s2026._domainkey.bank TXT {rsa512}"}),
    Case(id="a key of 1024 bits", finds="dkim-short", says="1024 bits",
         zone={"key": "s2026._domainkey.bank TXT {rsa1024}"}),
    Case(id="a short key under a usual name that was not given", finds="dkim-short", says="default._domainkey",
         zone={"more": "default._domainkey.bank TXT {rsa1024}"}),
    Case(id="a key in test mode", finds="dkim-testing", says="t=y",
         zone={"key": "s2026._domainkey.bank TXT {testing}"}),
    Case(id="two records at one selector", finds="dkim-several", says="2 TXT records",
         zone={"more": 's2026._domainkey.bank TXT "something else"'}),
    Case(id="no key but ed25519", finds="dkim-ed25519-only", says="ed25519",
         zone={"key": "s2026._domainkey.bank TXT {ed25519}"}),
    Case(id="no DMARC record", finds="dmarc-missing", says="no DMARC record applies", zone={"dmarc": None},
         publish="v=DMARC1; p=none; rua=mailto:dmarc-reports@bank.example"),
    Case(id="no DMARC record but that of the suffix", finds="dmarc-missing", says="public suffix example",
         zone={"dmarc": '_dmarc.example. TXT "v=DMARC1; p=reject; psd=y; rua=mailto:dmarc@bank.example"'}),
    Case(id="a DMARC record at the domain itself", finds="dmarc-misplaced",
         says="receivers look at _dmarc.bank.example", zone={"dmarc": f'bank TXT "v=DMARC1; p=reject; {RUA}"'},
         publish=f"v=DMARC1; p=reject; {RUA}"),
    Case(id="no DMARC record of a domain that sends nothing", finds="dmarc-missing", says="no DMARC record applies",
         zone={"dmarc": None, **PARKED}, selectors=(), publish="v=DMARC1; p=reject"),
    Case(id="p=none of a domain that sends nothing", finds="dmarc-none", says="a step on the way",
         zone=PARKED | dmarc(f"p=none; np=quarantine; {OTHER}"), selectors=(), publish=f"v=DMARC1; p=reject; {OTHER}"),
    Case(id="p=quarantine of a domain that sends nothing", finds="dmarc-quarantine", says="quarantine",
         zone=PARKED | dmarc(f"p=quarantine; {OTHER}"), selectors=(), publish=f"v=DMARC1; p=reject; {OTHER}"),
    Case(id="no rua of a domain that sends nothing", finds="report-missing", says="rua",
         zone=PARKED | dmarc("p=reject"), selectors=()),
    Case(id="two DMARC records", finds="dmarc-several", says="2 DMARC records",
         zone={"more": '_dmarc.bank TXT "v=DMARC1; p=none"'}),
    Case(id="a policy that is none of the three", finds="dmarc-invalid", says="receivers make p=none of it",
         zone=dmarc(f"p=bogus; {RUA}"), publish=f"v=DMARC1; p=none; {RUA}"),
    Case(id="a version in small letters", finds="dmarc-invalid", says='"v=dmarc1; p=reject; rua',
         zone={"dmarc": f'_dmarc.bank TXT "v=dmarc1; p=reject; {RUA}"'}, publish=f"v=DMARC1; p=reject; {RUA}"),
    Case(id="no semicolon behind the version", finds="dmarc-invalid", says="counts for nothing",
         zone={"dmarc": f'_dmarc.bank TXT "v=DMARC1 p=reject; {RUA}"'}, publish=f"v=DMARC1; p=reject; {RUA}"),
    Case(id="quotes that are part of the text", finds="dmarc-invalid", says="counts for nothing",
         zone={"dmarc": f'_dmarc.bank TXT "\\"v=DMARC1; p=reject; {RUA}\\""'}, publish=f"v=DMARC1; p=reject; {RUA}"),
    Case(id="only the word", finds="dmarc-invalid", says="counts for nothing",
         zone={"dmarc": '_dmarc.bank TXT "DMARC1; p=reject;"'}, publish="v=DMARC1; p=reject;"),
    Case(id="another text at the place of the DMARC record", finds="dmarc-missing", says="no DMARC record applies",
         zone={"dmarc": '_dmarc.bank TXT "dmarc-verification=v1"\n_dmarc.bank TXT "v=DMARC12; p=none"'}),
    Case(id="a tag twice", finds="dmarc-invalid", says="p stands more than once",
         zone=dmarc(f"p=reject; p=none; {RUA}"), publish=f"v=DMARC1; p=reject; {RUA}"),
    Case(id="no p=", finds="dmarc-no-policy", says="no p=", zone=dmarc(RUA), publish=f"v=DMARC1; p=none; {RUA}"),
    Case(id="p=none", finds="dmarc-none", says="a step on the way", zone=dmarc(f"p=none; {RUA}"),
         publish=f"v=DMARC1; p=quarantine; {RUA}"),
    Case(id="p=quarantine", finds="dmarc-quarantine", says="quarantine", zone=dmarc(f"p=quarantine; {RUA}"),
         publish=f"v=DMARC1; p=reject; {RUA}"),
    Case(id="sp=none", finds="dmarc-sp-none", says="sp=none", zone=dmarc(f"p=reject; sp=none; {RUA}"),
         publish=f"v=DMARC1; p=reject; {RUA}"),
    Case(id="np=none", finds="dmarc-np-none", says="np=none", zone=dmarc(f"p=reject; np=none; {RUA}"),
         publish=f"v=DMARC1; p=reject; {RUA}"),
    Case(id="pct below 100", finds="dmarc-pct", says="pct=20", zone=dmarc(f"p=reject; pct=20; {RUA}"),
         publish=f"v=DMARC1; p=reject; {RUA}"),
    Case(id="t=y", finds="dmarc-testing", says="one level less than reject", zone=dmarc(f"p=reject; t=y; {RUA}"),
         publish=f"v=DMARC1; p=reject; {RUA}"),
    Case(id="pct=100, rf and ri", finds="dmarc-historic", says="pct=100, rf=afrf, ri=86400",
         zone=dmarc(f"p=reject; pct=100; rf=afrf; ri=86400; {RUA}"), publish=f"v=DMARC1; p=reject; {RUA}"),
    Case(id="a size limit of reports", finds="dmarc-historic", says="!10m", zone=dmarc(f"p=reject; {RUA}!10m")),
    Case(id="psd=y of what is no suffix", finds="dmarc-psd", says="psd=y", zone=dmarc(f"p=reject; psd=y; {RUA}"),
         publish=f"v=DMARC1; p=reject; {RUA}"),
    Case(id="psd=n below the organizational domain of the list", finds="dmarc-organization",
         says="is news.bank.example by the tree walk (RFC 9989) and bank.example by the list",
         name="news.bank.example",
         zone={"news": 'news.bank MX 10 mx.bank\nnews.bank TXT "v=spf1 mx -all"\n'
               's2026._domainkey.news.bank TXT {rsa2048}\n'
               f'_dmarc.news.bank TXT "v=DMARC1; p=reject; psd=n; {RUA.replace("bank", "news.bank")}"'}),
    Case(id="a tag that nobody knows", finds="dmarc-warning", says="'moo'", zone=dmarc(f"p=reject; {RUA}; moo=cow")),
    Case(id="no rua", finds="report-missing", says="rua", zone=dmarc("p=reject"),
         publish="v=DMARC1; p=reject; rua=mailto:dmarc-reports@bank.example"),
    Case(id="an address without mailto:", finds="report-malformed", says='"dmarc@bank.example" in ruf',
         zone=dmarc(f"p=reject; {RUA}; ruf=dmarc@bank.example")),
    Case(id="an address at what is no domain", finds="report-malformed", says="no domain name",
         zone=dmarc(f"p=reject; {RUA},mailto:x@-bank-.example")),
    Case(id="an address that is no mail address", finds="report-scheme", says="https://bank.example/",
         zone=dmarc(f"p=reject; {RUA},https://bank.example/dmarc")),
    Case(id="another organization has not agreed", finds="report-unauthorised", says="other.example",
         zone=dmarc("p=reject; rua=mailto:dmarc@other.example"), publish="v=DMARC1"),
    Case(id="another organization sends reports elsewhere", finds="report-unauthorised", says="another host",
         zone={**dmarc("p=reject; rua=mailto:dmarc@other.example"),
               "agreed": 'bank.example._report._dmarc.other TXT "v=DMARC1; rua=mailto:x@elsewhere.example"'}),
    Case(id="an address whose domain takes no mail", finds="report-unreachable", says="nomail.bank.example",
         zone={**dmarc("p=reject; rua=mailto:dmarc@nomail.bank.example"), "more": "nomail.bank MX 0 ."}),
]  # fmt: skip


def run(case_zone: Mapping[str, str | None], name: str = NAME, selectors: tuple[str, ...] = (SELECTOR,)) -> Report:
    source = Zone.parse(zone(case_zone))
    return audit(Domain.parse(name), source, SUFFIXES, selectors=[Domain.parse(each) for each in selectors])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_fault_gives_its_finding_and_no_other(case: Case) -> None:
    report = run(case.zone, case.name, case.selectors)

    [found] = report.findings
    assert found.id == case.finds
    assert case.says in found.text
    assert found.remedy
    assert found.severity is CATALOGUE[Id(found.id)].severity
    if case.publish is not None:
        assert found.publish is not None
        assert case.publish in found.publish.value
    assert report.unanswered == ()


def test_every_id_of_the_catalogue_has_a_case() -> None:
    assert {case.finds for case in CASES} == set(Id) == set(CATALOGUE)


def test_a_domain_at_reject_with_all_good_has_no_finding() -> None:
    report = run({})

    assert report.findings == ()
    assert report.next_step is None
    assert report.disagreements == ()
