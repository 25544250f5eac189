"""What a worker's tasks cost."""

from __future__ import annotations

import math

from .. import pace
from ..processes.diary import Diary
from ..processes.usage import Cost, Reading, used


class Meter:
    """Measures tasks, and sums up in the diary what the worker spends.

    To ask how much CPU was used costs as much as a no-op task. So it is asked where tasks begin
    that were claimed together, and where one ends, but each time only if COUNTED has passed since
    it was asked last. A task's seconds of CPU are its own then, but for what the worker used within
    COUNTED before it began: with one thread they are too many by 5 ms at most, and those of a task
    that was claimed alone, as long ones are, by less. Where a handler has left threads or children
    that go on, theirs are among them. Seconds by the clock are exact, and so are the sums, but for
    what has run since. A task that takes ``slow`` seconds is to be told of.
    """

    def __init__(self, diary: Diary, slow: float | None) -> None:
        self._diary = diary
        self._slow = math.inf if slow is None else max(slow, pace.COUNTED)
        self._cpu, self._peak = used()
        self._busy = 0.0
        self._counted_to = 0.0  # of the time that is in it
        self.due = 0.0
        """When to measure the next task that ends, in monotonic seconds."""

    def resume(self, now: float) -> float:
        """Tasks begin to run. Returns when to measure the next that ends."""
        self._counted_to = now
        if now >= self.due:
            self._read(now)
        return self.due

    def pause(self, now: float) -> None:
        """None runs any more."""
        self._busy += now - self._counted_to
        self._counted_to = now
        self._diary.spend(self._busy, self._cpu)

    def start_of(self, began: float) -> Reading:
        """What had been used when the running task began."""
        return Reading(began, self._cpu, self._peak)

    def measure(self, began: float, now: float) -> Cost | None:
        """A task ends that began then. Returns what it cost, if it was slow."""
        slow = self.start_of(began) if now - began >= self._slow else None
        self._diary.count_time(now - began)
        self._read(now)
        self.pause(now)
        return self.start_of(now).since(slow) if slow else None

    def _read(self, now: float) -> None:
        self._cpu, self._peak = used()
        self.due = now + pace.COUNTED
