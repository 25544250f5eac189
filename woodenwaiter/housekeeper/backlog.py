"""How much waits in one queue whose number of workers follows it."""

from __future__ import annotations

from collections.abc import Iterable

from .. import pace
from ..processes.demands import Demand
from ..processes.row import Row, State
from ..protocol.backlog import Doorbell
from ..protocol.recovery import Sweep


class Backlog:
    """Counts where more workers may help: while all that there are have something to do. Where
    there are none, a doorbell tells when to. Times are monotonic seconds."""

    def __init__(self, sweep: Sweep) -> None:
        self.queue = sweep.queue
        self._rounds = sweep.rounds
        self._demands: list[Demand] = []  # of the places that serve the queue
        self._doorbell = Doorbell(sweep.queue)
        self._count_at = 0.0
        self._has_workers = False

    def add(self, demand: Demand) -> None:
        self._demands.append(demand)

    @property
    def descriptor(self) -> int | None:
        """Which becomes readable when something comes, if nobody works there."""
        return self._doorbell.descriptor

    def is_to_be_counted(self, rows: Iterable[Row], now: float) -> bool:
        """Whether to ask how much waits; ``rows`` are the queue's workers."""
        if not any(demand.is_watched for demand in self._demands):
            self.let_be()
            return False
        workers = [row for row in rows if _takes_tasks(row)]
        self._has_workers = bool(workers)
        if workers:
            self._take_down()
            if any(map(_is_idle, workers)):
                self._tell(0, now)
                return False
        elif self._doorbell.is_silent():
            return False
        elif self.descriptor is not None:
            self._rounds.hurry()  # no worker may come of it
            self._count_at = now if self._doorbell.answer() else now + pace.POLL
        return now >= self._count_at

    def is_counted(self, waiting: int, now: float) -> None:
        """So many wait."""
        self._tell(waiting, now)
        self._count_at = now + pace.count_after(self._waited(now))
        if not (waiting or self._has_workers or self._doorbell.hang(pace.slumber(0))):
            self._count_at = now + pace.POLL

    def let_be(self) -> None:
        """Wait for nothing, for now."""
        self._take_down()
        self._count_at = 0.0

    def end(self) -> None:
        """Nobody wants to know any more."""
        self._demands.clear()
        self.let_be()

    def _take_down(self) -> None:
        if self.descriptor is not None:
            self._rounds.hurry()  # it may have rung just now
        self._doorbell.take_down()

    def _waited(self, now: float) -> float:
        return max((now - demand.since for demand in self._demands if demand.waiting), default=0.0)

    def _tell(self, waiting: int, now: float) -> None:
        for demand in self._demands:
            demand.tell(waiting, now)


def _takes_tasks(row: Row) -> bool:
    return row.alive and row.state != State.LEFT and not (row.quiet or row.is_dismissed)


def _is_idle(row: Row) -> bool:
    return row.has_claimed and not row.running
