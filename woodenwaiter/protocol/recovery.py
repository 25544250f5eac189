"""What an owner that is gone leaves behind, and what else a queue needs now and then, whoever does
it: due retries, arrivals that nobody claimed, leases that ran out."""

from __future__ import annotations

from dataclasses import dataclass

from .. import pace
from ..logs import log
from ..text import escaped
from .entry import RECORD_SEPARATOR, Suspicion
from .queue import Queue
from .verdict import Failure, Policy, Verdict, announce, judge


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

    def charges(self, settled: int, raw: bytes | None) -> bool:
        """Whether the claim ``raw``, after the ``settled`` first, is to be charged.

        A count that is ahead: the worker had reported the failure itself before it died. Where
        nobody saw what was running, it is the oldest claim if it has a header, as then it ran
        alone; a task that takes its whole host down has one from its second time on.
        """
        if raw is None:
            return False
        return raw.startswith(RECORD_SEPARATOR) if self.lapsed else settled == self.completed


def lapse_of(owner: str) -> Takeover:
    """Of an owner whose lease ran out."""
    failure = Failure("the lease of its worker ran out", suspicion=Suspicion.RAN)
    return Takeover(owner, 0, 0, failure, lapsed=True)


def take_over(queue: Queue, takeover: Takeover, policy: Policy) -> None:
    """End the owner, whose claims go where they belong. Raises what is in ServerTrouble."""
    owner, known, failure = takeover.owner, takeover.known, takeover.failure
    completed = takeover.completed
    name = escaped(owner)  # it may be anybody's bytes
    verdict: Verdict | None = None
    if failure:
        settled, raw = queue.oldest_claim(owner, completed, known)
        if raw is not None and takeover.charges(settled, raw):
            completed = settled
            verdict = judge(raw, f"{name}/{completed + 1}", failure, policy, name)
    put_back = queue.release(owner, completed, known, verdict, lapsed=takeover.lapsed)
    if put_back is None:
        return  # it gave a sign of life after all
    if failure and verdict:
        announce(failure, verdict)
    if put_back:
        gone = f"the lease of {name} ran out; its tasks" if takeover.lapsed else f"tasks of {name}"
        log.info("%s that are back in the queue: %d", gone, put_back)


class Sweep:
    """Does for one queue, as often as it is due, what does not depend on who does it."""

    def __init__(self, queue: Queue, policy: Policy, lease: float) -> None:
        self._queue = queue
        self._policy = policy
        self._lease = lease
        self._register_at = self._round_at = self._expiry_at = 0.0

    def attend(self, now: float, *, may_expire: bool) -> None:
        """Do what is due at ``now`` (monotonic seconds); raises what is in ServerTrouble.

        ``may_expire``: whether every owner had the time to renew its lease.
        """
        if now >= self._register_at:
            self._queue.register()
            self._register_at = now + pace.renew_every(self._lease)
        if now >= self._round_at:
            following = self._queue.promote()[1]
            self._round_at = now + min(pace.ROUND, pace.ROUND if following is None else following)
        if may_expire and now >= self._expiry_at:
            for owner in self._queue.expired():
                take_over(self._queue, lapse_of(owner), self._policy)
            self._expiry_at = now + pace.expiry_every(self._lease)

    def hurry(self) -> None:
        """Let everything be due."""
        self._register_at = self._round_at = self._expiry_at = 0.0
