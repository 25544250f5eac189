"""A limit on a process's own memory, checked without getting in the way of fast tasks."""

from __future__ import annotations

import math
import resource
import time
from pathlib import Path

import psutil

from .. import pace
from ..text import size

ROLLUP = Path("/proc/self/smaps_rollup")


class MemoryLimit:
    """A limit in bytes for what this process has of its own, beside what it shares with the one
    that forked it. To be made right after the fork: where the system does not tell the one from
    the other, what is resident then counts as shared. Methods return what there is to say.
    """

    def __init__(self, limit: int, rollup: Path = ROLLUP) -> None:
        self._limit = limit
        self._rollup = rollup
        self._shared = 0 if _private(rollup) is not None else _resident()
        self._at_start = 0
        self._next_check = 0.0

    def start(self) -> str:
        """Tasks begin. If it is over the limit by now, its successors would be no smaller: the
        limit counts from there."""
        own = self._own()
        if own <= self._limit:
            return ""
        self._at_start = own
        return (
            f"{size(own)} of its own before its first task, max_memory is {size(self._limit)}: "
            "it is replaced when it has that much more"
        )

    def excess(self) -> str:
        """Why it is to be replaced, once: then it is left alone."""
        began = time.monotonic()
        if began < self._next_check:
            return ""
        own = self._own()
        ended = time.monotonic()
        self._next_check = ended + max(pace.MEMORY_CHECK, (ended - began) / pace.MEMORY_SHARE)
        if own <= self._limit + self._at_start:
            return ""
        self._next_check = math.inf
        since = f" more than the {size(self._at_start)} at its start" if self._at_start else ""
        return f"{size(own)} of its own, max_memory is {size(self._limit)}{since}"

    def _own(self) -> int:
        """Bytes. What is resident is asked first: it is no less, and far cheaper to ask."""
        resident = _resident() - self._shared
        if self._shared or resident <= self._limit:
            return resident
        return _private(self._rollup) or 0  # unless it has no descriptor left to ask with


def _resident() -> int:
    """Bytes; where processes are hidden, the most that there ever were."""
    try:
        resident: int = psutil.Process().memory_info().rss
    except (psutil.Error, OSError):
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    return resident


def _private(rollup: Path) -> int | None:
    """The bytes that no other process has; None where the system does not tell."""
    try:
        lines = rollup.read_text().splitlines()
        private = [int(line.split()[1]) for line in lines if line.startswith("Private_")]
    except (OSError, ValueError, IndexError):
        return None
    return sum(private) << 10 or None  # there is no process without any
