"""What is to be done about a task that may take too long."""

from __future__ import annotations

import math
from enum import Enum

from .. import pace
from ..processes.scoreboard import Row


class Measure(Enum):
    """What a look at a worker calls for."""

    NONE = 0
    RAISE = 1
    """TaskTimeout in the running handler."""
    KILL = 2
    """The worker, as that did not help."""


class TimeLimit:
    """One worker's: ``seconds`` for each of its tasks. ``check_at``: when to look at it next."""

    def __init__(self, seconds: float, born: float) -> None:
        self._seconds = seconds
        self.check_at = born

    def check(self, row: Row, now: float) -> Measure:
        """What to do at ``now`` (monotonic seconds); the row is told which claim is overdue.

        The next look is no later than the next task can be overdue, which may be one that has not
        begun.
        """
        running = row.in_handler
        if not running:  # whatever starts from now on has this long at least
            self.check_at = now + self._seconds
            return Measure.NONE
        limit = row.began + self._seconds
        if now < limit:
            self.check_at = limit
        elif row.overdue != running:
            row.mark_overdue(running)
            self.check_at = now + min(pace.TIMEOUT_GRACE, self._seconds)
            return Measure.RAISE
        elif now >= limit + pace.TIMEOUT_GRACE:
            self.check_at = math.inf
            return Measure.KILL
        else:
            self.check_at = min(limit + pace.TIMEOUT_GRACE, now + self._seconds)
        return Measure.NONE
