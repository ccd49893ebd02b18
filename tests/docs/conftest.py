"""The site and the manual pages, built once for all tests that look at them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]

_NO_NETWORK: Final = """\
import socket

def denied(*args, **kwargs):
    raise SystemExit(f"the build asks the network: {args}")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.gethostbyname = denied
"""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What script/docs writes: html and man. Python reads sitecustomize first, so all of the build has no network."""
    output = tmp_path_factory.mktemp("docs")
    guard = tmp_path_factory.mktemp("guard")
    (guard / "sitecustomize.py").write_text(_NO_NETWORK, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "sitegen", output],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{guard}:docs"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return output
