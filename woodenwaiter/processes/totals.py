"""What workers did, and what it took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .effort import Effort
from .times import RANGES, in_words, quantile


class Tally(NamedTuple):
    """What became of the tasks that workers ran, by deliveries.

    ``started``: their handlers were; ``done``: those returned; ``failed``: they did not, and did
    not ask to be tried again. ``retried``: are to be, asked for or not; ``buried``: never will be.
    ``timed_out``: of the failed, those whose time was up. ``killed``: the worker ended in their
    handler; they are among the failed, unless that was none of their fault, as at a drain.
    """

    started: int = 0
    done: int = 0
    failed: int = 0
    retried: int = 0
    buried: int = 0
    timed_out: int = 0
    killed: int = 0

    def plus(self, other: Tally) -> Tally:
        return Tally(*(mine + others for mine, others in zip(self, other, strict=True)))

    def __str__(self) -> str:
        others = zip(self._fields[2:], self[2:], strict=True)
        told = [f"{name.replace('_', ' ')}: {number}" for name, number in others if number]
        return ", ".join([f"tasks done: {self.done}", *told])


class Totals(NamedTuple):
    """``times``: of handlers that have ended, by `times.range_of`."""

    tally: Tally = Tally()
    effort: Effort = Effort()
    times: tuple[int, ...] = (0,) * RANGES

    @classmethod
    def of_numbers(cls, numbers: Sequence[int]) -> Totals:
        """From what `numbers` told."""
        counts = len(Tally._fields)
        tally, (busy, cpu), times = numbers[:counts], numbers[counts:-RANGES], numbers[-RANGES:]
        return cls(Tally(*tally), Effort(busy / 1e9, cpu / 1e9), tuple(times))

    def numbers(self) -> Iterator[int]:
        """As whole ones, which `TOTALS_SIZE` counts."""
        yield from self.tally
        yield from (round(seconds * 1e9) for seconds in self.effort)
        yield from self.times

    def plus(self, other: Totals) -> Totals:
        times = (mine + others for mine, others in zip(self.times, other.times, strict=True))
        return Totals(self.tally.plus(other.tally), self.effort.plus(other.effort), tuple(times))

    def __str__(self) -> str:
        """In a line."""
        middle, most = (quantile(self.times, share) for share in (0.5, 0.99))
        took = f"; p50 {in_words(middle)}, p99 {in_words(most)}" if middle and most else ""
        return f"{self.effort}; {self.tally}{took}"


TOTALS_SIZE = len([*Totals().numbers()])
