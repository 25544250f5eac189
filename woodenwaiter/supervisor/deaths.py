"""How workers ended: found out, told, counted."""

from __future__ import annotations

import logging
import time
from signal import SIGKILL

from ..events import about
from ..logs import log
from ..processes.children import Dead, ending
from ..processes.ends import End, described, end_of
from ..processes.oom import OomKills
from ..processes.row import SETTING_UP, Row, State, tally_of
from ..processes.scoreboard import Scoreboard
from .orders import Child
from .slots import Slot


class Deaths:
    """Of one supervisor's children."""

    def __init__(self, scoreboard: Scoreboard) -> None:
        self._counts = scoreboard.ends
        self._oom_kills = OomKills()

    def note(self, slot: Slot, child: Child, dead: Dead) -> End:
        """This one is no more. Its row is still as it left it."""
        if child.row is None:
            _tell(slot, child, dead, ending(dead.status))
            return End.UNSEEN
        end = self._end_of(child, child.row, dead.status)
        self._counts.count(child.row.queue, end)
        if child.row.state != State.MUTED:
            _tell(slot, child, dead, described(end, dead.status))
        return end

    def _end_of(self, child: Child, row: Row, status: int) -> End:
        is_idle = row.is_dismissed and not row.running
        is_killed_by_others = status == SIGKILL and not child.is_killed
        return end_of(
            status,
            limit=row.limit,
            killed_for=child.killed_for,
            is_out_of_memory=is_killed_by_others and self._oom_kills.explain(),
            may_leave=row.state == State.LEFT or is_idle,
            is_setting_up=row.state in SETTING_UP,
        )


def settle(row: Row, cpu: float) -> None:
    """Note what a worker that is no more had spent: it could not do so for the task that it ran."""
    cut_off = time.monotonic() - row.began if row.in_handler else 0.0
    row.diary.settle(cut_off, cpu)


def _tell(slot: Slot, child: Child, dead: Dead, how: str) -> None:
    task, row, claim, seconds = "", child.row, "", None
    is_expected = slot.retired or (row is not None and row.state == State.LEFT)
    if row and row.running:
        seconds = time.monotonic() - row.began
        claim = f"{row.owner}/{row.running}"
        task = f" while running claim {claim}, begun {seconds:.1f} s ago"
    is_well = is_expected and not task and dead.status == 0
    usual = logging.DEBUG if slot.is_routine else logging.INFO
    event = about(
        "worker.ended" if row else "helper.ended",
        queue=child.queue,
        worker=slot.name,
        worker_pid=child.pid,
        cause=how,
        claim=claim,
        seconds=seconds,
    )
    log.log(
        usual if is_well else logging.ERROR,
        "%s (pid %d) %s%s%s; peak memory: %.0f MiB",
        slot.name,
        child.pid,
        how,
        task,
        f"; {tally_of(row)}" if row else "",
        dead.peak / 2**20,
        extra=event,
    )
