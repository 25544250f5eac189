"""This process's children: signals to them, and how they ended."""

from __future__ import annotations

import os
from contextlib import suppress

from ..logs import log
from .signals import name_of
from .usage import cpu_of

UNKNOWN_STATUS = -1
"""Of a process whose end nobody was told: its parent had died, or somebody else reaped it."""


def reap(pid: int) -> tuple[int, int]:
    """The pid and status of this child if it has died, else 0; of any child for -1."""
    return reap_and_measure(pid)[:2]


def reap_and_measure(pid: int) -> tuple[int, int, float]:
    """Likewise, and the seconds of CPU that it used, with the children that it had waited for."""
    try:
        dead, status, usage = os.wait4(pid, os.WNOHANG)
    except ChildProcessError:  # reaped by somebody else; or, for -1, none is left
        return max(pid, 0), UNKNOWN_STATUS, 0.0
    return dead, status, cpu_of(usage)


def send_signal(pid: int, number: int) -> None:
    """Send a signal to a child; if somebody else has reaped it, its end will be noticed soon. One
    that has become another user is told of, and finds what is to be known in shared memory."""
    with suppress(ProcessLookupError):
        try:
            os.kill(pid, number)
        except PermissionError as error:
            log.warning("pid %d cannot be sent %s: %s", pid, name_of(number), error)


def ending(status: int) -> str:
    """How a process ended, by the status that waitpid gave."""
    if status == UNKNOWN_STATUS:
        return "ended unseen"
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"left with exit code {code}"
    name = name_of(-code)
    return f"died of signal {-code} ({name})" if name.startswith("SIG") else f"died of {name}"
