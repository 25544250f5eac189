"""The supervisor runs nothing of what importing the application left with Python: that may raise,
hang or start threads. Its children, which are forked from it, have all that as it was."""

from __future__ import annotations

import gc
import sys
from typing import Any

from .. import logs
from ..logs import log
from ..processes.fork import fork
from .line import Line
from .reporter import Fork, Reporter


class Apart:
    """While it lasts, what this process logs goes to stderr, past all others' handlers; or to a
    reporter, where the application has logging of its own."""

    def __init__(self) -> None:
        self._line = Line() if logs.is_foreign() else None
        self._reporter = Reporter(self._line, self._restore) if self._line else None

    def __enter__(self) -> Apart:
        self._callbacks, self._unraisable = gc.callbacks[:], sys.unraisablehook
        gc.callbacks.clear()
        sys.unraisablehook = _log_unraisable
        logs.speak_through(self._line or logs.aside)
        return self

    def __exit__(self, *error: object) -> None:
        if self._reporter:
            self._reporter.dismiss(fork)
        self.leave()

    def leave(self) -> None:
        """Have all as it was, in a child that runs the application's code."""
        self._restore()
        if self._line:
            self._line.close()

    @property
    def due(self) -> float:
        """When to look after the reporter, if it does not end before."""
        return self._reporter.due if self._reporter else float("inf")

    def look_after_reporter(self, fork: Fork, lifeline: int) -> None:
        if self._reporter:
            self._reporter.look_after(fork, lifeline)

    def _restore(self) -> None:
        gc.callbacks[:] = self._callbacks
        sys.unraisablehook = self._unraisable
        logs.speak_through(None)


def _log_unraisable(unraisable: Any) -> None:
    """Python would write it to stderr, and wait: an error in an `os.register_at_fork`, say."""
    what = unraisable.err_msg or "an exception is ignored"
    error = (unraisable.exc_type, unraisable.exc_value, unraisable.exc_traceback)
    log.error("%s", what, exc_info=error)
