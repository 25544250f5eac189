"""What the person at the keys has chosen to see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ... import pace
from .rows import ORDERS, Row


@dataclass
class View:
    """``seconds``: between two looks; ``selected``: a queue, the first one where it is not listed;
    ``top``: how many rows are above the screen; ``pane``: which one is open, if any; ``scrolled``:
    by so many lines."""

    seconds: float = pace.WATCH
    order: str = "waiting"
    text: str = ""
    selected: str = ""
    top: int = 0
    pane: str = ""
    scrolled: int = 0

    def place(self, rows: Sequence[Row]) -> int:
        """Of the selected one."""
        return next((n for n, row in enumerate(rows) if row.queue == self.selected), 0)

    def move(self, rows: Sequence[Row], by: int) -> None:
        if rows:
            place = min(max(0, self.place(rows) + by), len(rows) - 1)
            self.selected = rows[place].queue

    def visible(self, rows: Sequence[Row], room: int) -> Sequence[Row]:
        """Those that there is room for, the selected one among them."""
        room, place = max(1, room), self.place(rows)
        self.top = min(max(self.top, place - room + 1, 0), place, max(0, len(rows) - room))
        return rows[self.top : self.top + room]

    def open(self, pane: str) -> None:
        """Or close it, if it is."""
        self.pane = "" if self.pane == pane else pane
        self.scrolled = 0

    def back(self) -> None:
        """One step."""
        if self.pane:
            self.open(self.pane)
        else:
            self.text = ""

    def sort(self, by: int) -> None:
        orders = [*ORDERS]
        self.order = orders[(orders.index(self.order) + by) % len(orders)]
        self.top, self.selected = 0, ""
