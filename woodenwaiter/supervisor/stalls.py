"""Tasks that hang, as libraries had threads when their workers were forked."""

from __future__ import annotations

import math
from collections.abc import Iterable

from .. import pace
from ..events import about
from ..logs import log
from ..processes.leftovers import user_seconds, waited_seconds
from ..processes.row import SETTING_UP
from .orders import Child
from .slots import Slot


class Stalls:
    """Looks out for a first task, or a setup, that gets nowhere, and says once what the cause may
    be: ``threads`` that loading the application has started. Without any it does not look."""

    def __init__(self, threads: str, now: float) -> None:
        self._threads = threads
        self.due = now + pace.STALL if threads else math.inf

    def look(self, workers: Iterable[Slot], now: float) -> None:
        if now < self.due:
            return
        self.due = now + pace.STALL
        for slot in workers:
            if slot.child and (where := _where_it_stalls(slot.child, now)):
                self.due = math.inf
                log.warning(
                    "%s (pid %d) computes next to nothing %s. If it hangs: loading the application "
                    "has started threads (%s), and no fork takes them along; use their library for "
                    "the first time in setup",
                    slot.name,
                    slot.child.pid,
                    where,
                    self._threads,
                    extra=about(
                        "worker.stalled",
                        queue=slot.child.queue,
                        worker=slot.name,
                        worker_pid=slot.child.pid,
                    ),
                )
                return


def _where_it_stalls(child: Child, now: float) -> str:
    row = child.row
    if row and row.state in SETTING_UP:
        since, where = child.born, "in its setup"
    elif row and row.running and not row.completed:
        since, where = row.began, "in its first task"
    else:
        return ""
    seconds = now - since
    # Of the system's time some wait with much: they look again and again for who is not there.
    could_compute = seconds - waited_seconds(child.pid)
    if seconds < pace.STALL or user_seconds(child.pid) > pace.STALL_SHARE * could_compute:
        return ""
    return f"{where}, for {seconds:.1f} s"
