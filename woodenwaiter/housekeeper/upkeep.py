"""The upkeep of one queue of this supervisor's: its workers' leases, and what the dead left."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .. import pace
from ..processes.scoreboard import Row, State
from ..protocol.queue import Queue
from ..protocol.recovery import Sweep, Takeover, take_over
from ..protocol.verdict import Failure, Policy
from .sights import Sights


class Upkeep:
    """Does for one queue what is due. Methods raise what is in ServerTrouble."""

    def __init__(self, queue: Queue, policy: Policy, lease: float) -> None:
        self._queue = queue
        self._policy = policy
        self._lease = lease
        self._sweep = Sweep(queue, policy, lease)
        self._sights = Sights()
        self._renew_at = 0.0

    def attend(self, rows: Sequence[Row], now: float, *, may_expire: bool) -> None:
        """Do what is due at ``now`` (monotonic seconds); ``rows`` are this queue's workers.

        ``may_expire``: whether every owner had the time to renew its lease.
        """
        for row in rows:
            if row.state == State.DEAD:
                take_over(self._queue, takeover_of(row), self._policy)
                self._sights.forget(row)
                row.free()
            elif running := self._sights.slow_claim(row, now, time.monotonic):
                self._queue.give_back(row.owner, running, row.token)
                self._sights.gave_back(row)
        if now >= self._renew_at:
            self._queue.renew([row.owner for row in rows])
            self._renew_at = now + pace.renew_every(self._lease)
        self._sweep.attend(now, may_expire=may_expire)

    def hurry(self) -> None:
        """Let everything be due: after an outage, before anyone's lease may be taken."""
        self._renew_at = 0.0
        self._sweep.hurry()


def takeover_of(row: Row) -> Takeover:
    """Of a worker that died here."""
    charged = row.running and row.is_charged
    failure = Failure(f"its worker (pid {row.pid}) {row.ending}") if charged else None
    return Takeover(row.owner, row.completed, row.token, failure)
