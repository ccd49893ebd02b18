"""The fenced code blocks of the pages for administrators, each with the kind that its info string names."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

FOR_DEVELOPERS: Final = {
    "docs/architecture.md",
    "docs/conformance.md",
    "docs/glossary.md",
    "docs/library-traps.md",
    "docs/mutation.md",
    "docs/performance.md",
    "docs/standards.md",
}
"""Pages that explain the code; what they show is pseudo-code, or written by a script."""

KINDS: Final = {
    "toml assay.toml": "lines for /etc/assay/assay.toml: the loader takes them",
    r"toml policies/\S+\.toml": "a policy file, or lines for default.toml: it loads, and its expectations come true",
    r"toml policies/\S+\.toml wrong": "the same, but an expectation does not come true, as the page explains",
    "text main.cf": "lines for /etc/postfix/main.cf: set in a real Postfix, which runs with them without a warning",
    "text opendkim.conf": "lines for /etc/opendkim.conf: opendkim itself takes them",
    "text sendmail.mc": "lines for /etc/mail/sendmail.mc: m4 makes a sendmail.cf with them",
    "yaml prometheus.yml": "lines for the configuration of Prometheus: promtool takes them",
    r"ini /etc/systemd/system/\S+": "a file of systemd: systemd-analyze takes it",
    "text status": "the line of systemctl status: the daemon says it in these words",
    "text log": "lines of the log: every key is one that is explained",
    "text header": "an Authentication-Results field: the message that came before it in the page got it",
    "console( exit=[0-9]+)?": "commands that are run as they stand, and what they print",
    "console standin( exit=[0-9]+)?": "the same with stand-ins for systemctl and journalctl; a real systemd gets each",
    "shell-session sendmail": "the same on a machine with Debian's Sendmail, in a root of its own",
    "sh debian": "commands that are run as they stand on a minimal Debian with systemd (tests/packaging)",
    "sh": "scripts of ours, which test_scripts.py types; any other command is one of a block that is run",
}
"""Info string (a regular expression) to what is done with such a block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced code block.

    Attributes:
        page: relative to the root of the tree.
        line: of its first line of text.
        info: its info string.
    """

    page: str
    line: int
    info: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def known(self) -> bool:
        return any(re.fullmatch(kind, self.info) for kind in KINDS)

    def is_a(self, *kinds: str) -> bool:
        """Whether its info string begins with one of these."""
        return any(self.info == kind or self.info.startswith((f"{kind} ", f"{kind}/")) for kind in kinds)

    @property
    def path(self) -> str:
        """The file that the info string names."""
        return self.info.split()[1]


def pages() -> list[str]:
    """Every page for administrators, relative to the root."""
    found = [*ROOT.glob("*.md"), *(ROOT / "policies").glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted({str(path.relative_to(ROOT)) for path in found} - FOR_DEVELOPERS)


def blocks(page: str) -> list[Block]:
    """The blocks of a page in their order, directives of MyST left out.

    Raises:
        ValueError: a fence is not closed.
    """
    return [block for block in _fenced(page) if not block.info.startswith("{")]


def _fenced(page: str) -> Iterator[Block]:
    opened: tuple[int, str, str] | None = None
    text: list[str] = []
    for number, line in enumerate((ROOT / page).read_text("utf-8").splitlines(), 1):
        fence = re.match(r"( *)```+(.*)$", line)
        if opened is None:
            if fence:
                opened, text = (number + 1, fence[1], fence[2].strip()), []
        elif fence:
            yield Block(page=page, line=opened[0], info=opened[2], text="".join(f"{each}\n" for each in text))
            opened = None
        else:
            text.append(line.removeprefix(opened[1]))
    if opened is not None:
        raise ValueError(f"{page}:{opened[0]}: this block does not end")


def all_blocks(*kinds: str) -> list[Block]:
    """Every block of these kinds in every page; of all kinds where none is named."""
    return [block for page in pages() for block in blocks(page) if not kinds or block.is_a(*kinds)]


def prose(page: str) -> str:
    """A page without its fenced blocks."""
    text = (ROOT / page).read_text("utf-8")
    return re.sub(r"(?ms)^ *```.*?^ *```$", "", text)


@dataclass(frozen=True, slots=True)
class Command:
    """A command line of a console block, and what the page says that it prints (nothing: anything)."""

    text: str
    output: tuple[str, ...]


def commands(block: Block) -> list[Command]:
    r"""Split a console block; a prompt is ``$`` or ``#``, and a line that ends with ``\`` goes on.

    Raises:
        ValueError: the block does not begin with a prompt.
    """
    found: list[tuple[str, list[str]]] = []
    for line in block.text.splitlines():
        if found and found[-1][0].endswith("\\") and not found[-1][1]:
            found[-1] = (f"{found[-1][0]}\n{line}", [])
        elif line.startswith(("$ ", "# ")):
            found.append((line[2:], []))
        elif found:
            found[-1][1].append(line)
        else:
            raise ValueError(f"{block.place}: begin with a prompt, $ or #")
    return [Command(text, tuple(output)) for text, output in found]
