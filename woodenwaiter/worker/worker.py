"""One worker's life: it carries out what its `Claims` decide, until told to leave."""

from __future__ import annotations

import io
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from os import _exit
from typing import Any

from .. import pace
from ..consumer import Consumer
from ..errors import EXIT_SETUP, LeaseLost
from ..events import about
from ..logs import log
from ..processes.ends import End
from ..processes.footing import Footing
from ..processes.fork import alone, end_process, fork_mark
from ..processes.memory import MemoryLimit
from ..processes.randomness import reseed
from ..processes.row import Row, State
from ..processes.signals import FAREWELL, SignalInbox, ring
from ..processes.usage import Cost
from ..protocol.entry import foods
from ..protocol.introduction import introduced
from ..protocol.link import Interrupted, Link, ServerTrouble
from ..protocol.outage import Outage, Tells
from ..protocol.queue import Queue
from ..protocol.replicas import Replicas
from ..protocol.verdict import Redeliver, Setback, Verdict, is_cancelled, judge
from .aftermath import Aftermath
from .awaiting import Awaiting
from .claims import Claim, Claims, Deed, Enroll, Fail, Request, Step
from .failures import failure_of, interruption_of, with_one
from .handling import Delivery, answer_with, delivery_of
from .lookout import Lookout
from .meter import Meter
from .reports import Reports
from .title import Title


def work(
    consumer: Consumer,
    row: Row,
    lookout: Lookout,
    lease: float,
    inbox: SignalInbox,
    lifeline: int,
    bell: int,
    parent: int,
) -> None:
    """A worker process from setup to teardown."""
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.closed:
        # What a handler prints is to be seen at once, and as whole lines: an unbuffered `print`
        # writes a line's end by itself, and other workers' output would come in between.
        with suppress(OSError):  # it cannot take what was printed before
            sys.stdout.reconfigure(line_buffering=True, write_through=False)
    memory = MemoryLimit(consumer.max_memory) if consumer.max_memory else None
    reseed()
    awaiting = Awaiting()
    if consumer.setup:
        _set_up(consumer.queue, consumer.setup, awaiting, row, bell)
    try:
        Worker(
            consumer, row, lookout, lease, inbox, lifeline, bell, parent, awaiting, memory
        ).serve()
    finally:
        _begin_to_end(row, bell)
        if consumer.teardown:
            with alone():
                awaiting.result_of(consumer.teardown())
        awaiting.close()
        # For what handlers gave to threads, as Python does it at its end, which this process skips.
        # Not public; multiprocessing has its children do the same.
        threading._shutdown()  # type: ignore[attr-defined]


def _begin_to_end(row: Row, bell: int) -> None:
    """Have the supervisor mind how long it takes."""
    row.end()
    ring(bell)


def _set_up(queue: str, setup: Callable[[], Any], awaiting: Awaiting, row: Row, bell: int) -> None:
    try:
        with alone():
            awaiting.result_of(setup())
    except BaseException:
        _begin_to_end(row, bell)
        if row.state == State.STARTING:
            log.exception("setup failed", extra=about("worker.setup", queue=queue))
        end_process(EXIT_SETUP)


def _queue_for(consumer: Consumer, slot: int, lease: float, *, speaks: bool) -> Queue:
    timeout = pace.reply_within(lease)
    name = introduced("worker", consumer.queue, slot)
    replicas = Replicas(consumer.durable, timeout, speaks=speaks)
    link = Link(consumer.client, timeout, name, replicas)
    return Queue(link, consumer.queue, lease, speaks=speaks)


def _outage_of(queue: Queue, lease: float, *, speaks: bool) -> Outage:
    tells = Tells.REFUSALS if speaks else Tells.NOTHING
    return Outage(f"queue {queue.name} on {queue.link.address}", lease, tells=tells)


def _tell_changes(queue: str, changes: Sequence[str]) -> None:
    what = ", ".join(changes)
    extra = about("worker.signals", queue=queue, cause=what)
    log.warning(
        "a handler, or setup, changed what its worker needs; put right: %s", what, extra=extra
    )


def _tell_loss(queue: str, owner: str) -> None:
    log.warning(
        "the server does not know %s: its lease ran out, or its keys are gone; "
        "what it had not finished runs again if the server has it",
        owner,
        extra=about("lease.lost", queue=queue, owner=owner),
    )


def _tell_slowness(queue: str, delivery: Delivery, cost: Cost) -> None:
    task, number, seconds = delivery.id, delivery.number, cost.seconds
    extra = about("task.slow", queue=queue, task=task, delivery=number, seconds=seconds)
    log.warning("task %s of %s took %s", task, queue, cost, extra=extra)


def _failure_is_told(row: Row, seq: int, verdict: Verdict) -> None:
    if isinstance(verdict, Redeliver):
        row.expect_retry(verdict.after, time.monotonic())
    elif is_cancelled(verdict):
        row.cancellation.note(seq)
    row.finish(seq)


def _tell_spent(queue: str, why: str) -> None:
    log.info("is replaced: %s", why, extra=about("worker.spent", queue=queue, cause=why))


