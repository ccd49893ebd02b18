"""The audit of an SPF record against the daemon's evaluation of it: what one calls an error the other answers so."""

from ipaddress import ip_address

from hypothesis import example, given
from hypothesis import strategies as st

from assay.answers import RRType
from assay.audit.asking import Asking
from assay.audit.report import Severity
from assay.audit.spf import inspect_spf
from assay.dns.zone import Zone
from assay.domain import Domain
from assay.results import SpfValue
from assay.trace import Trace
from assay.verify.spf import check_host
from assay.verify.spf_query import HostCheck

NAMES = ("one.example", "two.example", "three.example", "four.example")
CLIENT = ip_address("192.0.2.1")
HOSTS = ("here.example", "there.example", "gone.example")

terms = st.one_of(
    st.sampled_from([f"include:{name}" for name in NAMES]),
    st.sampled_from([f"{mechanism}:{host}" for mechanism in ("a", "mx") for host in HOSTS[1:]]),
    st.just("exists:gone.example"),
    st.sampled_from(
        ["ip4:198.51.100.0/24", "-a", "?mx", "mx:dead.example", "a:two.example/24", "moo=cow", "ptr", "bad:"]
    ),
)
ends = st.sampled_from(
    ["-all", "~all", "?all", "", "redirect=two.example", "redirect=four.example", "-all redirect=x.example"]
)
records = st.builds(lambda parts, end: " ".join(["v=spf1", *parts, end]).rstrip(), st.lists(terms, max_size=6), ends)
zones = st.fixed_dictionaries({NAMES[0]: records}, optional=dict.fromkeys(NAMES[1:], records))


@example(zones={"one.example": "v=spf1 " + " ".join(["ip4:198.51.100.7", *["a:there.example"] * 11]) + " -all"})
@example(zones={"one.example": "v=spf1 a:gone.example mx:gone.example exists:gone.example -all"})
@example(zones={"one.example": "v=spf1 include:two.example -all", "two.example": "v=spf1 include:one.example -all"})
@example(zones={"one.example": "v=spf1 redirect=two.example"})
@given(zones=zones)
def test_an_error_of_the_audit_is_a_permerror_of_the_daemon(zones: dict[str, str]) -> None:
    # No term holds the client, so the daemon goes through all of them, as the audit does. It has a name, since what a
    # client without one costs is not the record's.
    source = Zone(
        {
            (b"1.2.0.192.in-addr.arpa", RRType.PTR): [b"client.example"],
            (b"client.example", RRType.A): [CLIENT],
            **{(name.encode(), RRType.TXT): [text.encode()] for name, text in zones.items()},
            **{(host.encode(), RRType.A): [ip_address("198.51.100.1")] for host in HOSTS[:2]},
        }
    )
    domain = Domain(NAMES[0])
    check = HostCheck(client=CLIENT, domain=domain, local=b"a", helo=b"x", receiver="r.example", now=0.0)

    found = inspect_spf(domain, Asking(source))
    outcome = check_host(check, source, Trace())

    errors = [each.text for each in found.findings if each.severity is Severity.ERROR]
    assert bool(errors) is (outcome.value is SpfValue.PERMERROR), (errors, outcome)
