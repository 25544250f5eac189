"""What rings when there may be something to claim, so that nobody has to ask again and again."""

from __future__ import annotations

import logging
import time
from typing import Any

from redis.exceptions import ResponseError

from .. import pace
from ..logs import log
from .keys import Keys
from .link import Command
from .pausing import seconds_left
from .replies import Meaning, meaning_of, reply_of


class Bell:
    """Of one queue: a push; while the queue is paused, the end of that. ``speaks``: for those that
    go without it as this one does, where the server refuses it."""

    def __init__(self, keys: Keys, *, speaks: bool) -> None:
        self._keys = keys
        self._level = logging.WARNING if speaks else logging.DEBUG
        self._again_at = 0.0
        self._paused_until, self._pause = 0.0, ""

    @property
    def is_refused(self) -> bool:
        """For now: who waits has to ask."""
        return time.monotonic() < self._again_at

    @property
    def is_paused(self) -> bool:
        """As far as it is known."""
        return time.monotonic() < self._paused_until

    def note_pause(self, milliseconds: int, number: str) -> None:
        """``milliseconds``: that it has left, as PTTL tells them."""
        self._paused_until, self._pause = time.monotonic() + seconds_left(milliseconds), number

    def note_end(self) -> None:
        """Something was claimed, or could have been."""
        self._paused_until = 0.0

    def wait(self, seconds: float) -> Command:
        """Wait for it. Who rings the one for a push moves an entry."""
        if self.is_paused:
            resumed = self._keys.resumed(self._pause)  # onto itself: it wakes all who wait
            left = self._paused_until - time.monotonic()
            seconds = max(pace.LEAST_WAIT, min(seconds, left))
            return ("BLMOVE", resumed, resumed, "RIGHT", "LEFT", seconds)
        return ("BLMOVE", self._keys.queue, self._keys.arrivals, "RIGHT", "LEFT", seconds)

    def heed(self, rang: Any) -> None:
        """Go without it for a while where the server refuses it for good; raises another error."""
        if not isinstance(rang, ResponseError):
            return
        if meaning_of(rang) is not Meaning.FORBIDDEN:
            raise rang
        self._again_at = time.monotonic() + pace.BELL_AGAIN
        message = "workers of %s may not wait for tasks, and ask for them every %g s: %s"
        log.log(self._level, message, self._keys.queue, pace.POLL, reply_of(rang).whole)
