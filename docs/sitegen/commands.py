"""A manual page for each command of assay, from what click knows of it."""

import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from assay.cli import main
from sitegen.markdown import definition, escaped

_EIGHT: Final = frozenset({"assay-run", "assay-config", "assay-doctor"})
"""What an administrator runs on the machine that takes the mail; Debian puts such commands into section 8."""

_EXIT_CODES: Final = "Exit codes:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One manual page.

    Attributes:
        name: without the section: ``assay-check``.
        section: of the manual.
        title: what it is, in a few words.
        text: Markdown.
    """

    name: str
    section: int
    title: str
    text: str

    @property
    def file(self) -> str:
        """The name of its source, without the ending."""
        return f"{self.name}.{self.section}"


def command_pages(extras: Path, root: click.Command = main) -> list[Page]:
    """Return a page for every command, also of groups within groups.

    Args:
        extras: where hand-written sections may stand, such as ``assay-check.md``: they follow the generated ones.
        root: of all commands; its own page is written by hand.
    """
    return [_page(words, context, extras) for words, context in _commands(root) if len(words) > 1]


def section_of(name: str) -> int:
    """Return the section of the manual that a command belongs to."""
    return 8 if name in _EIGHT else 1


def command_list(root: click.Command = main) -> str:
    """Return a definition list of all commands, with links to their pages."""
    return "\n".join(
        definition(f"[{name}({section_of(name)})]({name}.{section_of(name)}.md)", [escaped(_summary(context))])
        for words, context in _commands(root)
        if len(words) > 1 and (name := "-".join(words))
    )


def exit_codes(command: click.Command, root: click.Command = main) -> str:
    """Return what a command says of its exit codes, else what holds for all."""
    for one in (command, root):
        for paragraph in _paragraphs(one):
            if paragraph.startswith(_EXIT_CODES):
                return paragraph.removeprefix(_EXIT_CODES).strip()
    raise ValueError(f'"{_EXIT_CODES}" stands neither in the help text of {command.name} nor in that of {root.name}')


def _commands(
    command: click.Command, words: tuple[str, ...] = ("assay",), parent: click.Context | None = None
) -> Iterator[tuple[tuple[str, ...], click.Context]]:
    context = click.Context(command, info_name=words[-1], parent=parent, **command.context_settings)
    yield words, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                yield from _commands(child, (*words, name), context)


def _page(words: Sequence[str], context: click.Context, extras: Path) -> Page:
    name = "-".join(words)
    command = context.command
    extra = extras / f"{name}.md"
    usage = " ".join([f"**{' '.join(words)}**", *map(escaped, command.collect_usage_pieces(context))])
    description = [_as_markdown(each) for each in _paragraphs(command) if not each.startswith(_EXIT_CODES)]
    parts = [
        f"# {name}({section_of(name)})",
        *("## Synopsis", usage),
        *("## Description", *description),
        *("## Options", _options(context)),
        *("## Exit status", _sentence(escaped(exit_codes(command)))),
        *([extra.read_text("utf-8").strip()] if extra.exists() else []),
        *("## See also", "[assay(8)](assay.8.md), [assay.toml(5)](assay.toml.5.md)"),
    ]
    return Page(name=name, section=section_of(name), title=_summary(context), text="\n\n".join(parts) + "\n")


def _options(context: click.Context) -> str:
    records = (param.get_help_record(context) for param in context.command.get_params(context))
    # An argument is a record of its own; where it says nothing, the description does.
    return "\n".join(
        definition(f"**{escaped(names)}**", [escaped(text)]) for names, text in filter(None, records) if text
    )


def _paragraphs(command: click.Command) -> list[str]:
    r"""The help text; click's mark for a paragraph that keeps its lines (``\b``) stays on it."""
    text = inspect.cleandoc(command.help or "").partition("\f")[0]
    return [each.strip("\n") for each in re.split(r"\n\s*\n", text) if each.strip()]


def _as_markdown(paragraph: str) -> str:
    if paragraph.startswith("\b"):
        return "\n".join(["```none", *paragraph.splitlines()[1:], "```"])
    return escaped(" ".join(paragraph.split()))


def _summary(context: click.Context) -> str:
    """Return the first sentence of the help text, without the full stop."""
    first = " ".join(_paragraphs(context.command)[0].split())
    return re.split(r"[.;:] |\.$", first)[0]


def _sentence(text: str) -> str:
    return " ".join(text.split())
