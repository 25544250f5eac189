"""What every worker is doing, for the log."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from .. import pace
from ..events import about
from ..logs import IN_LINES, log
from ..processes.children import send_signal
from ..processes.ends import End
from ..processes.row import Row, tally_of
from ..processes.scoreboard import Scoreboard
from ..processes.signals import TRACE
from ..processes.traces import Trace
from ..text import escaped
from .orders import Child
from .roster import Outline
from .slots import Slot


class Whereabouts:
    """``due``: when the tracebacks that workers were asked for are there. They are for the log, or
    for the housekeeper, or for both."""

    def __init__(self, scoreboard: Scoreboard, outlines: Sequence[Outline]) -> None:
        self._scoreboard = scoreboard
        self._outlines = outlines
        self._is_to_be_logged = self._logs = self._tells = False
        self._asked: set[int] = set()  # incarnations
        self._meant: set[int] = set()  # of these, by the housekeeper
        self.due = math.inf

    def ask(self, workers: Iterable[Slot], now: float) -> None:
        """Log what each is doing, and what each queue has cost; tracebacks are to follow."""
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
        ends = self._scoreboard.ends
        for number, totals in enumerate(self._scoreboard.totals()):
            queue = self._outlines[number].queue
            extra = about("queue.cost", queue=queue)
            log.info("queue %s: %s%s", queue, totals, _in_words(ends[number]), extra=extra)
        self._is_to_be_logged = True

    def look(self, workers: Sequence[Slot], now: float) -> None:
        """Tell the tracebacks, if it is time; ask for those that somebody wants. No worker is asked
        again before that: it would write twice."""
        if now >= self.due:
            self._tell(workers)
            self.due = math.inf
        if self.due == math.inf and (self._is_to_be_logged or self._scoreboard.traced.is_asked):
            self._prompt(workers)
            self.due = now + pace.TRACE_AFTER

    def _prompt(self, workers: Iterable[Slot]) -> None:
        self._logs, self._is_to_be_logged = self._is_to_be_logged, False
        self._tells = self._scoreboard.traced.is_asked
        self._meant = self._scoreboard.traced.asked() if self._tells else set()
        self._asked.clear()
        for _, child, incarnation, trace in _traced(workers):
            if self._logs or incarnation in self._meant:
                trace.clear()
                send_signal(child.pid, TRACE)
                self._asked.add(incarnation)

    def _tell(self, workers: Iterable[Slot]) -> None:
        found: dict[int, str] = {}
        for name, child, incarnation, trace in _traced(workers):
            if incarnation in self._asked:
                text = trace.take()
                if incarnation in self._meant:
                    found[incarnation] = text
                if self._logs:
                    _log(name, child, text)
        if self._tells:
            self._scoreboard.traced.tell(found)


def _traced(workers: Iterable[Slot]) -> Iterator[tuple[str, Child, int, Trace]]:
    """Those that are there."""
    for slot in workers:
        if (child := slot.child) and child.row and child.trace:
            yield slot.name, child, child.row.incarnation, child.trace


def _log(name: str, child: Child, trace: str) -> None:
    extra = about("worker.trace", queue=child.queue, worker=name, worker_pid=child.pid)
    where = (escaped(name), child.pid, trace)
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
