"""What handlers tell of their progress, passed on to who may want to know."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from .. import pace
from ..processes.diary import Progress, fit
from ..processes.row import Row
from .title import Title


class Reports:
    """Of one worker's tasks, from whichever of their threads. ``mark``: `fork_mark` of its process:
    what a handler forks has this row too, which is not its own."""

    def __init__(self, row: Row, title: Title, mark: memoryview) -> None:
        self._row = row
        self._title = title
        self._mark = mark
        self._entitle_at = 0.0

    def of(self, seq: int) -> Callable[[float, str], None]:
        """To be called with what claim number ``seq`` tells: a fraction, and a text."""
        return partial(self._take, seq)

    def _take(self, seq: int, fraction: float, text: str) -> None:
        if not self._mark[0] or self._row.in_handler != seq:
            return  # it is a thread of an earlier task's
        now = time.monotonic()
        progress = Progress(fraction, fit(text), now)
        self._row.diary.report(seq, progress)
        if now >= self._entitle_at:
            self._entitle_at = now + pace.TITLE_AGAIN
            self._title.show(f"task {seq} at {progress}")
