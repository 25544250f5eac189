"""What a failover is not to undo: so many replicas have it before anybody goes on."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from typing import Any

from .. import pace
from ..logs import log
from .replies import reply_of
from .wire import Command


class Replicas:
    """``count`` replicas that are to have what a request did; 0: nobody waits for any.

    ``timeout``: seconds after which a silent server counts as gone; ``speaks``: for those that
    see the same.
    """

    def __init__(self, count: int, timeout: float, *, speaks: bool = True) -> None:
        self._seconds = pace.replicas_within(timeout)
        self._count = count
        self._level = logging.WARNING if speaks else logging.DEBUG
        self._told_at = -math.inf
        self.commands: tuple[Command, ...] = (
            (("WAIT", count, int(self._seconds * 1000)),) if count else ()
        )

    def note(self, outcomes: Sequence[Any], address: str) -> None:
        """What ``commands`` were answered. What was done stands, whoever has it: the work goes on,
        and once in `pace.REMIND` it is told."""
        shortages = [*filter(None, map(self.shortage, outcomes))]
        now = time.monotonic()
        if shortages and now - self._told_at >= pace.REMIND:
            self._told_at = now
            message = "Redis at %s: should it fail over, finished tasks run again: %s"
            log.log(self._level, message, address, shortages[0])

    def shortage(self, outcome: Any, what: str = "them") -> str:
        """Why it is not certain that enough of them have it; "": it is."""
        if isinstance(outcome, Exception):
            return f"WAIT is refused: {reply_of(outcome).whole}"
        if outcome >= self._count:
            return ""
        return f"{outcome} of {self._count} replicas have taken {what} within {self._seconds:g} s"
