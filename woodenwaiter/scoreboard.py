"""Shared memory in which each worker tells what it is doing, readable after any death.

One row per worker incarnation: a cache line of its circumstances, and one that only the worker
writes, at every task. Each word with one writer at a time: the supervisor sets a
row up before the fork, the worker owns it while it lives, the supervisor marks it dead, and the
housekeeper frees it once it has recovered the worker's tasks. Stores of aligned words are atomic.
"""

from __future__ import annotations

import mmap
import os
import secrets
import signal
import socket
from collections.abc import Iterator

ROW_BYTES = 128
ROWS = 4096  # 512 KiB that cost nothing until touched; a death that awaits recovery holds one

FREE, STARTING, LIVE, SPENT, LEFT, DEAD = range(6)
"""A row's state: unused; its worker starts; works; works, but asks to be relieved; left as it was
told to; dead and to be recovered."""

BLAMELESS, CHARGED, TIMED_OUT = range(3)
"""What a worker's end means for the task it was running: nothing; a delivery that failed; one that
took too long."""

# Offsets in 32-bit words, then in 64-bit words.
_STATE, _PID, _QUEUE, _SLOT, _INCARNATION, _GENERATION, _STATUS, _CAUSE = range(8)
_EXPIRED = 4
_QUIET = 10  # a 32-bit word behind it
_REPORTED = 6
_STARTED, _COMPLETED, _BEGAN, _FIRST, _LAST = range(8, 13)


UNKNOWN_STATUS = -1
"""Of a worker whose end nobody was told: its supervisor had died, or somebody else reaped it."""


def ending(status: int) -> str:
    """How a process ended, by the status that waitpid gave."""
    if status == UNKNOWN_STATUS:
        return "ended unseen"
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"left with exit code {code}"
    try:
        return f"died of signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"died of signal {-code}"


