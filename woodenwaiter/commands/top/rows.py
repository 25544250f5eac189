"""The queues as ``top`` lists them: which, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ...protocol.history import NOTHING, Range, Rates
from .sight import Sight


class Row(NamedTuple):
    """Of one queue. ``rates``: None where too little is known; ``hour``: as in `Sight`."""

    queue: str
    waiting: int
    oldest: Range | None
    running: int
    workers: int
    delayed: int
    dead: int
    rates: Rates | None
    hour: Sequence[Rates | None]
    is_paused: bool = False

    @property
    def is_left(self) -> bool:
        """Whether it holds something to do, and has nobody who could."""
        return not self.workers and self.waiting + self.delayed > 0


def _age(row: Row) -> float:
    return row.oldest.most or row.oldest.least if row.oldest else -1


def _rates(row: Row) -> Rates:
    return row.rates or NOTHING


ORDERS: Mapping[str, Callable[[Row], float]] = {
    "waiting": lambda row: row.waiting,
    "oldest": _age,
    "running": lambda row: row.running,
    "delayed": lambda row: row.delayed,
    "dead": lambda row: row.dead,
    "in": lambda row: _rates(row).came,
    "done": lambda row: _rates(row).done,
    "failed": lambda row: _rates(row).failed,
    "name": lambda _: 0,
}
"""The largest comes first; of equal ones, that whose name does."""


def rows_of(sight: Sight, order: str, text: str = "") -> list[Row]:
    """The queues whose name has this text, in whatever case."""
    names = sorted(q for q in sight.overviews if text.casefold() in q.casefold())
    rows = [_row(sight, name) for name in names]
    return sorted(rows, key=ORDERS[order], reverse=True)  # stable, also in reverse


def total_of(rows: Sequence[Row], name: str) -> Row:
    """All of them as if they were one queue; without its last hour."""
    oldest = max(rows, key=_age).oldest if rows else None
    rates = [row.rates for row in rows if row.rates]
    return Row(
        name,
        sum(row.waiting for row in rows),
        oldest,
        sum(row.running for row in rows),
        sum(row.workers for row in rows),
        sum(row.delayed for row in rows),
        sum(row.dead for row in rows),
        Rates(*map(sum, zip(*rates, strict=True))) if rates else None,
        (),
    )


def _row(sight: Sight, queue: str) -> Row:
    overview = sight.overviews[queue]
    sizes, summary = overview.sizes, overview.summary
    return Row(
        queue,
        sizes.waiting,
        summary.oldest if summary else None,
        sight.running.get(queue, 0),
        sizes.workers,
        sizes.delayed,
        sizes.dead,
        summary.rates if summary else None,
        sight.hours.get(queue, ()),
        sizes.paused is not None,
    )
