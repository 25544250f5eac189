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
    the queue was last seen to have nothing waiting, 0 for never. Times are the server's, in
    seconds.
    """

    time: float
    came: int
    done: int
    failed: int
    buried: int
    empty_at: float

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
    last = account.last or account.now
    pairs = zip((account.now.time, *account.now.sums), (last.time, *last.sums), strict=True)
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


def by_minute(minutes: Sequence[Beat], now: Beat, most: int) -> list[Rates | None]:
    """Of each of the last ``most`` minutes, by the clock, the present one last; None where nothing
    was noted yet. ``minutes``: what `beats.minutes_of` returns."""
    last: dict[int, Beat] = {int(beat.time // A_MINUTE): beat for beat in [*reversed(minutes), now]}
    known = sorted(last)
    sums = {
        this: Rates(*(b - a for b, a in zip(last[this].sums, last[former].sums, strict=True)))
        for former, this in pairwise(known)
    }
    present = known[-1]
    return [
        sums.get(minute, NOTHING) if minute > known[0] else None
        for minute in range(present - most + 1, present + 1)
    ]
