"""What workers spend on their queues: which dish burns the machine."""

from __future__ import annotations

import mmap
from typing import NamedTuple

QUEUE_BYTES = 64
"""A cache line for each queue, of which there is room."""

_BUSY, _CPU = range(2)


class Effort(NamedTuple):
    """What workers have spent: ``busy`` seconds in tasks, and seconds of ``cpu`` in all, of their
    own and of the processes that they waited for."""

    busy: float = 0.0
    cpu: float = 0.0

    def plus(self, other: Effort) -> Effort:
        return Effort(self.busy + other.busy, self.cpu + other.cpu)

    def __str__(self) -> str:
        return f"{self.busy:.1f} s in tasks, {self.cpu:.1f} s of CPU"


class Efforts:
    """In shared memory, by a queue's index: what its workers spent that are no more. The
    housekeeper alone adds to it."""

    def __init__(self, queues: int) -> None:
        self._words = memoryview(mmap.mmap(-1, queues * QUEUE_BYTES)).cast("q")

    def __getitem__(self, queue: int) -> Effort:
        start = queue * QUEUE_BYTES // 8
        return Effort(self._words[start + _BUSY] / 1e9, self._words[start + _CPU] / 1e9)

    def add(self, queue: int, effort: Effort) -> None:
        start = queue * QUEUE_BYTES // 8
        self._words[start + _BUSY] += int(effort.busy * 1e9)
        self._words[start + _CPU] += int(effort.cpu * 1e9)
