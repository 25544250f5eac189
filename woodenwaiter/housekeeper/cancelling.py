"""Ends a task that runs here, for who wants it to be no more."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import chain

from .. import pace
from ..processes.row import Fate, Row, State
from ..protocol.cancelling import Became
from ..protocol.errands import Answer, Errand
from .errands import Job, Verb
from .tracing import Rows


def canceller(rows: Callable[[], Rows], ring: Callable[[], None]) -> Verb:
    """The verb ``cancel``: has claim number ``seq`` of an ``owner`` ended, if it runs, and tells
    what ``became`` of it, after how many ``seconds``, and ``how`` its worker ended, if that died.
    ``ring``: has the supervisor look at shared memory."""

    def cancel(errand: Errand) -> Job:
        owner, seq = (errand.arguments.get(name) for name in ("owner", "seq"))
        workers = [row for row in chain.from_iterable(rows().values()) if row.owner == owner]
        if not workers or not isinstance(seq, int):
            return Answer({"became": Became.UNKNOWN})
        [row] = workers
        if row.running != seq:
            return Answer({"became": Became.OVER if seq <= row.completed else Became.HELD})
        row.cancellation.ask(seq, errand.who)
        ring()
        return (yield from _end_of(row, seq))

    return cancel


def _end_of(row: Row, seq: int) -> Job:
    incarnation, began = row.incarnation, time.monotonic()
    while row.incarnation == incarnation and row.state != State.FREE and row.running == seq:
        if time.monotonic() >= began + pace.CANCEL_WAIT:
            return Answer({}, f"pid {row.pid} goes on with it, though it is to end")
        yield
    told = {"became": _became(row, incarnation, seq), "seconds": time.monotonic() - began}
    return Answer(told | {"how": row.ending} if told["became"] == Became.KILLED else told)


def _became(row: Row, incarnation: int, seq: int) -> Became:
    """Of a claim that was running, and is not any more."""
    if row.incarnation == incarnation and row.cancellation.done == seq:
        return Became.ENDED
    died_in_it = row.incarnation == incarnation and row.running == seq
    return Became.KILLED if died_in_it and row.fate == Fate.BURIED else Became.OVER
