"""What is to be done about a task that may take too long."""

from __future__ import annotations

import math
from enum import Enum

from .. import pace
from ..processes.row import Row


class Measure(Enum):
    """What a look at a worker calls for."""

    NONE = 0
    RAISE = 1
    """TaskTimeout in the running handler, or TaskCancelled."""
    KILL = 2
    """The worker, as that did not help."""


class TimeLimit:
    """One worker's: ``seconds`` for each of its tasks, and ``silence``, after which one that gives
    no sign of life is held to hang. ``check_at``: when to look at it next."""

    def __init__(self, seconds: float, born: float, silence: float = math.inf) -> None:
        self._seconds = seconds
        self._silence = silence
        self._least = min(seconds, silence)
        self._limit = math.inf  # of the task that is overdue: what it tells now comes too late
        self.check_at = born if self._least < math.inf else math.inf

    def is_due(self, row: Row, now: float) -> bool:
        """Whether to look at it at ``now`` (monotonic seconds): its time may be up, or somebody has
        cancelled its task."""
        asked = row.cancellation.asked
        return now >= self.check_at or (asked != 0 and asked == row.in_handler != row.overdue)

    def check(self, row: Row, now: float) -> Measure:
        """What to do at ``now`` (monotonic seconds); the row is told which claim is overdue.

        The next look is no later than the next task can be overdue, which may be one that has not
        begun.
        """
        running = row.in_handler
        if not running:  # whatever starts from now on has this long at least
            self.check_at = now + self._least
            return Measure.NONE
        if row.overdue == running:
            return self._check_overdue(now)
        last_sign = max(row.began, row.diary.told_at)
        limit, silent_at = row.began + self._seconds, last_sign + self._silence
        if row.cancellation.is_of(running):
            limit = min(limit, now)
        self._limit = min(limit, silent_at)
        if now < self._limit:
            self.check_at = self._limit
            return Measure.NONE
        row.mark_overdue(running, silent=silent_at < limit)
        self.check_at = now + min(pace.TIMEOUT_GRACE, self._least)
        return Measure.RAISE

    def _check_overdue(self, now: float) -> Measure:
        end = self._limit + pace.TIMEOUT_GRACE
        if now >= end:
            self.check_at = math.inf
            return Measure.KILL
        self.check_at = min(end, now + self._least)
        return Measure.NONE
