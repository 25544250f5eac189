"""How long to wait before the next attempt: pure functions of the attempt's number."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

LONGEST = 1e9
"""Seconds; some thirty years."""


@dataclass(frozen=True)
class Backoff:
    """Exponential: ``first`` seconds, then twice as long each time, never over ``longest``."""

    first: float = 2.0
    longest: float = 600.0

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.longest < LONGEST:
            raise ValueError(f"a backoff needs 0 <= first <= longest < {LONGEST:g}, not {self}")

    def ceiling(self, attempt: int) -> float:
        """The longest wait in seconds after failure number ``attempt`` (counted from 1)."""
        doublings = min(attempt - 1, 64)  # 2.0**64 is past any `longest`; a larger power overflows
        return min(self.longest, self.first * 2.0**doublings)

    def jittered(self, attempt: int, chance: Callable[[], float] = random.random) -> float:
        """Between 0 and the ceiling, in seconds: "full jitter", so that what failed together
        does not come back together."""
        return self.ceiling(attempt) * chance()


RECONNECT = Backoff(first=0.2, longest=5.0)
"""Between two attempts to reach Redis: 5 s bounds how long a worker idles once it is back."""


RESPAWN = Backoff(first=0.1, longest=30.0)
YOUNG = 10.0
"""A child that dies before it is this old (seconds), with no task done, may be unable to live."""


def respawn_delay(young_deaths: int) -> float:
    """Seconds until a child's replacement starts, after ``young_deaths`` early deaths in a row.

    The first death is forgiven: most are one task's fault, and the queue should not wait.
    """
    return RESPAWN.ceiling(young_deaths - 1) if young_deaths > 1 else 0.0
