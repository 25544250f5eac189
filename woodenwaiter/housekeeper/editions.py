"""When a supervisor tells of itself: soon where what it told is no longer so, else in time for it
not to be forgotten."""

from __future__ import annotations

import math

from .. import pace
from ..protocol.hosts import Host


class Editions:
    """Of one document. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._written = self._look_at = self._again_at = -math.inf
        self._essence: Host | None = None

    def is_wanted(self, now: float, *, is_asking: bool) -> bool:
        """Whether to look at what there is to tell. ``is_asking``: the server is asked for other
        things now."""
        if now < max(self._written + pace.PUBLISH, self._again_at):
            return False
        return is_asking or now >= min(self._look_at, self._written + pace.REPUBLISH)

    def is_due(self, host: Host, now: float) -> bool:
        """Whether this is to be told, whatever else is asked for."""
        self._look_at = now + pace.NEWS
        return now >= self._written + pace.REPUBLISH or host.essence != self._essence

    def written(self, host: Host, now: float) -> None:
        self._written, self._essence = now, host.essence

    def put_off(self, seconds: float, now: float) -> None:
        """It could not be told."""
        self._again_at = now + seconds
