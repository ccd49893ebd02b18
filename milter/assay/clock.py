"""Time as a parameter: nothing that decides reads a clock of its own, so that a message can be judged again later."""

from collections.abc import Callable

Clock = Callable[[], float]
"""Seconds since 1970-01-01 00:00 UTC."""