class Row:
    """One incarnation of one worker."""

    def __init__(self, memory: memoryview, pool: str) -> None:
        self._small = memory.cast("i")
        self._large = memory.cast("q")
        self._pool = pool

    # Set by the supervisor.

    def open(self, queue: int, slot: int, incarnation: int) -> None:
        """Take a free row for a worker that is about to be forked."""
        self._large[_STARTED] = self._large[_COMPLETED] = 0
        self._large[_FIRST] = self._large[_LAST] = 0
        self._large[_BEGAN] = self._large[_EXPIRED] = self._large[_REPORTED] = 0
        self._small[_PID] = self._small[_GENERATION] = self._small[_STATUS] = 0
        self._small[_QUEUE], self._small[_SLOT] = queue, slot
        self._small[_INCARNATION] = incarnation
        self._small[_STATE] = STARTING

    def hush(self, quiet: bool) -> None:
        """Whether the worker is to claim nothing for now."""
        self._small[_QUIET] = quiet

    def expire(self, seq: int) -> None:
        """The time of claim number ``seq`` is up."""
        self._large[_EXPIRED] = seq

    def close(self, status: int, cause: int) -> None:
        """Mark the row dead: ``status`` is waitpid's, ``cause`` what it means for its task."""
        self._small[_STATUS] = status
        self._small[_CAUSE] = cause
        self._small[_STATE] = DEAD

    # Set by the worker.

    def enter(self) -> None:
        self._small[_PID] = os.getpid()

    def begin(self, seq: int, now: float) -> None:
        """Claim number ``seq`` starts to run at ``now`` (monotonic seconds)."""
        self._large[_BEGAN] = int(now * 1e9)
        self._large[_STARTED] = seq

    def report(self, seq: int) -> None:
        """The handler of claim number ``seq`` has failed; Redis is yet to know."""
        self._large[_REPORTED] = seq

    def finish(self, seq: int) -> None:
        self._large[_COMPLETED] = seq

    def hold(self, first: int, last: int) -> None:
        """The numbers of the claims that the worker has been given at once."""
        self._large[_FIRST], self._large[_LAST] = first, last

    def rename(self) -> None:
        """Become a new owner. The counts go on: who reads old and new words mixed does no harm,
        as it asks about an owner that is gone, or about a claim that is settled."""
        self._small[_GENERATION] += 1

    def become(self, state: int) -> None:
        """Be LIVE, SPENT, LEFT."""
        self._small[_STATE] = state

    # Set by the housekeeper.

    def free(self) -> None:
        self._small[_STATE] = FREE

    # Read by anyone.

    @property
    def state(self) -> int:
        return self._small[_STATE]

    @property
    def pid(self) -> int:
        return self._small[_PID]

    @property
    def queue(self) -> int:
        """Index of the customer whose queue this worker serves."""
        return self._small[_QUEUE]

    @property
    def slot(self) -> int:
        return self._small[_SLOT]

    @property
    def status(self) -> int:
        return self._small[_STATUS]

    @property
    def incarnation(self) -> int:
        return self._small[_INCARNATION]

    @property
    def ending(self) -> str:
        """How the worker came to its end."""
        if self.cause == TIMED_OUT:
            return "was killed, as the task went on after its time was up"
        return ending(self.status)

    @property
    def cause(self) -> int:
        return self._small[_CAUSE]

    @property
    def is_charged(self) -> bool:
        """Whether the worker's end counts as a delivery of the task it was running. One that is
        killed for a task's time may have come to the next by then."""
        return self.cause == CHARGED or (self.cause == TIMED_OUT and self.expired == self.running)

    @property
    def quiet(self) -> bool:
        return bool(self._small[_QUIET])

    @property
    def alive(self) -> bool:
        """Whether its worker has not been found dead."""
        return self.state not in (FREE, DEAD)

    @property
    def expired(self) -> int:
        """The number of the claim whose time is up, or was last."""
        return self._large[_EXPIRED]

    @property
    def in_handler(self) -> int:
        """The number of the claim whose handler is running, or 0."""
        running = self.running
        return 0 if running == self._large[_REPORTED] else running

    @property
    def started(self) -> int:
        return self._large[_STARTED]

    @property
    def completed(self) -> int:
        return self._large[_COMPLETED]

    @property
    def holds_several(self) -> bool:
        """Whether the running claim was not the only one to be given."""
        return self._large[_LAST] > self._large[_FIRST]

    @property
    def began(self) -> float:
        """When the running task started, in monotonic seconds."""
        return self._large[_BEGAN] / 1e9

    @property
    def running(self) -> int:
        """The number of the claim that is running, or 0."""
        started = self.started
        return started if started > self.completed else 0

    @property
    def owner(self) -> str:
        """The name under which this worker claims; unique among all workers ever."""
        generation = self._small[_GENERATION]
        name = f"{self._pool}/{self._small[_INCARNATION]}"
        return f"{name}+{generation}" if generation else name


class Scoreboard:
    """The rows of one supervisor's workers, made before the first fork, behind a header."""

    def __init__(self, rows: int = ROWS) -> None:
        token = secrets.token_hex(2)
        self.pool = f"{socket.gethostname()}.{os.getpid()}.{token}"
        self._most = rows
        self._view = memoryview(mmap.mmap(-1, (rows + 1) * ROW_BYTES))
        self._header = self._view[:ROW_BYTES].cast("i")
        self._rows: list[Row] = []  # of this process: made when first seen, as most never are

    def __iter__(self) -> Iterator[Row]:
        """The rows that are or were in use."""
        while len(self._rows) < self._header[0]:
            start = (len(self._rows) + 1) * ROW_BYTES
            self._rows.append(Row(self._view[start : start + ROW_BYTES], self.pool))
        return iter(self._rows)

    def allocate(self) -> Row | None:
        """A free row, or None if every one awaits its recovery. For the supervisor alone."""
        for row in self:
            if row.state == FREE:
                return row
        if self._header[0] == self._most:
            return None
        self._header[0] += 1
        return list(self)[-1]

    @property
    def redis_was_usable(self) -> bool:
        """Whether any housekeeper of this supervisor has ever had an answer from Redis."""
        return bool(self._header[1])

    def note_redis_usable(self) -> None:
        self._header[1] = 1
