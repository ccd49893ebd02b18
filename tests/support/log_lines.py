"""Log lines: where a test has them written to, and what is in them."""

import json
import re
from typing import Final


class Sink:
    """Octets that were written, one entry for each call."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: memoryview, /) -> int:
        self.writes.append(bytes(data))
        return len(data)

    @property
    def text(self) -> str:
        return b"".join(self.writes).decode("ascii")


LINE: Final = re.compile(r'[a-z_]+=(?:[!#-<>-\[\]-~]+|"(?:[ !#-\[\]-~]|\\["\\/bfnrt]|\\u[0-9a-f]{4})*")')


def pairs(line: str) -> dict[str, str]:
    """Read a text line; fails on anything but key=value with JSON strings where quoted."""
    assert line.endswith("\n")
    assert re.fullmatch(rf"{LINE.pattern}(?: {LINE.pattern})*\n", line), line
    found = {}
    for pair in LINE.finditer(line):
        key, _, value = pair[0].partition("=")
        assert key not in found
        found[key] = json.loads(value) if value.startswith('"') else value
    return found
