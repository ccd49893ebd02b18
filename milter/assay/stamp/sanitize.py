"""One escaping function per place that text from outside flows into (standards H.4 R3, R4).

Each takes any ``str`` whatsoever, lone surrogates included, returns printable ASCII and never raises. The text that
goes in is not escaped yet; what comes out must not be escaped again.
"""

import re
import textwrap
from typing import Final

from assay.domain import Domain
from assay.errors import DomainError

MAX_VALUE: Final = 255
"""Characters of one outside value in a header field before escaping (standards E.2.5)."""

MAX_LOCAL_PART: Final = 64
"""Octets (RFC 5321 4.5.3.1.1)."""

MAX_REPLY_LINES: Final = 32
"""libmilter's smfi_setmlreply takes no more."""

MAX_REPLY_LINE: Final = 480
"""Octets of one line of a reply text. RFC 5321 4.5.3.1.5 allows 512 with code, enhanced code and CRLF; doubled percent
signs then stay within the 980 octets that libmilter allows."""

MAX_HEADER_VALUE: Final = 900
"""Octets of a one-line header field value of ours: with its name it stays below the 998 of RFC 5322 2.1.1."""

_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]")
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+")
_ATEXT: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL_PART: Final = re.compile(
    rf"{_ATEXT}(?:\.{_ATEXT})*"  # dot-atom (RFC 5322 3.2.3)
    r"|\"(?:[ !#-\[\]-~]|\\[ -~])*\""  # quoted-string (RFC 5322 3.2.4)
)
_LOOKS_LIKE_RESULT: Final = re.compile(
    r"=(?=\s?(?:none|pass|fail|softfail|neutral|policy|temperror|permerror))", re.IGNORECASE
)


def printable(text: str, limit: int = MAX_VALUE) -> str:
    """Return at most ``limit`` printable ASCII characters of ``text``, white space of any kind as single spaces.

    Controls, NUL and everything beyond ASCII are dropped.
    """
    # Four times the limit is enough of a very long text, and bounds the work; what is dropped is dropped for good.
    words = (_UNPRINTABLE.sub("", word) for word in text[: 4 * limit].split())
    return " ".join(filter(None, words))[:limit].strip()


def explanation(text: str, limit: int = MAX_VALUE) -> str:
    """Return ``text`` as :func:`printable`, such that no careless reader finds a result in it.

    People filter on the bare text ``dkim=pass`` or cut the field at each ";", without looking for quotes: a reason that
    quotes the sender must not give them what they look for.
    """
    return _LOOKS_LIKE_RESULT.sub(":", printable(text, limit).replace(";", ","))


def comment(text: str, limit: int = MAX_VALUE) -> str:
    """Return ``text`` for the inside of a comment, without the parentheses around it (RFC 5322 3.2.2).

    ``limit`` counts characters before escaping; empty if nothing printable is left.
    """
    return re.sub(r"([()\\])", r"\\\1", printable(text, limit))


def quoted_string(text: str, limit: int = MAX_VALUE) -> str:
    """Return ``text`` as a quoted-string, its quotes included (RFC 5322 3.2.4)."""
    return '"' + re.sub(r'(["\\])', r"\\\1", printable(text, limit)) + '"'


def token_or_quoted(text: str, limit: int = MAX_VALUE) -> str:
    """Return ``text`` as a ``value`` of RFC 8601 2.2: a MIME token as it stands, anything else as a quoted-string."""
    return text if len(text) <= limit and _TOKEN.fullmatch(text) else quoted_string(text, limit)


def domain_name(text: str) -> str | None:
    """Return a name (a selector, for example) as lower-case A-labels; None if it is no domain name."""
    try:
        return Domain.parse(text).name
    except DomainError:
        return None


def identity(text: str) -> str | None:
    """Return an AUID or address as ``[local-part] "@" domain-name`` (RFC 8601 2.2), None if it is none.

    The domain becomes lower-case A-labels. A local part that holds ";" or something like ``=pass`` makes it None too:
    nothing vouches for a local part, so that leaving it out loses nothing, and careless readers stay unharmed (see
    :func:`explanation`).
    """
    local, at, domain = text.rpartition("@")
    name = domain_name(domain)
    if not at or name is None or len(local) > MAX_LOCAL_PART:
        return None
    if local and not _LOCAL_PART.fullmatch(local):
        return None
    if ";" in local or _LOOKS_LIKE_RESULT.search(local):
        return None
    return f"{local}@{name}"


def header_value(text: str) -> str:
    """Return ``text`` as the value of a one-line header field, without the leading space.

    Empty if nothing printable is left: an MTA takes an empty value for a deletion.
    """
    return printable(text, MAX_HEADER_VALUE)


def reply_lines(text: str) -> tuple[str, ...]:
    """Return the lines of an SMTP reply, as pymilter's ``setreply(code, enhanced, *lines)`` takes them.

    Each is printable ASCII and has its percent signs doubled: libmilter reads the text as a format, and pymilter raises
    ValueError on an odd "%" (standards G.3.1, docs/library-traps.md P13). Text beyond 32 lines is cut.

    Returns:
        No line at all if nothing printable is left: the caller then takes a text of its own.
    """
    lines: list[str] = []
    for line in text[: MAX_REPLY_LINES * MAX_REPLY_LINE].splitlines():
        clean = printable(line, MAX_REPLY_LINES * MAX_REPLY_LINE)
        lines += textwrap.wrap(clean, MAX_REPLY_LINE, break_on_hyphens=False)
    return tuple(line.replace("%", "%%") for line in lines[:MAX_REPLY_LINES])
