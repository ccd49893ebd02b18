"""Our Authentication-Results field (RFC 8601): authres puts it together, from values that were escaped here.

authres 1.2.0 decides by itself what it quotes, and leaves anything with "@" bare: a forged result fits in there. So
every value reaches it as :class:`_Rendered`, quoted already, which it cannot quote or leave bare by its own rules.
"""

import re
from collections.abc import Sequence
from typing import Any, Final, Self

import authres
import authres.arc
import authres.core
import authres.dmarc

from assay.facts import Client
from assay.limits import MAX_SIGNATURES
from assay.policy.model import Decision
from assay.results import (
    ArcResult,
    ArcValue,
    AuthResults,
    DkimResult,
    DkimValue,
    DmarcResult,
    DmarcValue,
    SpfIdentity,
    SpfResult,
)
from assay.stamp import sanitize

NAME: Final = "Authentication-Results"

MAX_REPORTED: Final = 2 * MAX_SIGNATURES
"""DKIM results in one field; those that pass have precedence. The rest is only counted, in a comment."""

MAX_FIELD: Final = 20480
"""Octets of the value. Longer ones are rendered without reasons, comments and header.i, which always fits."""

MIN_SIGNATURE_PREFIX: Final = 8
"""Characters of b= in header.b at least (RFC 6008 4)."""

COLUMNS: Final = 78
"""RFC 5322 2.1.1."""

_TAB: Final = 8

_ALGORITHM: Final = re.compile(r"[a-z0-9-]{1,32}")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}")
# What a fold must not cut: quoted-strings and comments as a whole, everything else up to the next space.
_ATOM: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*"|\((?:[^()\\]|\\.)*\)|[^ "(])+')


class _Rendered(str):
    """A value with its quotes, in the shape that authres asks its values for."""

    __slots__ = ()

    def quote_if_needed(self) -> Self:
        """Return itself: it is quoted where it must be."""
        return self


def authserv_id_value(authserv_id: str) -> str:
    """Return our authserv-id as a ``value`` of RFC 8601 2.2: lower case, A-labels, quoted if it is no token.

    Raises:
        ValueError: nothing printable is in it; the configuration must not let that happen.
    """
    value = sanitize.domain_name(authserv_id) or sanitize.token_or_quoted(authserv_id.lower())
    if value == '""':
        raise ValueError("the authserv-id holds no printable character")
    return value


def authentication_results(
    results: AuthResults,
    *,
    authserv_id: str,
    client: Client,
    decision: Decision,
) -> str:
    r"""Render the value of one Authentication-Results field.

    Only registered properties appear (standards E.4); what else is worth knowing stands in comments.

    Args:
        results: of the message; ``reason``, ``auid``, ``selector``, ``algorithm`` and ``signature`` may hold anything.
        authserv_id: our name.
        client: for ``smtp.remote-ip``.
        decision: for the comment of dmarc.

    Returns:
        ASCII with its leading space (HDR_LEADSPC), folded by ``"\n\t"`` so that lines keep to 78 columns where no
        single value is longer; no line passes 998, the whole is at most :data:`MAX_FIELD` octets.

    Raises:
        ValueError: as :func:`authserv_id_value`.
    """
    own_id = authserv_id_value(authserv_id)
    full = _field(own_id, results, client, decision, terse=False)
    return full if len(full) <= MAX_FIELD else _field(own_id, results, client, decision, terse=True)


def _field(own_id: str, results: AuthResults, client: Client, decision: Decision, *, terse: bool) -> str:
    clauses = (
        _spf(results.spf),
        *_dkim(results.dkim),
        _dmarc(results.dmarc, decision),
        _arc(results.arc, client),
    )
    if terse:
        for clause in clauses:
            clause.result_comment = clause.reason = None
            clause.properties = [each for each in clause.properties if (each.type, each.name) != ("header", "i")]
    return _fold(authres.core.AuthenticationResultsHeader(None, authserv_id=own_id, results=clauses).header_value())


def _clause(kind: Any, result: str, reason: str, note: str, properties: Sequence[tuple[str, str, str | None]]) -> Any:  # noqa: ANN401 -- authres has no types
    """Make an authres result; ``properties`` are (ptype, property, rendered value), those without a value left out."""
    clause = kind(result=result, result_comment=sanitize.comment(note) or None)
    text = sanitize.explanation(reason)
    # A result of pass or none needs no excuse.
    if text and result not in ("pass", "none"):
        clause.reason = _Rendered(sanitize.quoted_string(text))
    for ptype, name, value in properties:
        if value is not None:
            pvalue = authres.core.AuthenticationResultProperty(ptype, name)
            pvalue.value = _Rendered(value)
            clause.properties.append(pvalue)
    return clause


def _spf(result: SpfResult) -> Any:  # noqa: ANN401 -- authres has no types
    """SPF reports a domain, never a local part (RFC 8601 2.7.2, standards E.2.4)."""
    domain = None if result.domain is None else result.domain.name
    null_sender = result.identity is SpfIdentity.HELO
    return _clause(
        authres.SPFAuthenticationResult,
        result.value,
        result.reason,
        "null sender" if null_sender else "",
        [("smtp", "helo" if null_sender else "mailfrom", domain)],
    )


