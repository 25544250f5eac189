"""Has the supervisor do what its signals ask for, for who is not on its host."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping

from .. import pace
from ..processes.scoreboard import Scoreboard
from ..protocol.errands import Answer, Errand
from .errands import Job, Verb
from .tracing import SUPERVISOR_SILENT

SIGNALS = {
    "quiet": signal.SIGTSTP,
    "continue": signal.SIGCONT,
    "drain": signal.SIGTERM,
    "restart": signal.SIGHUP,
    "grow": signal.SIGTTIN,
    "shrink": signal.SIGTTOU,
}


class Steering:
    """Of the supervisor whose pid is ``parent``; ``may_restart``: whether it starts again by itself
    where it is asked to."""

    def __init__(
        self, scoreboard: Scoreboard, parent: int, may_restart: Callable[[], bool]
    ) -> None:
        self._scoreboard = scoreboard
        self._parent = parent
        self._may_restart = may_restart
        self._is_under_way = False  # two signals of a kind may come as one

    @property
    def verbs(self) -> Mapping[str, Verb]:
        """Each tells nothing, once the supervisor has heard it."""
        return dict.fromkeys(SIGNALS, self._steer)

    def _steer(self, errand: Errand) -> Job:
        while self._is_under_way:
            yield
        if trouble := self._trouble_with(errand.verb):
            return Answer({}, trouble)
        heard = self._scoreboard.heard
        try:
            os.kill(self._parent, SIGNALS[errand.verb])
        except OSError as error:  # which has other rights, say
            return Answer({}, f"its supervisor cannot be sent a signal: {error.strerror}")
        self._is_under_way = True
        deadline = time.monotonic() + pace.HEAR_WAIT
        while self._scoreboard.heard == heard and time.monotonic() < deadline:
            yield
        self._is_under_way = False
        return Answer({}) if self._scoreboard.heard != heard else SUPERVISOR_SILENT

    def _trouble_with(self, verb: str) -> str:
        if os.getppid() != self._parent:
            return "its supervisor is gone, and its workers leave"
        if self._scoreboard.is_draining and verb != "drain":
            return "it is draining"
        if verb == "restart" and not self._may_restart():
            return "it does not restart by itself: restart what has started it"
        return ""
