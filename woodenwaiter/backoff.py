"""How long to wait before the next attempt: a pure function of the attempt's number."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from .errors import WrongType, WrongValue

LONGEST = 1e9
"""Seconds; some thirty years."""


@dataclass(frozen=True)
class Backoff:
    """Exponential: ``first`` seconds, then twice as long each time, never over ``longest``.

    Raises WrongType for what is no number, WrongValue unless 0 <= first <= longest < LONGEST.
    """

    first: float = 2.0
    longest: float = 600.0

    def __post_init__(self) -> None:
        for seconds in (self.first, self.longest):
            if not isinstance(seconds, int | float):
                raise WrongType(f"a backoff is made of numbers of seconds, not of {seconds!r:.100}")
        if not 0 <= self.first <= self.longest < LONGEST:
            raise WrongValue(f"a backoff needs 0 <= first <= longest < {LONGEST:g}, not {self}")

    def ceiling(self, attempt: int) -> float:
        """The longest wait in seconds after failure number ``attempt`` (counted from 1)."""
        doublings = min(attempt - 1, 64)  # 2.0**64 is past any `longest`; a larger power overflows
        return min(self.longest, self.first * 2.0**doublings)

    def jittered(self, attempt: int, chance: Callable[[], float] = random.random) -> float:
        """Between 0 and the ceiling, in seconds: "full jitter", so that what failed together
        does not come back together."""
        return self.ceiling(attempt) * chance()
