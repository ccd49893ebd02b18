"""A list of milters as Postfix reads it: sockets, and sockets in braces with settings. Pure.

postconf(5) and MILTER_README have the syntax. What ends smtpd when it reads it was tried with Postfix 3.7.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

SETTINGS: Final = ("connect_timeout", "command_timeout", "content_timeout", "default_action", "protocol")
"""What may stand beside a socket; for all milters they have ``milter_`` in front."""

_BETWEEN: Final = ", \t\r\n"
_BLANKS: Final = " \t"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One milter of a list.

    Attributes:
        written: as it stands there, braces included.
        spelled: its socket; empty if there is none.
        fault: why smtpd ends when it reads this; empty if it does not.
    """

    written: str
    spelled: str
    settings: Mapping[str, str]
    fault: str = ""


def entries(text: str) -> Iterator[Entry]:
    """Split a list and read each milter of it."""
    for word in _words(text):
        yield _in_braces(word) if word.startswith("{") else Entry(written=word, spelled=word, settings={})


def render(spelled: str, settings: Mapping[str, str]) -> str:
    """Write a milter with settings of its own."""
    if not settings:
        return spelled
    pairs = [
        f"{{ {name} = {value} }}" if set(value) & set(_BETWEEN) else f"{name}={value}"
        for name, value in settings.items()
    ]
    return f"{{ {', '.join([spelled, *pairs])} }}"


def _in_braces(word: str) -> Entry:
    """Read ``{ socket, name=value, { name = value } }``; what is at fault is read as well as it can be."""
    end = _closing(word)
    inside = word[1:end]
    fault = "" if end == len(word) - 1 else "its brace is not closed" if end == len(word) else "text follows its brace"
    spelled, *pairs = list(_words(inside)) or [""]
    for pair in pairs:
        fault = fault or _fault(pair)
    if not spelled:
        fault = "the braces are empty"
    if fault:
        _, *pairs = list(_words("=".join(part.strip(_BLANKS) for part in inside.split("=")))) or [""]
    read = (_setting(pair) for pair in pairs)
    settings = {name: value for name, value in read if name in SETTINGS}
    return Entry(written=word, spelled=spelled, settings=settings, fault=fault)


def _fault(pair: str) -> str:
    name, _ = _setting(pair)
    # a blank around the = is taken between braces of their own only
    if "=" not in pair or not name:
        return f"{pair} is not name=value"
    return "" if name in SETTINGS else f"Postfix knows no setting {name}"


def _setting(pair: str) -> tuple[str, str]:
    inside = pair[1 : _closing(pair)] if pair.startswith("{") else pair
    name, _, value = inside.partition("=")
    return name.strip(), value.strip()


def _closing(word: str) -> int:
    """Return where the brace that a word begins with is closed; its length if it is not."""
    depth = 0
    for place, char in enumerate(word):
        depth += {"{": 1, "}": -1}.get(char, 0)
        if not depth:
            return place
    return len(word)


def _words(text: str) -> Iterator[str]:
    """Split at blanks and commas outside of braces."""
    word, depth = "", 0
    for char in text:
        if not depth and char in _BETWEEN:
            if word:
                yield word
            word = ""
            continue
        depth = max(0, depth + {"{": 1, "}": -1}.get(char, 0))
        word += char
    if word:
        yield word
