"""What one incarnation of a worker tells of itself, in shared memory.

A cache line of its circumstances, one that only the worker writes, at every task, and one for what
it writes rarely; beside it a diary. Each word has one writer at a time: the supervisor sets a row
up before the fork, the worker owns it while it lives, the supervisor marks it dead, and the
housekeeper frees it once it has recovered the worker's tasks. Stores of aligned words are atomic.
"""

from __future__ import annotations

import math
import os
from enum import IntEnum
from typing import NamedTuple

from .. import pace
from .children import ending
from .diary import Diary
from .effort import Efforts

ROW_BYTES = 192


class State(IntEnum):
    """Of a row, hence of its worker."""

    FREE = 0
    STARTING = 1
    LIVE = 2
    SPENT = 3
    """It works, but asks to be relieved."""
    LEFT = 4
    """It has done all that it was told to, and ends."""
    DEAD = 5
    """To be recovered by the housekeeper."""
    MUTED = 6
    """Like STARTING, but another tells why its setup fails, or has told."""


SETTING_UP = (State.STARTING, State.MUTED)
"""States of a worker that is not through its setup."""


class Tally(NamedTuple):
    """What became of the tasks that workers ran."""

    done: int = 0
    failed: int = 0  # once more, and to be tried again
    buried: int = 0

    def plus(self, other: Tally) -> Tally:
        return Tally(*(mine + others for mine, others in zip(self, other, strict=True)))

    def __str__(self) -> str:
        others = {"failed": self.failed, "buried": self.buried}
        return ", ".join(
            [f"tasks done: {self.done}", *(f"{k}: {n}" for k, n in others.items() if n)]
        )


class Cause(IntEnum):
    """What a worker's end means for the task that it was running."""

    BLAMELESS = 0
    CHARGED = 1
    """A delivery that failed."""
    TIMED_OUT = 2
    """Likewise, if it is the task whose time was up."""


# A row's first cache line, of circumstances: offsets in 32-bit words …
_STATE, _PID, _QUEUE, _SLOT, _INCARNATION, _GENERATION, _STATUS, _CAUSE = range(8)
_QUIET, _DISMISSED = 10, 11
# … and in 64-bit words.
_OVERDUE = 4
_FAILED = 6
_TOKEN = 7
# The second, which the worker alone writes, at every task: 64-bit words.
_STARTED, _COMPLETED, _BEGAN, _FIRST, _LAST, _RETRIED, _BURIED, _ENDING = range(8, 16)
# The third, which the worker writes as well, but rarely.
_RETRY_DUE = 16


