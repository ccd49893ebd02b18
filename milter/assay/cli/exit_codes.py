"""What the commands answer to the shell."""

from enum import IntEnum


class ExitCode(IntEnum):
    """One meaning for every command; 75 is EX_TEMPFAIL of sysexits.h, as mail programs use it."""

    OK = 0
    FINDING = 1
    USAGE = 2
    TEMPORARY = 75
