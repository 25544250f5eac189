"""The screen of ``top``, in lines."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Sequence
from typing import NamedTuple

from ... import pace
from ...protocol.history import Rates
from ...text import escaped, span
from ..fitting import fitted
from ..table import Cell
from .grid import Column, Line, apart, between, cropped, grid, short, spark
from .keys import KEYS
from .panes import pane_of
from .rows import Row, rows_of, total_of
from .sight import HOUR, Sight
from .view import View

MOST_TROUBLES = 3
"""Lines."""

LEAST_ROWS = 3
"""Of queues, above a pane."""


class Picture(NamedTuple):
    """``visible``: the queues that it shows."""

    lines: Sequence[Line]
    visible: Sequence[str]


def picture(view: View, sight: Sight, width: int, height: int, now: float) -> Picture:
    """``now``: monotonic seconds."""
    rows = rows_of(sight, view.order, view.text)
    head = [_title(view, sight, width, now), *_troubles(sight, width)]
    room = max(LEAST_ROWS, height - len(head) - 1)
    below = _height_of_pane(view, room)
    shown = view.visible(rows, room - below - 2)
    table = _table(view, total_of(rows, _extent(rows, sight)), shown, width)
    if not rows:
        table.append([Cell(_nothing(view))])
    table += [[Cell("")]] * (room - below - len(table))
    pane = pane_of(view, sight, width, below) if view.pane else []
    body = [*table, *pane, *[[Cell("")]] * (below - len(pane))]
    lines = [*head, *body, _foot()]
    return Picture([cropped(line, width) for line in lines], [row.queue for row in shown])


def _height_of_pane(view: View, room: int) -> int:
    """Half of what there is; who reads about keys does not look at queues."""
    if not view.pane:
        return 0
    return room - LEAST_ROWS - 1 if view.pane == "help" else room // 2


def _title(view: View, sight: Sight, width: int, now: float) -> Line:
    age = now - sight.at
    is_old = age > 2 * view.seconds + pace.CLOCK
    told = Cell(f"as of {span(age)} ago", "yellow") if is_old else Cell(time.strftime("%H:%M:%S"))
    left = [Cell("woodenwaiter top  ", "bold"), Cell(escaped(sight.address))]
    text = escaped(view.text)
    only = [Cell("only ", "dim"), Cell(fitted(text, width // 4)), Cell("  ")] if text else []
    return apart(left, [*only, Cell(f"by {view.order}  ", "dim"), told], width)


def _troubles(sight: Sight, width: int) -> Sequence[Line]:
    """The beginning of what is wrong."""
    whole = (textwrap.wrap(escaped(trouble), width) for trouble in sight.troubles)
    return [[Cell(line, "red")] for lines in whole for line in lines][:MOST_TROUBLES]


COLUMNS = (
    Column("queue", is_text=True, least=10),
    Column("waits", least=5),
    Column("oldest", least=8),
    Column("run", least=4),
    Column("delay", least=5),
    Column("dead", least=4),
    Column("in/m", least=5),
    Column("done/m", least=5),
    Column("fail/m", least=5),
    Column("last hour", least=10),
)


def _extent(rows: Sequence[Row], sight: Sight) -> str:
    every = len(sight.overviews)
    return f"all {every}" if len(rows) == every else f"{len(rows)} of {every}"


def _table(view: View, total: Row, rows: Sequence[Row], width: int) -> list[Line]:
    longest = max((len(escaped(row.queue)) for row in rows), default=0)
    bars = min(HOUR, max(10, width - 60 - max(20, longest)))
    title, first, *lines = grid(COLUMNS, [_row(row, bars) for row in (total, *rows)], width)
    selected = next((n for n, row in enumerate(rows) if row.queue == view.selected), 0)
    return [
        title,
        first,
        *(
            [Cell(cell.text, "reverse") for cell in line] if n == selected else line
            for n, line in enumerate(lines)
        ),
    ]


def _row(row: Row, bars: int) -> Line:
    done = [rates.left if rates else None for rates in row.hour]
    name = escaped(row.queue)
    return [
        Cell(f"{name} paused", "yellow") if row.is_paused else Cell(name),
        _number(row.waiting),
        Cell(between(row.oldest)),
        Cell(f"{short(row.running)}/{short(row.workers)}", "yellow" if row.is_left else ""),
        _number(row.delayed),
        _number(row.dead, "red"),
        *_rates(row.rates),
        Cell(spark(done, bars).rjust(bars), "green"),
    ]


def _rates(rates: Rates | None) -> Line:
    if rates is None:
        return [Cell("-")] * 3
    return [_number(rates.came), _number(rates.done), _number(rates.failed, "red")]


def _number(number: float, style: str = "") -> Cell:
    return Cell(short(number), style if number else "dim")


def _nothing(view: View) -> str:
    return "no queue has that in its name" if view.text else "no queue was ever served"


def _foot() -> Line:
    line: list[Cell] = []
    for key in KEYS:
        if key.brief:
            line += [Cell(key.shown, "bold"), Cell(f" {key.brief}  ")]
    return line
