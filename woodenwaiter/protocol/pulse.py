"""When a host notes what has come to a queue and left it: no more often than all of its hosts
together need to, and not while nothing happens. No socket, no clock."""

from __future__ import annotations

import math
from collections.abc import Callable

from .. import pace
from .beats import Noted, Seen
from .replies import reply_of
from .tending import Tended


class Pulse:
    """The beats of one host for one queue. ``chance``: draws from 0 to 1.

    ``progress``: a number that changes whenever this host's workers begin or end a task; times are
    in monotonic seconds.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self.seen = Seen()
        self._chance = chance
        self._next = -math.inf
        self._is_stirred = True  # the first one is what others are compared with
        self._progress = 0
        self._trouble = ""

    def is_due(self, now: float, progress: int) -> bool:
        """Whether a visit that is made now is to note one."""
        return now >= self._next and (self._is_stirred or progress != self._progress)

    def visited(
        self, tended: Tended, sent: float, received: float, hosts: float, progress: int
    ) -> str:
        """The queue was, by one of so many hosts, by a request that was sent and answered then.
        Returns why no beat could be noted, where that is new."""
        if tended.time < max(self.seen):
            self.seen = Seen()  # the server's clock went back
        if tended.beat:
            left = self._heard(tended.beat, progress)
            self._next = received + left + pace.beat_every(hosts, self._chance())
        if tended.waiting:
            self._is_stirred = True
        else:  # be it a little before the time that is told
            self.seen = self.seen._replace(empty_at=tended.time - (received - sent))
        return self._new_trouble(tended.beat)

    def stir(self) -> None:
        """There is something to do at the next one."""
        self._is_stirred = True

    def _heard(self, beat: Noted | Exception, progress: int) -> float:
        """What came of a beat; returns the seconds until there may be another."""
        # What was done last is settled a moment later: another one follows.
        self._is_stirred = progress != self._progress
        self._progress = progress
        if isinstance(beat, Exception):
            return pace.BEAT
        self._is_stirred |= not beat.is_same
        if beat.is_same:
            self.seen = self.seen._replace(same_at=beat.time)
        return beat.left

    def _new_trouble(self, beat: Noted | Exception | None) -> str:
        if beat is None:
            return ""
        before = self._trouble
        self._trouble = reply_of(beat).whole if isinstance(beat, Exception) else ""
        return self._trouble if self._trouble != before else ""
