"""What ran, when and where: shared memory that handlers write and the benchmark reads.

It costs a handler a few stores and the server nothing, is the same for every system, and outlives
a handler that is killed.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

ROW = 38
"""Bytes for each task: four doubles, an int, two counts."""


class Ledger:
    """Arrays over a file, with an element for each task.

    pushed, started, ended: on the monotonic clock, which all processes share.
    cpu: seconds that the handler computed.
    pids: the process that began it last.
    begun, done: how often.
    """

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        view = memoryview(self._memory)
        self.tasks = tasks = len(view) // ROW
        self.pushed = view[: 8 * tasks].cast("d")
        self.started = view[8 * tasks : 16 * tasks].cast("d")
        self.ended = view[16 * tasks : 24 * tasks].cast("d")
        self.cpu = view[24 * tasks : 32 * tasks].cast("d")
        self.pids = view[32 * tasks : 36 * tasks].cast("i")
        self.begun = view[36 * tasks : 37 * tasks]
        self.done = view[37 * tasks :]

    @classmethod
    def create(cls, path: Path, tasks: int) -> Ledger:
        with path.open("wb") as file:
            file.truncate(ROW * tasks)
        return cls(path)

    def first_missing(self, after: int = 0) -> int:
        """The number of the first task from ``after`` on that is not done; -1 if all are."""
        begin = len(self._memory) - self.tasks
        found = self._memory.find(b"\0", begin + after)
        return found - begin if found >= 0 else -1

    def count_done(self) -> int:
        return self.tasks - bytes(self.done).count(0)

    def count_repeated(self) -> int:
        """How many began, or were done, more than once."""
        counts = (bytes(self.begun), bytes(self.done))
        return max(self.tasks - count.count(0) - count.count(1) for count in counts)

    def missing(self) -> list[int]:
        return [n for n, done in enumerate(self.done) if not done]

    def running(self) -> Iterator[int]:
        """The tasks that began and did not end."""
        return (n for n in range(self.tasks) if self.begun[n] > self.done[n])
