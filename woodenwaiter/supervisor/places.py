"""The queues of a supervisor, and how the setups of their workers fare: decisions alone."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import NamedTuple

from .. import pace
from .time_limits import TimeLimit


class Stage(IntEnum):
    """Of a drain: whose turn it is to leave."""

    WORKERS = 0
    HOUSEKEEPER = 1
    METRICS = 2
    WEB = 3
    WATCHER = 4
    SERVER = 5


class Setups:
    """Of the workers of one queue. What fails in one fails in the others, and again: one of them
    tells why, once; then there is a line in `pace.REMIND`, until that one succeeds.

    ``seconds``: within which one of them has to succeed.
    """

    def __init__(self, queue: str, seconds: float) -> None:
        self.queue = queue
        self._seconds = seconds
        self._deadline = math.inf
        self._teller: int | None = None  # the number of the worker that tells
        self._has_told = False
        self._told_at = -math.inf
        self._said_at = -math.inf
        self._untold = 0

    def begin(self, number: int, now: float) -> bool:
        """Of a worker that starts: whether it is to tell why its setup fails, should it fail."""
        if self._said_at == -math.inf:
            self._said_at, self._deadline = now, now + self._seconds
        if self._teller is None:
            self._teller = number
        is_due = not self._has_told and now - self._told_at >= pace.REMIND
        return number == self._teller and is_due

    def succeeded(self, number: int) -> None:
        self._deadline = math.inf
        if number == self._teller:
            self._teller, self._has_told = None, False

    def failed(self, now: float, *, told: bool) -> str:
        """What is to be said of it, if anything; ``told``: the worker has said why."""
        if told:
            self._has_told, self._told_at, self._said_at = True, now, now
        else:
            self._untold += 1
        if self.is_hopeless(now):
            return f"no worker of {self.queue} got through its setup in {self._seconds:g} s"
        if not self._untold or now - self._said_at < pace.REMIND:
            return ""
        times, self._untold, self._said_at = self._untold, 0, now
        return f"the setup of {self.queue} failed {times} times more, and is tried again"

    def next_try(self, now: float, due: float) -> float:
        """When it is to be tried again, which is ``due`` then: not later than for the last time."""
        return min(due, max(now, self._deadline))

    def is_hopeless(self, now: float) -> bool:
        """Whether none has succeeded in time."""
        return now >= self._deadline


class Place(NamedTuple):
    """A queue, how many workers it is to have, and the seconds that its tasks may take, and be
    silent."""

    queue: str
    workers: int
    timeout: float | None = None
    setups: Setups | None = None
    silence: float | None = None

    def time_limit(self, born: float) -> TimeLimit:
        """Of a worker."""
        return TimeLimit(self.timeout or math.inf, born, self.silence or math.inf)
