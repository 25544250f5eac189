"""What a process uses of the machine, and what of it a task does."""

from __future__ import annotations

import resource
import sys
import time
from typing import NamedTuple

PEAK_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes, of what the system counts resident memory in."""


class Cost(NamedTuple):
    """What a task has cost: ``seconds`` by the clock, ``cpu_seconds`` of its worker and of the
    processes that this has waited for, and the bytes of ``memory`` by which the most that its
    worker ever had has grown."""

    seconds: float
    cpu_seconds: float
    memory: int

    def __str__(self) -> str:
        seconds, cpu = map(_in_seconds, self[:2])
        return f"{seconds}, {cpu} of CPU, +{self.memory / 2**20:.0f} MiB"


class Reading(NamedTuple):
    """What this process has used by a moment, in monotonic seconds; ``peak`` is in bytes."""

    at: float
    cpu: float
    peak: int

    @classmethod
    def now(cls) -> Reading:
        """It costs about a microsecond."""
        own = resource.getrusage(resource.RUSAGE_SELF)
        cpu = cpu_of(own) + cpu_of(resource.getrusage(resource.RUSAGE_CHILDREN))
        return cls(time.monotonic(), cpu, own.ru_maxrss * PEAK_UNIT)

    def since(self, former: Reading) -> Cost:
        return Cost(self.at - former.at, self.cpu - former.cpu, self.peak - former.peak)


def cpu_of(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


def _in_seconds(number: float) -> str:
    return f"{number:.1f} s" if number >= 1 else f"{number:.3f} s"
