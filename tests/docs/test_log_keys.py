"""The guide to the log explains every event and every key that the code writes, and no other."""

import ast
import re
from collections.abc import Iterator
from typing import Final

import pytest

from support.doc_blocks import ROOT, Block, all_blocks
from support.log_lines import pairs

SOURCES: Final = ROOT / "milter" / "assay"
GUIDE: Final = (ROOT / "docs" / "guides" / "log.md").read_text("utf-8")
LEVELS: Final = {"debug", "info", "warning", "error", "exception"}
# What the log adds to each event, and what the functions take that are no keys.
ALWAYS: Final = {"queue_id", "event", "level", "time"}
NO_KEYS: Final = {"exc_info"}
OF_A_MESSAGE: Final = {"message_line": SOURCES / "log.py", "count": SOURCES / "daemon" / "shadow.py"}


def column(heading: str, text: str = GUIDE) -> list[str]:
    """The first column of the tables with this heading."""
    tables = re.findall(rf"(?m)^\| {heading} \|.*\n\|---.*\n((?:\|.*\n)+)", text)
    return [name for table in tables for name in re.findall(r"(?m)^\| `([^`]+)` \|", table)]


def _calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call in the daemon that writes a line, with its event."""
    for path in sorted(SOURCES.rglob("*.py")):
        if path.parent.name in {"cli", "doctor", "audit"}:
            continue  # a command writes to its user
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
                where = ast.unparse(node.func.value)
                if where in {"log", "self.structlog"} and node.args and isinstance(node.args[0], ast.Constant):
                    yield str(node.args[0].value), node


def _keys_in(function: str) -> set[str]:
    tree = ast.parse(OF_A_MESSAGE[function].read_text("utf-8"))
    [found] = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == function]
    return {
        str(key.value)
        for node in ast.walk(found)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
    }


def _lost_lines() -> dict[str, str]:
    """The one event that is made without a logger: that lines were lost."""
    text = (SOURCES / "log.py").read_text("utf-8")
    return dict(re.findall(r'\{"event": "([^"]+)", "(\w+)": count\}', text))


def emitted_events() -> set[str]:
    return {event for event, _ in _calls()} | set(_lost_lines())


def emitted_keys() -> set[str]:
    of_events = {keyword.arg for _, call in _calls() for keyword in call.keywords if keyword.arg}
    of_exceptions = {"exception" for _, call in _calls() if ast.unparse(call.func).endswith(".exception")}
    of_messages = set().union(*map(_keys_in, OF_A_MESSAGE))
    return (of_events | of_exceptions | of_messages | set(_lost_lines().values()) | ALWAYS) - NO_KEYS


def test_every_key_is_explained_and_no_other() -> None:
    explained = column("key")

    assert len(explained) == len(set(explained))
    assert set(explained) == emitted_keys(), "docs/guides/log.md: one row for each key"


def test_every_event_is_explained_and_no_other() -> None:
    explained = column("event")

    assert len(explained) == len(set(explained))
    assert set(explained) == emitted_events() - {"message"}, "docs/guides/log.md: one row for each event"


@pytest.mark.parametrize("block", [pytest.param(block, id=block.place) for block in all_blocks("text log")])
def test_a_line_that_is_shown_is_one_that_can_be_read_and_has_explained_keys(block: Block) -> None:
    for line in block.text.splitlines(keepends=True):
        assert set(pairs(line)) <= set(column("key"))
        assert pairs(line)["event"] in {*column("event"), "message"}
