"""Lines made of cells, no wider than a screen: tables, sparklines, numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from ...protocol.history import Range
from ...text import span_between
from ..fitting import columns_of, fitted, fitted_name
from ..table import Cell, narrowed

Line = Sequence[Cell]

NARROWEST = 10
"""Columns, of a text that is cut."""


BARS = "▁▂▃▄▅▆▇█"


class Column(NamedTuple):
    """``is_text``: at the left, and cut where there is too little room; ``least``: columns that it
    has, so that all do not move when a number gets longer."""

    title: str
    is_text: bool = False
    least: int = 0


def grid(columns: Sequence[Column], rows: Sequence[Line], width: int) -> list[Line]:
    """The lines of a table, below one with the titles."""
    titles = [Cell(column.title, "bold") for column in columns]
    table = [titles, *rows]
    widths = [
        max(column.least, *(columns_of(row[n].text) for row in table))
        for n, column in enumerate(columns)
    ]
    least = {n: NARROWEST for n, column in enumerate(columns) if column.is_text}
    fitting = narrowed(widths, least, 1, width)
    return [_lined_up(columns, row, fitting) for row in table]


def _lined_up(columns: Sequence[Column], row: Line, widths: Sequence[int]) -> Line:
    line: list[Cell] = []
    for column, (whole, style), width in zip(columns, row, widths, strict=True):
        text = fitted_name(whole, width) if column.is_text else whole
        margin = " " * (width - columns_of(text))
        line.append(Cell(text + margin if column.is_text else margin + text, style))
        line.append(Cell(" "))
    return line[:-1]


def apart(left: Line, right: Line, width: int) -> Line:
    """One at each edge, if there is room for both."""
    room = width - sum(columns_of(text) for text, _ in (*left, *right))
    return [*left, Cell(" " * max(1, room)), *right]


def cropped(line: Line, width: int) -> Line:
    """Without what there is no room for."""
    kept: list[Cell] = []
    for text, style in line:
        if width > 0:
            kept.append(Cell(fitted(text, width), style))
        width -= columns_of(text)
    return kept


def spark(values: Sequence[float | None], width: int) -> str:
    """As bars: one that is not 0 can be told from one that is; what nobody knows is left out."""
    if not values:
        return " " * width
    width = min(width, len(values))
    ends = [place * len(values) // width for place in range(width + 1)]
    parts = [values[a:b] for a, b in pairwise(ends)]
    means = [_mean([value for value in part if value is not None]) for part in parts]
    most = max((mean for mean in means if mean is not None), default=0) or 1
    return "".join(" " if mean is None else _bar(mean / most) for mean in means)


def _mean(known: Sequence[float]) -> float | None:
    return sum(known) / len(known) if known else None


def _bar(share: float) -> str:
    return BARS[0] if share <= 0 else BARS[max(1, round(share * (len(BARS) - 1)))]


def short(number: float) -> str:
    """In five columns at most."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= (1e5 if unit == "k" else size):
            return f"{_digits(number / size)}{unit}"
    return _digits(number)


def _digits(number: float) -> str:
    return f"{number:.1f}" if number < 10 and number != int(number) else f"{number:.0f}"


def between(found: Range | None) -> str:
    """As people say it."""
    if found is None:
        return "-"
    return "?" if found == (0, None) else span_between(*found)
