"""What the processes of a supervisor use of the machine."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator

from .. import pace
from ..processes.footprint import Use, use_of
from ..processes.scoreboard import Scoreboard
from .inquiry import Inquiry

Uses = dict[str, Use]
"""By what the processes are; of workers, the sum."""


class Processes:
    """Those of the supervisor whose pid is given. To measure them takes a share of the time only,
    though there be many, and large ones."""

    def __init__(self, scoreboard: Scoreboard, supervisor: int) -> None:
        self._scoreboard = scoreboard
        self._supervisor = supervisor
        self._uses: Uses = {}
        self._due = -math.inf
        self._inquiry = Inquiry(self._measure)

    def ask(self, now: float) -> None:
        """Have them measured, where it is time for that (monotonic seconds)."""
        if now >= self._due:
            self._inquiry.begin()

    def uses(self) -> Uses:
        """As they were when last measured, as far as they can be seen."""
        if isinstance(outcome := self._inquiry.outcome(pace.METRICS_WITHIN), Exception):
            raise outcome
        return self._uses

    def _measure(self) -> None:
        began = time.monotonic()
        self._uses = {role: use for role, pids in self._pids() if (use := _sum(pids))}
        took = time.monotonic() - began
        self._due = began + max(pace.METRICS_AGAIN, took / pace.MEMORY_SHARE)

    def _pids(self) -> Iterator[tuple[str, list[int]]]:
        yield "supervisor", [self._supervisor]
        yield "housekeeper", [self._scoreboard.housekeeper]
        yield "metrics", [os.getpid()]
        yield "worker", [row.pid for row in self._scoreboard if row.alive]


def _sum(pids: list[int]) -> Use | None:
    """None where none of them can be seen."""
    uses = [use for pid in pids if pid and (use := use_of(pid))]
    if not uses:
        return None
    own = [use.own for use in uses if use.own is not None]
    return Use(
        sum(use.resident for use in uses),
        sum(own) if len(own) == len(uses) else None,
        sum(use.cpu for use in uses),
    )
