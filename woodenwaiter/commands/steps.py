"""What takes many requests, and may be interrupted."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

from .. import pace
from ..text import span
from .terminal import complain
from .unbroken import unbroken

T = TypeVar("T")

Extent = tuple[int, int]
"""How much is done, of how much."""

START_OF_LINE, REST_OF_LINE = "\r", "\x1b[K"


def last_of(
    steps: Generator[T, None, None],
    told: Callable[[T], str],
    extent: Callable[[T], Extent] | None = None,
    rest: Callable[[T], float] | None = None,
) -> T | None:
    """Take all steps, each of which says what is done so far; None: there is none. Ctrl-C, or a
    server that goes away, is raised when it is told how far they came. ``extent``: to be shown on a
    terminal meanwhile; ``rest``: how many seconds to wait after a step."""
    last = None
    progress = Progress()
    try:
        for step in unbroken(steps, rest):
            last = step
            if extent:
                progress.show(*extent(step))
    except BaseException:
        progress.clear()
        if last is not None:
            complain(told(last))
        raise
    progress.clear()
    return last


@contextmanager
def seen_to() -> Iterator[Progress]:
    """What is shown of something is gone when that is over, however it ends."""
    progress = Progress()
    try:
        yield progress
    finally:
        progress.clear()


class Progress:
    """A line on a terminal's stderr, and nothing anywhere else."""

    def __init__(self) -> None:
        self._is_seen = bool(sys.stderr) and sys.stderr.isatty()
        self._began = time.monotonic()
        self._shown_at = self._began
        self._is_shown = False

    def show(self, done: int, there: int) -> None:
        now = time.monotonic()
        if self._is_seen and now - self._shown_at >= pace.PROGRESS:
            self._shown_at, self._is_shown = now, True
            self._write(extent_told(done, there, now - self._began))

    def clear(self) -> None:
        if self._is_shown:
            self._write("")

    def _write(self, line: str) -> None:
        sys.stderr.write(f"{START_OF_LINE}{line}{REST_OF_LINE}")
        sys.stderr.flush()


def extent_told(done: int, there: int, seconds: float) -> str:
    """And how long the rest will take, as it has taken so many seconds so far."""
    there = max(there, done)
    left = seconds * (there - done) / done if done else 0
    return f"{done:,} of {there:,} ({done / max(1, there):.0%}), {span(left)} left"
