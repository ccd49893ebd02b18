"""DMARC: pass only by an aligned identifier that was proved, bounded in look-ups, never temperror for nothing."""

from collections.abc import Sequence
from dataclasses import replace

from assay.facts import HeaderField
from assay.limits import MAX_AUTHOR_DOMAINS, MAX_IDENTIFIERS, MAX_WALK_QUERIES
from assay.message.author import Author, parse_author
from assay.results import (
    Alignment,
    Discovery,
    DkimResult,
    DkimValue,
    DmarcRecord,
    DmarcResult,
    DmarcValue,
    Identifier,
    Method,
    Psd,
    Requested,
    SpfIdentity,
    SpfResult,
    SpfValue,
)
from assay.trace import Trace
from assay.verify.dmarc import verify_dmarc
from assay.verify.dmarc_record import parse_record
from assay.verify.options import DmarcOptions
from fuzz.inputs import domain_of, is_clean, parts, resolver_of
from support.dmarc_world import Suffixes

MOST_QUERIES = (MAX_AUTHOR_DOMAINS + MAX_IDENTIFIERS) * MAX_WALK_QUERIES + MAX_AUTHOR_DOMAINS
"""A walk from each author domain and each identifier, and whether each author domain exists."""

GUARDED = DmarcOptions(suffixes=Suffixes("bank.example", "co.example", "a.b.c.example", "a.b.example"))
PLAIN = replace(GUARDED, public_suffix_guard=False)
PSL = replace(GUARDED, organizational_domain=Discovery.PSL)


def one_input(data: bytes) -> None:
    """Three parts: the value of From; a line ``method result domain`` for each identifier; the DNS."""
    author_field, identifiers, dns = parts(data, 3)
    for line in dns.split(b"\n"):
        _check_record(line.partition(b" TXT ")[2] or line)
    author = parse_author([HeaderField(b"From", author_field)])
    spf, dkim = _results(identifiers)
    guarded, plain, _ = (_evaluate(author, spf, dkim, dns, identifiers, options) for options in (GUARDED, PLAIN, PSL))
    # the guard takes alignments away and does nothing else; of several author domains others may then count
    assert guarded.value is not DmarcValue.PASS or plain.value is DmarcValue.PASS
    assert guarded.requested == plain.requested or len(author.domains) > 1


def _evaluate(
    author: Author,
    spf: SpfResult,
    dkim: tuple[DkimResult, ...],
    dns: bytes,
    identifiers: bytes,
    options: DmarcOptions,
) -> DmarcResult:
    resolver = resolver_of(dns)
    result = verify_dmarc(author, spf, dkim, resolver, options, Trace())
    assert verify_dmarc(author, spf, dkim, resolver_of(dns), options, Trace()) == result
    assert len(resolver.asked) <= MOST_QUERIES
    _check(result, author, dns, identifiers)
    proved = {Identifier(Method.DKIM, each.sdid) for each in dkim if each.value is DkimValue.PASS and each.sdid}
    if spf.value is SpfValue.PASS and spf.domain:
        proved.add(Identifier(Method.SPF, spf.domain))
    assert set(result.aligned) <= proved
    if result.value is DmarcValue.PASS:
        _check_pass(result)
    # without anything that was authenticated nobody passes, whatever the DNS says
    nothing = SpfResult(value=SpfValue.FAIL, identity=SpfIdentity.MAILFROM, domain=spf.domain, reason="x")
    assert verify_dmarc(author, nothing, (), resolver_of(dns), options, Trace()).value is not DmarcValue.PASS
    return result


def _results(text: bytes) -> tuple[SpfResult, tuple[DkimResult, ...]]:
    spf = SpfResult(value=SpfValue.NONE, identity=SpfIdentity.MAILFROM, domain=None, reason="x")
    dkim: list[DkimResult] = []
    for line in text.split(b"\n")[:24]:
        method, _, rest = line.partition(b" ")
        value, _, name = rest.partition(b" ")
        domain = domain_of(name)
        if method == b"spf" and value.decode("latin-1") in set(SpfValue):
            spf = SpfResult(value=SpfValue(value.decode()), identity=SpfIdentity.MAILFROM, domain=domain, reason="x")
        elif method == b"dkim" and value.decode("latin-1") in set(DkimValue):
            dkim.append(DkimResult(value=DkimValue(value.decode()), reason="x", sdid=domain))
    return spf, tuple(dkim)


def _check(result: DmarcResult, author: Author, dns: bytes, identifiers: bytes) -> None:
    assert result.value in DmarcValue
    assert is_clean(result.reason)
    assert result.requested is None or result.requested in Requested
    assert (result.requested is None) == (result.published is None)
    assert bool(result.aligned) == (result.value is DmarcValue.PASS)
    assert result.from_problem == author.problem
    assert result.author_domain is None or result.author_domain in author.domains
    if author.problem is not None:
        assert result.value is DmarcValue.PERMERROR
    if b"FAIL" not in dns and b"temperror" not in identifiers:
        assert result.value is not DmarcValue.TEMPERROR
    if result.organizational_domain is not None and result.author_domain is not None:
        assert result.author_domain.is_under(result.organizational_domain)
    if result.policy_domain is not None and result.author_domain is not None:
        assert result.author_domain.is_under(result.policy_domain)
    if result.value is DmarcValue.FAIL:
        assert result.requested is not None


def _check_pass(result: DmarcResult) -> None:
    assert result.author_domain is not None
    assert result.record is not None
    for identifier in result.aligned:
        if identifier.domain == result.author_domain:
            continue
        mode = result.record.aspf if identifier.method is Method.SPF else result.record.adkim
        assert mode is Alignment.RELAXED
        assert result.organizational_domain is not None
        assert identifier.domain.is_under(result.organizational_domain)


def _check_record(text: bytes) -> None:
    record = parse_record(text)
    if record is None:
        return
    assert text[:1] in b"vV"
    assert b"DMARC1" in text
    assert record.p is None or record.p in Requested
    assert record.psd in Psd
    assert record.text.isascii()
    assert record.invalid is None or is_clean(record.invalid, 200)
    assert set(record.fo) <= set("01ds")
    _check_uris(record, (*record.rua, *record.ruf))
    # what is no tag is passed over (C.1.4): at the end it changes nothing but the text
    longer = parse_record(text + b";x-y")
    assert longer is not None
    assert replace(longer, text="") == replace(record, text="")


def _check_uris(record: DmarcRecord, uris: Sequence[str]) -> None:
    for uri in uris:
        assert is_clean(uri)
        assert ":" in uri
        assert not set(uri) & set(' ,!;"<>')
        assert uri in record.text or "%" in uri
