"""Sphinx: the site (html) and the manual pages (man) from the same Markdown. Built by script/docs."""

import json
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

from assay import __version__

project = "assay"
author = "the authors of assay"
release = version = __version__
language = "en"

extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
source_suffix = {".md": "markdown"}

# TOML and shell know straight quotes and two hyphens only.
smartquotes = False

html_theme = "alabaster"
html_theme_options = {"description": "inbound mail authentication milter", "fixed_sidebar": True, "page_width": "64em"}
html_show_sphinx = False
html_copy_source = False

# Written by docs/sitegen beside this file, in the copy that Sphinx reads.
_listed = Path(__file__).with_name("man_pages.json")
man_pages = [tuple(page) for page in json.loads(_listed.read_text("utf-8"))]
man_show_urls = False
man_make_section_directory = False


def _without_links(app: Sphinx, doctree: nodes.document, _name: str) -> None:
    """Leave only the words of a link in manual pages: Sphinx would put its address, mostly empty, in brackets."""
    if app.builder.name == "man":
        for link in list(doctree.findall(nodes.reference)):
            link.replace_self(link.children)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("doctree-resolved", _without_links)
