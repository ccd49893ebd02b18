"""The reference of every key of assay.toml and of the policy files.

What a key may hold comes from the schema. What it means comes from the comment over it in the shipped file, which an
administrator reads first: a sentence has one place. So does the default, since tests hold the shipped files to it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from sitegen.markdown import blocks_of, definition, escaped

_TABLE: Final = re.compile(r"\[([a-z_.]+)\]$")
_KEY: Final = re.compile(r"(#?)([a-z_]+) = (.*)$")
_BOUNDS: Final = {
    "exclusiveMinimum": "more than {:g}",
    "minimum": "at least {:g}",
    "exclusiveMaximum": "less than {:g}",
    "maximum": "at most {:,d}",
}


class UnexplainedKeyError(ValueError):
    """A key lacks what the reference says of it; the text names it and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A key as the shipped file shows it.

    Attributes:
        default: in TOML's spelling; None where the file has it commented out.
        comment: its lines, without the mark.
    """

    default: str | None
    comment: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of a file.

    Attributes:
        table: the name of its table; empty at the top.
        kind: what it may hold, in words, with its limits.
    """

    table: str
    name: str
    kind: str
    shown: Shown

    def markdown(self) -> str:
        """Return its entry in a definition list."""
        default = "" if self.shown.default is None else f"; default: `{self.shown.default}`"
        return definition(f"`{self.name}`", [f"{escaped(self.kind)}{default}", *blocks_of(self.shown.comment)])


class _WithoutDefaults(GenerateJsonSchema):
    """Defaults are values of ours that JSON does not know; the shipped file says them in TOML."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of a file."""
    return model.model_json_schema(schema_generator=_WithoutDefaults)


def shown_in(path: Path) -> Mapping[tuple[str, str], Shown]:
    """Read what a shipped file says of its keys: (table, key) to its default and its comment.

    A comment holds for the keys that follow it without a blank line, another comment or a table between; of these only
    a key may be commented out ("#key = value").
    """
    found: dict[tuple[str, str], Shown] = {}
    table, fresh = "", False
    comment: list[str] = []
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("[["):
            break
        if match := _TABLE.match(line):
            table, comment = match[1], []
        elif match := _KEY.match(line):
            found[table, match[2]] = Shown(default=None if match[1] else match[3], comment=tuple(comment))
            fresh = True
        elif line.startswith("#"):
            comment = [*([] if fresh else comment), line[1:].removeprefix(" ")]
            fresh = False
        else:
            comment, fresh = [], False
    return found


def keys_of(model: type[BaseModel], path: Path) -> list[Key]:
    """Return every key of a file, in the order of its schema.

    Raises:
        UnexplainedKeyError: the schema has a key that the shipped file does not show or explain.
    """
    schema = schema_of(model)
    shown = shown_in(path)
    keys = []
    for table, name, part in _leaves(schema, schema):
        known = shown.get((table, name))
        if known is None or not known.comment:
            dotted = f"{table}.{name}".strip(".")
            raise UnexplainedKeyError(
                f"{path}: the key {dotted} is not there, or no comment explains it: write one over it"
            )
        keys.append(Key(table=table, name=name, kind=kind_of(part, schema), shown=known))
    return keys


def tables_markdown(keys: Sequence[Key]) -> str:
    """Return a section for each table with its keys, those before the first table first."""
    parts = []
    for table in dict.fromkeys(key.table for key in keys):
        parts.append(f"### \\[{table}\\]\n" if table else "### Before the first table\n")
        parts += [key.markdown() for key in keys if key.table == table]
    return "\n".join(parts)


def _leaves(part: Mapping[str, Any], schema: Mapping[str, Any], table: str = "") -> Iterator[tuple[str, str, Any]]:
    for name, child in part["properties"].items():
        inner = _resolved(child, schema)
        if "properties" in inner:
            yield from _leaves(inner, schema, f"{table}.{name}".strip("."))
        elif name != "expect":  # its table is no key; policies/README.md has it
            yield table, name, child


def kind_of(part: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Return what a value may be, in the words of somebody who writes TOML.

    Raises:
        UnexplainedKeyError: the schema does not say what it is.
    """
    part = _resolved(part, schema)
    words = _plain_kind(part, schema)
    bounds = [text.format(part[name]) for name, text in _BOUNDS.items() if name in part]
    return ", ".join([words, *bounds])


def _plain_kind(part: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "enum" in part:
        return " or ".join(f'"{word}"' for word in part["enum"])
    match part.get("type"):
        case "boolean":
            return "true or false"
        case "integer":
            return "whole number"
        case "number":
            return "number"
        case "string":
            return f"text: {part['format']}" if "format" in part else "text"
        case "array":
            noun, colon, what = kind_of(part["items"], schema).partition(":")
            return f"list of {noun}s{colon}{what}"
        case _:
            raise UnexplainedKeyError(f"the schema does not say what {part} holds: annotate the type with text_of(...)")


def _resolved(part: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference, and take the one alternative that is not null."""
    if "$ref" in part:
        resolved: Mapping[str, Any] = schema["$defs"][part["$ref"].rpartition("/")[2]]
        return resolved
    alternatives = [each for each in part.get("anyOf", ()) if each.get("type") != "null"]
    return _resolved(alternatives[0], schema) if len(alternatives) == 1 else part
