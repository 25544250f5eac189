"""Tables for people: in columns, as wide as the terminal, in colour where that can be seen."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from typing import NamedTuple

from .fitting import columns_of, fitted_name

NARROWEST = 12
"""Columns that a name has, however many others there are."""

STYLES = {"": "", "bold": "1", "red": "31", "yellow": "33"}


class Cell(NamedTuple):
    """A text, and how it is to look, of STYLES."""

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


def drawn(titles: Sequence[str], rows: Sequence[Sequence[Cell]], look: Look) -> list[str]:
    """The lines of a table: its first column at the left, cut where the line would be too long, the
    others at the right."""
    table = [[Cell(title, "bold") for title in titles], *rows]
    widths = [max(columns_of(row[n].text) for row in table) for n in range(len(titles))]
    others = sum(widths[1:]) + 2 * (len(widths) - 1)
    if look.columns:
        widths[0] = min(widths[0], max(NARROWEST, look.columns - others))
    return [_line(row, widths, look) for row in table]


def _line(row: Sequence[Cell], widths: Sequence[int], look: Look) -> str:
    name = fitted_name(row[0].text, widths[0])
    parts = [look.styled(name, row[0].style) + " " * (widths[0] - columns_of(name))]
    for (text, style), width in zip(row[1:], widths[1:], strict=True):
        parts.append(" " * (width - columns_of(text)) + look.styled(text, style))
    return "  ".join(parts)
