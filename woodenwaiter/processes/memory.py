"""A limit on a process's resident memory, checked without getting in the way of fast tasks."""

from __future__ import annotations

import time

import psutil

from .. import pace
from ..logs import log


class MemoryLimit:
    """A limit in bytes for this process. One that is over it from the start is told once, and then
    left alone: its successors would be no smaller."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._process = psutil.Process()
        self._next_check = 0.0
        self._over = False
        if self._resident() > limit:
            log.error("over max_memory at the start: %d bytes of %d", self._resident(), limit)
            self._next_check = float("inf")

    def is_exceeded(self) -> bool:
        """Whether the limit has been exceeded; true only once."""
        now = time.monotonic()
        if self._over or now < self._next_check:
            return False
        self._next_check = now + pace.MEMORY_CHECK
        self._over = self._resident() > self._limit
        return self._over

    def _resident(self) -> int:
        resident: int = self._process.memory_info().rss
        return resident
