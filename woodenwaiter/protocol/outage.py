"""A server in trouble: how long to wait before the next attempt, and saying so once."""

from __future__ import annotations

import time

from .. import pace
from ..logs import log
from .link import is_outage


class Outage:
    """What one process knows of its server's trouble.

    Many processes see the same outage: only a ``spokesman`` tells of it, the others just of
    what concerns their own requests.
    """

    def __init__(self, address: str, lease: float, *, spokesman: bool) -> None:
        self._address = address
        self._backoff = pace.reconnect(lease)
        self._spokesman = spokesman
        self._failures = 0
        self._began = self._told = 0.0
        self.retry_at = 0.0

    def note(self, error: Exception) -> float:
        """Count a failed call; returns the seconds to wait before the next, until ``retry_at``."""
        now = time.monotonic()
        self._failures += 1
        if self._failures == 1:
            self._began, self._told = now, now - pace.REMIND
        if now - self._told >= pace.REMIND and (self._spokesman or not is_outage(error)):
            trouble = str(error).rstrip(".")
            log.warning("Redis at %s: %s; trying again until it works", self._address, trouble)
            self._told = now
        seconds = self._backoff.jittered(self._failures)
        self.retry_at = now + seconds
        return seconds

    def over(self) -> None:
        """A call succeeded."""
        if self._failures and self._told >= self._began:
            seconds = time.monotonic() - self._began
            log.warning("Redis at %s works again, after %.1f s", self._address, seconds)
        self._failures = 0
