"""A few hundred odd conversations with the real daemon, always the same ones."""

from pathlib import Path

from fuzz.odd_sessions import drive

SESSIONS = 250


def test_odd_conversations_leave_the_daemon_as_it_was(tmp_path: Path) -> None:
    assert drive(tmp_path / "daemon", (f"always:{number}" for number in range(SESSIONS))) == SESSIONS
