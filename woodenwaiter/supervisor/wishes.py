"""What people ask a supervisor for: by signals, and at its start."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable

from ..processes.scoreboard import Scoreboard
from .forked import LAST_MOMENTS
from .orders import Order, Say
from .slots import Slots
from .staffing import Staffing


def asked_for(number: int, slots: Slots, staffing: Staffing, now: float) -> Iterable[Order]:
    """``now``: in monotonic seconds."""
    code = 128 + number
    orders: dict[int, Callable[[], Iterable[Order]]] = {
        signal.SIGTERM: lambda: slots.drain(now),
        signal.SIGINT: lambda: slots.interrupt(now, code),
        signal.SIGQUIT: lambda: slots.stop(now, code),
        signal.SIGTSTP: lambda: slots.set_quiet(True),
        signal.SIGCONT: lambda: slots.set_quiet(False),
        signal.SIGTTIN: lambda: staffing.add_workers(now),
        signal.SIGTTOU: lambda: staffing.remove_workers(now),
        signal.SIGUSR1: staffing.describe,
        **dict.fromkeys(LAST_MOMENTS, lambda: slots.drain(now)),
    }
    return orders[number]() if number in orders else ()


def asked_for_once(scoreboard: Scoreboard, slots: Slots, now: float) -> list[Order]:
    """To leave when nothing is left to do, if that is so, and was asked for."""
    if not scoreboard.is_emptied or slots.is_draining:
        return []
    return [Say("nothing is left to do"), *slots.drain(now)]
