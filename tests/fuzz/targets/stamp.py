"""The stamp: any results whatever, written and read again by three readers, are the same results."""

import re
from ipaddress import ip_address

import authres

from assay.domain import Domain
from assay.facts import Client, HeaderField
from assay.message.auth_results import parse_auth_results
from assay.policy.model import Decision, Disposition
from assay.results import (
    ArcResult,
    ArcSet,
    ArcValue,
    AuthResults,
    DkimResult,
    DkimValue,
    DmarcRecord,
    DmarcResult,
    DmarcValue,
    Requested,
    SpfIdentity,
    SpfResult,
    SpfValue,
)
from assay.stamp.auth_results import MAX_FIELD, MAX_REPORTED, authentication_results
from assay.stamp.removal import forged_fields
from assay.stamp.sanitize import MAX_REPLY_LINE, MAX_REPLY_LINES, header_value, reply_lines
from fuzz.inputs import Draw, domain_of, is_clean
from support import ar_parser

_ID = "mx.receiver.example"
_FORGERY = re.compile(
    r"(?<!policy\.)(?<!policy\.dm)(?:spf|dkim|dmarc|arc)\s*=\s*(?:none|pass|fail|softfail|neutral|policy|temperror|permerror)",
    re.IGNORECASE,
)


def one_input(data: bytes) -> None:
    """The octets are drawn from, in the order in which the functions below ask."""
    draw = Draw(data)
    results = AuthResults(
        spf=SpfResult(
            value=draw.one_of(list(SpfValue)),
            identity=draw.one_of(list(SpfIdentity)),
            domain=_domain(draw),
            reason=draw.text(),
        ),
        dkim=tuple(_dkim(draw) for _ in draw.some(24)),
        arc=_arc(draw),
        dmarc=_dmarc(draw),
    )
    text = draw.text()
    decision = Decision(
        disposition=draw.one_of(list(Disposition)), would=draw.one_of(list(Disposition)), rule="x", reason=text
    )
    client = Client(address=draw.one_of([None, ip_address("192.0.2.1"), ip_address("2001:db8::1")]))
    value = authentication_results(results, authserv_id=_ID, client=client, decision=decision)
    _check(value, results)
    assert is_clean(header_value(text), 900)
    lines = reply_lines(text * 20)
    assert len(lines) <= MAX_REPLY_LINES
    assert all(line and is_clean(line, 2 * MAX_REPLY_LINE) and not re.sub("%%", "", line).count("%") for line in lines)


def _check(value: str, results: AuthResults) -> None:
    assert value.isascii()
    assert len(value) <= MAX_FIELD
    lines = f"Authentication-Results:{value}".split("\n")
    assert all(line.replace("\t", "").isprintable() and len(line) <= 998 for line in lines)
    assert all(line.startswith("\t") and line.strip() for line in lines[1:])
    expected = [
        ("spf", results.spf.value),
        *(("dkim", each.value) for each in _reported(results.dkim)),
        ("dmarc", results.dmarc.value),
        ("arc", results.arc.value),
    ]
    if not results.dkim:
        expected.insert(1, ("dkim", DkimValue.NONE))
    strict = ar_parser.parse(value)
    assert strict.authserv_id == _ID
    assert [(each.method, each.result) for each in strict.results] == expected
    ours = parse_auth_results(value.replace("\n", "\r\n").encode())
    assert ours is not None
    assert [(each.method, each.result) for each in ours.results] == expected
    assert [each.properties for each in ours.results] == [each.properties for each in strict.results]
    foreign = authres.AuthenticationResultsHeader.parse(f"Authentication-Results:{value}".replace("\n\t", " "))
    assert [(each.method, each.result) for each in foreign.results] == expected
    # who looks for a text without reading the grammar finds as many results as there are
    assert len(_FORGERY.findall(value)) == len(expected)
    field = HeaderField(b"Authentication-Results", value.replace("\n", "\r\n").encode())
    assert len(forged_fields([field], {_ID})) == 1


def _reported(results: tuple[DkimResult, ...]) -> list[DkimResult]:
    passing = [each for each in results if each.value is DkimValue.PASS]
    left = MAX_REPORTED - min(len(passing), MAX_REPORTED)
    shown = []
    room = MAX_REPORTED
    for each in results:
        if each.value is DkimValue.PASS:
            if room:
                shown.append(each)
                room -= 1
        elif left:
            shown.append(each)
            left -= 1
    return shown


def _domain(draw: Draw) -> Domain | None:
    return domain_of(draw.octets(draw.number(32)))


def _dkim(draw: Draw) -> DkimResult:
    return DkimResult(
        value=draw.one_of(list(DkimValue)),
        reason=draw.text(),
        sdid=_domain(draw),
        auid=draw.one_of([None, draw.text()]),
        selector=draw.one_of([None, draw.text()]),
        algorithm=draw.one_of([None, "rsa-sha256", draw.text()]),
        key_bits=draw.one_of([None, draw.number(65536)]),
        signature=draw.text(),
    )


def _arc(draw: Draw) -> ArcResult:
    sealers = (domain_of(draw.octets(draw.number(32))) for _ in draw.some(50))
    sets = (
        ArcSet(instance=number, sealer=sealer, selector="s", signs_from=True, claims=b"")
        for number, sealer in enumerate(sealers, start=1)
        if sealer is not None
    )
    return ArcResult(
        value=draw.one_of(list(ArcValue)),
        reason=draw.text(),
        sets=tuple(sets),
        oldest_pass=draw.one_of([None, draw.number(51)]),
    )


def _dmarc(draw: Draw) -> DmarcResult:
    record = DmarcRecord(
        text=draw.text(), p=draw.one_of([None, *Requested]), sp=draw.one_of([None, *Requested]), testing=draw.flag()
    )
    return DmarcResult(
        value=draw.one_of(list(DmarcValue)),
        reason=draw.text(),
        author_domain=_domain(draw),
        record=draw.one_of([None, record]),
        requested=draw.one_of([None, *Requested]),
    )