class Row:
    """One incarnation of one worker."""

    def __init__(self, memory: memoryview, pool: str, diary: Diary, efforts: Efforts) -> None:
        self._small = memory.cast("i")
        self._large = memory.cast("q")
        self._pool = pool
        self.diary = diary
        self._efforts = efforts

    # Set by the supervisor.

    def open(self, queue: int, slot: int, incarnation: int) -> None:
        """Take a free row for a worker that is about to be forked."""
        self._large[_STARTED] = self._large[_COMPLETED] = 0
        self._large[_FIRST] = self._large[_LAST] = 0
        self._large[_BEGAN] = self._large[_OVERDUE] = self._large[_FAILED] = 0
        self._large[_TOKEN] = self._large[_RETRIED] = self._large[_BURIED] = 0
        self._large[_ENDING] = self._large[_RETRY_DUE] = 0
        self.diary.clear()
        self._small[_PID] = self._small[_GENERATION] = self._small[_STATUS] = 0
        self._small[_DISMISSED] = 0
        self._small[_QUEUE], self._small[_SLOT] = queue, slot
        self._small[_INCARNATION] = incarnation
        self._small[_STATE] = State.STARTING

    def hush(self, quiet: bool) -> None:
        """Whether the worker is to claim nothing for now."""
        self._small[_QUIET] = quiet

    def dismiss(self) -> None:
        """The worker is to leave, after its running task."""
        self._small[_DISMISSED] = 1

    def mark_overdue(self, seq: int, *, silent: bool = False) -> None:
        """The time of claim number ``seq`` is up, or that in which it was to tell something."""
        self._large[_OVERDUE] = -seq if silent else seq

    def close(self, status: int, cause: Cause) -> None:
        """Mark the row dead: ``status`` is waitpid's, ``cause`` what it means for its task."""
        self._small[_STATUS] = status
        self._small[_CAUSE] = cause
        self._small[_STATE] = State.DEAD

    # Set by the worker.

    def enter(self) -> None:
        self._small[_PID] = os.getpid()

    def begin(self, seq: int, now: float) -> None:
        """Claim number ``seq`` starts to run at ``now`` (monotonic seconds)."""
        self._large[_BEGAN] = int(now * 1e9)
        self._large[_STARTED] = seq

    def note_failure(self, seq: int) -> None:
        """The handler of claim number ``seq`` has failed; Redis is yet to know."""
        self._large[_FAILED] = seq

    def count_failure(self, *, buried: bool) -> None:
        self._large[_BURIED if buried else _RETRIED] += 1

    def expect_retry(self, after: float, now: float) -> None:
        """A delivery was put off for so many seconds from ``now`` (monotonic) on. Where one is due
        before it, that stays: who comes for it hears when the next is."""
        if not now < self.retry_due <= now + after:
            self._large[_RETRY_DUE] = int((now + after) * 1e9)

    def finish(self, seq: int) -> None:
        self._large[_COMPLETED] = seq

    def hold(self, first: int, last: int) -> None:
        """The numbers of the claims that the worker has been given at once."""
        self._large[_FIRST], self._large[_LAST] = first, last

    def rename(self, generation: int) -> None:
        """Become another owner. The counts go on: who reads old and new words mixed does no harm,
        as it asks about an owner that is gone, or about a claim that is settled."""
        self._small[_GENERATION] = generation

    def stand_on(self, token: int) -> None:
        """The token of the last request that was answered: counts mean something to a server that
        knows it."""
        self._large[_TOKEN] = token

    def become(self, state: State) -> None:
        self._small[_STATE] = state

    def end(self) -> None:
        """The worker runs no task any more, for whatever reason: only what is to come at its end,
        which may hang."""
        self._large[_ENDING] = 1

    # Set by the housekeeper.

    def free(self) -> None:
        """What its worker spent is its queue's from now on."""
        if self.state == State.DEAD:
            self._efforts.add(self.queue, self.diary.effort)
        self._small[_STATE] = State.FREE

    # Read by anyone.

    @property
    def state(self) -> State:
        return State(self._small[_STATE])

    @property
    def pid(self) -> int:
        return self._small[_PID]

    @property
    def queue(self) -> int:
        """Index of the consumer that this worker runs."""
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
        if self.cause == Cause.TIMED_OUT:
            return f"was killed, as the task went on after {self.why_overdue}"
        return ending(self.status)

    @property
    def cause(self) -> Cause:
        return Cause(self._small[_CAUSE])

    @property
    def is_charged(self) -> bool:
        """Whether the worker's end counts as a delivery of the task it was running. One that is
        killed for a task's time may have come to the next by then."""
        cause = self.cause
        return cause == Cause.CHARGED or (cause == Cause.TIMED_OUT and self.overdue == self.running)

    @property
    def quiet(self) -> bool:
        return bool(self._small[_QUIET])

    @property
    def is_dismissed(self) -> bool:
        return bool(self._small[_DISMISSED])

    @property
    def is_ending(self) -> bool:
        return self.state == State.LEFT or bool(self._large[_ENDING])

    @property
    def alive(self) -> bool:
        """Whether its worker has not been found dead."""
        return self.state not in (State.FREE, State.DEAD)

    @property
    def overdue(self) -> int:
        """The number of the claim whose time is up, or was last."""
        return abs(self._large[_OVERDUE])

    @property
    def was_silent(self) -> bool:
        """Whether that one's time was up as it had told nothing for too long."""
        return self._large[_OVERDUE] < 0

    @property
    def why_overdue(self) -> str:
        return "telling nothing for too long" if self.was_silent else "its time was up"

    @property
    def in_handler(self) -> int:
        """The number of the claim whose handler is running, or 0."""
        running = self.running
        return 0 if running == self._large[_FAILED] else running

    @property
    def token(self) -> int:
        return self._large[_TOKEN]

    @property
    def has_claimed(self) -> bool:
        """Whether it is through its setup, is an owner, and was answered once more since."""
        return self.token > 1 and self.state not in SETTING_UP

    @property
    def started(self) -> int:
        return self._large[_STARTED]

    @property
    def completed(self) -> int:
        return self._large[_COMPLETED]

    @property
    def tally(self) -> Tally:
        retried, buried = self._large[_RETRIED], self._large[_BURIED]
        ended = self.started if self._large[_FAILED] == self.started else self.completed
        return Tally(ended - retried - buried, retried, buried)

    @property
    def retry_due(self) -> float:
        """When a delivery that the worker put off is due, in monotonic seconds; may be past."""
        return self._large[_RETRY_DUE] / 1e9

    @property
    def holds_several(self) -> bool:
        """Whether the running claim was not the only one to be given."""
        return self._large[_LAST] > self._large[_FIRST]

    @property
    def slow_from(self) -> float:
        """When the running task seems slow, in monotonic seconds; never if none is claimed behind
        it."""
        return self.began + pace.LONG if self.running and self.holds_several else math.inf

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
        return self.owner_of(self._small[_GENERATION])

    def owner_of(self, generation: int) -> str:
        """The worker's name as this owner: it starts over as another when it loses its lease."""
        name = f"{self._pool}/{self._small[_INCARNATION]}"
        return f"{name}+{generation}" if generation else name
