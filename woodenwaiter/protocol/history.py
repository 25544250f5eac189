"""What a queue's sums tell of it: how long the oldest entry has waited, how fast entries come and
go, when the queue will be empty. No socket, no clock.

Entries come at one end, and leave at the other. So of what has come, as much as has left came
first; and between which two notes the next one came, their sums tell. What came back to the front
(from a worker that died, as a retry) only takes another's place, and may be older.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from .. import pace

A_MINUTE = 60


class Beat(NamedTuple):
    """A queue's sums at a time: how many entries had come, requeued ones once more; how many of
    them were done; how many deliveries had failed; how many entries were buried. ``empty_at``: when
    the queue was last seen to have nothing waiting, 0 for never; ``waiting``: how many entries
    did, None where that is not known. Times are the server's, in seconds.
    """

    time: float
    came: int
    done: int
    failed: int
    buried: int
    empty_at: float
    waiting: int | None = None

    @property
    def sums(self) -> tuple[int, int, int, int]:
        """What came, was done, failed and was buried."""
        return self.came, self.done, self.failed, self.buried


class Account(NamedTuple):
    """A queue at one moment. ``now``: with the sums up to it; ``requeued``: dead letters that came
    once more; ``purged``: entries that an operator took away, and has not put back. Of its beats,
    None where there is none: the ``last``; the ``first_with``, by which what waits longest may have
    come, and the one before it, the ``last_without``; the ``first_since``, from when on rates are
    of, and the one before it, ``before``, else the very first.
    """

    now: Beat
    waiting: int
    claimed: int
    delayed: int
    requeued: int
    purged: int
    last: Beat | None
    first_with: Beat | None
    last_without: Beat | None
    first_since: Beat | None
    before: Beat | None

    @property
    def pushed(self) -> int:
        """By producers, so far; what others than this protocol's workers took is not among it."""
        return self.now.came - self.requeued


class Range(NamedTuple):
    """Seconds; ``most``: None where there is no telling, or no end."""

    least: float
    most: float | None


class Rates(NamedTuple):
    """A minute: entries that came (requeued ones once more), entries that were done, deliveries
    that failed, entries that were buried."""

    came: float
    done: float
    failed: float
    buried: float

    @property
    def left(self) -> float:
        """Entries that left for good."""
        return self.done + self.buried


NOTHING = Rates(0, 0, 0, 0)


class Summary(NamedTuple):
    """``oldest``: how long that has waited which waits longest, see `oldest_of`; ``rates``:
    of the last minute, None where too little is known; ``drained``: until nothing waits, None where
    nothing does, or nothing was done of late. ``pushed``: by producers; it and what follows, from
    the beginning."""

    oldest: Range | None
    rates: Rates | None
    drained: Range | None
    pushed: int
    done: int
    failed: int
    buried: int
    requeued: int
    purged: int


def summary(account: Account) -> Summary:
    """All that is to be told of a queue."""
    now, rates = account.now, rates_of(account)
    return Summary(
        oldest_of(account),
        rates,
        drained_in(account.waiting, rates),
        account.pushed,
        now.done,
        now.failed,
        now.buried,
        account.requeued,
        account.purged,
    )


def oldest_of(account: Account) -> Range | None:
    """How long that has waited which waits longest: at least, and at most unless it came back to
    the front; None where nothing waits."""
    if not account.waiting:
        return None
    now, later, earlier = account.now, account.first_with, account.last_without
    if _went_back(account):
        return Range(0, None)
    least = now.time - later.time if later else 0
    came_after = max(earlier.time if earlier else 0, later.empty_at if later else 0)
    return Range(least, now.time - came_after if came_after else None)


def _went_back(account: Account) -> bool:
    """Whether less has come or left than was noted, or the time is less: somebody deleted entries
    since, or sums, or put the clock back."""
    return _is_back(account.last or account.now, account.now)


def _is_back(before: Beat, after: Beat) -> bool:
    pairs = zip((after.time, *after.sums), (before.time, *before.sums), strict=True)
    return any(present < past for present, past in pairs)


def rates_of(account: Account) -> Rates | None:
    """Of the last minute, or since there are notes; None where these tell too little."""
    now, before, after = account.now, account.before, account.first_since or account.now
    if before is None or _went_back(account):
        return None
    seconds = min(pace.RATE, now.time - before.time)
    if seconds < pace.BEAT:
        return None
    early = _part(now.time - pace.RATE, before, after)
    counts = (
        A_MINUTE / seconds * (present - past - early * (next_one - past))
        for present, past, next_one in zip(now.sums, before.sums, after.sums, strict=True)
    )
    return Rates(*counts)


def _part(start: float, before: Beat, after: Beat) -> float:
    """Of what changed between two beats, that did so before ``start``. While nothing changes there
    are none: all came in the last seconds."""
    since = max(before.time, after.time - pace.BEAT)
    return max(0.0, start - since) / (after.time - since) if after.time > since else 0.0


def drained_in(waiting: int, rates: Rates | None) -> Range | None:
    """Until nothing waits: if nothing comes any more, and if as much does as of late; None where
    nothing waits, or nothing left of late."""
    if not waiting or rates is None or not rates.left:
        return None
    faster = rates.left - rates.came
    most = waiting / faster * A_MINUTE if faster > 0 else None
    return Range(waiting / rates.left * A_MINUTE, most)


# By the clock.


def by_minute(minutes: Sequence[Beat], now: Beat, most: int) -> list[Rates | None]:
    """Of each of the last ``most`` minutes, by the clock, the present one last; None where nothing
    was noted yet. ``minutes``: what `beats.minutes_of` returns."""
    steps = by_step(minutes, now, A_MINUTE, most)
    return [None if step.sums is None else Rates(*step.sums) for step in steps]


class Step(NamedTuple):
    """Of some seconds from ``start`` on, in Unix time by the server's clock. ``sums``: how many
    entries came, requeued ones once more, and were done; how many deliveries failed; how many
    entries were buried; None where nothing was noted yet. ``waiting``: how many entries did at the
    end, None where that is not known."""

    start: int
    sums: tuple[int, int, int, int] | None
    waiting: int | None


def by_step(minutes: Sequence[Beat], now: Beat, seconds: int, most: int) -> list[Step]:
    """The last ``most`` steps of so many ``seconds``, whole minutes, by the clock, the present one
    last, up to ``now``. ``minutes``: what `beats.minutes_of` returns. Where nobody noted anything,
    nothing changed, or nobody was there: then what came or left meanwhile stands in the next."""
    beats = _since_a_step_back([*reversed(minutes), now])
    last = {int(beat.time // seconds): beat for beat in beats}
    first = int(now.time // seconds) - most + 1
    former = next((last[number] for number in sorted(last, reverse=True) if number < first), None)
    steps = []
    for number in range(first, first + most):
        beat = last.get(number, former)
        sums = beat and former and _difference(beat, former)
        steps.append(Step(number * seconds, sums, beat and beat.waiting))
        former = beat
    return steps


def _difference(later: Beat, earlier: Beat) -> tuple[int, int, int, int]:
    came, done, failed, buried = (b - a for b, a in zip(later.sums, earlier.sums, strict=True))
    return came, done, failed, buried


def _since_a_step_back(beats: Sequence[Beat]) -> Sequence[Beat]:
    """Of these, the oldest first, those after which neither the time nor a sum is less than before:
    what was noted earlier means nothing any more."""
    starts = [n for n, (a, b) in enumerate(pairwise(beats), 1) if _is_back(a, b)]
    return beats[starts[-1] :] if starts else beats
