"""What is done for one queue, and what is known of its server."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from .. import pace
from ..logs import log
from ..processes.row import Row
from ..protocol.grace import Leases, ServerClock
from ..protocol.outage import Outage
from ..protocol.pulse import Pulse
from ..protocol.recovery import Sweep, expired_by
from ..protocol.tending import Tended, Visit
from .backlog import Backlog
from .timing import Timing
from .trimming import Trimming
from .upkeep import Upkeep


class Node:
    """What is known of one server."""

    def __init__(self, address: str, lease: float) -> None:
        self.address = address
        self.outage = Outage(f"Redis at {address}", lease)
        self.clock = ServerClock(lease)
        self._lease = lease

    def expired(self, tended: Tended, sent: float, received: float) -> Leases:
        """None where it took long, perhaps as another server kept this one's answer waiting: it
        says too little of the clock."""
        if received - sent > pace.unnoticed_step(self._lease):
            return {}
        return expired_by(self.clock, tended, sent, received, self.address, self._lease)


@dataclass(eq=False)
class Care:
    """For one queue: what is done for it, and what is wrong with that queue alone; in this look:
    its workers, and the leases that ran out."""

    sweep: Sweep
    upkeep: Upkeep
    backlog: Backlog
    trimming: Trimming
    outage: Outage
    node: Node
    rows: Sequence[Row] = ()
    expired: Leases = field(default_factory=dict)
    answered_at: float = 0.0  # when its server did last (monotonic seconds)
    pulse: Pulse = field(default_factory=lambda: Pulse(random.random))
    timing: Timing | None = None

    def is_due(self, now: float) -> bool:
        """Whether the queue is to be tended: some of these workers may have delayed a retry."""
        retries = [row.retry_due for row in self.rows]
        return self.sweep.rounds.is_due(now, retries) or self.pulse.is_due(now, self._progress)

    def visit(self, now: float) -> Visit:
        """What to ask for."""
        owners = [row.owner for row in self.rows]
        visit = self.sweep.visit(owners, now, self.node.clock.reads(now))
        visit = visit._replace(times=self.timing.addition(now) if self.timing else None)
        if not self.pulse.is_due(now, self._progress):
            return visit
        return visit._replace(seen=self.pulse.seen, max_dead=self.trimming.kept)

    def visited(self, visit: Visit, tended: Tended, sent: float, received: float) -> None:
        """By a request that was sent and answered then."""
        self.upkeep.renewed(sent, received)
        self.sweep.made(visit, tended, sent)
        hosts = self.sweep.rounds.hosts
        if trouble := self.pulse.visited(tended, sent, received, hosts, self._progress):
            log.warning("what %s does is not noted: %s", self.sweep.queue.name, trouble)
        if self.trimming.heard(tended.trimmed):
            self.pulse.stir()
        if self.timing and visit.times:
            queue = self.sweep.queue.name
            if trouble := self.timing.heard(tended.untold, received, hosts):
                log.warning("how long handlers of %s take is not told: %s", queue, trouble)

    @property
    def _progress(self) -> int:
        return sum(row.started + row.completed for row in self.rows)
