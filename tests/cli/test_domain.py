"""``assay domain``: exit codes, text, JSON, which name server is asked, and that nothing else is."""

import json
import re
import shlex
import socket
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assay.audit.findings import CATALOGUE
from assay.audit.report import Report
from assay.cli import main
from assay.dns import client
from assay.dns.nameservers import Nameserver
from support.audit_zone import NAME, SELECTOR, absolute, zone, zone_lines
from support.dnsserver import Behaviour, DnsServer, dead, rcode
from support.knot import knot, zone_text

ROOT = Path(__file__).parents[2]
RUA = "rua=mailto:dmarc@bank.example"
AT_QUARANTINE = {"dmarc": f'_dmarc.bank TXT "v=DMARC1; p=quarantine; {RUA}"'}


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every address to which a stream was opened: of HTTP, SMTP, or DNS over TCP."""
    opened: list[object] = []
    connect = socket.socket.connect

    def noted(sock: socket.socket, address: object) -> None:
        if sock.type == socket.SOCK_STREAM:
            opened.append(address)
        connect(sock, address)

    monkeypatch.setattr(socket.socket, "connect", noted)
    return opened


def serve(changes: dict[str, str | None] | None = None, behaviours: dict[bytes, Behaviour] | None = None) -> DnsServer:
    return DnsServer(absolute(zone(changes)), behaviours)


def ask(nameserver: object, *options: str, name: str = NAME, selector: str | None = SELECTOR) -> Result:
    given = ["--selector", selector] if selector else []
    return CliRunner().invoke(main, ["domain", name, "--nameserver", str(nameserver), *given, *options])


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up on a question after a tenth of a second."""
    monkeypatch.setattr(sys.modules["assay.cli.domain"], "DNS_TIMEOUT", 0.1)


def test_a_good_domain_ends_with_0() -> None:
    with serve() as server:
        result = ask(server.nameserver)

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.output.splitlines()[-1] == "nothing to do"
    for part in (
        "MX       10 mx.bank.example (192.0.2.1)",
        "1 of 10 look-ups",
        "DKIM     s2026: rsa, 2048 bits",
        "asks for reject",
    ):
        assert part in result.output


def test_findings_end_with_1_and_each_says_what_to_do_and_to_publish() -> None:
    with serve(AT_QUARANTINE) as server:
        result = ask(server.nameserver)

    assert result.exit_code == 1
    assert "notice dmarc-quarantine: the policy for bank.example is quarantine" in result.output
    assert "    to do: p=reject where" in result.output
    assert f'    _dmarc.bank.example. TXT "v=DMARC1; p=reject; {RUA}"' in result.output
    assert "next: reject, where people do not write to mailing lists" in result.output
    assert result.output.splitlines()[-1] == "1 notice"


def test_what_is_accepted_does_not_count() -> None:
    with serve(AT_QUARANTINE) as server:
        result = ask(server.nameserver, "--accept", "dmarc-quarantine")

    assert result.exit_code == 0
    assert "notice dmarc-quarantine (accepted): " in result.output
    assert result.output.splitlines()[-1] == "nothing to do (1 accepted)"


@pytest.mark.parametrize(
    "behaviour", [dead, rcode("SERVFAIL"), rcode("REFUSED")], ids=["time-out", "SERVFAIL", "REFUSED"]
)
@pytest.mark.usefixtures("impatient")
def test_no_answer_ends_with_75_and_is_never_called_a_missing_record(behaviour: Behaviour) -> None:
    with serve(behaviours={b"_dmarc.bank.example": behaviour}) as server:
        result = ask(server.nameserver)

    assert result.exit_code == 75
    assert "unknown  TXT _dmarc.bank.example: no answer (" in result.output
    assert "dmarc-missing" not in result.output
    assert "try again" in result.output.splitlines()[-1]


@pytest.mark.usefixtures("impatient")
def test_whose_a_report_address_is_may_stay_open() -> None:
    below = {
        "dmarc": '_dmarc.bank TXT "v=DMARC1; p=reject; rua=mailto:d@rep.bank.example"',
        "rep": "rep.bank MX 10 mx.bank",
    }
    with serve(below, {b"_dmarc.rep.bank.example": dead}) as server:
        result = ask(server.nameserver)

    assert result.exit_code == 75
    assert "rua mailto:d@rep.bank.example: whose it is is not known" in result.output


