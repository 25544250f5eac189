"""One worker's life: claim, run, settle, until told to leave."""

from __future__ import annotations

import io
import math
import os
import signal
import sys
import time
import traceback
from types import FrameType
from typing import TYPE_CHECKING

from setproctitle import setproctitle

from . import handling
from .entry import RECORD_SEPARATOR, BadEntry, foods, load
from .errors import text_of
from .handling import Delivery, Reject, Retry, TaskTimeout
from .link import Interrupted, Link, ServerTrouble
from .logs import log
from .memory import MemoryLimit
from .outage import Outage
from .queue import LeaseLost, Queue
from .scoreboard import LEFT, LIVE, SPENT, Row
from .signals import SignalInbox
from .verdict import Failure, Policy, Verdict, judge

if TYPE_CHECKING:
    from .woodenwaiter import WoodenCustomer

AHEAD = 0.100
"""Seconds of work that a worker claims at once. It lets go of what it has not begun after twice as
long: the tasks have become slower, and others may be free to run them."""

LONG = 0.050
"""Seconds that a task takes after which its worker lets go of the rest at once: from
housekeeper.SLOW, twice this, on, it may have been given to others."""

MOST_AHEAD = 256
"""Claims at once, at most: a round trip then costs a no-op task 1/256 of itself."""

IDLE_AFTER = 0.1
"""Seconds without a task before the process title says so: busy workers do not pay for titles."""


def next_want(want: int, tasks: int, seconds: float) -> int:
    """How many to claim next, after ``tasks`` took ``seconds``: what fits in AHEAD, but no more
    than twice as many as before, since the next tasks may be of another kind."""
    fitting = AHEAD * tasks / max(seconds, 1e-9)  # the clock's resolution
    return max(1, min(2 * want, int(fitting), MOST_AHEAD))


def failure_of(error: BaseException) -> Failure:
    """What a handler's exception means for its task."""
    text = text_of(error)
    if isinstance(error, Reject):
        return Failure("rejected", error=text, final=True)
    if isinstance(error, Retry):
        return Failure("retry asked for by the handler", error=text, after=error.after)
    if isinstance(error, BadEntry):
        return Failure("unreadable entry", error=text, final=True)
    timed_out = isinstance(error, TaskTimeout)
    return Failure(
        "the time limit was exceeded" if timed_out else "the handler failed",
        error=type(error).__name__ + (f": {text}" if text else ""),
        traceback="".join(traceback.format_exception(error)),
    )


def tell(failure: Failure, verdict: Verdict, error: BaseException | None = None) -> None:
    """Log a failed delivery, with the traceback unless the handler meant it to fail."""
    if failure.traceback:
        log.error("%s", verdict.summary, exc_info=error)
    else:
        log.warning("%s", verdict.summary)


def describe(raw: bytes, name: str, policy: Policy) -> Delivery:
    """The delivery of this entry, whose claim has this name."""
    entry = load(raw)
    number = entry.deliveries + 1
    return Delivery(entry.id or name, number, last=number >= policy.max_deliveries)


def work(
    customer: WoodenCustomer,
    row: Row,
    lease: float,
    inbox: SignalInbox,
    lifeline: int,
    parent: int,
) -> None:
    """A worker process from setup to teardown."""
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.closed:
        # What a handler prints is to be seen at once, and as whole lines: an unbuffered `print`
        # writes a line's end by itself, and other workers' output would come in between.
        sys.stdout.reconfigure(line_buffering=True, write_through=False)
    if customer.setup:
        customer.setup()
    try:
        Worker(customer, row, lease, inbox, lifeline, parent).serve()
    finally:
        if customer.teardown:
            customer.teardown()


