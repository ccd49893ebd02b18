"""The grammar of SPF records, strictly (RFC 7208 4.6.1, 7.1, 12).

pyspf forgives much that the grammar forbids (``%{d!}``, ``%{d0}``, an unclosed ``%{``, control characters), forbids
some that it allows (an unknown modifier twice, a final ``%%``), and minds the case of modifiers and of a macro's ``R``.
So a record is read here as a whole before pyspf sees any term of it: what passes means the same to both.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPV4LENGTH, IPV6LENGTH, AddressValueError, IPv4Address, IPv6Address
from urllib.parse import quote

from assay.errors import AssayError
from assay.limits import MAX_NAME_OCTETS, MAX_SPF_RECORD_OCTETS


class SpfSyntaxError(AssayError):
    """A record or a macro string breaks the grammar; the message says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Macro:
    """One macro-expand (RFC 7208 7.1).

    Attributes:
        letter: lower case; ``%``, ``_`` and ``-`` for the three escapes, which take no transformer.
        escape: the letter was upper case: the expansion is URL-escaped.
        keep: how many parts from the right remain; 0 for all.
        reverse: the parts are reversed before that.
        delimiters: the characters at which the value is split.
    """

    letter: str
    escape: bool = False
    keep: int = 0
    reverse: bool = False
    delimiters: str = "."

    def transform(self, value: str) -> str:
        """Apply the transformers to the value of the letter (RFC 7208 7.3)."""
        parts = re.split(f"[{re.escape(self.delimiters)}]", value)
        if self.reverse:
            parts.reverse()
        text = ".".join(parts[-self.keep :])
        # Values are octets, read as Latin-1 where they are not ASCII (a PTR name)
        return quote(text, safe="", encoding="latin-1") if self.escape else text


