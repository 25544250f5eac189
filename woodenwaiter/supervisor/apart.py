"""The supervisor runs nothing of what importing the application left with Python: that may raise,
hang or start threads. Its children, which are forked from it, have all that as it was."""

from __future__ import annotations

import gc
from contextlib import ExitStack

from .. import logs
from ..processes.fork import fork, ignored_errors_logged
from .line import Line
from .reporter import Fork, Reporter


class Apart:
    """While it lasts, what this process logs goes to stderr, past all others' handlers; or to a
    reporter, where the application has logging of its own."""

    def __init__(self) -> None:
        self._kept_out = ExitStack()
        # A reporter would be a fork, too, of what needs a thread.
        is_for_reporter = logs.is_foreign() and not logs.is_for_a_thread()
        self._line = Line() if is_for_reporter else None
        self._reporter = Reporter(self._line, self._kept_out.close) if self._line else None

    def __enter__(self) -> Apart:
        self._kept_out.enter_context(ignored_errors_logged())
        self._kept_out.callback(gc.callbacks.extend, gc.callbacks[:])
        self._kept_out.callback(logs.speak_through, None)
        gc.callbacks.clear()
        logs.speak_through(self._line or logs.aside)
        return self

    def __exit__(self, *error: object) -> None:
        if self._reporter:
            self._reporter.dismiss(fork)
        self.leave()

    def leave(self) -> None:
        """Have all as it was, in a child that runs the application's code."""
        self._kept_out.close()
        if self._line:
            self._line.close()

    @property
    def due(self) -> float:
        """When to look after the reporter, if it does not end before."""
        return self._reporter.due if self._reporter else float("inf")

    def look_after_reporter(self, fork: Fork, lifeline: int) -> None:
        if self._reporter:
            self._reporter.look_after(fork, lifeline)
