"""What a process uses of the machine, and what of it a task does."""

from __future__ import annotations

import sys
import time
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage, struct_rusage
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
        return cls(time.monotonic(), *used())

    def since(self, former: Reading) -> Cost:
        return Cost(self.at - former.at, self.cpu - former.cpu, self.peak - former.peak)


def used() -> tuple[float, int]:
    """Seconds of CPU and peak of memory, as in `Reading`. It costs about a microsecond."""
    own, children = getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN)
    cpu = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    return cpu, own.ru_maxrss * PEAK_UNIT


def cpu_of(usage: struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


def _in_seconds(number: float) -> str:
    return f"{number:.1f} s" if number >= 1 else f"{number:.3f} s"
