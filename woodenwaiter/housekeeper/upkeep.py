"""The upkeep of one queue of this supervisor's: its workers' leases, and what the dead left."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .. import pace
from ..processes.scoreboard import Row, State
from ..protocol.grace import Grace, ServerClock
from ..protocol.queue import Queue
from ..protocol.recovery import Sweep, Takeover, take_over
from ..protocol.verdict import Failure, Policy
from .sights import Sights


class Upkeep:
    """Does for one queue what is due. Methods raise what is in ServerTrouble."""

    def __init__(self, queue: Queue, policy: Policy, lease: float, clock: ServerClock) -> None:
        self.queue = queue
        self._policy = policy
        self._lease = lease
        self._sweep = Sweep(queue, policy, lease, clock)
        self._grace = Grace(lease)
        self._sights = Sights()
        self._renew_at = 0.0

    def attend(self, rows: Sequence[Row], now: float) -> None:
        """Do what is due at ``now`` (monotonic seconds); ``rows`` are this queue's workers.

        Renewals come first: whatever fails after them costs no living worker its lease.
        """
        if now >= self._renew_at:
            self._renew(rows, now)
        for row in rows:
            self._see_to(row, now)
        living = {row.owner for row in rows if row.alive}  # whatever their leases say
        is_over = self._grace.is_over(now)
        self._sweep.attend(now, lambda expired: expired.keys() - living if is_over else ())

    def _renew(self, rows: Sequence[Row], now: float) -> None:
        self.queue.renew([row.owner for row in rows])
        self._grace.renewed(now, time.monotonic())
        self._renew_at = now + pace.renew_every(self._lease)

    def _see_to(self, row: Row, now: float) -> None:
        if row.state == State.DEAD:
            take_over(self.queue, takeover_of(row), self._policy)
            self._sights.forget(row)
            row.free()
        elif running := self._sights.slow_claim(row, now, time.monotonic):
            self.queue.give_back(row.owner, running, row.token)
            self._sights.gave_back(row)

    def hurry(self) -> None:
        """Let everything be due: after an outage, before anyone's lease may be taken."""
        self._renew_at = 0.0
        self._sweep.hurry()


def takeover_of(row: Row) -> Takeover:
    """Of a worker that died here."""
    charged = row.running and row.is_charged
    failure = Failure(f"its worker (pid {row.pid}) {row.ending}") if charged else None
    return Takeover(row.owner, row.completed, row.token, failure)
