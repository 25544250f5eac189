"""Tables no wider than the terminal."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest

from ..text import escaped

GAP = "  "

NARROWEST = 6
"""Characters, of a column that is cut."""


def print_table(
    rows: Sequence[Sequence[str]], texts: Collection[str], below: Sequence[Sequence[str]] = ()
) -> None:
    """``rows`` begin with the columns' names, of which those in ``texts`` are cut where there is
    too little room; the others are numbers. What no terminal shows is not cut. ``below``: lines
    that follow each row but the first, as they are."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else math.inf
    for line, others in zip_longest(lined_up(rows, texts, width), [(), *below], fillvalue=()):
        print(line, *others, sep="\n")


def lined_up(rows: Sequence[Sequence[str]], texts: Collection[str], width: float) -> Iterator[str]:
    """The lines of a table, of which none is wider than this as far as that can be."""
    shown = [[escaped(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    flexible = [number for number, name in enumerate(rows[0]) if name in texts]
    while sum(widths) + len(GAP) * (len(widths) - 1) > width:
        widest = max(flexible, key=lambda number: widths[number])
        if widths[widest] <= NARROWEST:
            break
        widths[widest] -= 1
    for row in shown:
        cells = (
            cut(cell, room).ljust(room) if number in flexible else cell.rjust(room)
            for number, (cell, room) in enumerate(zip(row, widths, strict=True))
        )
        yield GAP.join(cells).rstrip()


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def span(seconds: float) -> str:
    """As people tell it: in one unit, to two or three digits."""
    for unit, size, least in (("d", 86400, 10), ("h", 3600, 10), ("min", 60, 10)):
        if seconds >= least * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def size(number: float | None) -> str:
    """Of memory; nothing where nobody knows."""
    return "" if number is None else f"{number / 2**20:.0f} MiB"


def share(per_cent: float | None) -> str:
    """Likewise, of CPUs."""
    return "" if per_cent is None else f"{per_cent:.0f} %"
