"""How long handlers took, as far as servers are known to have it."""

from __future__ import annotations

import mmap
from collections.abc import Sequence

from .account import Account, bytes_for
from .times import RANGES

BYTES = bytes_for(RANGES)


class ToldTimes:
    """In shared memory, by a queue's index: counts by `times.range_of`. The housekeeper alone
    writes; the next one goes on from there."""

    def __init__(self, queues: int) -> None:
        self._memory = memoryview(mmap.mmap(-1, queues * BYTES))

    def __getitem__(self, queue: int) -> list[int]:
        return self._account(queue).read()

    def __setitem__(self, queue: int, counts: Sequence[int]) -> None:
        self._account(queue).write(counts)

    def _account(self, queue: int) -> Account:
        return Account(self._memory[queue * BYTES :][:BYTES])
