"""What every worker is doing, for the log."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from .. import pace
from ..events import about
from ..logs import IN_LINES, log
from ..processes.children import send_signal
from ..processes.ends import End
from ..processes.row import Row, tally_of
from ..processes.scoreboard import Scoreboard
from ..processes.signals import TRACE
from ..text import escaped
from .roster import Outline
from .slots import Slot


class Whereabouts:
    """``due``: when the tracebacks that workers were asked for are there."""

    def __init__(self, scoreboard: Scoreboard, outlines: Sequence[Outline]) -> None:
        self._scoreboard = scoreboard
        self._outlines = outlines
        self.due = math.inf

    def ask(self, workers: Iterable[Slot], now: float) -> None:
        """Log what each is doing, and what each queue has cost; ask for tracebacks."""
        for slot in workers:
            if slot.child and slot.child.row:
                row, pid = slot.child.row, slot.child.pid
                extra = about(
                    "worker.doing",
                    queue=slot.child.queue,
                    worker=slot.name,
                    worker_pid=pid,
                    claim=f"{row.owner}/{row.running}" if row.running else "",
                    seconds=now - row.began if row.running else None,
                )
                state = _state_of(row, now)
                log.info("%s (pid %d) %s; %s", slot.name, pid, state, tally_of(row), extra=extra)
                send_signal(pid, TRACE)
        ends = self._scoreboard.ends
        for number, totals in enumerate(self._scoreboard.totals()):
            queue = self._outlines[number].queue
            extra = about("queue.cost", queue=queue)
            log.info("queue %s: %s%s", queue, totals, _in_words(ends[number]), extra=extra)
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
                extra = about(
                    "worker.trace",
                    queue=slot.child.queue,
                    worker=slot.name,
                    worker_pid=slot.child.pid,
                )
                log.info("%s (pid %d) is here:\n%s", *where, extra=IN_LINES | extra)


def _in_words(ends: Mapping[End, int]) -> str:
    told = ", ".join(f"{end} {number}" for end, number in ends.items() if end.is_replaced)
    return f"; workers replaced: {told}" if told else ""


def _state_of(row: Row, now: float) -> str:
    if not row.running:
        return "is waiting"
    task = f"runs claim {row.owner}/{row.running} for {now - row.began:.1f} s"
    told = row.diary.progress(row.running)
    return f"{task}, at {told}, told {now - told.at:.1f} s ago" if told else task
