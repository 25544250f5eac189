"""What workers did that are no more, by queue."""

from __future__ import annotations

import mmap

from .account import Account, bytes_for
from .totals import TOTALS_SIZE, Totals

BOOK_BYTES = bytes_for(1 + TOTALS_SIZE)


class Books:
    """In shared memory, by a queue's index. The housekeeper alone writes.

    A worker is entered once, whenever a housekeeper dies: with the sums stands, changed by the same
    store, who came last. The next housekeeper first strikes from the scoreboard who is there
    already, before it enters anybody.
    """

    def __init__(self, queues: int) -> None:
        self._memory = memoryview(mmap.mmap(-1, queues * BOOK_BYTES))

    def __getitem__(self, queue: int) -> Totals:
        return Totals.of_numbers(self._book(queue).read()[1:])

    def edition(self, queue: int) -> int:
        """Another one whenever somebody was entered."""
        return self._book(queue).edition

    def last(self, queue: int) -> int:
        """The incarnation that was entered last."""
        return self._book(queue).read()[0]

    def enter(self, queue: int, incarnation: int, totals: Totals) -> None:
        """A worker is no more, and did this; it may have been the last to be entered."""
        if self.last(queue) != incarnation:
            sums = self[queue].plus(totals)
            self._book(queue).write([incarnation, *sums.numbers()])

    def _book(self, queue: int) -> Account:
        return Account(self._memory[queue * BOOK_BYTES :][:BOOK_BYTES])
