"""Our Authentication-Results field: what it says, how it is folded, and that two other readers find the same in it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import authres
import authres.arc
import authres.dmarc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.domain import Domain
from assay.facts import Client
from assay.policy.model import Decision, Disposition
from assay.results import (
    ArcResult,
    ArcValue,
    AuthResults,
    DkimResult,
    DkimValue,
    DmarcResult,
    DmarcValue,
    FromProblem,
    Requested,
    SpfIdentity,
    SpfResult,
    SpfValue,
)
from assay.stamp import sanitize
from assay.stamp.auth_results import MAX_FIELD, MAX_REPORTED, NAME, authentication_results, authserv_id_value
from support import ar_parser
from support.judged import (
    AUTH_RESULTS,
    CLIENT,
    CLIENTS,
    DECISIONS,
    DELIVERED,
    DMARC_FAIL,
    HOSTILE,
    SENDER,
    SPF_PASS,
    arc_set,
    judged,
    signature,
)

GOLDEN = Path(__file__).parent / "golden"
READER = authres.FeatureContext(authres.arc, authres.dmarc)
ID = "mx.receiver.example"
LONG = Domain.parse(".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61]))


def render(results: AuthResults, client: Client = CLIENT, decision: Decision = DELIVERED, authserv_id: str = ID) -> str:
    return authentication_results(results, authserv_id=authserv_id, client=client, decision=decision)


def only(value: str, method: str) -> ar_parser.ResInfo:
    """Return the one result of ``method``."""
    (found,) = [each for each in ar_parser.parse(value).results if each.method == method]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    id: str
    results: AuthResults
    client: Client = CLIENT
    decision: Decision = DELIVERED


GOLDENS = [
    Golden(id="everything-passes", results=judged(dkim=(signature(),))),
    Golden(
        id="forged-from-quarantined",
        results=judged(
            spf=SpfResult(
                value=SpfValue.SOFTFAIL,
                identity=SpfIdentity.MAILFROM,
                domain=Domain.parse("atk.example"),
                reason="~all",
            ),
            dmarc=DMARC_FAIL,
        ),
        decision=replace(
            DELIVERED, disposition=Disposition.QUARANTINE, would=Disposition.QUARANTINE, rule="dmarc-fail"
        ),
    ),
    Golden(
        id="monitor-mode-says-what-it-would-do",
        results=judged(dmarc=DMARC_FAIL),
        decision=replace(DELIVERED, would=Disposition.REJECT),
    ),
    Golden(
        id="null-sender-through-a-list-with-arc",
        results=judged(
            spf=SpfResult(
                value=SpfValue.PASS,
                identity=SpfIdentity.HELO,
                domain=Domain.parse("list.example"),
                reason="mx matches",
            ),
            dkim=(
                signature(DkimValue.FAIL, "Zm9vYmFyQUJD/+", "body hash does not match"),
                signature(DkimValue.PASS, "Zm9vYmFyQUJE/+", auid='"a list"@Sender.Example'),
                DkimResult(value=DkimValue.PERMERROR, reason="no s= tag"),
            ),
            arc=ArcResult(
                value=ArcValue.PASS,
                reason="all seals verify",
                complete=True,
                sets=(arc_set(1, "first.example"), arc_set(2, "list.example")),
                oldest_pass=0,
            ),
        ),
        client=Client(address=ip_address("2001:db8::25")),
    ),
    Golden(
        id="a-sender-that-writes-results",
        results=judged(
            spf=SpfResult(
                value=SpfValue.PERMERROR,
                identity=SpfIdentity.MAILFROM,
                domain=None,
                reason='no domain in <a@b.c; dkim=pass header.d=bank.example>\r\nX: "y" \\ (z\x00',
            ),
            dkim=(
                signature(DkimValue.FAIL, reason="a@b (dkim=pass", auid="dkim=pass@sender.example"),
                signature(DkimValue.FAIL, reason="", auid="x; dkim=pass header.d=bank.example"),
            ),
            dmarc=DmarcResult(
                value=DmarcValue.PERMERROR,
                reason=FromProblem.REPEATED,
                from_problem=FromProblem.REPEATED,
            ),
        ),
        client=Client(address=None),
    ),
]


@pytest.mark.parametrize("case", GOLDENS, ids=lambda case: case.id)
def test_golden(case: Golden) -> None:
    wanted = (GOLDEN / f"{case.id}.txt").read_text(encoding="ascii")
    assert f"{NAME}:{render(case.results, case.client, case.decision)}\n" == wanted


def test_every_golden_file_has_its_case() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == {case.id for case in GOLDENS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    id: str
    section: str
    results: AuthResults
    method: str
    properties: tuple[tuple[str, str, str], ...]
    client: Client = CLIENT


CASES = [
    Case(
        id="SPF shows the domain of MAIL FROM",
        section="RFC 8601 2.7.2",
        results=judged(),
        method="spf",
        properties=(("smtp", "mailfrom", "bounce.sender.example"),),
    ),
    Case(
        id="SPF of the null sender shows HELO",
        section="RFC 7208 2.4",
        results=judged(spf=replace(SPF_PASS, identity=SpfIdentity.HELO)),
        method="spf",
        properties=(("smtp", "helo", "bounce.sender.example"),),
    ),
    Case(
        id="SPF without a usable domain shows none",
        section="standards H.1 E4",
        results=judged(spf=replace(SPF_PASS, value=SpfValue.NONE, domain=None)),
        method="spf",
        properties=(),
    ),
    Case(
        id="no signature is dkim=none",
        section="RFC 8601 2.7.1",
        results=judged(),
        method="dkim",
        properties=(),
    ),
    Case(
        id="a signature of unreadable parts keeps its result",
        section="standards E.2.5",
        results=judged(
            dkim=(
                DkimResult(
                    value=DkimValue.PERMERROR,
                    reason="x",
                    auid="no at sign",
                    selector="a\0b",
                    algorithm="rsa sha256",
                    signature='a"; dkim=pass',
                ),
            )
        ),
        method="dkim",
        properties=(),
    ),
    Case(
        id="a selector is shown as lower-case A-labels",
        section="RFC 8616 4",
        results=judged(dkim=(DkimResult(value=DkimValue.PASS, reason="", selector="Bücher.S1."),)),
        method="dkim",
        properties=(("header", "s", "xn--bcher-kva.s1"),),
    ),
    Case(
        id="a short b= is shown whole",
        section="RFC 6008 4",
        results=judged(dkim=(DkimResult(value=DkimValue.FAIL, reason="", signature="YWI="),)),
        method="dkim",
        properties=(("header", "b", "YWI="),),
    ),
    Case(
        id="policy.dmarc is not shown for a pass",
        section="standards E.5",
        results=judged(),
        method="dmarc",
        properties=(("header", "from", "sender.example"),),
    ),
    Case(
        id="policy.dmarc of a failure is what the owner asks for",
        section="RFC 9989, standards C.8",
        results=judged(dmarc=replace(DMARC_FAIL, requested=Requested.QUARANTINE)),
        method="dmarc",
        properties=(("policy", "dmarc", "quarantine"), ("header", "from", "brand.example")),
    ),
    Case(
        id="a failure without a policy shows none",
        section="standards C.8",
        results=judged(dmarc=replace(DMARC_FAIL, requested=None)),
        method="dmarc",
        properties=(("header", "from", "brand.example"),),
    ),
    Case(
        id="oldest-pass is shown when it is 0",
        section="RFC 8617 5.2",
        results=judged(arc=ArcResult(value=ArcValue.PASS, reason="", oldest_pass=0)),
        method="arc",
        properties=(("header", "oldest-pass", "0"), ("smtp", "remote-ip", "192.0.2.25")),
    ),
    Case(
        id="local submission has no remote-ip",
        section="standards G.2",
        results=judged(),
        client=Client(address=None),
        method="arc",
        properties=(),
    ),
    Case(
        id="an IPv6 address is quoted, its zone too",
        section="standards E.1",
        results=judged(),
        client=Client(address=ip_address('fe80::1%a"b')),
        method="arc",
        properties=(("smtp", "remote-ip", 'fe80::1%a"b'),),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_properties(case: Case) -> None:
    assert only(render(case.results, case.client), case.method).properties == case.properties


@pytest.mark.parametrize(
    ("result", "comment"),
    [
        (signature(), "2048-bit rsa key"),
        (replace(signature(), algorithm="ed25519-sha256", key_bits=256), "256-bit ed25519 key"),
        (replace(signature(), algorithm=None), "2048-bit key"),
        (replace(signature(), key_bits=None), None),
    ],
)
def test_a_dkim_comment_names_the_key(result: DkimResult, comment: str | None) -> None:
    assert only(render(judged(dkim=(result,))), "dkim").comments == (() if comment is None else (comment,))


def test_the_dmarc_comment_holds_what_was_published_and_what_is_done() -> None:
    decision = replace(DELIVERED, disposition=Disposition.QUARANTINE, would=Disposition.QUARANTINE)
    dmarc = only(render(judged(dmarc=DMARC_FAIL), decision=decision), "dmarc")
    assert dmarc.comments == ("p=reject sp=reject np=none t=n disposition=quarantine",)


def test_a_test_record_without_p_is_shown_as_such() -> None:
    assert DMARC_FAIL.record is not None
    record = replace(DMARC_FAIL.record, p=None, sp=None, testing=True)
    dmarc = only(render(judged(dmarc=replace(DMARC_FAIL, record=record))), "dmarc")
    assert dmarc.comments == ("np=none t=y disposition=none",)


def test_no_record_is_no_policy_in_the_comment() -> None:
    dmarc = only(render(judged(dmarc=replace(DMARC_FAIL, value=DmarcValue.NONE, record=None))), "dmarc")
    assert dmarc.comments == ("disposition=none",)


@pytest.mark.parametrize("value", [ArcValue.FAIL, ArcValue.NONE])
def test_sealers_of_a_chain_that_does_not_pass_are_not_named(value: ArcValue) -> None:
    arc = only(render(judged(arc=ArcResult(value=value, reason="x", sets=(arc_set(1, "bank.example"),)))), "arc")
    assert arc.comments == ()


def test_a_long_chain_names_its_newest_sealers_whole() -> None:
    sets = tuple(arc_set(instance, f"s{instance}.example") for instance in range(1, 51))
    (comment,) = only(render(judged(arc=ArcResult(value=ArcValue.PASS, reason="", sets=sets))), "arc").comments
    assert comment.startswith("i=50 as[50].d=s50.example as[49].d=s49.example")
    assert comment.endswith(".example")
    assert len(comment) <= sanitize.MAX_VALUE


@pytest.mark.parametrize(("octets", "sealers"), [(sanitize.MAX_VALUE, 2), (sanitize.MAX_VALUE + 1, 1)])
def test_sealers_are_named_as_far_as_255_octets_hold_them(octets: int, sealers: int) -> None:
    """Standards E.2.5."""
    newest = ".".join(["a" * 63, "b" * 63, "c" * 63])
    oldest = "d" * (octets - len(f"i=2 as[2].d={newest} as[1].d=.example")) + ".example"
    sets = (arc_set(1, oldest), arc_set(2, newest))
    (comment,) = only(render(judged(arc=ArcResult(value=ArcValue.PASS, reason="", sets=sets))), "arc").comments
    assert comment == f"i=2 as[2].d={newest}" + (f" as[1].d={oldest}" if sealers == 2 else "")


@pytest.mark.parametrize("value", [DkimValue.NONE, DkimValue.PASS])
def test_a_result_that_needs_no_excuse_has_no_reason(value: DkimValue) -> None:
    assert only(render(judged(dkim=(signature(value),))), "dkim").reason is None


PREFIXES = [
    ("eight characters", ["abcdefghi", "bbcdefghi"], ["abcdefgh", "bbcdefgh"]),
    ("more where eight are the same", ["abcdefghiX1", "abcdefghiY1"], ["abcdefghiX", "abcdefghiY"]),
    ("case counts", ["abcdefghZ", "abcdefgHZ"], ["abcdefgh", "abcdefgH"]),
    ("one continues the other", ["abcdefgh", "abcdefghij"], ["abcdefgh", "abcdefghi"]),
    ("the same twice stays short", ["abcdefghij", "abcdefghij"], ["abcdefgh", "abcdefgh"]),
    ("one that is not shown counts for nothing", ["abcdefghi", "abcdefgh;"], ["abcdefgh"]),
    ("255 at most", ["a" * 300, "a" * 299 + "b"], ["a" * 255, "a" * 255]),
]


@pytest.mark.parametrize(
    ("signatures", "prefixes"), [case[1:] for case in PREFIXES], ids=[case[0] for case in PREFIXES]
)
def test_header_b_tells_signatures_apart(signatures: list[str], prefixes: list[str]) -> None:
    """RFC 6008 4."""
    field = ar_parser.parse(render(judged(dkim=tuple(signature(b=b) for b in signatures))))
    dkim = [dict(each.properties_of("header")) for each in field.results if each.method == "dkim"]
    assert [header["b"] for header in dkim if "b" in header] == prefixes
    assert len(dkim) == len(signatures)


@pytest.mark.parametrize(
    ("b", "shown"), [("YWJj", "YWJj"), ("YWI=", "YWI="), ("YQ==", "YQ=="), ("Y===", None), ("YQ=Y", None), ("", None)]
)
def test_header_b_is_shown_only_for_base64(b: str, shown: str | None) -> None:
    """RFC 6008 4, RFC 4648 4: two signs of padding at most."""
    properties = only(render(judged(dkim=(signature(b=b),))), "dkim").properties
    assert {name: value for _, name, value in properties}.get("b") == shown


@pytest.mark.parametrize(
    ("algorithm", "shown"),
    [("a" * 32, "a" * 32), ("a" * 33, None), ("", None), ("rsa sha256", None), ("RSA-SHA256", None), ("x", "x")],
)
def test_header_a_is_shown_only_for_one_short_word(algorithm: str, shown: str | None) -> None:
    """Standards E.2.5."""
    properties = only(render(judged(dkim=(replace(signature(), algorithm=algorithm),))), "dkim").properties
    assert {name: value for _, name, value in properties}.get("a") == shown


def test_many_signatures_hide_none_that_passes() -> None:
    results = [signature(DkimValue.FAIL, b=f"{number:08d}") for number in range(1000)]
    results[999] = signature(DkimValue.PASS, b="GENUINE+")
    shown = [each for each in ar_parser.parse(render(judged(dkim=tuple(results)))).results if each.method == "dkim"]
    assert len(shown) == MAX_REPORTED
    assert [each.result for each in shown] == ["fail"] * (MAX_REPORTED - 1) + ["pass"]
    assert shown[-1].comments == ("2048-bit rsa key, 980 more signatures not reported",)
    assert {each.comments for each in shown[:-1]} == {("2048-bit rsa key",)}
    assert ("header", "b", "00000000") in shown[0].properties


@pytest.mark.parametrize(
    ("authserv_id", "shown"),
    [
        ("MX.Receiver.Example.", "mx.receiver.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("Mail!Gate", "mail!gate"),
        ("Our mail; dkim=pass", '"our mail; dkim=pass"'),
        ('a"b\\', '"a\\"b\\\\"'),
        ("x" * 300, '"' + "x" * 255 + '"'),
    ],
)
def test_our_authserv_id_is_a_value_whatever_the_configuration_says(authserv_id: str, shown: str) -> None:
    value = render(judged(), authserv_id=authserv_id)
    assert value.startswith(f" {shown};\n\t")
    ar_parser.parse(value)


def test_our_authserv_id_is_in_lower_case() -> None:
    """RFC 8601 2.5: its case says nothing, so that one spelling is enough."""
    assert authserv_id_value("Mail!Gate") == "mail!gate"


@pytest.mark.parametrize("authserv_id", ["", " \r\n", "\ud800"])
def test_an_empty_authserv_id_is_a_fault_of_ours(authserv_id: str) -> None:
    with pytest.raises(ValueError, match="no printable character"):
        render(judged(), authserv_id=authserv_id)


def longest_signature(value: DkimValue, number: int) -> DkimResult:
    return DkimResult(
        value=value,
        reason='"' * 300,
        sdid=LONG,
        auid=f"{'l' * 64}@{LONG}",
        selector=LONG.name,
        algorithm="a" * 32,
        key_bits=99999,
        signature="/" * 254 + "abcdefghijklmnopqrstuvwxyz"[number] + "x",
    )


def test_the_longest_field_loses_reasons_but_no_result() -> None:
    results = judged(
        spf=SpfResult(value=SpfValue.SOFTFAIL, identity=SpfIdentity.HELO, domain=LONG, reason='"' * 300),
        dkim=tuple(longest_signature(DkimValue.PERMERROR, number) for number in range(MAX_REPORTED)),
        arc=ArcResult(value=ArcValue.FAIL, reason='"' * 300, oldest_pass=10),
        dmarc=replace(DMARC_FAIL, author_domain=LONG, reason='"' * 300),
    )
    client = Client(address=ip_address("2001:db8:1111:2222:3333:4444:5555:6666"))
    value = render(results, client, authserv_id='"' * 300)
    field = ar_parser.parse(value)
    assert 0.85 * MAX_FIELD < len(value) <= MAX_FIELD
    assert len(field.results) == MAX_REPORTED + 3
    assert {each.reason for each in field.results} == {None}
    assert {name for each in field.results for ptype, name, _ in each.properties if ptype == "header"} == {
        *("d", "s", "a", "b", "from", "oldest-pass"),
    }
    assert_well_folded(value)


def assert_well_folded(value: str) -> None:
    """RFC 5322 2.1.1 and what insheader takes (standards G.5.7)."""
    assert value.isascii()
    assert value.replace("\n\t", "").isprintable()
    first, *further = f"{NAME}:{value}".split("\n")
    assert first.startswith(f"{NAME}: ")
    for line in (first, *further):
        assert len(line) <= 998
        assert line.strip() == line.strip(" \t")
        assert line.strip()
        assert not line.endswith(" ")
    for line in further:
        assert line[0] == "\t"
        # Longer lines hold one value that nothing may cut; a tab takes eight columns.
        assert len(line.expandtabs()) <= 78 or len(atoms(line)) == 1, line


def atoms(line: str) -> list[str]:
    """Cut at spaces outside of quotes and comments, one character at a time."""
    found, quoted, depth, escaped = [""], False, 0, False
    for char in line.strip():
        if escaped or char == "\\":
            escaped = not escaped
        elif char == '"' and not depth:
            quoted = not quoted
        elif char in "()" and not quoted:
            depth += 1 if char == "(" else -1
        elif char == " " and not quoted and not depth:
            found.append("")
            continue
        found[-1] += char
    return found


def expected(results: AuthResults, client: Client) -> list[tuple[str, str, str | None, dict[str, str]]]:
    """Say again, by other means, what a field must hold: (method, result, reason, properties)."""

    def entry(
        method: str, result: str, reason: str, properties: Iterable[tuple[str, object]]
    ) -> tuple[str, str, str | None, dict[str, str]]:
        text = sanitize.explanation(reason)
        shown = text if text and result not in ("pass", "none") else None
        return method, result, shown, {name: str(value) for name, value in properties if value is not None}

    spf = results.spf
    found = [
        entry(
            "spf",
            spf.value,
            spf.reason,
            [("smtp.helo" if spf.identity is SpfIdentity.HELO else "smtp.mailfrom", spf.domain)],
        )
    ]
    for each in results.dkim:
        sdid_selector_auid = [
            ("header.d", each.sdid),
            ("header.s", sanitize.domain_name(each.selector or "")),
            ("header.i", sanitize.identity(each.auid or "")),
        ]
        found.append(entry("dkim", each.value, each.reason, sdid_selector_auid))
    if not results.dkim:
        found.append(entry("dkim", "none", "", []))
    dmarc = results.dmarc
    policy = dmarc.requested if dmarc.value is DmarcValue.FAIL else None
    found.append(
        entry("dmarc", dmarc.value, dmarc.reason, [("policy.dmarc", policy), ("header.from", dmarc.author_domain)])
    )
    arc = [("header.oldest-pass", results.arc.oldest_pass), ("smtp.remote-ip", client.address)]
    found.append(entry("arc", results.arc.value, results.arc.reason, arc))
    return found


def without(properties: Iterable[tuple[str, str]], *names: str) -> dict[str, str]:
    kept = [(name, value) for name, value in properties if name not in names]
    assert len({name for name, _ in kept}) == len(kept)
    return dict(kept)


FEW_SIGNATURES = AUTH_RESULTS.map(lambda results: replace(results, dkim=results.dkim[:3]))
SLOW_TO_MAKE = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)


@given(FEW_SIGNATURES, CLIENTS, DECISIONS)
@SLOW_TO_MAKE
def test_the_grammar_of_rfc_8601_finds_the_same_again(results: AuthResults, client: Client, decision: Decision) -> None:
    field = ar_parser.parse(render(results, client, decision))
    assert field.authserv_id == ID
    assert [
        (
            each.method,
            each.result,
            each.reason,
            without([(f"{ptype}.{name}", value) for ptype, name, value in each.properties], "header.a", "header.b"),
        )
        for each in field.results
    ] == expected(results, client)


def unescaped(text: Any) -> str | None:
    """Authres leaves quoted-pairs as they are."""
    if text is None:
        return None
    found, escaped = "", False
    for char in str(text):
        escaped = char == "\\" and not escaped
        found += "" if escaped else char
    return found


@given(FEW_SIGNATURES, CLIENTS, DECISIONS)
@SLOW_TO_MAKE
def test_authres_finds_the_same_again(results: AuthResults, client: Client, decision: Decision) -> None:
    header = READER.parse(f"{NAME}:{ar_parser.unfold(render(results, client, decision))}")
    assert header.authserv_id == ID
    assert [
        (
            each.method,
            each.result,
            unescaped(each.reason),
            without(
                [
                    (f"{prop.type}.{prop.name}", str(prop.value) if "@" in prop.value else unescaped(prop.value) or "")
                    for prop in each.properties
                ],
                "header.a",
                "header.b",
            ),
        )
        for each in header.results
    ] == expected(results, client)


@given(AUTH_RESULTS, CLIENTS, DECISIONS, st.just("mx") | HOSTILE.map(lambda text: "x" + text))
@SLOW_TO_MAKE
def test_any_results_make_a_well_folded_field(
    results: AuthResults, client: Client, decision: Decision, authserv_id: str
) -> None:
    value = render(results, client, decision, authserv_id)
    assert len(value) <= MAX_FIELD
    assert_well_folded(value)
    assert len(ar_parser.parse(value).results) == 3 + max(1, min(len(results.dkim), MAX_REPORTED))


@given(HOSTILE, HOSTILE)
def test_a_reader_that_knows_no_quotes_finds_no_forged_pass(reason: str, local_part: str) -> None:
    """Sieve scripts look for the bare text, others cut at each ";"."""
    bad = signature(DkimValue.FAIL, reason=reason, auid=f"{local_part}@sender.example")
    value = render(judged(spf=replace(SPF_PASS, value=SpfValue.FAIL, reason=reason), dkim=(bad,), dmarc=DMARC_FAIL))
    assert "=pass" not in value.lower()
    assert value.count(";") == 4


def test_the_domain_of_a_pass_is_the_signer() -> None:
    properties = only(render(judged(dkim=(signature(),))), "dkim").properties
    assert ("header", "d", SENDER.name) in properties
