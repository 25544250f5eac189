"""What an idle worker sees of the others of its queue, who may hold what it could run.

Who is idle has the time to look, and is who would gain by it; the housekeeper, who gives such tasks
back, would have to look all the time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

from .. import pace
from ..processes.scoreboard import Row, Scoreboard
from ..processes.signals import SignalInbox, ring


class Lookout:
    """The eye of the worker that has this ``row``; ``bell`` is to be rung for the supervisor, who
    tells the housekeeper that a look is wanted."""

    def __init__(self, scoreboard: Scoreboard, row: Row, bell: int) -> None:
        self._scoreboard = scoreboard
        self._queue = row.queue
        self._bell = bell

    def doze(self, inbox: SignalInbox, watched: Iterable[int]) -> set[int]:
        """Wait for IDLE_AFTER as ``inbox.wait`` does, and look meanwhile."""
        idle_at, nap = time.monotonic() + pace.IDLE_AFTER, pace.NAP
        while not (ready := inbox.wait(watched, nap)) and not inbox:
            if (now := time.monotonic()) >= idle_at:
                break
            nap = min(self.look(now), idle_at) - now
        return ready

    def look(self, now: float) -> float:
        """Have the housekeeper look at tasks that seem slow, unless it has. Returns when another
        one may, of those that are running."""
        others = (row for row in self._scoreboard if row.queue == self._queue and row.alive)
        moments = [row.slow_from for row in others]
        if any(self._scoreboard.looked_at < moment <= now for moment in moments):
            self._want_look(now)
        return min((moment for moment in moments if moment > now), default=math.inf)

    def _want_look(self, now: float) -> None:
        if not self._scoreboard.is_look_wanted:
            self._scoreboard.want_look(now)
            ring(self._bell)