@pytest.mark.usefixtures("impatient")
def test_a_name_server_that_is_not_there_ends_with_75() -> None:
    with serve() as server:
        nameserver = server.nameserver
    result = ask(nameserver)

    assert result.exit_code == 75
    assert "error " not in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["b nk.example"], "no domain name: a label holds something else"),
        (["bank..example"], "no domain name: empty label"),
        (["localhost"], "has one label"),
        (["192.0.2.1"], "is an address"),
        ([NAME, "--selector", "a b"], "no domain name"),
        ([NAME, "--nameserver", "ns.example"], "is not an IP address"),
        ([NAME, "--accept", "nonsense"], "'nonsense' is not one of"),
        ([NAME, "--config", "/nonexistent"], "/nonexistent: cannot be read"),
        ([], "Missing argument 'NAME'"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(main, ["domain", *arguments])

    assert result.exit_code == 2
    assert says in result.output


def test_a_name_may_be_written_with_u_labels() -> None:
    lines = absolute(zone().replace("bank", "xn--bcher-kva"))
    with DnsServer(lines) as server:
        result = ask(server.nameserver, name="Bücher.example.")

    assert result.exit_code == 0
    assert result.output.startswith("xn--bcher-kva.example\n")


def test_json_is_the_report_and_nothing_else() -> None:
    with serve(AT_QUARANTINE) as server:
        result = ask(server.nameserver, "--json")

    assert result.exit_code == 1
    report = json.loads(result.output)
    assert Report.model_validate_json(result.output).domain == NAME
    assert report["version"] == 1
    [found] = report["findings"]
    assert (found["id"], found["severity"], found["accepted"]) == ("dmarc-quarantine", "notice", False)
    assert found["publish"] == {"name": "_dmarc.bank.example", "type": "TXT", "value": f"v=DMARC1; p=reject; {RUA}"}
    assert report["next_step"]["publish"] == found["publish"]
    assert report["spf"]["lookups"] == 1


def test_it_asks_the_name_server_of_the_configuration(tmp_path: Path) -> None:
    with serve() as server:
        (tmp_path / "assay.toml").write_text(f'[dns]\nnameservers = ["{server.nameserver}"]\n')
        arguments = ["domain", NAME, "--selector", SELECTOR, "--config", str(tmp_path / "assay.toml")]
        result = CliRunner().invoke(main, arguments)

    assert result.exit_code == 0
    assert server.seen


def test_without_one_in_the_configuration_it_asks_that_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "assay.toml").write_text("")
    with serve() as server:

        def machines() -> tuple[Nameserver, ...]:
            return (server.nameserver,)

        monkeypatch.setattr(client, "system_nameservers", machines)
        arguments = ["domain", NAME, "--selector", SELECTOR, "--config", str(tmp_path / "assay.toml")]
        result = CliRunner().invoke(main, arguments)

    assert result.exit_code == 0


def test_nothing_is_asked_but_the_dns(streams: list[object]) -> None:
    # Hosts of the zone are on loopback, where a connection would work or be seen; the guard sees any other.
    hosts = {
        "mx host": "mx.bank A 127.0.0.1",
        "address": "bank A 127.0.0.1",
        "sts": '_mta-sts.bank TXT "v=STSv1; id=1"',
        "bimi": 'default._bimi.bank TXT "v=BIMI1; l=http://127.0.0.1/x.svg"',
        "tls": '_smtp._tls.bank TXT "v=TLSRPTv1"',
        "spf": 'bank TXT "v=spf1 mx -all exp=why.bank.example"',
        "explained": 'why.bank TXT "because"',
    }
    with serve(hosts) as server:
        result = ask(server.nameserver)

    assert result.exit_code == 0, result.output
    assert streams == []
    assert {seen.rrtype for seen in server.seen} == {"A", "AAAA", "MX", "TXT"}
    assert not [seen.name for seen in server.seen if b"_mta-sts" in seen.name or b"_bimi" in seen.name]


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        pytest.param({"mx": "bank MX 0 ."}, ["MX       null: takes no mail"], id="a null MX"),
        pytest.param({"mx": None}, ["MX       none"], id="no MX"),
        pytest.param({"spf": None}, ["SPF      none"], id="no SPF"),
        pytest.param({"mx host": None}, ["10 mx.bank.example (no address)", "1. mx (bank.example): finds nothing"],
                     id="what finds nothing"),
        pytest.param({"spf": 'bank TXT "v=spf1 exists:%{{i}}.x.example -all"'},
                     ["what it leads to depends on the message: exists:%{i}.x.example"], id="macros"),
        pytest.param({"key": 's2026._domainkey.bank TXT "v=DKIM1; p="', "more": "k1._domainkey.bank TXT {testing}"},
                     ["DKIM     s2026: the key is revoked", "k1: rsa, 2048 bits (t=y); found, and not given by",
                      "tried besides: default, mail"], id="keys"),
        pytest.param({"dmarc": '_dmarc.bank TXT "v=DMARC1; sp=bogus; ruf=https://x.example/,mailto:a@other.example"'},
                     ["asks for nothing that can be read", "ruf https://x.example/: no host",
                      "ruf mailto:a@other.example: not agreed to"], id="report addresses"),
        pytest.param({"dmarc": f'_dmarc.bank TXT "v=DMARC1; p=reject; fo=x; {RUA}"'},
                     ["but      checkdmarc sees the record of bank.example in another way", "of the same organization"],
                     id="a disagreement"),
    ],
)  # fmt: skip
def test_what_was_seen_is_shown(changes: dict[str, str | None], lines: list[str]) -> None:
    with serve(changes) as server:
        output = ask(server.nameserver).output

    for line in lines:
        assert line in output


