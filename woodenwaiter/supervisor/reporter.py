"""The process that hands the log to the application's logging: its handlers may raise, hang, crash
or start threads, and nobody waits for them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from .. import pace
from ..events import about
from ..logs import log
from ..processes.children import ending, reap
from ..processes.tree import await_end
from .forked import be_reporter
from .line import Line

Fork = Callable[[Callable[[], int]], int]


class Reporter:
    """The reporter, seen from the supervisor; ``prepare`` lets the application's logging in.
    ``due``: when one is to be started."""

    def __init__(self, line: Line, prepare: Callable[[], None]) -> None:
        self._line = line
        self._prepare = prepare
        self._pid = 0
        self._born = 0.0
        self._young_deaths = 0
        self.due = 0.0

    def look_after(self, fork: Fork, lifeline: int | None = None) -> None:
        """Start one where there is none, but for those that died too often."""
        now = time.monotonic()
        pid, status = reap(self._pid) if self._pid else (0, 0)
        if pid:
            self._note_end(status, now)
        if now >= self.due:
            self._start(fork, lifeline, now)

    def _start(self, fork: Fork, lifeline: int | None, now: float) -> None:
        def main() -> int:
            self._prepare()
            return be_reporter(self._line, lifeline)

        try:
            self._pid = fork(main)
        except OSError as error:
            self.due = now + pace.REFORK
            log.error("cannot start the reporter: %s", error)
        else:
            self._born, self.due = now, math.inf

    def _note_end(self, status: int, now: float) -> None:
        is_young = now - self._born < pace.YOUNG
        self._young_deaths = self._young_deaths + 1 if is_young else 1
        why = ending(status)
        extra = about("helper.ended", worker="reporter", worker_pid=self._pid, cause=why)
        log.error("reporter (pid %d) %s", self._pid, why, extra=extra)
        self._pid = 0
        if self._young_deaths >= pace.REPORTERS:
            self._line.divert()
            log.error("the application's logging ends who calls it: the log goes to stderr now")
        else:
            self.due = now + pace.respawn_delay(self._young_deaths)

    def dismiss(self, fork: Fork) -> None:
        """Let the last one report what is left; what it cannot is said on stderr."""
        self._line.end()
        if not self._pid and self._young_deaths < pace.REPORTERS and self._line.has_records():
            self._start(fork, None, time.monotonic())
        if self._pid and not await_end(self._pid, pace.REPORTER_GRACE):
            extra = about("helper.killed", worker="reporter", worker_pid=self._pid)
            log.warning("reporter (pid %d) is killed, as its time is up", self._pid, extra=extra)
        self._line.divert()
