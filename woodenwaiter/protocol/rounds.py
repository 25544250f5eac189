"""When a host tends a queue next: all hosts of a queue together often enough, and none of them so
often that it would matter to the server.

There is no election, and nobody to replace. Each host comes by the more rarely, the more there are,
and for what it sees coming: a retry that is due, a lease that nobody renews. Who starts, or was in
trouble, comes sooner once, each host by another part of the time: so those that start together
spread. Who is alone at a queue where all is calm just renews its leases: no other's can run out,
and what its own workers put off, it knows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from .. import pace

FOLLOWERS = 4
"""Of the hosts of a queue, come for a retry that one of them has seen to be due soon: with one in
fifty, none does, and it waits for the next round. Who delayed it comes in any case."""

NEARLY = 0.2
"""Of the time between two visits, that one may come too early, to be made together with others."""


class Rounds:
    """The visits of one host to one queue. ``phase``: from 0 to 1, of this host's; ``chance``:
    draws from 0 to 1; times are in monotonic seconds."""

    def __init__(self, lease: float, phase: float, chance: Callable[[], float]) -> None:
        self.hosts = 1.0
        """That tend this queue, as far as one can tell."""
        self.is_urgent = True
        """Whether one is due because something is new, or not as it was."""
        self._lease = lease
        self._phase = phase
        self._chance = chance
        self._made = -math.inf
        self._next = -math.inf
        self._close_at = -math.inf
        self._calm_at = math.inf  # unless something happens before

    @property
    def _every(self) -> float:
        is_calm = self.hosts == 1 and self._made >= self._calm_at
        return pace.round_every(self._lease, math.inf if is_calm else self.hosts)

    @property
    def _breath(self) -> float:
        """Between two visits for the sake of retries, so that many hosts do not all come for each:
        how late one may be."""
        return min(pace.ROUND, self._every) if self.hosts > 1 else 0.0

    def is_due(self, now: float, retries: Iterable[float] = ()) -> bool:
        """``retries``: when some are due that were delayed here."""
        return (
            self.is_urgent
            or now >= self._next
            or any(
                self._made < due and now >= max(due, self._made + self._breath) for due in retries
            )
        )

    def is_nearly_due(self, now: float) -> bool:
        return now >= self._next - NEARLY * self._every

    def is_close(self, now: float) -> bool:
        """Whether one that is made now is to do more than glance."""
        return self.is_urgent or now >= self._close_at

    def made(
        self,
        now: float,
        hosts: float | None,
        promoted: int,
        following: float | None,
        lapse: float | None = None,
    ) -> None:
        """A visit was made at ``now``, by one of so many hosts, None where they were not counted;
        so many retries came to the queue, and the next is due in ``following`` seconds: 0 where it
        is, but did not come; the next lease runs out in ``lapse`` seconds."""
        part = self._phase if self.is_urgent else 1
        if hosts is not None:
            self.hosts = max(1.0, hosts)
            self._close_at = now + pace.closely_every(self.hosts) * part
        self._made = now
        if self.hosts > 1 or promoted or following is not None or math.isinf(self._calm_at):
            self._calm_at = now + pace.CALM
        self._next = now + self._every * part
        self.is_urgent = False
        if following is not None:
            self._next = min(self._next, now + self._until_retry(promoted, following))
        if lapse is not None:  # before the next visit, only one that was to be renewed long ago
            self._next = min(self._next, now + lapse + self._chance() * pace.ROUND)

    def _until_retry(self, promoted: int, following: float) -> float:
        if self.hosts == 1 or (promoted and not following):
            return following
        if self._chance() * self.hosts >= FOLLOWERS:
            return math.inf
        return following + self._chance() * self._breath

    def hurry(self) -> None:
        """Let one be due."""
        self.is_urgent = True
