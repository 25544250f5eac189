"""What the dead left in one queue of this supervisor's, and what waits behind slow tasks."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from ..errors import EXIT_APP, EXIT_DRAINED, EXIT_REDIS, EXIT_SETUP, EXIT_USAGE
from ..hooks import Hear, Mishap, mishap_of
from ..processes.children import UNKNOWN_STATUS
from ..processes.row import Cause, Fate, Row, State
from ..protocol.grace import Grace, Leases
from ..protocol.recovery import Heed, Sweep, Takeover, heed_nothing, lapse_of, take_over
from ..protocol.verdict import CANCELLED, DeadLetter, Failure, Policy, Verdict
from .happenings import Happenings
from .sights import Sights

OWN_ENDS = {code << 8 for code in (EXIT_DRAINED, EXIT_USAGE, EXIT_APP, EXIT_REDIS, EXIT_SETUP)}
"""Statuses of workers that left by themselves, the log having said why."""


class Upkeep:
    """Recovers what is in one queue, which ``sweep`` tends. ``rows`` are its workers here, times
    are monotonic seconds; ``hear`` is told of mishaps, and in ``happenings`` ends of workers are
    noted. Methods raise what is in ServerTrouble."""

    def __init__(
        self, sweep: Sweep, policy: Policy, lease: float, hear: Hear, happenings: Happenings
    ) -> None:
        self._queue = sweep.queue
        self._rounds = sweep.rounds
        self._policy = policy
        self._hear = hear
        self._happenings = happenings
        self._grace = Grace(lease)
        self._sights = Sights()

    def renewed(self, sent: float, received: float) -> None:
        """The workers' leases were, by a request that was sent and answered then."""
        self._grace.renewed(sent, received)

    def see_to(self, rows: Sequence[Row], expired: Leases, now: float) -> float:
        """Recover what the dead hold, here and elsewhere, and what waits behind slow tasks;
        ``expired``: leases that ran out. Returns when another look can tell of more."""
        for row in rows:
            self._see_to(row, now)
        living = {row.owner for row in rows if row.alive}  # whatever their leases say
        for owner in expired.keys() - living if self._grace.is_over(now) else ():
            self._take_over(lapse_of(owner))
        seen = time.monotonic()
        return min((self._sights.can_tell_at(row, seen) for row in rows), default=math.inf)

    def _see_to(self, row: Row, now: float) -> None:
        if row.state == State.DEAD:
            self._take_over(takeover_of(row), lambda verdict: row.decide(fate_of(verdict)))
            if is_death(row):
                self._hear(Mishap(self._queue.name, f"it {row.ending}", row.pid))
            self._happenings.note_end(self._queue.name, row)
            self._sights.forget(row)
            row.free()
        elif running := self._sights.slow_claim(row, now, time.monotonic):
            self._queue.give_back(row.owner, running, row.token)
            self._sights.gave_back(row)

    def _take_over(self, takeover: Takeover, heed: Heed = heed_nothing) -> None:
        if setback := take_over(self._queue, takeover, self._policy, heed):
            self._hear(mishap_of(setback))
        # What it held may be put off, and what rang for it lies where nobody waits.
        self._rounds.hurry()


def fate_of(verdict: Verdict) -> Fate:
    return Fate.BURIED if isinstance(verdict, DeadLetter) else Fate.RETRIED


def is_death(row: Row) -> bool:
    """Whether the worker of this row, which is dead, neither left by itself nor was made to."""
    left_by_itself = row.status in OWN_ENDS or row.status == UNKNOWN_STATUS
    return row.cause != Cause.BLAMELESS and (bool(row.running) or not left_by_itself)


def takeover_of(row: Row) -> Takeover:
    """Of a worker that died here."""
    failure = _failure_of(row) if row.running and row.is_charged else None
    return Takeover(row.owner, row.completed, row.token, failure)


def _failure_of(row: Row) -> Failure:
    """Of the task that a worker died in."""
    reason, who = f"its worker (pid {row.pid}) {row.ending}", row.cancellation.by(row.running)
    if who is None:
        return Failure(reason, worker_pid=row.pid)
    return Failure(CANCELLED, f"by {who}; {reason}", worker_pid=row.pid, final=True)
