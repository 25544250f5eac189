"""What every worker is doing, for the log."""

from __future__ import annotations

import math
from collections.abc import Iterable

from .. import pace
from ..logs import IN_LINES, log
from ..processes.children import send_signal
from ..processes.signals import TRACE
from ..text import escaped
from .slots import Slot


class Whereabouts:
    """``due``: when the tracebacks that workers were asked for are there."""

    def __init__(self) -> None:
        self.due = math.inf

    def ask(self, workers: Iterable[Slot], now: float) -> None:
        """Log what each is doing, and ask it for its traceback."""
        for slot in workers:
            if slot.child and slot.child.row:
                row = slot.child.row
                task = f"runs claim {row.owner}/{row.running} for {now - row.began:.1f} s"
                state = task if row.running else "is waiting"
                log.info("%s (pid %d) %s; %s", slot.name, slot.child.pid, state, row.tally)
                send_signal(slot.child.pid, TRACE)
        self.due = now + pace.TRACE_AFTER

    def tell(self, workers: Iterable[Slot], now: float) -> None:
        """Log the tracebacks, if it is time."""
        if now < self.due:
            return
        self.due = math.inf
        for slot in workers:
            if slot.child and slot.child.trace:
                trace = slot.child.trace.take()
                where = (escaped(slot.name), slot.child.pid, trace)
                log.info("%s (pid %d) is here:\n%s", *where, extra=IN_LINES)
