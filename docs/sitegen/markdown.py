"""Plain text of comments and help texts as Markdown that shows the same."""

import re
from collections.abc import Iterable

_CODE = re.compile(r"(`[^`]+`)")
_SPECIAL = re.compile(r"([\\*_<>{}\[\]$|#~])")


def escaped(text: str) -> str:
    """Return text in which Markdown sees nothing special; what stands in backticks stays code."""
    return "".join(part if _CODE.fullmatch(part) else _SPECIAL.sub(r"\\\1", part) for part in _CODE.split(text) if part)


def definition(term: str, blocks: Iterable[str]) -> str:
    """Return an entry of a definition list.

    Args:
        term: Markdown.
        blocks: Markdown; each is a paragraph or a list, and there is at least one.
    """
    body = "\n\n".join(blocks)
    first, *rest = body.splitlines()
    return "\n".join([term, f": {first}", *(f"  {line}".rstrip() for line in rest)]) + "\n"


def blocks_of(lines: Iterable[str]) -> list[str]:
    """Turn the lines of a comment (without its marks) into Markdown: paragraphs, and what is set in as it stands."""
    blocks: list[str] = []
    paragraph: list[str] = []
    example: list[str] = []

    def flush() -> None:
        if paragraph:
            blocks.append(escaped(" ".join(paragraph)))
        if example:
            blocks.append("\n".join(["```none", *example, "```"]))
        paragraph.clear()
        example.clear()

    for line in lines:
        inset = line.startswith("  ")
        if not line.strip() or (example and not inset) or (paragraph and inset):
            flush()
        if line.strip():
            (example if inset else paragraph).append(line.strip() if not inset else line[2:].rstrip())
    flush()
    return blocks
