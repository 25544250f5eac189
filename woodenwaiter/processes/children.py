"""This process's children: signals to them, and how they ended."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

UNKNOWN_STATUS = -1
"""Of a process whose end nobody was told: its parent had died, or somebody else reaped it."""


def reap(pid: int) -> tuple[int, int]:
    """The pid and status of this child if it has died, else 0; of any child for -1."""
    try:
        return os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:  # reaped by somebody else; or, for -1, none is left
        return max(pid, 0), UNKNOWN_STATUS


def send_signal(pid: int, number: int) -> None:
    """Send a signal to a child; if somebody else has reaped it, its end will be noticed soon."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def ending(status: int) -> str:
    """How a process ended, by the status that waitpid gave."""
    if status == UNKNOWN_STATUS:
        return "ended unseen"
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"left with exit code {code}"
    try:
        return f"died of signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"died of signal {-code}"
