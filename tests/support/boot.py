"""What the machines of the tests' own have in common; see boot.sh, which their scripts share."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from support.process import wait_until

EX_UNAVAILABLE: Final = 69
"""The status of a script that boots a machine, where the machine around does not allow it."""


def remove_group(named_in: Path, sudo: Sequence[str] = ()) -> None:
    """Remove the control group that ``enter_own_group`` made, once the last process in it has ended.

    Args:
        named_in: the file with its name; where there is none, no group was made.
        sudo: what makes a command the administrator's.
    """
    if not named_in.exists():
        return
    group = Path(named_in.read_text("utf-8").strip())
    remove = [*sudo, "find", str(group), "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]

    def removed() -> bool:
        subprocess.run(remove, capture_output=True, check=False)  # fails while a process is still ending
        return not group.exists()

    wait_until(removed, f"the end of all processes in {group}")
