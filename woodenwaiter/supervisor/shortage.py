"""What keeps children from being started, told once for all of them."""

from __future__ import annotations

import errno
import math

from .. import pace
from ..events import about
from ..logs import log
from ..processes.descriptors import descriptors_allowed

WHAT_TO_DO = {
    errno.EAGAIN: "no more processes are allowed (ulimit -u, pids.max)",
    errno.ENOMEM: "no memory is left for another process",
}


def descriptors_for(workers: int) -> int:
    """That a supervisor needs: one for each and one for its successor, and its own."""
    return 2 * workers + 64


def shortage_of(error: Exception, workers: int) -> str:
    """What is wanting, and how much of it, where a supervisor of so many cannot start a child."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EMFILE:
        return (
            f"{descriptors_allowed()} descriptors are allowed (ulimit -n), "
            f"{workers} workers need {descriptors_for(workers)}"
        )
    return WHAT_TO_DO.get(number or 0, str(error))


class Shortages:
    """Of each one line is said in `pace.REMIND`, however many children it keeps waiting."""

    def __init__(self) -> None:
        self._told_at: dict[str, float] = {}

    def note(self, name: str, what: str, now: float) -> None:
        """``name``: of the child that could not be started."""
        if now - self._told_at.get(what, -math.inf) >= pace.REMIND:
            self._told_at[what] = now
            text = "cannot start the %s: %s; trying again until it works"
            log.error(text, name, what, extra=about("worker.unborn", worker=name, cause=what))
