"""Domain names as the methods compare them: normalised once, here, and nowhere else (standards H.1 E12)."""

import re
from dataclasses import dataclass
from typing import Self

import idna

from assay.errors import DomainError
from assay.limits import MAX_LABEL_OCTETS, MAX_NAME_OCTETS

# Letters, digits, hyphen, and the underscore that real selectors and bounce domains carry.
_LABEL = rf"[a-z0-9_](?:[a-z0-9_-]{{0,{MAX_LABEL_OCTETS - 2}}}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain name in lower case, as A-labels, without the final dot.

    Only :meth:`parse` should make one: every other layer relies on what it checked.
    """

    name: str

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Read a domain name.

        Args:
            text: A-labels or U-labels, any case, at most one final dot. Octets are read as UTF-8 (RFC 8616 4).

        Raises:
            DomainError: it is no host name: an empty label, a label over 63 or a name over 253 octets (RFC 1035
                2.3.4), a character that is neither letter, digit, hyphen nor underscore, or a U-label that
                IDNA 2008 does not know.
        """
        if isinstance(text, bytes):
            try:
                text = text.decode()
            except UnicodeDecodeError as error:
                raise DomainError("not UTF-8") from error
        name = (text.lower() if text.isascii() else _to_ascii(text)).removesuffix(".")
        if len(name) <= MAX_NAME_OCTETS and _NAME.fullmatch(name) is not None:
            return cls(name)
        if len(name) > MAX_NAME_OCTETS:
            raise DomainError(f"longer than {MAX_NAME_OCTETS} octets")
        for label in name.split("."):
            if not label:
                raise DomainError("empty label")
            if len(label) > MAX_LABEL_OCTETS:
                raise DomainError(f"a label is longer than {MAX_LABEL_OCTETS} octets")
        raise DomainError("a label holds something else than letters, digits, hyphens and underscores")

    @property
    def labels(self) -> tuple[str, ...]:
        """Its labels, the leftmost first; at least one."""
        return tuple(self.name.split("."))

    def suffix(self, count: int) -> Self:
        """Return the name of its rightmost ``count`` labels (1 to all of them)."""
        return type(self)(".".join(self.labels[-count:]))

    def is_under(self, ancestor: "Domain") -> bool:
        """Whether it equals ``ancestor`` or is a subdomain of it."""
        return self.name == ancestor.name or self.name.endswith("." + ancestor.name)

    def __str__(self) -> str:
        return self.name

    def __bytes__(self) -> bytes:
        return self.name.encode("ascii")


def _to_ascii(text: str) -> str:
    """Map to lower case and to the one full stop (UTS 46), then make an A-label of each label that needs it."""
    if len(text) > MAX_NAME_OCTETS + 1:
        # mapping is slow on long input; no name that somebody means gets shorter by it
        raise DomainError(f"longer than {MAX_NAME_OCTETS} octets")
    try:
        # Label by label: idna as a whole refuses names in use that are no IDNA labels, "_spf" and "r3---sn".
        labels = idna.uts46_remap(text, std3_rules=False).split(".")
        return ".".join(label if label.isascii() else idna.alabel(label).decode("ascii") for label in labels)
    except (idna.IDNAError, UnicodeError) as error:
        # idna's own words quote the name, which is a stranger's
        raise DomainError("not an internationalised domain name") from error
