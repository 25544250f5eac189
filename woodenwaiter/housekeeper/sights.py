"""Which running task is slow enough for what was claimed with it to go elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

from .. import pace


class Running(Hashable, Protocol):
    """What a row of the scoreboard says of a worker's claims."""

    @property
    def incarnation(self) -> int: ...
    @property
    def running(self) -> int: ...
    @property
    def holds_several(self) -> bool: ...
    @property
    def slow_from(self) -> float: ...


@dataclass
class _Sight:
    """Since when a task was seen running, and whether what waits behind it was given back."""

    task: tuple[int, int]
    since: float
    is_done: bool = False


class Sights:
    """What the looks at the scoreboard so far have seen."""

    def __init__(self) -> None:
        self._sights: dict[Running, _Sight] = {}

    def slow_claim(self, row: Running, now: float, clock: Callable[[], float]) -> int:
        """The number of the claim that runs, if those behind it are to be given back; else 0.

        ``now``: when this look began, in seconds of ``clock``. A task is slow when a look SLOW ago
        had seen it. Its worker measures from before that one's end to after this one's beginning:
        at least as long.
        """
        running = row.running
        task = (row.incarnation, running)
        sight = self._sights.get(row)
        if sight is None or sight.task != task:
            # Not since `now`, which may be long past: the look had to see to others first.
            self._sights[row] = _Sight(task, clock())
            return 0
        if sight.is_done or not row.holds_several or now - sight.since < pace.SLOW:
            return 0
        return running

    def can_tell_at(self, row: Running, now: float) -> float:
        """When the next look can tell that this row's task is slow, should it seem so at ``now``.
        Most that have only just begun are over by then: of those the ordinary looks tell."""
        sight = self._sights.get(row)
        if sight is None or sight.is_done or row.slow_from > now:
            return math.inf
        tells_at = sight.since + pace.SLOW
        return tells_at if tells_at > now else math.inf  # it told, and could not be helped

    def gave_back(self, row: Running) -> None:
        """What was claimed with the running one is elsewhere: once is enough."""
        self._sights[row].is_done = True

    def forget(self, row: Running) -> None:
        self._sights.pop(row, None)
