"""What a measurement was made on."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIBRARIES = ("pymilter", "dkimpy", "pyspf", "authres", "cryptography", "dnspython")


def machine() -> dict[str, str]:
    """The processor, the kernel and what assay runs on, in words."""
    model = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    release = platform.freedesktop_os_release()
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": model[1] if model else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{pages / 2**30:.0f} GiB",
        "system": f"{release['PRETTY_NAME']}, Linux {platform.release()}",
        "python": f"{platform.python_version()} ({_python()})",
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    }


def _python() -> Path:
    """The interpreter; one of this checkout without the directory that somebody keeps it in."""
    path = Path(sys.executable)
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def package_versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of Debian packages that are installed."""
    names = sorted(set(packages))
    done = subprocess.run(
        ["dpkg-query", "-W", "-f=${Package} ${Version}\n", *names], capture_output=True, text=True, check=True
    )
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())
