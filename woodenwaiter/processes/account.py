"""Numbers in shared memory that change together, at whatever point their writer dies."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

ATTEMPTS = 8
"""To read what is being written: a writer that writes all the time leaves it whole most of it."""


def bytes_for(numbers: int) -> int:
    """Of memory, for an account of so many."""
    return (1 + 2 * numbers) * 8


class Account:
    """Of whole numbers, with one writer. There are two copies: the new numbers go into the one that
    does not count, then the edition, a single word, makes it the one that does."""

    def __init__(self, memory: memoryview) -> None:
        self._words = memory.cast("q")
        self._size = len(self._words) // 2

    @property
    def edition(self) -> int:
        """Another one whenever something was written."""
        return self._words[0]

    def read(self) -> list[int]:
        """All as they were at one moment. Zeros, if nothing was ever written."""
        for _ in range(ATTEMPTS):
            edition = self.edition
            numbers = self._copy(edition).tolist()
            if self.edition == edition:
                break
        return numbers

    def write(self, numbers: Sequence[int]) -> None:
        following = self.edition + 1
        self._copy(following)[:] = memoryview(array("q", numbers))
        self._words[0] = following

    def _copy(self, edition: int) -> memoryview:
        start = 1 + edition % 2 * self._size
        return self._words[start : start + self._size]
