"""What workers spend on their queues: which dish burns the machine."""

from __future__ import annotations

from typing import NamedTuple


class Effort(NamedTuple):
    """What workers have spent: ``busy`` seconds in tasks, and seconds of ``cpu`` in all, of their
    own and of the processes that they waited for."""

    busy: float = 0.0
    cpu: float = 0.0

    def plus(self, other: Effort) -> Effort:
        return Effort(self.busy + other.busy, self.cpu + other.cpu)

    def __str__(self) -> str:
        return f"{self.busy:.1f} s in tasks, {self.cpu:.1f} s of CPU"
