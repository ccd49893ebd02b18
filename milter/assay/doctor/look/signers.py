"""What the configurations of other milters say of themselves: their authserv-id, and whether they verify."""

import re
from collections.abc import Mapping
from typing import Final

from assay.doctor.look.places import Places, text_of

_FILES: Final = {
    "opendkim": "/etc/opendkim.conf",
    "opendmarc": "/etc/opendmarc.conf",
    "dkimpy-milter": "/etc/dkimpy-milter/dkimpy-milter.conf",
    "openarc": "/etc/openarc.conf",
}
_RSPAMD: Final = "/etc/rspamd/local.d/dmarc.conf"
_RSPAMD_HEADERS: Final = (
    "/etc/rspamd/local.d/milter_headers.conf",
    "/etc/rspamd/override.d/milter_headers.conf",
)
_HASH = re.compile(r"#.*")
_USE = re.compile(r"\buse\s*=\s*(\[[^\]]*\]|[^\[;\n]*)")
_OFF = re.compile(r"(?m)^[ \t]*enabled[ \t]*=[ \t]*(false|no)\b")


def look(places: Places) -> Mapping[str, Mapping[str, str]]:
    """Read those that are there: of each product its settings, with keys in small letters.

    Raises:
        UnreadError: one is there and cannot be read.
    """
    found: dict[str, Mapping[str, str]] = {}
    for product, path in _FILES.items():
        if (text := text_of(places.under(path))) is not None:
            found[product] = _settings(text)
    rspamd: dict[str, str] = {}
    if _OFF.search(text_of(places.under(_RSPAMD)) or ""):
        rspamd["dmarc"] = "off"
    for path in _RSPAMD_HEADERS:
        used = _USE.findall(_HASH.sub("", text_of(places.under(path)) or ""))
        if any("authentication-results" in each for each in used):
            rspamd["identifies"] = path
    return found | ({"rspamd": rspamd} if rspamd else {})


def _settings(text: str) -> Mapping[str, str]:
    """Read lines of ``Key value``, as all these products have them."""
    settings: dict[str, str] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split(None, 1)
        if len(words) == 2:  # noqa: PLR2004 - a key and its value
            settings[words[0].lower()] = words[1].strip()
    return settings
