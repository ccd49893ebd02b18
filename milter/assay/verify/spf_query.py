"""pyspf on our resolver: one check_host() of RFC 7208 4.

pyspf evaluates the directives, one at a time (all, include, a, mx, ptr, exists), recurses into includes and turns
errors into results. What it does wrongly is replaced (docs/library-traps.md S1 to S6, and the notes at each method):
the grammar, modifiers, macros, DNS, the clock and the order of work. Left alone, pyspf expands every macro of a record
before it evaluates the first term: it asks DNS for terms that are never reached, and counts a redirect not taken.

ip4 and ip6 do not go through pyspf: the grammar has read their networks already, and most terms in use are of these
two (measured on a large provider's records, 34 terms: 420 us through it, 290 us so, 120 us with the records kept).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, assert_never

import spf

from assay.answers import Absent, Answer, Found, Mx, Record, Resolver, RRType, Unavailable
from assay.dns.names import to_wire
from assay.domain import Domain
from assay.facts import IPAddress
from assay.limits import SPF_LOOKUPS, SPF_VOID_LOOKUPS
from assay.results import SpfValue
from assay.trace import SpfTerm, Trace
from assay.verify.spf_record import (
    Directive,
    Macro,
    SpfRecord,
    SpfSyntaxError,
    is_spf,
    parse_macros,
    parse_record,
    target_name,
)

_Result = tuple[str, int, str]
_ESCAPES = {"%": "%", "_": " ", "-": "%20"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCheck:
    """What check_host() is asked (RFC 7208 4.1).

    Attributes:
        client: an IPv4-mapped address counts as IPv4 (RFC 7208 5).
        domain: of the sender: whose record is read.
        local: local part of the sender; ``postmaster`` where empty (RFC 7208 4.3).
        helo: as it was sent, for ``%{h}``.
        receiver: our host name, for ``%{r}``.
        now: seconds since 1970, for ``%{t}``.
        explain: fetch the explanation of a fail too. Off by default: it costs a query, and its text is an outsider's,
            which assay never echoes (standards A.2).
    """

    client: IPAddress
    domain: Domain
    local: bytes
    helo: bytes
    receiver: str
    now: float
    explain: bool = False


class _NoMatchError(Exception):
    """The term names nothing that DNS could hold, so it cannot match."""


class SpfQuery(spf.query):  # type: ignore[misc]  # pyspf ships no types
    """One check_host(); asked once, by one thread.

    pyspf's own initialiser is not called: it reads the wall clock. Every attribute that it sets is set here; a test
    compares the two.

    Attributes:
        reason: after :meth:`check`, why a result that is no error came about.
        prob: after :meth:`check`, what went wrong where the result is an error.
    """

    def __init__(self, check: HostCheck, resolver: Resolver, trace: Trace) -> None:
        self._resolver, self._trace, self._explain = resolver, trace, check.explain
        self._term = self._terms = self._ahead = 0
        self._void: set[int] = set()
        self._names: list[str] | None = None
        self._fault: Exception | None = None
        self.reason = ""
        # The macros of RFC 7208 7.2, under the names that pyspf gives them. None: no expansion can be a name in DNS.
        self.l = _ascii(check.local or b"postmaster")  # RFC 7208 4.3: a sender without local part
        self.s = None if self.l is None else f"{self.l}@{check.domain}"
        self.h = _ascii(check.helo)
        self.o = self.d = str(check.domain)
        self.t, self.r, self.p = str(int(check.now)), check.receiver, None
        self.set_ip(str(check.client))
        # The rest of pyspf's state. strict=2 would be "harsh": results that no RFC knows, and queries of type SPF.
        self.strict, self.verbose, self.default_modifier = True, False, False
        self.ident, self.authserv, self.libspf_local = "mailfrom", None, None
        self.defexps, self.exps = dict(spf.EXPLANATIONS), dict(spf.EXPLANATIONS)
        self.cache: dict[object, object] = {}
        self.lookups = self.void_lookups = self.timer = self.timeout = self.querytime = 0

    def result(self) -> tuple[SpfValue, str, str | None]:
        """Evaluate.

        Returns:
            The value, the reason, and the explanation of the domain's owner where the value is fail, it was asked for,
            and the domain has one. The last two hold text of outsiders.
        """
        try:
            value, _, text = self.check()
        except Exception as error:
            if error is self._fault or isinstance(error, MemoryError):
                # Ours, and no word about the sender, who must not be refused for it: the message is deferred.
                raise
            # pyspf leaks IndexError and friends.
            # Not temperror: whoever can bring this about must not gain what a DMARC failure would deny him
            return SpfValue.PERMERROR, f"pyspf failed with {type(error).__name__}", None
        match SpfValue(value):
            case (SpfValue.TEMPERROR | SpfValue.PERMERROR) as wrong:
                return wrong, str(self.prob), None
            case right:
                return right, self.reason, text or None

    def check0(self, record: SpfRecord | None, recursion: int) -> _Result:
        """Evaluate a record; ``recursion`` is 0 for that of the domain and what it redirects to, else 1."""
        if record is None:
            return "none", 250, ""
        ahead = record.ahead
        for directive in record.directives:
            if ahead and directive.network is None:
                self._look_ahead(ahead)
                ahead = ()
            value = self._matched(directive)
            if value is None:
                continue
            self.reason = f'matched "{directive.text}" in the record of {self.d}'
            # RFC 7208 6.2: only the outermost record explains
            wanted = self._explain and value == "fail" and recursion == 0
            return value, 250, self._explanation(record.exp) if wanted and record.exp is not None else ""
        self.reason = f"no term matched in the record of {self.d}"
        return ("neutral", 250, "") if record.redirect is None else self._redirect(record.redirect, recursion)

    def _look_ahead(self, names: Iterable[bytes]) -> None:
        """Start to look for included records, so that they are not waited for one after the other.

        For as many in all as may be asked for (RFC 7208 4.6.4): a record of nothing but includes asks no more for it.
        """
        for name in names:
            if self._ahead == SPF_LOOKUPS:
                return
            self._ahead += 1
            try:
                self._resolver.prefetch(name, RRType.TXT)
            except Exception as fault:
                self._fault = fault
                raise

    def _matched(self, directive: Directive) -> str | None:
        """Evaluate a directive; its result, or None without a match."""
        if directive.network is None:
            return self._evaluated(directive.text)
        value = directive.result if directive.network.holds(self.ipaddr) else None
        self._step(directive.text, value or "no match")
        return value

    def _evaluated(self, term: str) -> str | None:
        """Let pyspf evaluate one directive; its result, or None without a match."""
        self._terms += 1
        outer, self._term = self._term, self._terms
        try:
            # Recursion 0 has pyspf note in `mechanism` whether it matched
            value, _, _ = super().check0(f"v=spf1 {term}", 0)
            matched = self.mechanism is not None
        except _NoMatchError as error:
            self._step(term, f"no match: {error}")
            return None
        except (spf.TempError, spf.PermError) as error:
            self._step(term, f"{'temperror' if isinstance(error, spf.TempError) else 'permerror'}: {error.msg}")
            raise
        finally:
            self._term = outer
        self._step(term, str(value) if matched else "no match")
        return str(value) if matched else None

    def _redirect(self, spec: str, recursion: int) -> _Result:
        """Evaluate the record that takes this one's place (RFC 7208 6.1); counted only now that it is reached."""
        term = f"redirect={spec}"
        self.check_lookups()
        try:
            target = self.expand(spec)
        except _NoMatchError as error:
            self._step(term, f"not followed: {error}")
            return "neutral", 250, ""
        record = self.dns_spf(target)
        if record is None:
            raise spf.PermError(f"the record of {self.d} redirects to {target}, which has none")
        self._step(term, f"followed to {target}")
        result: _Result = self.check1(record, target, recursion)
        return result

    def _step(self, term: str, outcome: str) -> None:
        self._trace.add(SpfTerm(domain=self.d, term=term, outcome=outcome))

    def check_lookups(self) -> None:
        """Count a term that asks DNS (RFC 7208 4.6.4)."""
        self.lookups += 1
        if self.lookups > SPF_LOOKUPS:
            raise spf.PermError(f"more than {SPF_LOOKUPS} terms that need DNS look-ups")

    def expand_domain(self, arg: str) -> str:
        """Expand the domain-spec of a directive."""
        # parse_mechanism() hands over `d` itself where the directive names no domain: that is no macro string
        return arg if arg is self.d else self.expand(arg)

    def expand(self, s: str, stripdot: bool = True) -> str:  # noqa: FBT001, FBT002  # pyspf's own signature
        """Expand a macro-string: to a name with ``stripdot``, else to an explanation (RFC 7208 7)."""
        tokens = parse_macros(s, explanation=not stripdot)
        if stripdot and any(isinstance(token, Macro) and token.letter == "p" for token in tokens):
            self.check_lookups()  # RFC 7208 4.6.4: %{p} counts like ptr
        for token in tokens:
            if isinstance(token, Macro) and getattr(self, token.letter, "") is None and token.letter != "p":
                # RFC 8616 4 for the local part; HELO must be ASCII (RFC 5321 4.1.1.1)
                raise _NoMatchError(f"%{{{token.letter}}} is not ASCII")
        if not stripdot:
            return "".join(map(self._text, tokens))
        name = target_name(map(self._text, reversed(tokens)))
        if not name:
            raise _NoMatchError("it names nothing")
        return name

    def _text(self, token: str | Macro) -> str:
        if isinstance(token, str):
            return token
        if token.letter in _ESCAPES:
            return _ESCAPES[token.letter]
        return token.transform(self._client_name() if token.letter == "p" else getattr(self, token.letter))

    def _client_name(self) -> str:
        """Return ``%{p}`` (RFC 7208 7.3): the domain, a subdomain of it, any validated name, ``unknown``."""
        names = self.validated_ptrs()
        under = [name for name in names if name.endswith(f".{self.d.lower()}")]
        return self.d if self.d.lower() in names else [*under, *names, "unknown"][0]

    def validated_ptrs(self) -> list[str]:
        """Return the client's names that are confirmed forwards, in lower case (RFC 7208 5.5)."""
        if self._names is None:
            try:
                names = self.dns_ptr(self.i)[:SPF_LOOKUPS]  # RFC 7208 4.6.4: the rest is ignored
            except spf.TempError:
                names = []  # RFC 7208 5.5: a failed PTR look-up is no match
            self._names = [name.lower() for name in names if self._confirmed(name)]
        return self._names

    def _confirmed(self, name: str) -> bool:
        try:
            # The client chooses these names, so none of them may use up the void look-ups of the domain's owner
            return self.cidrmatch(self.dns(name, self.A, ignore_void=True), self.cidrmax)
        except spf.TempError:
            return False  # RFC 7208 5.5: the name is skipped; pyspf would give temperror (S1)

    def dns_spf(self, domain: str) -> SpfRecord | None:
        """Fetch and read the record of a domain; None without one (RFC 7208 4.3 to 4.6)."""
        self.reason = f"{domain} has no SPF record"
        if "." not in domain:
            return None  # RFC 7208 4.3: not multi-label (S3)
        # A void answer is counted as ever: it is no result, or ends in permerror anyway (include, redirect)
        records = [text for text in self.dns(domain, "TXT") if is_spf(text)]
        if not records:
            return None
        if len(records) > 1:
            raise spf.PermError(f"{domain} has {len(records)} SPF records")  # RFC 7208 4.5
        try:
            return parse_record(records[0])
        except SpfSyntaxError as error:
            raise spf.PermError(f"in the record of {domain}: {error}") from error

    def dns_mx(self, domainname: str) -> Iterator[IPAddress]:
        """Yield the addresses of the MX hosts (RFC 7208 5.4): the next host is asked only if the last did not match."""
        exchanges = self.dns(domainname, "MX")
        if len(exchanges) > SPF_LOOKUPS:
            raise spf.PermError(f"{domainname} has more than {SPF_LOOKUPS} MX records")  # RFC 7208 4.6.4
        for _, exchange in sorted(exchanges):
            yield from self.dns_a(exchange, self.A)

    def cidrmatch(self, ipaddrs: Iterable[IPAddress | str], n: int) -> bool:
        """Whether the client is in one of the networks; stops at the first."""
        return any(self.ipaddr in ip_network((address, n), strict=False) for address in ipaddrs)

    def dns(self, name: str, qtype: str, cnames: object = None, ignore_void: bool = False) -> list[Any]:  # noqa: ARG002, FBT001, FBT002  # pyspf's own signature
        """Ask our resolver, which follows CNAMEs.

        Args:
            name: dotted, without final dot, its octets as Latin-1.
            qtype: a name of :class:`RRType`.
            cnames: pyspf's, not used.
            ignore_void: an empty answer does not count.

        Returns:
            The records in pyspf's shapes; none for a name that DNS cannot hold, without asking or counting.

        Raises:
            spf.TempError: nothing is known.
            spf.PermError: the third term with a void look-up. RFC 7208 4.6.4 counts terms: an mx whose hosts have no
                address of the client's family counts once (pyspf counts each, and calls that a permerror).
        """
        octets = name.encode("latin-1")
        if to_wire(octets) is None:
            return []
        rrtype = RRType(qtype)
        match self._ask(octets, rrtype):
            case Found(records):
                return [_shape(record, rrtype) for record in records]
            case Absent():
                if not ignore_void:
                    self._void.add(self._term)
                if len(self._void) > SPF_VOID_LOOKUPS:
                    raise spf.PermError(f"more than {SPF_VOID_LOOKUPS} terms with void DNS look-ups")
                return []
            case Unavailable(why):
                raise spf.TempError(f"look-up of {qtype} {name} failed: {why}")
            case answer:
                assert_never(answer)

    def _ask(self, name: bytes, rrtype: RRType) -> Answer:
        """Ask our resolver, and know its faults from those of pyspf, through which they pass."""
        try:
            return self._resolver.resolve(name, rrtype)
        except Exception as fault:
            self._fault = fault
            raise

    def _explanation(self, spec: str) -> str:
        """Return the owner's words; any error whatever means none (RFC 7208 6.2)."""
        try:
            texts = self.dns(self.expand(spec), "TXT")
            if len(texts) != 1:
                return ""
            text = _ascii(texts[0])
            return "" if text is None else self.expand(text, stripdot=False)
        except (spf.TempError, spf.PermError, SpfSyntaxError, _NoMatchError):
            return ""


def _ascii(octets: bytes) -> str | None:
    return octets.decode("ascii") if octets.isascii() else None


def _shape(record: Record, rrtype: RRType) -> object:
    match record:
        case Mx(preference, exchange):
            return preference, exchange.decode("latin-1")
        case bytes() if rrtype is RRType.PTR:
            return record.decode("latin-1")
        case _:
            return record
