"""When a lease may be held to have run out: not before its owner had the time to renew it.

No socket, no clock: who renews and who asks for expired leases tells what happened, and when.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from .. import pace

Leases = Mapping[str, float]
"""Owners, and when the leases of each end or ended, in seconds by the server's clock."""


class Grace:
    """What the renewals of one queue's leases tell: while they fail, so may those of others."""

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._renewed_at = -math.inf
        self._since = math.inf

    def renewed(self, sent: float, answered: float) -> None:
        """Leases were renewed by a request that was sent and answered then."""
        if answered - self._renewed_at > pace.outage_from(self._lease):
            self._since = answered
        self._renewed_at = sent

    def is_over(self, now: float) -> bool:
        """Whether everybody had the time to renew, since the last time that nobody may have."""
        return now - self._since >= pace.grace_after_outage(self._lease)


class Missed:
    """For one who looks too rarely to know what kept others from renewing: who lives has renewed
    his lease a lease later."""

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._seen: dict[tuple[str, float], float] = {}

    def still(self, expired: Leases, now: float) -> list[str]:
        """The owners whose leases were seen to have run out a lease ago, and are as they were."""
        self._seen = {found: self._seen.get(found, now) for found in expired.items()}
        return [owner for (owner, _), since in self._seen.items() if now - since >= self._lease]


class ServerClock:
    """The server's clock by that of this process: a step makes leases that hold look run out."""

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._ahead = (-math.inf, math.inf)  # of ours, at least and at most
        self._steady_since = math.inf

    def note(self, sent: float, server: float, received: float) -> float:
        """The server said its time between two of ours. Returns by how much, at most, its clock
        went forward since it last did (backward: less than 0), if that is more than may pass
        unnoticed; else 0."""
        least, most = self._ahead
        is_first = math.isinf(most)
        self._ahead = server - received, server - sent
        forward, backward = self._ahead[1] - least, most - self._ahead[0]
        if max(forward, backward) <= pace.unnoticed_step(self._lease):
            return 0.0
        self._steady_since = received
        return 0.0 if is_first else forward if forward > backward else -backward

    def reads(self, now: float) -> float | None:
        """What it says at most; None: it is not known well enough to say when leases end."""
        least, most = self._ahead
        return now + most if most - least <= pace.CLOCK_WIDTH else None

    def is_steady(self, now: float) -> bool:
        """Whether everybody had the time to renew, since it last made a step."""
        return now - self._steady_since >= pace.grace_after_outage(self._lease)
