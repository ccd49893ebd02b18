"""What stands where the system's log would be counts every line, and is gone afterwards."""

import socket
from pathlib import Path

import pytest

from log_sink import LONGEST, LogSink


def test_every_line_is_counted_whatever_its_length(tmp_path: Path) -> None:
    path = tmp_path / "log"
    sink = LogSink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as program:
        with sink:
            program.connect(str(path))
            for octets in (1, 200, LONGEST + 1):
                program.send(b"x" * octets)
        assert sink.lines == 3
        with pytest.raises(ConnectionError):
            program.send(b"nobody listens")
    assert not path.exists()


def test_where_the_log_cannot_be_it_is_said_what_makes_the_place(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="script/bench makes it"), LogSink(tmp_path / "nowhere" / "log"):
        pass
