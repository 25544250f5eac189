"""How many workers each queue is to have, of as many as there may be in all: a decision alone.

What there is goes to the queues that have work, by their shares; whatever one does not use, the
others have. Where it cannot be divided evenly, those that are left with a part of a place take
turns at a whole one. Whoever was given one has it for a while, and who is given one again and
again, for a longer one: no load makes workers come and go faster than that.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .. import pace

NOTHING = 1e-9
"""Of a place: less than that is an error of arithmetic."""


class Need(NamedTuple):
    """What is known of a queue at a look.

    ``workers``: that it has, but for those that are leaving; ``used``: of these, who run a task or
    are being started; ``starting``: of these, the latter; ``backlog``: tasks that wait, as far as
    known, and for ``age`` seconds there have been some; ``task``: seconds that one takes, if known.
    """

    least: int
    most: int
    share: float = 1.0
    workers: int = 0
    used: int = 0
    starting: int = 0
    backlog: int = 0
    age: float = 0.0
    task: float = 0.0

    @property
    def wanted(self) -> int:
        """Workers that would have something to do. Where one is idle, nothing waits, whatever is
        said; and what has waited for a moment is worth a first one at most."""
        wanted = self.used
        if self.backlog and self.used >= self.workers:
            wanted += self.backlog if self._is_worth_it else not self.workers
        return max(self.least, min(wanted, self.most))

    @property
    def _is_worth_it(self) -> bool:
        """Whether those who are there would take long for it."""
        seconds = self.backlog * self.task / max(1, self.workers)
        return self.age >= pace.GROW or seconds > pace.GROW


@dataclass
class _Account:
    """Of one queue. ``lag``: worker-seconds that it had too little of its fair part; ``hold``: for
    how long it keeps what it does not use, though others wait."""

    used_at: list[float] = field(default_factory=list)  # when one, two, … workers were last of use
    workers: int = 0
    given_at: float = -math.inf
    taken_at: float = -math.inf  # as it was of no use
    hold: float = pace.HOLD
    lag: float = 0.0
    part: float = 0.0  # that was fair at the last look

    def note(self, need: Need, now: float) -> None:
        if need.workers > self.workers:
            is_back = now - self.taken_at < pace.LINGER
            self.hold = min(2 * self.hold, pace.SLICE) if is_back else pace.HOLD
            self.given_at = now
        self.workers = need.workers
        self.used_at[: need.wanted] = [now] * need.wanted

    def used_within(self, seconds: float, now: float) -> int:
        """The most workers that were of use at once."""
        return sum(now - at <= seconds for at in self.used_at)

    def last_use(self, workers: int) -> float:
        """When more than so many were of use."""
        return self.used_at[workers] if workers < len(self.used_at) else -math.inf

    def settle(self, part: float, wants: int, seconds: float) -> None:
        """So much is fair from now on; for so long it had what was before."""
        self.lag += (self.part - self.workers) * seconds
        self.lag = max(-pace.SLICE, min(self.lag, pace.SLICE)) if part < wants else 0.0
        self.part = part


class Budget:
    """``places``: workers that there may be in all; more than the least of all queues together."""

    def __init__(self, places: float, queues: int) -> None:
        self.places = places
        self._accounts = [_Account() for _ in range(queues)]
        self._looked_at = math.inf

    def allot(self, needs: Sequence[Need], now: float) -> list[int]:
        """How many workers each queue is to have from now on, ``now`` in monotonic seconds."""
        for account, need in zip(self._accounts, needs, strict=True):
            account.note(need, now)
        wants = self._wants(needs, now)
        parts = fair_parts(needs, wants, self.places)
        seconds = max(0.0, now - self._looked_at)
        for account, part, want in zip(self._accounts, parts, wants, strict=True):
            account.settle(part, want, seconds)
        self._looked_at = now
        allotted = self._whole(needs, parts, now)
        self._linger(needs, allotted, now)
        for account, need, number in zip(self._accounts, needs, allotted, strict=True):
            if need.wanted < need.workers > number:
                account.taken_at = now
        return allotted

    def _wants(self, needs: Sequence[Need], now: float) -> list[int]:
        """What each competes for: what it needs, and what it has and used just now. That it is of
        no use, two looks have to see: the first may come between two tasks."""
        seen = now - self._looked_at
        used = [account.used_within(max(account.hold, seen), now) for account in self._accounts]
        return [
            max(need.wanted, min(need.workers, need.most, number))
            for need, number in zip(needs, used, strict=True)
        ]

    def _whole(self, needs: Sequence[Need], parts: Sequence[float], now: float) -> list[int]:
        """In whole places: those that are left over go to some of the queues with a part of one."""
        allotted = [math.floor(part + NOTHING) for part in parts]
        divided = [i for i, part in enumerate(parts) if part - allotted[i] > NOTHING]
        left = round(sum(parts)) - sum(allotted)
        for i in sorted(divided, key=lambda i: self._turn(i, needs[i], allotted[i], now))[:left]:
            allotted[i] += 1
        return allotted

    def _turn(self, queue: int, need: Need, sure: int, now: float) -> tuple[float, ...]:
        """The lower, the sooner its turn at one place more than it has for sure."""
        account = self._accounts[queue]
        has_it = need.workers > sure
        is_kept = has_it and (need.starting > 0 or now < account.given_at + pace.SLICE)
        return (not is_kept, -account.lag, not has_it, -need.age)

    def _linger(self, needs: Sequence[Need], allotted: list[int], now: float) -> None:
        """Leave to queues what they have and nobody needs, those first that used it last."""
        spare = self.places - sum(allotted)
        order = range(len(needs))
        for i in sorted(order, key=lambda i: -self._accounts[i].last_use(allotted[i])):
            used = self._accounts[i].used_within(pace.LINGER, now)
            kept = min(needs[i].workers, needs[i].most, used)
            more = int(max(0, min(kept - allotted[i], spare)))
            allotted[i] += more
            spare -= more


def fair_parts(needs: Sequence[Need], wants: Sequence[int], places: float) -> list[float]:
    """What each is to have: as much as it wants, or else the same as the others for its share; in
    any case its least."""
    if sum(wants) <= places:
        return [*map(float, wants)]

    def parts(level: float) -> list[float]:
        """Of so much for a share of 1."""
        return [
            min(max(level * need.share, need.least), want)
            for need, want in zip(needs, wants, strict=True)
        ]

    edges = {
        each / n.share for n, want in zip(needs, wants, strict=True) for each in (n.least, want)
    }
    levels = sorted({0.0, *edges})  # between two of them, the sum is a straight line
    above = bisect_left(levels, places, key=lambda level: sum(parts(level)))
    if not 0 < above < len(levels):
        return parts(levels[min(above, len(levels) - 1)])
    low, high = levels[above - 1], levels[above]
    less, more = sum(parts(low)), sum(parts(high))
    return parts(low + (high - low) * (places - less) / (more - less))
