"""The site builds without a warning and without a network, and needs nothing from elsewhere."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What a browser fetches by itself.
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc="([^"]*)"|<link\b[^>]*\bhref="([^"]*)"|url\(([^)]*)\)"""
)


def test_every_page_of_the_tree_is_in_the_site(built: Path) -> None:
    # a warning would have failed the build: a page in no table of contents is one
    sources = {path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")}
    sources = {path for path in sources if path.parts[:2] != ("man", "examples")}
    pages = {path.relative_to(built / "html").with_suffix("") for path in (built / "html").rglob("*.html")}

    assert sources
    assert sources <= pages
    assert {"changelog", "contributing", "security"} <= {str(path) for path in pages}


def test_no_page_fetches_anything_from_elsewhere(built: Path) -> None:
    fetched = {
        next(filter(None, match), "")
        for path in (built / "html").rglob("*")
        if path.suffix in {".html", ".css"}
        for match in FETCHED.findall(path.read_text("utf-8"))
    }

    assert any(name.endswith(".css") for name in fetched)
    assert {name for name in fetched if "//" in name} == set()
