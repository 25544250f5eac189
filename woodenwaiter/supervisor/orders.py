"""The supervisor's children, and what it can be told to do about them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..processes.ends import End
from ..processes.row import Cause, Row
from ..processes.signals import BELL, FAREWELL
from ..processes.traces import Trace
from .places import Stage
from .time_limits import TimeLimit


@dataclass(eq=False)
class Child:
    """A process in a slot; the row, the trace, the time limit and the queue are a worker's."""

    pid: int
    born: float
    row: Row | None = None
    trace: Trace | None = None
    limit: TimeLimit | None = None
    leave_by: float = math.inf  # of a worker that is ending
    killed_for: End | None = None
    cause: Cause = Cause.CHARGED  # what its death, should it come now, means for its task
    queue: str = ""

    @property
    def is_killed(self) -> bool:
        return self.killed_for is not None

    @property
    def due(self) -> float:
        """When to look at it, if no signal comes before."""
        if self.is_killed:
            return math.inf
        return min(self.leave_by, self.limit.check_at) if self.limit else self.leave_by


class Tell(NamedTuple):
    """Send this signal."""

    child: Child
    number: int


class Kill(NamedTuple):
    """Kill this child and all that it spawned."""

    name: str
    child: Child
    why: str
    cause: Cause


class Say(NamedTuple):
    """Log this."""

    text: str
    is_trouble: bool = False
    about: Mapping[str, Any] | None = None


Order = Tell | Kill | Say


def kill(name: str, child: Child, why: str, end: End, cause: Cause = Cause.BLAMELESS) -> Kill:
    """``cause``: what this end means for the child's task."""
    child.cause, child.killed_for = cause, end
    return Kill(name, child, why, cause)


def farewell(child: Child, stage: Stage) -> list[Order]:
    if stage == Stage.WORKERS:
        return dismiss(child)
    return [Tell(child, FAREWELL if stage == Stage.SERVER else BELL)]


def dismiss(worker: Child) -> list[Order]:
    """Let it leave after its running task. By a word, once: a handler may have changed what the
    signal to leave does, but not what a bell does to it."""
    if worker.row is None or worker.row.is_dismissed:
        return []
    worker.row.dismiss()
    return [Tell(worker, BELL)]
