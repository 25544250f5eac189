"""Shared memory in which the housekeeper tells the supervisor what waits for more workers."""

from __future__ import annotations

DEMAND_BYTES = 64
"""A cache line for each of the supervisor's places."""

_WATCHED, _WAITING, _SINCE, _COUNTED = range(4)  # 64-bit words


class Demand:
    """Tasks that wait for workers of one place: the supervisor says whether it wants to know, the
    housekeeper what it found. Each word has one writer."""

    def __init__(self, memory: memoryview) -> None:
        self._words = memory.cast("q")

    # Set by the supervisor.

    def watch(self, is_watched: bool) -> None:
        self._words[_WATCHED] = is_watched

    # Set by the housekeeper.

    def tell(self, waiting: int, now: float) -> None:
        """So many wait at ``now`` (monotonic seconds)."""
        moment = int(now * 1e9)
        if not self.waiting:
            self._words[_SINCE] = moment
        self._words[_COUNTED] = moment
        self._words[_WAITING] = waiting

    # Read by anyone.

    @property
    def is_watched(self) -> bool:
        return bool(self._words[_WATCHED])

    @property
    def waiting(self) -> int:
        return self._words[_WAITING]

    @property
    def since(self) -> float:
        """When the first count was made from which on there have always been some."""
        return self._words[_SINCE] / 1e9

    @property
    def counted(self) -> float:
        """When the last count was made."""
        return self._words[_COUNTED] / 1e9
