"""A server in trouble: how long to wait before the next attempt, and how often to say so."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum

from .. import pace
from ..events import about
from ..logs import log
from .replies import Reply, is_outage, reply_of

MOST_KINDS = 100
"""Of trouble that are told apart."""


class Tells(Enum):
    """What one of many processes says, all of which see the same."""

    EVERYTHING = "for all of them"
    REFUSALS = "what a server refuses those that ask for the same"
    NOTHING = "another one does"


class Outage:
    """What one process knows of a trouble that comes and goes.

    Of each kind it says one line in `pace.REMIND`, however often it began and ended meanwhile; one
    more where it has lasted for `pace.LASTS`, and the log last said something else. That it is over
    it says once it has been for `pace.WELL`. ``subject``: what is in trouble.
    """

    def __init__(
        self,
        subject: str,
        lease: float,
        *,
        tells: Tells = Tells.EVERYTHING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._subject = subject
        self._backoff = pace.reconnect(lease)
        self._tells = tells
        self._clock = clock
        self._failures = 0  # since a call succeeded
        self._began: float | None = None
        self._well_since: float | None = None
        self._is_told = False  # of this trouble, whatever its kinds
        self._kinds: dict[str, _Kind] = {}
        self._last_said = ""  # the kind of which the log spoke last
        self._present, self._present_since = "", 0.0  # the kind of all failures since then
        self.retry_at = 0.0

    def note(self, error: Exception) -> float:
        """Count a failed call; returns the seconds to wait before the next, until ``retry_at``."""
        now = self._clock()
        if self._began is None:
            self._began = now
        self._well_since = None
        self._failures += 1
        if self._concerns_us(error):
            self._tell(reply_of(error), now)
        seconds = self._backoff.jittered(self._failures)
        self.retry_at = now + seconds
        return seconds

    @property
    def is_on(self) -> bool:
        """Whether it has begun, and is not over."""
        return self._began is not None

    def over(self) -> None:
        """A call succeeded."""
        self._failures = 0
        self._present = ""
        if self._began is None:
            return
        now = self._clock()
        if self._well_since is None:
            self._well_since = now
        if now - self._well_since >= pace.WELL:
            if self._is_told:
                seconds = self._well_since - self._began
                extra = about("redis.recovered", subject=self._subject, seconds=seconds)
                log.warning("%s works again, after %.1f s", self._subject, seconds, extra=extra)
            self._began, self._is_told, self._last_said = None, False, ""

    def _concerns_us(self, error: Exception) -> bool:
        if self._tells is Tells.REFUSALS:
            return not is_outage(error)
        return self._tells is Tells.EVERYTHING

    def _tell(self, reply: Reply, now: float) -> None:
        name = _kind_of(reply)
        if len(self._kinds) > MOST_KINDS:
            self._kinds.clear()
        kind = self._kinds.setdefault(name, _Kind())
        if not (self._is_news(name, now) or now - kind.told_at >= pace.REMIND):
            kind.untold += 1
            return
        trouble = reply.whole.rstrip(".")
        often = f" ({kind.untold} times more since this was last said)" if kind.untold else ""
        extra = about("redis.outage", subject=self._subject, cause=trouble)
        message = "%s: %s%s; trying again until it works"
        log.warning(message, self._subject, trouble, often, extra=extra)
        kind.told_at, kind.untold = now, 0
        self._is_told, self._last_said = True, name

    def _is_news(self, name: str, now: float) -> bool:
        """Whether it is what is the matter by now, and who reads the log believes otherwise."""
        if name != self._present:
            self._present, self._present_since = name, now
        return name != self._last_said and now - self._present_since >= pace.LASTS


class _Kind:
    """When it was last told of, and how often it has been seen since."""

    def __init__(self) -> None:
        self.told_at = -pace.REMIND
        self.untold = 0


def _kind_of(reply: Reply) -> str:
    """Its code and its first words: what follows may be another each time."""
    return " ".join([reply.code, *reply.text.split()[:3]])
