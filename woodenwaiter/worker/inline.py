"""Tasks run in the calling process, for programs without a supervisor: safe, one at a time."""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

from .. import pace
from ..consumer import Consumer
from ..events import about
from ..logs import log
from ..names import unique_name
from ..protocol.entry import foods
from ..protocol.grace import Missed, ServerClock
from ..protocol.introduction import introduced
from ..protocol.link import Link, ServerTrouble
from ..protocol.outage import Outage
from ..protocol.queue import Queue
from ..protocol.recovery import Sweep, expired_by, lapse_of, take_over
from ..protocol.replicas import Replicas
from ..protocol.tokens import Tokens
from ..protocol.verdict import Setback, Verdict, judge
from .awaiting import Awaiting, require_loop_for
from .failures import failure_of
from .handling import delivering

LEASE = pace.LEASE
"""Seconds until another process takes over the task of one that died."""


TOKENS = Tokens(known=1, fresh=2)
"""Of an owner's only claim, after it has enrolled."""


class InlineWorker:
    """Claims and runs single tasks. Each is claimed by an owner of its own, so that nothing is held
    between two calls; the queue's upkeep is done along the way: nobody else may be there for it.
    Threads may share it: they take turns at its connection."""

    def __init__(self, consumer: Consumer) -> None:
        self.pid = os.getpid()
        self.consumer = consumer
        self._queue = self._connect()
        self._turn = threading.Lock()
        self.outage = Outage(f"Redis at {self._queue.link.address}", LEASE)
        self._sweep = Sweep(self._queue, LEASE, random.random())
        self._clock = ServerClock(LEASE)
        self._missed = Missed(LEASE)
        pool = unique_name()
        self._owners = (f"{pool}/inline{number}" for number in itertools.count(1))

    def claim(self) -> tuple[str, bytes] | None:
        """Claim one task: its owner and its entry. Raises what is in ServerTrouble, and Misuse
        where it could not be run."""
        require_loop_for(self.consumer.handler)
        with self._turn:
            return self._claim()

    def _claim(self) -> tuple[str, bytes] | None:
        now = time.monotonic()
        if self._sweep.rounds.is_due(now):
            self._tend(now)
        self._sweep.register(now)
        owner = next(self._owners)
        self._queue.enroll(owner, 0, TOKENS.known)
        claimed = self._queue.claim(owner, 0, 1, TOKENS)
        if not claimed:
            self._queue.release(owner, 0, TOKENS.fresh)
        return (owner, claimed[0]) if claimed else None

    def _tend(self, sent: float) -> None:
        visit = self._sweep.visit([], sent)
        tended = self._queue.tend(visit.owners, visit.most)
        received = time.monotonic()
        self._sweep.made(visit, tended, sent)
        address = self._queue.link.address
        expired = expired_by(self._clock, tended, sent, received, address, LEASE)
        for owner in self._missed.still(expired, sent):
            take_over(self._queue, lapse_of(owner), self.consumer.policy)

    def run(self, owner: str, raw: bytes) -> Any:
        """Run a claimed task; returns what its handler returned, and raises what it raised."""
        name, policy = f"{owner}/1", self.consumer.policy
        with closing(Awaiting()) as awaiting, delivering(raw, name, policy):
            try:
                with self._renewing(owner):
                    result = awaiting.result_of(self.consumer.handler(foods(raw)))
            except KeyboardInterrupt:  # of the person at the keyboard: not the task's fault
                self._release(owner, 0)
                raise
            except BaseException as error:
                failure = failure_of(error)
                verdict = judge(raw, name, failure, policy, owner)
                if self._release(owner, 0, verdict):
                    Setback(self._queue.name, failure, verdict, error).announce()
                else:
                    extra = self._about(owner, failure.reason)
                    log.error("task %s: %s", name, failure.reason, exc_info=error, extra=extra)
                raise
        self._release(owner, 1)
        return result

    def _release(self, owner: str, completed: int, verdict: Verdict | None = None) -> bool:
        """Whether the server has taken it."""
        try:
            with self._turn:
                self._queue.release(owner, completed, TOKENS.fresh, verdict)
        except ServerTrouble as error:
            extra = self._about(owner, str(error))
            message = "task %s/1 could not be settled and will run again: %s"
            log.warning(message, owner, error, extra=extra)
            return False
        return True

    def _about(self, owner: str, cause: str) -> dict[str, Any]:
        return about(
            "task.unsettled", queue=self._queue.name, task=f"{owner}/1", owner=owner, cause=cause
        )

    @contextmanager
    def _renewing(self, owner: str) -> Iterator[None]:
        """Keep the lease while the handler runs, from a thread: the handler has this one."""
        over = threading.Event()

        def renew() -> None:
            queue = self._connect()
            while not over.wait(pace.renew_every(LEASE)):
                with suppress(*ServerTrouble):  # the next one may succeed
                    queue.tend([owner], most=0)
            queue.link.close()

        thread = threading.Thread(target=renew, name="woodenwaiter lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _connect(self) -> Queue:
        queue, timeout = self.consumer.queue, pace.reply_within(LEASE)
        replicas = Replicas(self.consumer.durable, timeout)
        link = Link(self.consumer.client, timeout, introduced("inline", queue), replicas)
        return Queue(link, queue, LEASE)
