"""Why workers ended."""

from __future__ import annotations

import mmap
import os
import signal
from enum import IntEnum

from ..errors import EXIT_SETUP
from .children import UNKNOWN_STATUS, ending


class End(IntEnum):
    """Of a worker."""

    UNSEEN = 0
    """Nobody knows: its supervisor was no more, or its status went to somebody else."""
    LEFT = 1
    """It was told to, or its queue needs fewer workers."""
    MAX_TASKS = 2
    MAX_MEMORY = 3
    SETUP_FAILED = 4
    EXITED = 5
    """By itself, where it should not have."""
    SIGNALLED = 6
    """By somebody else, or as it crashed."""
    OUT_OF_MEMORY = 7
    """The kernel killed it for want of memory."""
    TIMED_OUT = 8
    """It was killed, as its task went on after its time was up."""
    STALLED = 9
    """Likewise, as that had told nothing for too long."""
    STUCK = 10
    """Likewise, as it had nothing left to do and did not end."""
    STOPPED = 11
    """Likewise, as the pool ended."""
    CANCELLED = 12
    """Likewise, as its task went on after it was cancelled."""

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")

    @property
    def is_replaced(self) -> bool:
        """Whether another worker takes its place, unless the pool ends."""
        return self not in (End.LEFT, End.STOPPED)


_WORDS = {
    End.OUT_OF_MEMORY: "was killed by the kernel: out of memory",
    End.TIMED_OUT: "was killed, as the task went on after its time was up",
    End.STALLED: "was killed, as the task went on after telling nothing for too long",
    End.STUCK: "was killed, as it did not end",
    End.STOPPED: "was killed, as the pool ended",
    End.CANCELLED: "was killed, as the task went on after it was cancelled",
}

_REASONS = {
    End.MAX_TASKS: ", as it had run max_tasks",
    End.MAX_MEMORY: ", as it was above max_memory",
    End.SETUP_FAILED: ", as its setup failed",
}


def described(end: End, status: int) -> str:
    """How a worker came to its end; ``status`` is waitpid's."""
    return _WORDS.get(end) or ending(status) + _REASONS.get(end, "")


def end_of(
    status: int,
    *,
    limit: End | None,
    killed_for: End | None,
    is_out_of_memory: bool,
    may_leave: bool,
    is_setting_up: bool,
) -> End:
    """Why a worker ended that left this status. ``limit``: for which it was to be replaced;
    ``killed_for``: why the supervisor killed it, if it did; ``is_out_of_memory``: whether the
    kernel has killed somebody just now; ``may_leave``: whether it had done what it was to do, or
    was told to leave."""
    if status == UNKNOWN_STATUS:
        return killed_for or End.UNSEEN
    if os.WIFSIGNALED(status):
        if os.WTERMSIG(status) != signal.SIGKILL:
            return End.SIGNALLED
        return killed_for or (End.OUT_OF_MEMORY if is_out_of_memory else End.SIGNALLED)
    if is_setting_up and os.WEXITSTATUS(status) == EXIT_SETUP:
        return End.SETUP_FAILED
    return limit or End.LEFT if may_leave and status == 0 else End.EXITED


class EndCounts:
    """In shared memory, by a queue's index: how many workers ended why. The supervisor writes; once
    it is no more, the housekeeper does."""

    def __init__(self, queues: int) -> None:
        self._words = memoryview(mmap.mmap(-1, queues * len(End) * 8)).cast("q")

    def __getitem__(self, queue: int) -> dict[End, int]:
        """Of those that there were."""
        start = queue * len(End)
        return {end: number for end in End if (number := self._words[start + end])}

    def count(self, queue: int, end: End) -> None:
        self._words[queue * len(End) + end] += 1
