"""This process's children: signals to them, and how they ended."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import NamedTuple

from ..logs import log
from .signals import name_of
from .usage import PEAK_UNIT, cpu_of

UNKNOWN_STATUS = -1
"""Of a process whose end nobody was told: its parent had died, or somebody else reaped it."""


class Dead(NamedTuple):
    """A child that has died: its status, as waitpid gives it; the seconds of CPU that it used, and
    the most memory that it or one of those ever had that it had waited for, in bytes."""

    pid: int
    status: int
    cpu: float = 0.0
    peak: int = 0


def reap(pid: int) -> tuple[int, int]:
    """The pid and status of this child if it has died, else 0; of any child for -1."""
    return reap_and_measure(pid)[:2]


def reap_and_measure(pid: int) -> Dead:
    """Likewise, and what it used."""
    try:
        dead, status, usage = os.wait4(pid, os.WNOHANG)
    except ChildProcessError:  # reaped by somebody else; or, for -1, none is left
        return Dead(max(pid, 0), UNKNOWN_STATUS)
    return Dead(dead, status, cpu_of(usage), usage.ru_maxrss * PEAK_UNIT)


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
    name, core = name_of(-code), ", core dumped" if os.WCOREDUMP(status) else ""
    signal = f"signal {-code} ({name})" if name.startswith("SIG") else name
    return f"died of {signal}{core}"
