"""What an owner that is gone leaves behind, and what else a queue needs now and then, whoever does
it: due retries, arrivals that nobody claimed, leases that ran out."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .. import pace
from ..events import about
from ..logs import log
from ..text import escaped
from .entry import RECORD_SEPARATOR, Suspicion
from .grace import Leases, ServerClock
from .queue import Oldest, Queue
from .rounds import Rounds
from .tending import Tended, Visit
from .verdict import Failure, Policy, Setback, Verdict, judge


@dataclass(frozen=True)
class Takeover:
    """How to end an owner that cannot do it itself.

    ``completed``: how many of its claims it had done, as far as somebody knows, and ``known``: the
    token on which it counted; ``failure``: what its end means for the claim after these; None:
    nothing. ``lapsed``: all that is known is that its lease ran out, and it is ended only if that
    is still so; what it held is suspect from then on.
    """

    owner: str
    completed: int
    known: int
    failure: Failure | None
    lapsed: bool = False

    def charges(self, oldest: Oldest) -> bool:
        """Whether the owner's oldest claim is to be charged.

        A count that is ahead: the worker had reported the failure itself before it died. Where
        nobody saw what was running, it was this one if it has a header and is alone, as none that
        has a header begins before; a task that takes its whole host down has one from its second
        time on.
        """
        if oldest.raw is None:
            return False
        if self.lapsed:
            return oldest.is_alone and oldest.raw.startswith(RECORD_SEPARATOR)
        return oldest.settled == self.completed


def lapse_of(owner: str) -> Takeover:
    """Of an owner whose lease ran out."""
    failure = Failure("the lease of its worker ran out", suspicion=Suspicion.RAN)
    return Takeover(owner, 0, 0, failure, lapsed=True)


Heed = Callable[[Verdict], None]
"""Is told the verdict on the owner's oldest claim before Redis is."""


def heed_nothing(verdict: Verdict) -> None:
    """Where nobody wants to know."""


def take_over(
    queue: Queue, takeover: Takeover, policy: Policy, heed: Heed = heed_nothing
) -> Setback | None:
    """End the owner, whose claims go where they belong; returns what its end meant for one that is
    charged. Raises what is in ServerTrouble."""
    owner, known, failure = takeover.owner, takeover.known, takeover.failure
    completed = takeover.completed
    name = escaped(owner)  # it may be anybody's bytes
    verdict: Verdict | None = None
    if failure:
        oldest = queue.oldest_claim(owner, completed, known)
        if oldest.raw is not None and takeover.charges(oldest):
            completed = oldest.settled
            verdict = judge(oldest.raw, f"{name}/{completed + 1}", failure, policy, name)
            heed(verdict)
    put_back = queue.release(owner, completed, known, verdict, lapsed=takeover.lapsed)
    if put_back is None:
        return None  # it gave a sign of life after all
    setback = Setback(queue.name, failure, verdict) if failure and verdict else None
    if setback:
        setback.announce()
    if put_back:
        gone = f"the lease of {name} ran out; its tasks" if takeover.lapsed else f"tasks of {name}"
        event = about(
            "lease.expired" if takeover.lapsed else "tasks.returned",
            queue=queue.name,
            owner=name,
            count=put_back,
        )
        log.info("%s that are back in the queue: %d", gone, put_back, extra=event)
    return setback


LEAST_PORTION, MOST_PORTION = 10, 1000
FEW_ROUNDS, MANY_ROUNDS = 2, 3
"""In vain, as those before were still in front. Fewer: workers were idle meanwhile. More: what was
pushed meanwhile waited long."""


class Portion:
    """How many of a crowd of due retries come to the queue at once: as many as workers take in a
    few rounds."""

    def __init__(self) -> None:
        self.size = LEAST_PORTION
        self._vain = 0  # rounds since some came

    def note(self, promoted: int, *, is_crowd: bool) -> None:
        """So many came in a round; ``is_crowd``: others that are due did not."""
        if not is_crowd:
            self.size, self._vain = LEAST_PORTION, 0
        elif not promoted:
            self._vain += 1
        else:
            self.size = min(max(self._adapted(), LEAST_PORTION), MOST_PORTION)
            self._vain = 0

    def _adapted(self) -> int:
        if self._vain < FEW_ROUNDS:
            return self.size * 2
        return self.size * MANY_ROUNDS // max(self._vain, MANY_ROUNDS)


class Sweep:
    """Does for one queue, as often as it is due, what does not depend on who does it. ``phase``:
    see `Rounds`."""

    def __init__(self, queue: Queue, lease: float, phase: float) -> None:
        self.queue = queue
        self.rounds = Rounds(lease, phase, random.random)
        self._portion = Portion()
        self._register_at = -math.inf

    def visit(self, owners: Sequence[str], now: float, time: float | None = None) -> Visit:
        """What to ask for, in the name of these owners, which are all of this host's; ``time``: the
        server's, as far as it is known."""
        may_glance = owners and not self.rounds.is_close(now)
        return self.queue.visit(owners, self._portion.size, time if may_glance else None)

    def made(self, visit: Visit, tended: Tended, now: float) -> None:
        """The visit was made; ``now`` is from before it."""
        promoted, following = tended.promoted, tended.following
        self._portion.note(promoted, is_crowd=following == 0)
        hosts = None if tended.owners is None else tended.owners / max(1, len(visit.owners))
        self.rounds.made(now, hosts, promoted, following, tended.lapse)

    def register(self, now: float) -> bool:
        """Tell operators' commands of the queue, now and then. Returns whether nobody is away who
        is to know."""
        if now < self._register_at:
            return True
        is_done = self.queue.register()
        self._register_at = now + (pace.REGISTER if is_done else pace.REGISTER_AGAIN)
        return is_done

    def hurry(self) -> None:
        """Let everything be due."""
        self.rounds.hurry()
        self._register_at = -math.inf


def expired_by(
    clock: ServerClock, tended: Tended, sent: float, received: float, address: str, lease: float
) -> Leases:
    """Of a queue that was tended by a request sent and answered then; none while the server's clock
    is not to be trusted."""
    if step := clock.note(sent, tended.time, received):
        log.warning(
            "the clock of Redis at %s went %s by %.1f s: no lease is held to have run out for %g s",
            address,
            "forward" if step > 0 else "back",
            abs(step),
            pace.grace_after_outage(lease),
            extra=about("redis.clock", server=address, seconds=step),
        )
    return tended.expired if clock.is_steady(received) else {}
