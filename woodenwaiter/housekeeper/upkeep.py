"""What the dead left in one queue of this supervisor's, and what waits behind slow tasks."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from ..processes.row import Fate, Row, State
from ..protocol.grace import Grace, Leases
from ..protocol.recovery import Heed, Sweep, Takeover, heed_nothing, lapse_of, take_over
from ..protocol.verdict import DeadLetter, Failure, Policy, Verdict
from .sights import Sights


class Upkeep:
    """Recovers what is in one queue, which ``sweep`` tends. ``rows`` are its workers here, times
    are monotonic seconds. Methods raise what is in ServerTrouble."""

    def __init__(self, sweep: Sweep, policy: Policy, lease: float) -> None:
        self._queue = sweep.queue
        self._rounds = sweep.rounds
        self._policy = policy
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
            self._sights.forget(row)
            row.free()
        elif running := self._sights.slow_claim(row, now, time.monotonic):
            self._queue.give_back(row.owner, running, row.token)
            self._sights.gave_back(row)

    def _take_over(self, takeover: Takeover, heed: Heed = heed_nothing) -> None:
        take_over(self._queue, takeover, self._policy, heed)
        # What it held may be put off, and what rang for it lies where nobody waits.
        self._rounds.hurry()


def fate_of(verdict: Verdict) -> Fate:
    return Fate.BURIED if isinstance(verdict, DeadLetter) else Fate.RETRIED


def takeover_of(row: Row) -> Takeover:
    """Of a worker that died here."""
    charged = row.running and row.is_charged
    failure = Failure(f"its worker (pid {row.pid}) {row.ending}") if charged else None
    return Takeover(row.owner, row.completed, row.token, failure)