def _dkim(results: Sequence[DkimResult]) -> list[Any]:
    """One clause for each signature, ``dkim=none`` without any (RFC 8601 2.7.1)."""
    if not results:
        return [_clause(authres.DKIMAuthenticationResult, DkimValue.NONE, "", "", [])]
    reported = _reported(results)
    length = _prefix_length([result.signature for result in reported if _BASE64.fullmatch(result.signature)])
    omitted = len(results) - len(reported)
    last = len(reported) - 1
    return [
        _dkim_clause(result, length, f"{omitted} more signatures not reported" if omitted and index == last else "")
        for index, result in enumerate(reported)
    ]


def _reported(results: Sequence[DkimResult]) -> list[DkimResult]:
    """Choose the results that are shown, in the order of the message: added signatures hide none that passes."""
    chosen = sorted(range(len(results)), key=lambda index: results[index].value is not DkimValue.PASS)[:MAX_REPORTED]
    return [results[index] for index in sorted(chosen)]


def _prefix_length(signatures: Sequence[str]) -> int:
    """Return how many characters of b= tell the signatures apart, as far as they differ (RFC 6008 4)."""
    different = len(set(signatures))
    length = MIN_SIGNATURE_PREFIX
    while length < sanitize.MAX_VALUE and len({signature[:length] for signature in signatures}) < different:
        length += 1
    return length


def _dkim_clause(result: DkimResult, length: int, omitted: str) -> Any:  # noqa: ANN401 -- authres has no types
    algorithm = result.algorithm if result.algorithm and _ALGORITHM.fullmatch(result.algorithm) else None
    prefix = result.signature[:length] if _BASE64.fullmatch(result.signature) else None
    notes = []
    if result.key_bits is not None:
        key_type = "" if algorithm is None else algorithm.partition("-")[0] + " "
        notes.append(f"{result.key_bits}-bit {key_type}key")
    if omitted:
        notes.append(omitted)
    return _clause(
        authres.DKIMAuthenticationResult,
        result.value,
        result.reason,
        ", ".join(notes),
        [
            ("header", "d", None if result.sdid is None else result.sdid.name),
            ("header", "i", None if result.auid is None else sanitize.identity(result.auid)),
            ("header", "s", None if result.selector is None else sanitize.domain_name(result.selector)),
            ("header", "a", algorithm),
            # Last, since it is often quoted: authres loses a quoted value that another property follows.
            ("header", "b", None if prefix is None else sanitize.token_or_quoted(prefix)),
        ],
    )


def _dmarc(result: DmarcResult, decision: Decision) -> Any:  # noqa: ANN401 -- authres has no types
    """``policy.dmarc`` is what the owner asks for, and only of a failure; what we do is a comment (standards C.8)."""
    notes = []
    if result.record is not None:
        for tag, policy in (("p", result.record.p), ("sp", result.record.sp), ("np", result.record.np)):
            if policy is not None:
                notes.append(f"{tag}={policy}")
        notes.append("t=y" if result.record.testing else "t=n")
    notes.append(f"disposition={decision.disposition}")
    if decision.would is not decision.disposition:
        notes.append(f"would={decision.would}")
    return _clause(
        authres.dmarc.DMARCAuthenticationResult,
        result.value,
        result.reason,
        " ".join(notes),
        [
            ("policy", "dmarc", result.requested if result.value is DmarcValue.FAIL else None),
            ("header", "from", None if result.author_domain is None else result.author_domain.name),
        ],
    )


def _arc(result: ArcResult, client: Client) -> Any:  # noqa: ANN401 -- authres has no types
    """The sealers are named only for a chain that passes: those of any other prove nothing (RFC 8617 5.2, 7.1)."""
    note = ""
    if result.value is ArcValue.PASS and result.sets:
        note = f"i={max(each.instance for each in result.sets)}"
        for each in sorted(result.sets, key=lambda arc_set: arc_set.instance, reverse=True):
            part = f" as[{each.instance}].d={each.sealer.name}"
            if len(note) + len(part) > sanitize.MAX_VALUE:
                break
            note += part
    address = client.address
    return _clause(
        authres.arc.ARCAuthenticationResult,
        result.value,
        result.reason,
        note,
        [
            # As a string: authres drops the number 0.
            ("header", "oldest-pass", None if result.oldest_pass is None else str(result.oldest_pass)),
            ("smtp", "remote-ip", None if address is None else sanitize.token_or_quoted(str(address))),
        ],
    )


def _fold(value: str) -> str:
    """Fold the one line that authres gives: each result on a line of its own, further lines one space deeper."""
    pieces: list[str] = []
    column = 0  # of the first line nothing is broken off but the first result
    fresh = False
    for atom in _ATOM.findall(value):
        if fresh:
            pieces.append("\n\t")
            column = _TAB + len(atom)
        elif column and column + 1 + len(atom) > COLUMNS:
            pieces.append("\n\t ")
            column = _TAB + 1 + len(atom)
        else:
            pieces.append(" ")
            column += column and 1 + len(atom)
        pieces.append(atom)
        # A ";" at the end of an atom stands outside of quotes and comments: the next result begins.
        fresh = atom.endswith(";")
    return "".join(pieces)
