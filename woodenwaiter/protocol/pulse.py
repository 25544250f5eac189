"""When a host notes what has come to a queue and left it: no more often than all of its hosts
together need to, and not while nothing happens. No socket, no clock."""

from __future__ import annotations

import math
from collections.abc import Callable

from .. import pace
from .beats import Noted
from .replies import reply_of
from .tending import Tended


class Pulse:
    """The beats of one host for one queue. ``chance``: draws from 0 to 1.

    ``progress``: a number that changes whenever this host's workers begin or end a task; times are
    in monotonic seconds.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self.empty_at = 0.0
        """When the queue was last seen to have nothing waiting, by the server's clock, in seconds;
        0: never."""
        self._chance = chance
        self._next = -math.inf
        self._is_stirred = True  # the first one is what others are compared with
        self._waiting = 0
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
        if tended.waiting == 0:
            self.empty_at = tended.time - (received - sent)  # it may have been before its time
        self._is_stirred |= tended.waiting != self._waiting
        self._waiting = tended.waiting
        if tended.beat is None:
            return ""
        left, is_news = tended.beat if isinstance(tended.beat, Noted) else (pace.BEAT, False)
        # What was done last is settled a moment later: another one follows.
        self._is_stirred = is_news or progress != self._progress
        self._progress = progress
        self._next = received + left + pace.beat_every(hosts, self._chance())
        return self._trouble_of(tended.beat)

    def _trouble_of(self, beat: Noted | Exception) -> str:
        before = self._trouble
        self._trouble = "" if isinstance(beat, Noted) else reply_of(beat).whole
        return self._trouble if self._trouble != before else ""
