"""Tables for people: in columns, as wide as the terminal, in colour where that can be seen."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ..text import escaped
from .fitting import columns_of, fitted, fitted_name

GAP = 2
"""Between two columns; 1 where there is no room for it."""

STYLES = {"": "", "bold": "1", "red": "31", "yellow": "33"}


class Column(NamedTuple):
    """What has no ``cut`` is a number: it stands at the right, and is never cut. A text has
    ``least`` places, however narrow the terminal, and columns without which one can do are left out
    for it to have twice as many: the most ``spare`` first; 0: this one never is."""

    title: str
    cut: Callable[[str, int], str] | None = None
    least: int = 6
    spare: int = 0


def name_column(title: str, least: int = 6) -> Column:
    """Of names, which are cut in the middle."""
    return Column(title, fitted_name, least)


def text_column(title: str) -> Column:
    """Of texts, which are cut at their ends."""
    return Column(title, fitted)


class Cell(NamedTuple):
    """A text, which may be anybody's, and how it is to look, of STYLES."""

    text: str
    style: str = ""


class Look(NamedTuple):
    """``columns``: how wide a line may be, 0 for any; ``lines``: how many a screen has, 0 for any;
    ``is_coloured``: whether colours can be seen."""

    columns: int = 0
    lines: int = 0
    is_coloured: bool = False

    def styled(self, text: str, style: str) -> str:
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if self.is_coloured and style else text


def look_of_stdout() -> Look:
    """What there is: a pipe has whole names, and no colours."""
    if not is_screen():
        return Look()
    columns, lines = shutil.get_terminal_size((80, 24))
    is_dull = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return Look(columns, lines, not is_dull)


def is_screen() -> bool:
    """Whether stdout is a terminal."""
    return bool(sys.stdout) and sys.stdout.isatty()


def drawn(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], look: Look) -> list[str]:
    """The lines of a table with its titles, none wider than it may be, as far as that can be."""
    table = [[Cell(column.title, "bold") for column in columns], *rows]
    table = [[Cell(escaped(text), style) for text, style in row] for row in table]
    whole = [max(map(columns_of, texts)) for texts in zip(*_texts(table), strict=True)]
    kept, gap = [*range(len(columns))], GAP
    if look.columns:
        kept = _kept(columns, whole, look.columns)
        gap = GAP if _wide([whole[n] for n in kept], GAP) <= look.columns else 1
    columns, whole = [columns[n] for n in kept], [whole[n] for n in kept]
    least = {n: column.least for n, column in enumerate(columns) if column.cut}
    widths = narrowed(whole, least, gap, look.columns) if look.columns else whole
    return [_line([row[n] for n in kept], columns, widths, gap, look) for row in table]


def _texts(table: Sequence[Sequence[Cell]]) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table]


def _wide(widths: Sequence[int], gap: int) -> int:
    """A line of such columns."""
    return sum(widths) + gap * (len(widths) - 1)


def _kept(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[int]:
    """The numbers of the columns that have room, and of those that are not left out."""
    wanted = [min(w, 2 * c.least) if c.cut else w for c, w in zip(columns, widths, strict=True)]
    kept = [*range(len(columns))]
    for spare in sorted(kept, key=lambda n: -columns[n].spare):
        if not columns[spare].spare or _wide([wanted[n] for n in kept], 1) <= room:
            break
        kept.remove(spare)
    return kept


def narrowed(widths: Sequence[int], least: Mapping[int, int], gap: int, room: int) -> Sequence[int]:
    """Until it has room, the widest text is cut. ``least``: of each column of texts, by its
    number, how narrow it may be."""
    widths = [*widths]
    while _wide(widths, gap) > room:
        widest = max(least, key=lambda n: widths[n] - least[n], default=-1)
        if widest < 0 or widths[widest] <= least[widest]:
            break
        widths[widest] -= 1
    return widths


def _line(
    row: Sequence[Cell], columns: Sequence[Column], widths: Sequence[int], gap: int, look: Look
) -> str:
    parts = []
    for (text, style), column, width in zip(row, columns, widths, strict=True):
        shown = column.cut(text, width) if column.cut else text
        padding = " " * (width - columns_of(shown))
        styled = look.styled(shown, style) if shown else ""
        parts.append(styled + padding if column.cut else padding + styled)
    return (" " * gap).join(parts).rstrip()
