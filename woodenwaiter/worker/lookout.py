"""What an idle worker sees of the others of its queue, who may hold what it could run.

Who is idle has the time to look, and is who would gain by it; the housekeeper, who gives such tasks
back, would have to look all the time.
"""

from __future__ import annotations

from .. import pace
from ..processes.scoreboard import Row, Scoreboard
from ..processes.signals import ring


class Lookout:
    """The eye of the worker that has this ``row``; ``bell`` is to be rung for the supervisor, who
    tells the housekeeper that a look is wanted."""

    def __init__(self, scoreboard: Scoreboard, row: Row, bell: int) -> None:
        self._scoreboard = scoreboard
        self._queue = row.queue
        self._bell = bell

    def look(self, now: float) -> bool:
        """Have the housekeeper see what it has not seen of a task that seems slow. Returns whether
        another look, LONG later, may see one."""
        busy = [row for row in self._scoreboard if self._holds_several(row)]
        slow = [row for row in busy if row.seems_slow(now)]
        if any(self._scoreboard.looked_at < row.began + pace.LONG for row in slow):
            self._want_look(now)
        return len(slow) < len(busy)

    def _holds_several(self, row: Row) -> bool:
        return bool(row.queue == self._queue and row.holds_several and row.running and row.alive)

    def _want_look(self, now: float) -> None:
        if not self._scoreboard.is_look_wanted:
            self._scoreboard.want_look(now)
            ring(self._bell)