class Worker:
    """Serves one queue in this process. ``row`` is its own; ``lifeline`` becomes readable when the
    supervisor is gone, and ``parent`` is the supervisor's pid."""

    def __init__(
        self,
        customer: WoodenCustomer,
        row: Row,
        lease: float,
        inbox: SignalInbox,
        lifeline: int,
        parent: int,
    ) -> None:
        self._process = customer.process
        self._policy = customer.policy
        self._patience = max(0.1, customer.seconds)
        self._slumber = max(self._patience, lease / 10)  # a wait when asleep
        self._link = Link(customer.waiter.redis_clt, timeout=lease / 3)
        self._queue = Queue(self._link, customer.table_dish, lease)
        self._row = row
        self._inbox = inbox
        self._lifeline = lifeline
        self._parent = parent
        self._pid = os.getpid()
        self._title = f"woodenwaiter: worker {customer.table_dish:.80} #{row.slot}"
        self._titled = ""
        self._owner = ""  # none yet
        self._completed = 0
        self._raw = b""
        self._unsettled: Verdict | None = None  # on its last task, for the release at the end
        self._want = 1
        self._vain = 0  # claims that came back empty since one did not
        self._wakes_at = 0.0  # when to claim again, even if nothing rings
        self._lease = lease
        self._leaving = self._releasing = False
        self._outage = Outage(self._link.address, lease, spokesman=False)
        self._interruptible = False
        self._left = customer.max_tasks or math.inf  # how many tasks it may still claim
        self._memory = MemoryLimit(customer.max_memory) if customer.max_memory else None
        signal.signal(signal.SIGUSR2, self._on_timeout)
        handling.describe_with(self._describe)

    def serve(self) -> None:
        """Work until told to leave, then give back what was not begun."""
        self._announce(LIVE)
        while not self._told_to_leave():
            self._turn()
        try:
            self._release()
        except ServerTrouble as error:
            log.debug("could not release %s, the housekeeper will: %s", self._owner, error)
        self._link.close()
        self._announce(LEFT)

    def _told_to_leave(self) -> bool:
        told = signal.SIGTERM in self._inbox.take()
        self._leaving |= told or self._left <= 0 or os.getppid() != self._parent
        return self._leaving

    def _announce(self, state: int) -> None:
        """Let the supervisor know of a new state."""
        self._row.become(state)
        if os.getppid() == self._parent:
            os.kill(self._parent, signal.SIGUSR2)

    def _on_timeout(self, number: int, frame: FrameType | None) -> None:
        """Raise in the handler whose time is up; not in any other code, and not in a later task."""
        if self._interruptible and self._row.expired == self._completed + 1:
            self._interruptible = False
            raise TaskTimeout

    def _turn(self) -> None:
        """Claim some tasks and run them; or wait for some; or get over what went wrong."""
        try:
            if self._row.quiet or self._releasing:
                self._rest()
            else:
                self._run(self._claim())
                if self._memory and self._memory.is_exceeded():
                    self._announce(SPENT)
            self._outage.over()
        except ServerTrouble as error:
            self._pause_after(error)

    def _claim(self) -> list[bytes]:
        """What to run next. After a claim in vain it waits for tasks and claims at once. After a
        wait in vain it sleeps: it just waits, at one command a wait, and claims once per lease, as
        a request that got lost may have claimed something for it."""
        if not self._owner:
            self._enroll()
        asleep = self._vain > 1 and time.monotonic() < self._wakes_at
        try:
            if asleep and not self._queue.wait(self._slumber, self._await_reply):
                return []
            entries = self._ask(waits=self._vain > 0 and not asleep)
        except LeaseLost:
            self._become_another()
            return []
        except Interrupted:
            self._vain = 0
            return []
        self._vain = 0 if entries else self._vain + 1
        self._wakes_at = time.monotonic() + self._lease
        return entries

    def _ask(self, *, waits: bool) -> list[bytes]:
        want = int(min(self._want, self._left))
        if waits:
            return self._queue.wait_and_claim(
                self._owner, self._completed, want, self._patience, self._await_reply
            )
        return self._queue.claim(self._owner, self._completed, want)

    def _enroll(self) -> None:
        """Become an owner. A new one at each attempt: a request that seems to have failed may still
        arrive, and must not bring back one that has ended."""
        try:
            self._queue.enroll(self._row.owner, self._completed)
        except ServerTrouble:
            self._row.rename()
            raise
        self._owner = self._row.owner

    def _await_reply(self, fd: int, seconds: float) -> bool:
        """Whether the reply is there; a signal or the supervisor's end comes first, else."""
        watched = (fd, self._lifeline)
        ready = self._inbox.wait(watched, IDLE_AFTER)
        if not ready and not self._inbox:
            self._entitle("idle")
            ready = self._inbox.wait(watched, seconds - IDLE_AFTER)
            if not ready and not self._inbox:
                raise TimeoutError(f"no answer from {self._link.address}")
        return fd in ready

    def _run(self, entries: list[bytes]) -> None:
        """Run claims in their order, and stop where the rest should be asked for again."""
        if not entries:
            return
        self._entitle_busy(len(entries))
        self._left -= len(entries)
        if self._left <= 0:
            self._announce(SPENT)  # in time for another one to be ready after the last task
        self._row.hold(self._completed + 1, self._completed + len(entries))
        careful, done = False, 0
        begun = now = time.monotonic()
        until = begun + 2 * AHEAD
        for raw in entries:
            # A redelivered entry may be what killed its last worker. With all before it settled and
            # nothing behind it begun, its next victim cannot be blamed on another task.
            careful = raw.startswith(RECORD_SEPARATOR)
            if careful and done:
                break
            self._run_one(raw, now)
            done += 1
            # Read after the task is marked as completed: whoever saw it running before saw it at a
            # time that this reading includes.
            before, now = now, time.monotonic()
            if careful or now - before >= LONG or now >= until or self._inbox:
                break
        self._left += len(entries) - done
        self._want = 1 if careful else next_want(self._want, done, now - begun)

    def _run_one(self, raw: bytes, now: float) -> None:
        seq = self._completed + 1
        self._raw = raw
        self._row.begin(seq, now)
        try:
            try:
                self._interruptible = True
                self._process(foods(raw))
            finally:
                self._interruptible = False
                if os.getpid() != self._pid:
                    os._exit(0)  # the handler had forked this process, and it came back
        except BaseException as error:  # a handler's SystemExit is no reason to leave, either
            self._settle_failure(raw, seq, error)
        self._completed = seq
        self._row.finish(seq)

    def _settle_failure(self, raw: bytes, seq: int, error: BaseException) -> None:
        """See to it that the failure is in Redis before another task starts."""
        self._row.report(seq)
        failure = failure_of(error)
        verdict = judge(raw, self._name(seq), failure, self._policy, self._owner)
        tell(failure, verdict, error)
        while True:
            try:
                self._queue.fail(self._owner, seq, verdict)
                return
            except LeaseLost:
                return  # it is with somebody else already; the next claim finds out the same
            except ServerTrouble as trouble:
                if self._told_to_leave():
                    self._unsettled = verdict
                    raise
                self._pause_after(trouble)

    def _become_another(self) -> None:
        """Start over as a new owner: what the old one held was given to others."""
        log.warning("the lease of %s ran out: what it had not finished runs elsewhere", self._owner)
        former = self._owner
        self._disown()
        self._queue.release(former, self._completed)  # for claims whose owner's count was deleted

    def _rest(self) -> None:
        """Give back what is claimed, and claim nothing until told otherwise.

        A release that was tried must succeed before the next claim: what seems to have failed may
        still arrive, and must not give back what was claimed later.
        """
        self._releasing = True
        self._release()
        self._releasing = False
        if self._row.quiet:
            self._entitle("quiet")
            self._inbox.wait((self._lifeline,), None)

    def _release(self) -> None:
        """Give back what was claimed and not begun."""
        if self._owner:
            self._queue.release(self._owner, self._completed, self._unsettled)
            self._disown()

    def _disown(self) -> None:
        self._owner = ""
        self._row.rename()
        self._vain = 0

    def _pause_after(self, error: Exception) -> None:
        """Wait a little for the server to get well, or for a signal."""
        self._vain = 0
        seconds = self._outage.note(error)
        if not self._told_to_leave():
            self._inbox.wait((self._lifeline,), seconds)

    def _describe(self) -> Delivery:
        return describe(self._raw, self._name(self._completed + 1), self._policy)

    def _name(self, seq: int) -> str:
        return f"{self._owner}/{seq}"

    def _entitle_busy(self, claims: int) -> None:
        what = f"task {self._completed + 1}" if claims == self._want == 1 else "busy"
        self._entitle(f"{what} since {time.strftime('%H:%M:%S')}")

    def _entitle(self, state: str) -> None:
        if state != self._titled:
            setproctitle(f"{self._title} {state}")
            self._titled = state