MacroString = tuple[str | Macro, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """What ip4 or ip6 names: the addresses of one version whose number, shifted right, is ``prefix``."""

    version: int
    prefix: int
    shift: int

    def holds(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether the address is one of them; never one of the other version (RFC 7208 5.6)."""
        return address.version == self.version and int(address) >> self.shift == self.prefix


@dataclass(frozen=True, slots=True)
class Directive:
    """A mechanism with its qualifier.

    Attributes:
        text: as published.
        network: of ip4 and ip6, None for every other mechanism.
    """

    text: str
    network: Network | None = None

    @property
    def result(self) -> str:
        """What a match means (RFC 7208 4.6.2)."""
        return {"-": "fail", "~": "softfail", "?": "neutral"}.get(self.text[0], "pass")

    @property
    def included(self) -> bytes | None:
        """The name that an include without macros asks for; None for any other directive."""
        name, _, target = self.text.lstrip("+-?~").partition(":")
        return target_name((target,)).encode() if name.lower() == "include" and "%" not in target else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfRecord:
    """A record that keeps the grammar.

    Attributes:
        directives: in order, those after ``all`` included.
        redirect: the domain-spec of redirect=, None without.
        exp: the domain-spec of exp=, None without.
        ahead: names of included records that can be asked for while the first directive that needs the DNS waits.
    """

    directives: tuple[Directive, ...]
    redirect: str | None = None
    exp: str | None = None
    ahead: tuple[bytes, ...] = ()


_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.IGNORECASE)
_DIRECTIVE = re.compile(r"[+?~-]?([a-z][a-z0-9]*)((?:[:/].*)?)", re.IGNORECASE)
# RFC 7208 12: dual-cidr-length; a prefix has no leading zero (5.6)
_DUAL_CIDR = re.compile(r"(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?\Z")
_NETWORK = re.compile(r":([0-9a-f:.]+)(?:/(0|[1-9][0-9]{0,2}))?", re.IGNORECASE)
_TOKEN = re.compile(
    r"(?P<literal>[ -$&-~]+)"
    r"|%(?P<plain>[%_-])"
    r"|%\{(?P<letter>[a-z])(?P<digits>[0-9]*)(?P<reverse>r?)(?P<delimiters>[-.+,/_=]*)\}",
    re.IGNORECASE,
)
_TOPLABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.IGNORECASE)
_MAX_DIGITS = 4  # More parts than any value has: the same as all
# The records of the large providers are in most mail: this halves the work. At worst 20 MB, of 128 records at the limit
_KEPT_RECORDS = 128


def is_spf(text: bytes) -> bool:
    """Whether a TXT record is an SPF record: its version section is exactly ``v=spf1`` (RFC 7208 4.5)."""
    return text[:7].lower() in (b"v=spf1", b"v=spf1 ")


@lru_cache(maxsize=_KEPT_RECORDS)
def parse_record(text: bytes) -> SpfRecord:
    """Read a whole record: an error anywhere in it counts (RFC 7208 4.6).

    Args:
        text: a record for which :func:`is_spf` is true.

    Raises:
        SpfSyntaxError: it breaks the grammar, or is longer than :data:`MAX_SPF_RECORD_OCTETS`.
    """
    if len(text) > MAX_SPF_RECORD_OCTETS:
        raise SpfSyntaxError(f"longer than {MAX_SPF_RECORD_OCTETS} octets")
    record = text.decode("latin-1")
    if not record.isascii() or not record.isprintable():
        # RFC 7208 3.1, 4.6.1: terms are visible ASCII, separated by spaces only
        raise SpfSyntaxError("a character that is not printable ASCII")
    directives: list[Directive] = []
    known: dict[str, str] = {}
    for term in record.split(" ")[1:]:
        modifier = _MODIFIER.fullmatch(term)
        if modifier is None:
            if term:
                directives.append(Directive(term, _check_directive(term)))
            continue
        name, value = modifier[1].lower(), modifier[2]
        if name not in ("redirect", "exp"):
            parse_macros(value)  # RFC 7208 6: ignored, however often, but its syntax counts
        elif name in known:
            raise SpfSyntaxError(f"{name}= appears twice")  # RFC 7208 6
        else:
            _check_domain_spec(value)
            known[name] = value
    waiting = [directive for directive in directives if directive.network is None][1:]
    return SpfRecord(
        directives=tuple(directives),
        redirect=known.get("redirect"),
        exp=known.get("exp"),
        ahead=tuple(name for directive in waiting if (name := directive.included) is not None),
    )


def parse_macros(text: str, *, explanation: bool = False) -> MacroString:
    """Read a macro-string; text and macros in order.

    Args:
        text: printable ASCII.
        explanation: it is the text behind exp=, where ``c``, ``r`` and ``t`` are allowed too (RFC 7208 7.2).

    Raises:
        SpfSyntaxError: a ``%`` begins no macro, or the macro has an unknown letter or transformer.
    """
    tokens: list[str | Macro] = []
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise SpfSyntaxError(f'no macro at "{text[position : position + 10]}"')
        position = token.end()
        if token["literal"]:
            tokens.append(token["literal"])
        elif token["plain"]:
            tokens.append(Macro(letter=token["plain"]))
        else:
            tokens.append(_macro(token, "slodipvhcrt" if explanation else "slodipvh"))
    return tuple(tokens)


def _macro(token: re.Match[str], letters: str) -> Macro:
    letter, digits = token["letter"].lower(), token["digits"].lstrip("0")
    if letter not in letters:
        raise SpfSyntaxError(f'no macro letter here: "{token[0][:10]}"')
    if token["digits"] and not digits:
        raise SpfSyntaxError(f'zero parts asked for in "{token[0][:10]}"')  # RFC 7208 7.3
    return Macro(
        letter=letter,
        escape=letter != token["letter"],
        keep=int(digits) if 0 < len(digits) <= _MAX_DIGITS else 0,
        reverse=bool(token["reverse"]),
        # In one order and each once: patterns are made of them, and the cache of patterns must not overflow.
        delimiters="".join(sorted(set(token["delimiters"]))) or ".",
    )


def target_name(parts: Iterable[str]) -> str:
    """Join an expanded domain-spec to the name that is asked for (RFC 7208 7.3).

    Args:
        parts: in reverse, the rightmost first. No more of them are taken than can matter: a record may repeat a macro
            two thousand times, and each expansion has the length that the sender chose.

    Returns:
        The name without a final dot, labels removed from the left until it has at most 253 octets. Still it may be no
        name that DNS can hold.
    """
    name = ""
    for part in parts:
        name = part + name
        if len(name) > MAX_NAME_OCTETS + 1:  # one for the final dot
            break
    name = name.removesuffix(".")
    if len(name) <= MAX_NAME_OCTETS:
        return name
    return name[name.find(".", len(name) - MAX_NAME_OCTETS - 1) + 1 :]


def _check_directive(term: str) -> Network | None:
    """Refuse what is no directive; return what ip4 and ip6 name."""
    directive = _DIRECTIVE.fullmatch(term)
    name, rest = (directive[1].lower(), directive[2]) if directive is not None else ("", "")
    match name:
        case "all" | "ptr" if not rest:
            pass
        case "all":
            raise SpfSyntaxError(f'"all" takes nothing: "{term[:40]}"')
        case "include" | "exists" | "ptr":
            _check_target(term, rest)
        case "a" | "mx":
            _check_address_spec(term, rest)
        case "ip4" | "ip6":
            return _network(term, rest, name)
        case _:
            raise SpfSyntaxError(f'unknown mechanism "{term[:40]}"')
    return None


def _check_address_spec(term: str, rest: str) -> None:
    cidr = _DUAL_CIDR.search(rest)
    assert cidr is not None, "it also matches nothing at the end"
    if int(cidr[1] or 0) > IPV4LENGTH or int(cidr[2] or 0) > IPV6LENGTH:
        raise SpfSyntaxError(f'prefix length out of range in "{term[:40]}"')
    if rest := rest[: cidr.start()]:
        _check_target(term, rest)


def _check_target(term: str, rest: str) -> None:
    if not rest.startswith(":"):
        raise SpfSyntaxError(f'no ":" and domain name in "{term[:40]}"')
    _check_domain_spec(rest[1:])


def _network(term: str, rest: str, name: str) -> Network:
    network = _NETWORK.fullmatch(rest)
    if network is not None:
        try:
            address = IPv4Address(network[1]) if name == "ip4" else IPv6Address(network[1])
        except AddressValueError:
            pass
        else:
            bits = address.max_prefixlen
            shift = bits - int(network[2] or bits)
            if shift >= 0:
                return Network(address.version, int(address) >> shift, shift)
    raise SpfSyntaxError(f'no {name} network: "{term[:40]}"')


def _check_domain_spec(text: str) -> None:
    """Refuse what is no domain-spec: it ends in a macro, or in a dot and a top label (RFC 7208 7.1)."""
    tokens = parse_macros(text)
    last = tokens[-1] if tokens else ""
    if isinstance(last, Macro):
        return
    _, dot, label = last.removesuffix(".").rpartition(".")
    if not dot or label.isdigit() or _TOPLABEL.fullmatch(label) is None:
        raise SpfSyntaxError(f'no domain name: "{text[:40]}"')
