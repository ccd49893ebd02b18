"""Where the tests of Sendmail are skipped, and where they fail instead."""

import subprocess

import pytest

from support.sendmail_root import wait_until_ready

APT = "E: Failed to fetch http://deb.example/sendmail.deb  Temporary failure resolving 'deb.example'"


def that_says(text: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        ["sh", "-c", 'echo "$1" >&2', "sh", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        pytest.param("unshare: unshare failed: Operation not permitted", "Operation not permitted", id="no namespaces"),
        pytest.param(
            "mount: wrong fs\nscript/overlay: a root of its own is impossible here: mounting an overlay of / fails",
            "impossible here: mounting an overlay of / fails",
            id="no overlayfs",
        ),
        pytest.param(APT, "no package can be fetched", id="no network"),
    ],
)
def test_a_machine_that_cannot_have_a_copy_is_told_apart(said: str, reason: str) -> None:
    with that_says(said) as process, pytest.raises(pytest.skip.Exception, match=reason):
        wait_until_ready(process)


def test_any_other_fault_fails() -> None:
    with that_says("script/overlay: line 7: syntax error") as process, pytest.raises(pytest.fail.Exception):
        wait_until_ready(process)
