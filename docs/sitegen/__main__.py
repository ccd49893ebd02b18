"""Builds the site and the manual pages: ``python -m sitegen OUTPUT``, as script/docs does.

The pages are written by hand in docs/, or made here from the code. Both are put together in ``OUTPUT/source``, which
Sphinx reads.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from assay.config.model import ConfigFile
from assay.policy.schema import PolicyFile
from sitegen.commands import Page, command_list, command_pages
from sitegen.keys import keys_of, tables_markdown

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"

# The manual pages that are written by hand: name, section, title.
_WRITTEN: Final = (
    ("assay", 8, "inbound mail authentication milter"),
    ("assay.toml", 5, "configuration of the assay daemon"),
    ("assay-policy", 5, "policy files of assay"),
)

# Pages that stand elsewhere in the tree, and the name that they have in the site.
_FROM_ELSEWHERE: Final = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}


def assemble(target: Path) -> list[Page]:
    """Put every source of the site into a directory, which must not be there yet, and return the manual pages.

    Raises:
        sitegen.keys.UnexplainedKeyError: a key is not explained.
    """
    ignored = shutil.ignore_patterns("sitegen", "__pycache__", "examples")
    shutil.copytree(DOCS, target, ignore=ignored)
    for source, name in _FROM_ELSEWHERE.items():
        shutil.copy(ROOT / source, target / name)
    pages = [_written(*each) for each in _WRITTEN] + command_pages(DOCS / "man" / "examples")
    for page in pages:
        (target / "man" / f"{page.file}.md").write_text(page.text, "utf-8")
    listed = [[f"man/{page.file}", page.name, page.title, "", page.section] for page in pages]
    (target / "man_pages.json").write_text(json.dumps(listed), "utf-8")
    return pages


def _written(name: str, section: int, title: str) -> Page:
    text = (DOCS / "man" / f"{name}.{section}.md").read_text("utf-8")
    for mark, replacement in _replacements().items():
        text = text.replace(mark, replacement)
    return Page(name=name, section=section, title=title, text=text)


def _replacements() -> dict[str, str]:
    """What is put in the place of marks in the pages that are written by hand."""
    return {
        "<!-- commands -->": command_list(),
        "<!-- keys of assay.toml -->": tables_markdown(keys_of(ConfigFile, ROOT / "conf" / "assay.toml")),
        "<!-- keys of a policy -->": tables_markdown(keys_of(PolicyFile, ROOT / "policies" / "default.toml")),
        "<!-- policies/README.md -->": _policies_readme(),
    }


def _policies_readme() -> str:
    """Return the page beside the policy files without its title, which is the page's own here."""
    text = (ROOT / "policies" / "README.md").read_text("utf-8")
    return text.partition("\n")[2].strip()


def build(output: Path) -> None:
    """Make OUTPUT/html and OUTPUT/man.

    Raises:
        subprocess.CalledProcessError: Sphinx found a fault; warnings are faults.
    """
    source = output / "source"
    shutil.rmtree(source, ignore_errors=True)
    assemble(source)
    for builder in ("html", "man"):
        shutil.rmtree(output / builder, ignore_errors=True)
        command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", "-b", builder]
        subprocess.run([*command, "-d", output / "doctrees", source, output / builder], check=True)
    for page in (output / "man").iterdir():
        page.write_text(_as_troff_likes_it(page.read_text("utf-8")), "utf-8")


def _as_troff_likes_it(page: str) -> str:
    """Take out what mandoc complains of, and stretch no lines: in the cells of a table it often cannot be done."""
    page = re.sub(r"(?m)^(\.S[HS] .*)\n\.sp$", r"\1", page)
    return re.sub(r"(?m)^(\.TH .*)$", r"\1\n.ad l", page, count=1)


if __name__ == "__main__":
    build(Path(sys.argv[1]).absolute())
