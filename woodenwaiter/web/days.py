"""How the day of a queue was: read once a minute, however often it is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..protocol.beats import MOST_MINUTES, minutes_of
from ..protocol.history import A_MINUTE, Beat, by_step
from ..protocol.link import Link, ServerTrouble
from ..protocol.replies import is_outage
from ..protocol.times import Times, times_of
from .views import days

STEP = 300
"""Seconds of a step in a plot."""

STEPS = 86400 // STEP

KEPT = 20
"""Queues."""


class Days:
    """For one thread."""

    def __init__(self) -> None:
        self._days: dict[str, tuple[int, Mapping[str, Any]]] = {}

    def of(self, link: Link, queue: str, now: Beat) -> Mapping[str, Any]:
        """The parts of a view, up to ``now``. Raises what is in `link.ServerTrouble`."""
        minute = int(now.time // A_MINUTE)
        if queue not in self._days or self._days[queue][0] != minute:
            while len(self._days) >= KEPT:
                del self._days[next(iter(self._days))]
            self._days[queue] = minute, _read(link, queue, now)
        return self._days[queue][1]


def _read(link: Link, queue: str, now: Beat) -> Mapping[str, Any]:
    """What somebody else has written there is as if nothing was."""
    [minutes] = minutes_of(link, [queue], MOST_MINUTES)
    noted = [] if isinstance(minutes, Exception) else minutes
    *whole, _ = by_step(noted, now, STEP, STEPS + 1)  # of the present one, less has come so far
    return {"day": days.plot(whole, STEP), "heat": days.heat(_times(link, queue))}


def _times(link: Link, queue: str) -> Times | None:
    try:
        return times_of(link, queue)
    except ServerTrouble as error:
        if is_outage(error):
            raise
        return None
