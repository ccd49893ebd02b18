"""Reading TOML files that people write: every fault becomes a :class:`~assay.errors.Problem` with its place.

The configuration and the policy files share this, so that a fault reads the same in both.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from assay.errors import Problem

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# How tomllib ends the message of a syntax error.
_TOML_PLACE = re.compile(r" \(at line (\d+), column (\d+)\)$")

# pydantic's error types that our schemas can cause, in the words of somebody who writes TOML.
_SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "missing": "this key is missing",
        "string_type": "must be a text in quotes",
        "bool_type": "must be true or false, without quotes",
        "int_type": "must be a whole number, without quotes",
        "float_type": "must be a number, without quotes",
        "finite_number": "must be a finite number",
        "tuple_type": 'must be a list, such as [] or ["one", "two"]',
        "frozen_set_type": 'must be a list, such as [] or ["one", "two"]',
        "model_type": "must be a table",
    }
)

# Its names of a bound on a number.
_BOUNDS: Final[Mapping[str, str]] = MappingProxyType(
    {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}
)


class Table(BaseModel):
    """A table of a file: values of exactly the declared types, no other keys, frozen."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def shown(path: Path) -> str:
    """Return a path as text that any terminal and log can take, whatever octets its name holds."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def read(path: Path) -> dict[str, Any] | Problem:
    """Read a TOML file; a problem where it cannot be read, is not UTF-8 or no TOML."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return Problem(place=shown(path), text=f"cannot be read: {error.strerror}")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return Problem(place=f"{shown(path)}:{line}", text="is not UTF-8; save the file in that encoding")
    return parse(text, path)


def parse(text: str, path: Path) -> dict[str, Any] | Problem:
    """Parse the text of a TOML file; ``path`` only names it in problems."""
    try:
        # Some editors write a byte order mark; TOML knows none.
        return tomllib.loads(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"))
    except RecursionError:
        return Problem(place=shown(path), text="is nested too deeply")
    except ValueError as error:  # TOMLDecodeError, and int()'s own for a number of thousands of digits
        message = str(error)
        found = _TOML_PLACE.search(message)
        if found is None:
            return Problem(place=shown(path), text=f"is no TOML: {message}")
        line, column = found.groups()
        return Problem(place=f"{shown(path)}:{line}", text=f"is no TOML: {message[: found.start()]}, column {column}")


def problems_of(error: ValidationError, model: type[BaseModel], path: Path) -> tuple[Problem, ...]:
    """Translate what pydantic found wrong in the file ``path``, which was read as ``model``."""
    return tuple(
        Problem(place=f"{shown(path)}: {dotted(details['loc'])}", text=_sentence(details, model))
        for details in error.errors(include_url=False)
    )


def dotted(location: Sequence[str | int]) -> str:
    """Write the place inside a file: ``dns.timeout``; the third entry of a list is ``trusted.lists #3``."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f" #{part + 1}"
        else:
            text += "." * bool(text) + (part if _BARE_KEY.fullmatch(part) else ascii(part))
    return text


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return ``; did you mean "x"?`` for the nearest known word, else an empty text."""
    near = get_close_matches(word.lower(), known, n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


def _sentence(details: ErrorDetails, model: type[BaseModel]) -> str:
    kind = details["type"]
    context = details.get("ctx", {})
    if kind == "extra_forbidden":
        return "unknown key" + _known_key(details["loc"], model)
    if kind == "enum":
        given = details["input"]
        known = re.findall(r"'([^']*)'", context["expected"])
        choice = " or ".join(f'"{word}"' for word in known)
        return f"must be {choice}" + (did_you_mean(given, known) if isinstance(given, str) else "")
    if kind == "value_error":
        return str(context["error"])
    for name, words in _BOUNDS.items():
        if name in context:
            return f"must be {words} {context[name]:g}"
    return _SENTENCES.get(kind, details["msg"])


def _known_key(location: Sequence[str | int], model: type[BaseModel]) -> str:
    """Guess which key was meant: the same key of another table, else a key of the same table by its spelling."""
    key = str(location[-1])
    table = tuple(part for part in location[:-1] if isinstance(part, str))
    known = tuple(_keys(model))
    for path in known:
        if path[-1] == key:
            where = f"in the table [{'.'.join(path[:-1])}]" if path[1:] else "at the top, before the first table"
            return f'; "{key}" stands {where}'
    return did_you_mean(key, [path[-1] for path in known if path[:-1] == table])


def _keys(model: type[BaseModel], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key that a model knows, with the tables around it."""
    for name, info in model.model_fields.items():
        yield (*prefix, name)
        for inner in _models(info.annotation):
            yield from _keys(inner, (*prefix, name))


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """The tables inside a field's type: itself, of a list or of a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