class Worker:
    """Serves one queue in this process. ``row`` is its own; ``lifeline`` becomes readable when the
    supervisor is gone, ``bell`` is to be rung for it, and ``parent`` is its pid."""

    def __init__(
        self,
        consumer: Consumer,
        row: Row,
        lookout: Lookout,
        lease: float,
        inbox: SignalInbox,
        lifeline: int,
        bell: int,
        parent: int,
        awaiting: Awaiting,
        memory: MemoryLimit | None,
    ) -> None:
        self._handler, self._awaiting, self._policy = consumer.handler, awaiting, consumer.policy
        self._wait = max(pace.LEAST_WAIT, consumer.wait)
        self._slumber = pace.slumber(self._wait)
        speaks = row.slot == 0  # for the others of this queue, which meet the same
        self._queue = _queue_for(consumer, row.slot, lease, speaks=speaks)
        self._claims = Claims(row.owner_of, consumer.max_tasks or math.inf)
        self._row, self._lookout, self._inbox = row, lookout, inbox
        self._footing, self._is_shaken = Footing(inbox), True  # by setup
        self._lifeline, self._bell, self._parent = lifeline, bell, parent
        self._mark = fork_mark()
        self._title = Title(consumer.queue, row.slot)
        self._reports = Reports(row, self._title, self._mark)
        self._meter = Meter(row.diary, consumer.slow)
        self._aftermath = Aftermath(consumer.hooks, self._mark)
        self._raw, self._leaving, self._interruptible = b"", False, False
        self._outage = _outage_of(self._queue, lease, speaks=speaks)
        self._max_tasks, self._memory = consumer.max_tasks, memory
        if memory and (trouble := memory.start()) and speaks:
            log.error("%s", trouble, extra=about("worker.memory", queue=consumer.queue))
        inbox.heard = self._mind_the_time
        answer_with(self._delivery)

    def serve(self) -> None:
        """Work until told to leave, then give back what was not begun."""
        self._become(State.LIVE)
        while (step := self._next_step()) is not Deed.LEAVE:
            self._carry_out(step)
        self._aftermath.let_be()
        self._queue.link.close()
        self._become(State.LEFT)
        self._aftermath.call_hooks()

    def _next_step(self) -> Step:
        leaving = self._told_to_leave()
        quiet = self._row.quiet or self._aftermath.is_due
        return self._claims.next(time.monotonic(), quiet=quiet, leaving=leaving)

    def _told_to_leave(self) -> bool:
        self._stand_firm()  # before it looks at what a bell may have told of
        told = FAREWELL in self._inbox.take() or self._row.is_dismissed
        self._leaving |= told or os.getppid() != self._parent
        return self._leaving

    def _stand_firm(self) -> None:
        """Of signals, have again what it needs, after others' code has run."""
        if self._is_shaken and (changes := self._footing.regain()):
            _tell_changes(self._queue.name, changes)
        self._is_shaken = False

    def _become(self, state: State) -> None:
        """Let the supervisor know of a new state."""
        self._row.become(state)
        ring(self._bell)

    # Steps.

    def _carry_out(self, step: Step) -> None:
        try:
            if step is Deed.RUN:
                self._run()
            elif step is Deed.REST:
                self._rest()
            elif step is Deed.WAIT:
                if self._queue.wait(self._slumber, self._pause):
                    self._claims.rang()
            elif not isinstance(step, Deed):
                self._request(step)
            if step is not Deed.REST:
                self._outage.over()
                self._check_memory()
        except Interrupted:
            self._claims.interrupted()
            self._row.expect_retry(0, time.monotonic())  # what may have rung goes to another
        except ServerTrouble as error:
            self._claims.unheard(step)
            self._get_over(error)
        self._row.rename(self._claims.generation)
        self._row.stand_on(self._claims.token)

    def _rest(self) -> None:
        if self._aftermath.is_due:
            self._is_shaken = self._aftermath.call_hooks()
        else:
            self._title.show("quiet")
            self._inbox.wait((self._lifeline,), pace.REST)

    def _check_memory(self) -> None:
        if self._memory and (excess := self._memory.excess()):
            self._ask_for_relief(End.MAX_MEMORY, excess)

    def _ask_for_relief(self, limit: End, why: str) -> None:
        """Work on until a successor stands by."""
        if self._row.state != State.SPENT and not self._leaving:
            self._row.reach(limit)
            _tell_spent(self._queue.name, why)
        self._become(State.SPENT)

    def _request(self, request: Request) -> None:
        if isinstance(request, Enroll):
            self._queue.enroll(*request)
            self._claims.enrolled()
        elif isinstance(request, Claim):
            self._claim(request)
        elif isinstance(request, Fail):
            self._tell_failure(request)
        else:
            self._queue.release(*request)
            if request.verdict is not None:
                _failure_is_told(self._row, request.completed + 1, request.verdict)
            self._claims.released()
            self._aftermath.settled()

    def _claim(self, claim: Claim) -> None:
        owner, completed, want, tokens, waits = claim
        try:
            if waits:
                entries = self._queue.wait_and_claim(
                    owner, completed, want, tokens, self._wait, self._pause
                )
            else:
                entries = self._queue.claim(owner, completed, want, tokens)
        except LeaseLost:
            _tell_loss(self._queue.name, owner)
            self._claims.lost()
        else:
            self._receive(entries)

    def _receive(self, entries: list[bytes]) -> None:
        """Run these at once: they are what there is to do next."""
        self._claims.claimed(entries, time.monotonic())
        if entries:
            self._title.show_busy(self._claims.completed + 1, len(entries), self._claims.want)
            self._row.stand_on(self._claims.token)
            self._row.hold(self._claims.completed + 1, self._claims.completed + len(entries))
            if self._claims.is_last_batch:  # in time for another one to be ready after it
                self._ask_for_relief(End.MAX_TASKS, f"max_tasks is {self._max_tasks}")
            self._run()

    def _tell_failure(self, fail: Fail) -> None:
        try:
            self._queue.fail(*fail)
        except LeaseLost:
            self._row.finish(fail.seq)
            self._claims.refused(time.monotonic())
            self._aftermath.let_be()
        else:
            _failure_is_told(self._row, fail.seq, fail.verdict)
            self._claims.told(time.monotonic(), signalled=bool(self._inbox))
            self._aftermath.settled()

    def _pause(self, fd: int, seconds: float) -> bool:
        """Whether the reply is there; a signal or the supervisor's end comes first, else."""
        watched, end = (fd, self._lifeline), time.monotonic() + seconds
        ready = self._lookout.doze(self._inbox, watched)
        while not (ready or self._inbox or self._row.quiet or self._row.is_dismissed):
            self._title.show("idle")
            if (left := end - time.monotonic()) <= 0:
                raise TimeoutError(f"no answer from {self._queue.link.address}")
            ready = self._inbox.wait(watched, min(left, pace.REST))
            self._check_memory()  # which threads may use
        return fd in ready

    def _get_over(self, error: Exception) -> None:
        """Wait a little for the server to get well, or for a signal."""
        if self._told_to_leave() or self._claims.is_spent:
            log.debug("%s leaves its end to the housekeeper: %s", self._row.owner, error)
        else:
            self._inbox.wait((self._lifeline,), self._outage.note(error))

    # Tasks.

    def _run(self) -> None:
        """Run claims in their order, until one fails or the rest is to be asked for again."""
        claims, row, mark, signals = self._claims, self._row, self._mark, self._inbox.pending
        self._is_shaken, now = True, time.monotonic()
        due, times = self._meter.resume(now), row.diary.times
        while (raw := claims.begin()) is not None:
            seq = claims.completed + 1
            self._raw = raw
            row.begin(seq, now)
            try:
                try:
                    self._interruptible = True
                    returned = self._handler(foods(raw))
                    if returned is not None:
                        self._awaiting.result_of(returned)
                finally:
                    self._interruptible = False
                    if not mark[0]:
                        _exit(0)  # the handler had forked this process, and it came back
            except BaseException as error:  # a handler's SystemExit is no reason to leave, either
                self._fail(raw, seq, error)
                return
            row.finish(seq)
            began, now = now, time.monotonic()  # after whoever looks can see that it is done
            if now >= due:
                due = self._measure(now)
            else:  # it took less than COUNTED; inline, as a call costs 1 % of a no-op task
                times[int((now - began) * 1e6).bit_length()] += 1
            claims.finish(now, signalled=bool(signals))
        self._meter.pause(now)

    def _measure(self, now: float) -> float:
        """The running task ends. Returns when to do so again."""
        if slow := self._meter.measure(self._row.began, now):
            _tell_slowness(self._queue.name, self._delivery(), slow)
        return self._meter.due

    def _fail(self, raw: bytes, seq: int, error: BaseException) -> None:
        self._row.note_failure(seq)
        now = time.monotonic()
        self._measure(now)
        failure = failure_of(error, now - self._row.began, self._row.cancellation.by(seq))
        owner = self._claims.owner
        verdict = judge(raw, f"{owner}/{seq}", failure, self._policy, owner)
        self._row.diary.failures = with_one(self._row.diary.failures, seq, error, verdict)
        self._claims.failed(verdict)
        self._aftermath.note(Setback(self._queue.name, failure, verdict, error))

    def _mind_the_time(self) -> None:
        """Raise in the handler that is to end; not in any other code, and not in a later task.

        Called at every signal: the bell says only that something was written into the row."""
        if self._interruptible and self._row.overdue == self._claims.completed + 1:
            self._interruptible = False
            error = interruption_of(self._row)
            if not self._awaiting.interrupt(error):
                raise error

    def _delivery(self) -> Delivery:
        seq = self._claims.completed + 1
        name, start = f"{self._claims.owner}/{seq}", self._meter.start_of(self._row.began)
        return delivery_of(self._raw, name, self._policy, start, self._reports.of(seq))
