"""The texts of SMTP replies: templates with names in braces."""

import re
from string import Formatter
from typing import Final

from assay.policy.model import Case

PLACEHOLDERS: Final = ("author_domain", "policy_domain", "spf_domain", "reason")
MAX_TEMPLATE: Final = 200
"""Characters of a template (local choice)."""
MAX_TEXT: Final = 480
"""Characters of a finished text: with code and line end it stays within 512 octets (RFC 5321 4.5.3.1.5)."""

_PRINTABLE = re.compile(r"[\x20-\x7e]+")


def check_template(text: str) -> str:
    """Return ``text`` if it is a usable template.

    Raises:
        ValueError: the message says what is wrong, for the person who wrote it.
    """
    if _PRINTABLE.fullmatch(text) is None or not text.strip():
        raise ValueError("must be one line of printable ASCII characters, not empty")
    if len(text) > MAX_TEMPLATE:
        raise ValueError(f"must be at most {MAX_TEMPLATE} characters long")
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        raise ValueError("holds a single brace; write {{ or }} for a brace") from None
    for _, name, form, conversion in parts:
        if name is not None and (name not in PLACEHOLDERS or form or conversion):
            known = ", ".join(f"{{{known}}}" for known in PLACEHOLDERS)
            raise ValueError(f"knows only {known}; write {{{{ or }}}} for a brace")
    return text


def fill(template: str, case: Case, reason: str) -> str:
    """Fill in a checked template; a name that the message does not have is written as ``-``."""
    results = case.results
    values = {
        "author_domain": results.dmarc.author_domain or "-",
        "policy_domain": results.dmarc.policy_domain or "-",
        "spf_domain": results.spf.domain or "-",
        "reason": reason,
    }
    return template.format_map(values)[:MAX_TEXT]
