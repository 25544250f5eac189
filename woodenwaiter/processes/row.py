"""What one incarnation of a worker tells of itself, in shared memory.

A cache line of its circumstances, one that only the worker writes, at every task, and one for what
is written rarely; beside it a diary. Each word has one writer at a time: the supervisor sets a row
up before the fork, the worker owns it while it lives, the supervisor marks it dead, and the
housekeeper frees it once it has recovered the worker's tasks. Stores of aligned words are atomic.
"""

from __future__ import annotations

import math
import os
from enum import IntEnum

from .. import pace
from .books import Books
from .cancellation import Cancellation
from .diary import Diary
from .ends import End, described
from .totals import Tally, Totals

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


class Fate(IntEnum):
    """Of the task that a worker was running when it died, as far as it was decided."""

    OPEN = 0
    RETRIED = 1
    BURIED = 2


class Cause(IntEnum):
    """What a worker's end means for the task that it was running."""

    BLAMELESS = 0
    CHARGED = 1
    """A delivery that failed."""
    TIMED_OUT = 2
    """Likewise, if it is the task whose time was up, or that was cancelled."""


# A row's first cache line, of circumstances: offsets in 32-bit words …
_STATE, _PID, _QUEUE, _SLOT, _INCARNATION, _GENERATION, _STATUS, _CAUSE = range(8)
_QUIET, _DISMISSED = 10, 11
# … and in 64-bit words.
_OVERDUE = 4
_FAILED = 6
_TOKEN = 7
# The second, which the worker alone writes, at every task: 64-bit words.
_STARTED, _COMPLETED, _BEGAN, _FIRST, _LAST, _ENDING = range(8, 14)
# The third, of what is written rarely: by the worker …
_RETRY_DUE, _LIMIT = 16, 17
# … and once it is dead; then comes its `Cancellation`.
_END, _FATE = 18, 19


class Row:
    """One incarnation of one worker."""

    def __init__(self, memory: memoryview, pool: str, diary: Diary, books: Books) -> None:
        self._memory = memory
        self._small = memory.cast("i")
        self._large = memory.cast("q")
        self._pool, self._books = pool, books
        self.diary = diary
        self.cancellation = Cancellation(self._large, diary)

    # Set by the supervisor.

    def open(self, queue: int, slot: int, incarnation: int) -> None:
        """Take a free row for a worker that is about to be forked."""
        self._memory[:] = bytes(ROW_BYTES)
        self.diary.clear()
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

    def close(self, status: int, cause: Cause, end: End = End.UNSEEN) -> None:
        """Mark the row dead: ``status`` is waitpid's, ``cause`` what it means for its task."""
        self._small[_STATUS] = status
        self._large[_END] = end
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

    def reach(self, limit: End) -> None:
        """It is to be replaced for this one."""
        self._large[_LIMIT] = limit

    def end(self) -> None:
        """The worker runs no task any more, for whatever reason: only what is to come at its end,
        which may hang."""
        self._large[_ENDING] = 1

    # Set by the housekeeper.

    def decide(self, fate: Fate) -> None:
        """What becomes of the task that it was running when it died; to be told to Redis next."""
        self._large[_FATE] = fate

    def free(self) -> None:
        """What its worker did stands in the books from now on."""
        if self.state == State.DEAD:
            self._books.enter(self.queue, self.incarnation, self.totals)
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
        return described(self.why, self.status)

    @property
    def why(self) -> End:
        """The worker ended; if it did."""
        return End(self._large[_END])

    @property
    def limit(self) -> End | None:
        """Which it has reached, if one."""
        return End(self._large[_LIMIT]) if self._large[_LIMIT] else None

    @property
    def cause(self) -> Cause:
        return Cause(self._small[_CAUSE])

    @property
    def fate(self) -> Fate:
        return Fate(self._large[_FATE])

    @property
    def is_charged(self) -> bool:
        """Whether the worker's end counts as a delivery of the task it was running. One that is
        killed for a task's time may have come to the next by then."""
        is_late = self.cause == Cause.TIMED_OUT and self.overdue == self.running
        return is_late or self.cause == Cause.CHARGED or self.cancellation.is_of(self.running)

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
    def totals(self) -> Totals:
        """What its worker has done."""
        return Totals(tally_of(self), self.diary.effort, tuple(self.diary.times))

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


DOINGS = ("starting", "idle", "running", "quiet", "leaving")
"""What a living worker may be doing, as people are told."""


def doing_of(row: Row) -> str:
    """Of a living worker: one of DOINGS."""
    if row.state in SETTING_UP:
        return "starting"
    if row.running:
        return "running"
    if row.is_dismissed or row.is_ending:
        return "leaving"
    return "quiet" if row.quiet else "idle"


def tally_of(row: Row) -> Tally:
    """What became of its worker's tasks. That of one that lives is never more than is true."""
    completed = row.completed  # first: what fails meanwhile is not taken for done
    last, failed, retried, buried, timed_out = row.diary.failures
    done = max(completed, last) - retried - buried
    tally = Tally(row.started, done, failed, retried, buried, timed_out)
    is_cut_off = row.state == State.DEAD and row.running not in (0, last)
    return tally.plus(_of_cut_off(row)) if is_cut_off else tally


def _of_cut_off(row: Row) -> Tally:
    """The task in whose handler the worker ended."""
    retried, buried = row.fate == Fate.RETRIED, row.fate == Fate.BURIED
    is_cancelled = row.cancellation.is_of(row.running)
    timed_out = row.is_charged and row.cause == Cause.TIMED_OUT and not is_cancelled
    return Tally(0, 0, row.is_charged, retried, buried, timed_out, killed=1)
