"""Tells a queue's server how long handlers took here: now and then, and nothing waits for it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from functools import reduce

from .. import pace
from ..processes.scoreboard import Scoreboard
from ..processes.totals import Totals
from ..protocol.replies import reply_of
from ..protocol.times import Addition


class Timing:
    """Of one queue, which has these ``places`` on the scoreboard; ``name``: of the document of this
    supervisor. Times are monotonic seconds; ``chance``: draws from 0 to 1."""

    def __init__(
        self,
        scoreboard: Scoreboard,
        places: Sequence[int],
        name: str,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._scoreboard = scoreboard
        self._places = places
        self._name = name
        self._chance = chance
        self._told = self._sent = scoreboard.told_times[places[0]]
        self._next = -math.inf
        self._trouble = ""

    def addition(self, now: float) -> Addition | None:
        """What a request that is made now anyway is to add; None: nothing."""
        if now < self._next:
            return None
        addition = self.rest
        if addition is None:
            self._next = now + pace.BEAT
        return addition

    @property
    def rest(self) -> Addition | None:
        """What the server is not known to have; None: that is nothing."""
        found = self._scoreboard.totals_of(self._places).values()
        self._sent = [*reduce(Totals.plus, found).times]
        return None if self._sent == self._told else Addition(self._name, self._sent, self._told)

    def heard(self, outcome: object, now: float, hosts: float) -> str:
        """What came of it, of one of so many hosts. Returns why it could not be added, where that
        is new."""
        self._next = now + pace.times_every(hosts) * (1 + self._chance()) / 2
        trouble = reply_of(outcome).whole if isinstance(outcome, Exception) else ""
        if not trouble:
            self._told = self._scoreboard.told_times[self._places[0]] = self._sent
        before, self._trouble = self._trouble, trouble
        return trouble if trouble != before else ""