def test_a_name_that_does_not_exist_is_the_one_finding() -> None:
    with serve() as server:
        result = ask(server.nameserver, name="nobody.example")

    assert result.exit_code == 1
    assert result.output.splitlines()[0] == "nobody.example"
    assert result.output.splitlines()[-1] == "1 error"


def test_a_long_record_is_shown_as_a_zone_file_has_it() -> None:
    uris = ",".join(f"mailto:{'d' * 60}{number}@bank.example" for number in range(4))
    with serve({"dmarc": f'_dmarc.bank TXT "v=DMARC1; p=quarantine; rua={uris[:160]}" "{uris[160:]}"'}) as server:
        result = ask(server.nameserver)

    [line] = {line.strip() for line in result.output.splitlines() if line.startswith("    _dmarc.bank.example. TXT")}
    strings = re.findall(r'"([^"]*)"', line)
    assert "".join(strings) == f"v=DMARC1; p=reject; rua={uris}"
    assert max(map(len, strings)) == 255


def test_nothing_from_the_dns_reaches_the_terminal_as_a_control() -> None:
    odd: dict[str, str | None] = {
        "spf": 'bank TXT "v=spf1 \\027[2J -all"',
        "dmarc": '_dmarc.bank TXT "v=DMARC1; p=\\027[31m; \\226\\128\\174=x"',
    }
    for options in ((), ("--json",)):
        with serve(odd) as server:
            result = ask(server.nameserver, *options)
        assert result.exit_code == 1
        assert all(char.isprintable() or char == "\n" for char in result.output)


def test_the_page_lists_every_id_with_its_severity_and_meaning() -> None:
    page = (ROOT / "docs" / "domain.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (\w+) \| (.+) \|$", page, re.MULTILINE)

    assert rows == [(kind.value, about.severity.value, about.meaning) for kind, about in CATALOGUE.items()]


def test_the_page_names_every_key_of_the_json() -> None:
    page = (ROOT / "docs" / "domain.md").read_text(encoding="utf-8")
    schema = Report.model_json_schema()
    keys = {key for part in [schema, *schema["$defs"].values()] for key in part.get("properties", {})}

    assert sorted(key for key in keys if f"`{key}`" not in page) == []


@pytest.mark.parametrize("page", ["README.md", "docs/domain.md"])
def test_every_command_that_the_documents_show_runs(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    commands = [shlex.split(line[2:]) for line in text.splitlines() if line.startswith("$ assay domain ")]
    assert commands
    for _, *arguments in commands:
        with serve(AT_QUARANTINE) as server:
            # theirs is no name server of this machine
            shown = [
                value for at, value in enumerate(arguments) if "--nameserver" not in arguments[max(0, at - 1) : at + 1]
            ]
            result = CliRunner().invoke(main, [*shown, "--nameserver", str(server.nameserver)])
        assert result.exit_code == (0 if "--accept" in arguments else 1)


@pytest.mark.real
def test_a_real_name_server_gives_the_same(tmp_path: Path) -> None:
    with knot(tmp_path / "knot", {"example.": zone_text("example", zone_lines(AT_QUARANTINE))}) as server:
        result = ask(server.nameserver, "--accept", "dmarc-quarantine")

    assert result.exit_code == 0
    assert "(accepted)" in result.output
