"""What happened to a supervisor of late that is worth a line, for who looks at it from afar."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from ..processes.ends import End
from ..processes.row import Row
from ..protocol.hosts import MOST_EVENTS, MOST_TEXT, Crew, Event
from ..text import escaped

USUAL = (End.LEFT, End.MAX_TASKS)
"""Ends of workers that are not worth one."""


class Happenings:
    """The latest ones, of which a document has room for some: what happens again takes the place of
    what it was before, and is counted. ``clock``: monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._latest: dict[tuple[str, str], tuple[float, int]] = {}  # the latest one last
        self._buried: dict[str, int] = {}

    def note(self, level: str, text: str, times: int = 1) -> None:
        """It happened just now. ``level``: see `Event`."""
        _, before = self._latest.pop((level, text), (0.0, 0))
        self._latest[level, text] = self._clock(), before + times
        if len(self._latest) > MOST_EVENTS:
            del self._latest[next(iter(self._latest))]

    def note_end(self, queue: str, row: Row) -> None:
        """The worker of this row, which is dead, is no more."""
        if row.why in USUAL:
            return
        level = "warning" if row.why in (End.MAX_MEMORY, End.STOPPED) else "error"
        task = " while it ran a task" if row.running else ""
        self.note(level, f"a worker of {queue} {row.ending}{task}")

    def note_buried(self, crews: Iterable[Crew]) -> None:
        """Of these, what was done so far is known."""
        for crew in crews:
            buried = crew.tally.get("buried", 0)
            before = self._buried.setdefault(crew.queue, buried)
            if buried > before:
                self._buried[crew.queue] = buried
                self.note("error", f"a task of {crew.queue} became a dead letter", buried - before)

    def told(self, now: float) -> tuple[Event, ...]:
        """The latest one first."""
        return tuple(
            Event(round(max(0.0, now - at), 1), level, _shown(text, times))
            for (level, text), (at, times) in reversed(self._latest.items())
        )


def _shown(text: str, times: int) -> str:
    """In one line, in what an event has room for."""
    often = f" ({times:,} times)" if times > 1 else ""
    shown, most = escaped(text[:MOST_TEXT]), MOST_TEXT - len(often)
    return (shown if len(shown) <= most else shown[: most - 1] + "…") + often
