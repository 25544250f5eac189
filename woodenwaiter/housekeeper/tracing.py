"""Where tasks are now: the tracebacks of their workers, which the supervisor reads."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from .. import pace
from ..processes.row import Row
from ..processes.traced import Traced
from ..protocol.errands import Answer, Errand
from .errands import Job, Verb
from .portrait import MOST_TASKS

SUPERVISOR_SILENT = Answer({}, "its supervisor does not answer")

Rows = Mapping[str, Sequence[Row]]
"""The workers of each queue."""


class Task(NamedTuple):
    """That ran when it was asked for: claim number ``seq`` of a worker."""

    row: Row
    incarnation: int
    seq: int
    claim: str
    began: float

    @property
    def is_running(self) -> bool:
        """Still, and was whenever it was traced."""
        row = self.row
        return row.alive and (row.incarnation, row.running) == (self.incarnation, self.seq)


def tracer(traced: Traced, rows: Callable[[], Rows], ring: Callable[[], None]) -> Verb:
    """The verb ``trace``: tells by claim where each task of ``queue`` is, or of all; an empty text
    where its worker has not told. ``ring``: has the supervisor look at shared memory."""

    def trace(errand: Errand) -> Job:
        if not (yield from is_free(traced)):  # of what another errand has asked
            return SUPERVISOR_SILENT
        tasks = _tasks(rows(), errand.arguments.get("queue"))
        traced.ask([task.incarnation for task in tasks])
        ring()
        if not (yield from is_free(traced)):
            return SUPERVISOR_SILENT
        found = traced.found()
        told = {task.claim: found.get(task.incarnation, "") for task in tasks if task.is_running}
        return Answer({"traces": told})

    return trace


def is_free(traced: Traced) -> Generator[None, None, bool]:
    """Whether it is within TRACE_WAIT."""
    deadline = time.monotonic() + pace.TRACE_WAIT
    while traced.is_asked and time.monotonic() < deadline:
        yield
    return not traced.is_asked


def _tasks(rows: Rows, queue: object) -> list[Task]:
    """Those that are told of, and perhaps more."""
    workers = rows.values() if queue is None else (rows[name] for name in rows if name == queue)
    tasks = [_task(row) for row in chain.from_iterable(workers) if row.alive and row.pid]
    return sorted((task for task in tasks if task.seq), key=lambda task: task.began)[:MOST_TASKS]


def _task(row: Row) -> Task:
    seq = row.running
    return Task(row, row.incarnation, seq, f"{row.owner}/{seq}", row.began)
