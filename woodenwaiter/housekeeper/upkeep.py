"""The upkeep of one queue of this supervisor's: its workers' leases, and what the dead left."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..processes.scoreboard import Row, State
from ..protocol.grace import Grace, Leases
from ..protocol.queue import Queue, Tended, Visit
from ..protocol.recovery import Sweep, Takeover, lapse_of, take_over
from ..protocol.verdict import Failure, Policy
from .sights import Sights


class Upkeep:
    """Does for one queue what is due. ``rows`` are its workers here, times are monotonic seconds.
    Methods raise what is in ServerTrouble."""

    def __init__(self, queue: Queue, policy: Policy, lease: float) -> None:
        self.queue = queue
        self._policy = policy
        self._sweep = Sweep(queue, lease)
        self._grace = Grace(lease)
        self._sights = Sights()

    @property
    def hosts(self) -> float:
        """How many care for this queue, as far as one can tell."""
        return self._sweep.hosts

    def is_due(self, rows: Sequence[Row], now: float) -> bool:
        """Whether the queue is to be tended: some of these workers may have delayed a retry."""
        return self._sweep.is_due(now, [row.retry_due for row in rows])

    def is_nearly_due(self, now: float) -> bool:
        """Whether it may be tended now, if others are."""
        return self._sweep.is_nearly_due(now)

    def visit(self, rows: Sequence[Row]) -> Visit:
        """What to ask for."""
        return self._sweep.visit([row.owner for row in rows])

    def is_crowded(self, visit: Visit, tended: Tended) -> bool:
        """Whether another host had just been there."""
        return self._sweep.is_crowded(visit, tended)

    def tended(
        self, visit: Visit, tended: Tended, sent: float, received: float, sooner: float
    ) -> None:
        """It was, by a request sent and answered then; ``sooner``: see `Rounds.made`."""
        self._grace.renewed(sent, received)
        self._sweep.made(visit, tended, sent, sooner)

    def see_to(self, rows: Sequence[Row], expired: Leases, now: float) -> None:
        """Recover what the dead hold, here and elsewhere, and what waits behind slow tasks;
        ``expired``: leases that ran out."""
        for row in rows:
            self._see_to(row, now)
        living = {row.owner for row in rows if row.alive}  # whatever their leases say
        for owner in expired.keys() - living if self._grace.is_over(now) else ():
            self._take_over(lapse_of(owner))

    def _see_to(self, row: Row, now: float) -> None:
        if row.state == State.DEAD:
            self._take_over(takeover_of(row))
            self._sights.forget(row)
            row.free()
        elif running := self._sights.slow_claim(row, now, time.monotonic):
            self.queue.give_back(row.owner, running, row.token)
            self._sights.gave_back(row)

    def _take_over(self, takeover: Takeover) -> None:
        take_over(self.queue, takeover, self._policy)
        # What it held may be put off, and what rang for it lies where nobody waits.
        self._sweep.come_again()

    def register(self, now: float) -> bool:
        """Tell operators' commands of it, now and then. Returns whether nobody is away for it."""
        return self._sweep.register(now)

    def hurry(self) -> None:
        """Let everything be due: after an outage, before anyone's lease may be taken."""
        self._sweep.hurry()


def takeover_of(row: Row) -> Takeover:
    """Of a worker that died here."""
    charged = row.running and row.is_charged
    failure = Failure(f"its worker (pid {row.pid}) {row.ending}") if charged else None
    return Takeover(row.owner, row.completed, row.token, failure)
