"""The supervisor: forks the workers and the housekeeper, replaces what dies, drains.

No socket, no thread, no Redis: nothing that goes wrong elsewhere can delay a reap or a drain. One
loop sleeps until the next deadline, a signal, or the end of the program that launched it. Children
are kept by slot: whatever dies, its slot knows what belongs there.

``python -m woodenwaiter.supervisor APP`` runs one from the command line.
"""

from __future__ import annotations

import faulthandler
import gc
import logging
import math
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING

from setproctitle import setproctitle

from . import __version__, logs
from .application import leftovers
from .backoff import YOUNG, respawn_delay
from .embedded import EmbeddedServer, server_for
from .errors import EXIT_DRAINED, EXIT_KILLED, EXIT_REDIS, AppError, StartupError
from .housekeeper import Housekeeper
from .link import Link, describe
from .logs import log
from .processes import fork, in_main_thread, kill_tree, leave, reap, tell, unblock_signals
from .scoreboard import (
    BLAMELESS,
    CHARGED,
    LEFT,
    LIVE,
    SPENT,
    TIMED_OUT,
    Row,
    Scoreboard,
    ending,
)
from .settings import Settings
from .signals import SignalInbox, reset_in_forks
from .woodenwaiter import waiter_at
from .worker import work

if TYPE_CHECKING:
    from .woodenwaiter import WoodenCustomer

SIGNALS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTSTP,
    signal.SIGCONT,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCHLD,
)
NOT_FOR_CHILDREN = (
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
)
"""What a terminal sends to the whole group: the supervisor acts on it, its children ignore it."""

BELL = signal.SIGTSTP
"""Has a worker look at its row again. Not a message by itself: two of them may come as one, or out
of order."""

IN_TASKS_FORKS = {
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGUSR2: signal.SIG_DFL,
    BELL: signal.SIG_IGN,
}

WORKERS, HOUSEKEEPER, SERVER = range(3)
"""The stages of a drain, in their order."""

FAREWELL = {WORKERS: signal.SIGTERM, HOUSEKEEPER: signal.SIGUSR2, SERVER: signal.SIGTERM}
"""What tells a stage's children to leave. A TERM to the whole group is not for the housekeeper: it
is needed until the workers have left."""

LEAST_GRACE = 0.5
"""Seconds that workers have to leave even where running tasks are given none."""

HOUSEKEEPER_GRACE = 6.0
"""Seconds that the housekeeper has for its last pass, which it ends by itself after 5."""

SERVER_GRACE = 10.0
"""Seconds that an embedded server has to write its data."""

SAME_INTERRUPT = 0.5
"""Seconds in which a second SIGINT is the first one, passed on by a wrapper: no wish to hurry."""

TRACE_AFTER = 0.2
"""Seconds that workers have to write down what they are doing."""

TIMEOUT_GRACE = 5.0
"""Seconds that a handler has after TaskTimeout was raised in it."""


@dataclass
class Child:
    """A process in a slot; ``row`` and ``trace``, the file for its traceback, are a worker's."""

    pid: int
    born: float
    row: Row | None = None
    trace: IO[bytes] | None = None
    check_at: float = math.inf  # when its task may have run for too long
    leave_by: float = math.inf  # of a worker that has done all it had to do
    cause: int = CHARGED  # what its death, should it come now, means for its task


@dataclass
class Slot:
    """A place for one child, filled again whenever it dies, unless retired."""

    stage: int
    name: str
    queue: int = 0  # of a worker: the index of its customer
    number: int = 0
    child: Child | None = None
    young_deaths: int = 0
    due: float = 0.0  # when to fill it
    retired: bool = False
    relieves: Slot | None = None  # a worker that asked for it; the new one stands by until it left


class Supervisor:
    """Runs the customers' workers until a signal ends it.

    ``server``: to be run beside them. ``lifeline``: a descriptor that becomes readable when the
    program that launched this process is gone.
    """

    def __init__(
        self,
        customers: Sequence[WoodenCustomer],
        settings: Settings,
        server: EmbeddedServer | None = None,
        lifeline: int | None = None,
    ) -> None:
        self._customers = customers
        self._settings = settings
        self._server = server
        self._lifeline = lifeline
        self._pid = os.getpid()
        self._scoreboard = Scoreboard()
        self._incarnations = 0
        self._completed = 0
        self._exit_code = EXIT_DRAINED
        self._quiet = False
        self._interrupted_at = math.inf
        self._stage: int | None = None  # of the drain; None: it has not begun
        self._drain_began = 0.0
        self._stage_deadline = math.inf
        self._traces_at = math.inf
        self._slots = [Slot(HOUSEKEEPER, "housekeeper")]
        for queue, customer in enumerate(customers):
            for _ in range(customer.worker_count):
                self._add_worker(queue)

    # The loop.

    def run(self) -> int:
        """Supervise until drained; returns the exit code."""
        self._inbox = SignalInbox(SIGNALS)
        former = signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        self._alive_read, self._alive_write = os.pipe()
        try:
            if self._server:
                self._start(self._server)
            gc.collect()
            gc.freeze()  # else the first collection in each child would copy all pages
            while self._slots:
                self._turn()
        finally:
            gc.unfreeze()
            os.close(self._alive_read)
            os.close(self._alive_write)
            signal.pthread_sigmask(signal.SIG_SETMASK, former)
            self._inbox.restore()
        seconds = time.monotonic() - self._drain_began
        log.info("drained in %.1f s; %d tasks done in all", seconds, self._completed)
        return self._exit_code

    def _turn(self) -> None:
        self._fill_slots()
        self._listen(self._patience())
        for pid, status in self._reap():
            self._bury(pid, status)
        self._meet_deadlines()

    def _listen(self, seconds: float | None) -> bool:
        """Sleep until a signal comes or the time is up; returns whether it is time to leave."""
        watched = () if self._lifeline is None else (self._lifeline,)
        if self._inbox.wait(watched, seconds):
            log.warning("the program that launched this supervisor is gone")
            self._lifeline = None
            self._drain()
        for number in self._inbox.take():
            self._act_on(number)
        return self._stage is not None

    def _patience(self) -> float | None:
        """Seconds until something is due that no signal announces."""
        dues = [
            min(slot.child.check_at, slot.child.leave_by) if slot.child else slot.due
            for slot in self._slots
        ]
        first = min([self._stage_deadline, self._traces_at, *dues])
        return None if first == math.inf else first - time.monotonic()

    def _meet_deadlines(self) -> None:
        now = time.monotonic()
        if now >= self._traces_at:
            self._collect_traces()
        for slot in self._workers():
            if slot.child and now >= slot.child.check_at:
                self._limit_time(slot, slot.child, now)
            if slot.child and now >= slot.child.leave_by:
                slot.child.leave_by = math.inf
                self._kill(slot, slot.child, "as it has nothing left to do and does not end")
        if self._stage is None:
            return
        if now >= self._stage_deadline:
            self._stage_deadline = math.inf
            self._kill_stage("as its time is up")
        while self._slots and not self._of_stage(self._stage):
            self._begin_stage(self._stage + 1)

    # Children.

    def _start(self, server: EmbeddedServer) -> None:
        """Start the server, heeding signals meanwhile."""
        born = time.monotonic()
        if pid := server.start(self._listen, self._settings.redis_wait):
            self._slots.append(Slot(SERVER, "embedded server", child=Child(pid, born)))
        else:
            self._server = None  # another supervisor's is used
        self._meet_deadlines()  # of a drain that has begun meanwhile

    def _add_worker(self, queue: int) -> None:
        taken = {slot.number for slot in self._workers() if slot.queue == queue}
        number = next(n for n in range(len(taken) + 1) if n not in taken)
        name = f"worker {self._customers[queue].table_dish:.80} #{number}"
        self._slots.append(Slot(WORKERS, name, queue, number))

    def _workers(self) -> list[Slot]:
        return self._of_stage(WORKERS)

    def _of_stage(self, stage: int) -> list[Slot]:
        return [slot for slot in self._slots if slot.stage == stage]

    def _fill_slots(self) -> None:
        now = time.monotonic()
        for slot in self._slots:
            if slot.child is None and slot.due <= now:
                self._fill(slot)

    def _fill(self, slot: Slot) -> None:
        born = time.monotonic()
        try:
            if slot.stage == SERVER and self._server:
                slot.child = Child(self._server.spawn(), born)
            elif slot.stage == HOUSEKEEPER:
                slot.child = Child(fork(self._housekeeper_main), born)
            else:
                self._fork_worker(slot, born)
            if slot.child:
                log.info("%s (pid %d) started", slot.name, slot.child.pid)
        except (OSError, StartupError) as error:  # no memory, say: not for good, one hopes
            slot.young_deaths += 1
            slot.due = born + max(1.0, respawn_delay(slot.young_deaths))
            log.error("cannot start the %s: %s", slot.name, error)

    def _fork_worker(self, slot: Slot, born: float) -> None:
        row = self._scoreboard.allocate()
        if row is None:
            slot.due = born + 1.0
            log.error("no worker can start before the housekeeper has recovered those that died")
            return
        self._incarnations += 1
        row.open(slot.queue, slot.number, self._incarnations)
        row.hush(self._stands_by(slot))
        try:
            trace = trace_file()
            pid = fork(lambda: self._worker_main(slot, row, trace))
        except OSError:
            row.free()
            raise
        slot.child = Child(pid, born, row, trace)
        if self._customers[slot.queue].timeout:
            slot.child.check_at = born

    def _worker_main(self, slot: Slot, row: Row, trace: IO[bytes]) -> int:
        row.enter()
        inbox = self._become_child(slot.name, (signal.SIGTERM, BELL))
        faulthandler.enable(2)
        faulthandler.register(signal.SIGUSR1, trace.fileno())
        reset_in_forks(IN_TASKS_FORKS)
        unblock_signals()
        customer, lease = self._customers[slot.queue], self._settings.lease_seconds
        work(customer, row, lease, inbox, self._alive_read, self._pid)
        return 0

    def _housekeeper_main(self) -> int:
        inbox = self._become_child("housekeeper", (FAREWELL[HOUSEKEEPER],))
        for number in (signal.SIGTERM, signal.SIGUSR1):  # of those to the whole group
            signal.signal(number, signal.SIG_IGN)
        unblock_signals()
        Housekeeper(
            self._customers,
            self._scoreboard,
            self._settings,
            inbox,
            self._alive_read,
            self._pid,
            stops_server=self._server is not None,
        ).serve()
        return 0

    def _become_child(self, role: str, signals: Iterable[signal.Signals]) -> SignalInbox:
        """Let go of what is the supervisor's; returns the child's own inbox."""
        os.close(self._alive_write)
        self._inbox.close()
        for slot in self._slots:
            if slot.child and slot.child.trace:
                slot.child.trace.close()
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        for number in NOT_FOR_CHILDREN:
            signal.signal(number, signal.SIG_IGN)
        logs.set_role(role)
        return SignalInbox(signals)

    def _limit_time(self, slot: Slot, child: Child, now: float) -> None:
        """Tell a worker that its task's time is up, and kill it if that does not help."""
        row, timeout = child.row, self._customers[slot.queue].timeout
        if row is None or timeout is None:
            return
        running = row.in_handler
        if not running:  # whatever starts from now on has this long at least
            child.check_at = now + timeout
            return
        limit = row.began + timeout
        if now < limit:
            child.check_at = limit
        elif row.expired != running:
            row.expire(running)
            tell(child.pid, signal.SIGUSR2)
            child.check_at = now + min(TIMEOUT_GRACE, timeout)  # the next task may be late as well
        elif now >= limit + TIMEOUT_GRACE:
            log.error(
                "%s (pid %d) does not heed its time limit: it is killed", slot.name, child.pid
            )
            child.check_at = math.inf
            child.cause = TIMED_OUT
            kill_tree(child.pid)
        else:
            child.check_at = min(limit + TIMEOUT_GRACE, now + timeout)

    def _reap(self) -> Iterator[tuple[int, int]]:
        """The children that died, with their statuses. As PID 1 it is everybody's parent; elsewhere
        it leaves alone what is not its own: a program that calls `run` may have other children."""
        if self._pid == 1:
            while (dead := reap(-1))[0]:
                yield dead
            return
        for pid in [slot.child.pid for slot in self._slots if slot.child]:
            dead = reap(pid)
            if dead[0]:
                yield dead

    def _bury(self, pid: int, status: int) -> None:
        slot = next((s for s in self._slots if s.child and s.child.pid == pid), None)
        if slot is None or slot.child is None:
            return  # an orphan that was handed to PID 1
        child, slot.child = slot.child, None
        left = child.row is not None and child.row.state == LEFT
        self._tell_end(slot, child, status, expected=left or slot.retired)
        if child.row and child.trace:
            self._completed += child.row.completed
            child.row.close(status, child.cause)
            child.trace.close()
        if slot.retired:
            self._slots.remove(slot)
            self._take_over_from(slot)
        elif slot.stage == HOUSEKEEPER and status == EXIT_REDIS << 8:
            self._slots.remove(slot)  # it never had a server to work with
            self._exit_code = EXIT_REDIS
            log.info("leaving: there is no Redis to work with")
            self._leave()
        elif not left:
            able = child.row is not None and child.row.completed > 0
            young = not able and time.monotonic() - child.born < YOUNG
            slot.young_deaths = slot.young_deaths + 1 if young else 1
            slot.due = time.monotonic() + respawn_delay(slot.young_deaths)

    def _tell_end(self, slot: Slot, child: Child, status: int, *, expected: bool) -> None:
        task, row = "", child.row
        if row and row.running:
            seconds = time.monotonic() - row.began
            task = f" while running claim {row.owner}/{row.running}, begun {seconds:.1f} s ago"
        done = f" after {row.completed} tasks" if row else ""
        log.log(
            logging.INFO if expected and not task and status == 0 else logging.ERROR,
            "%s (pid %d) %s%s%s",
            slot.name,
            child.pid,
            ending(status),
            done,
            task,
        )

    # Signals.

    def _act_on(self, number: signal.Signals) -> None:
        if number == signal.SIGTERM:
            self._drain()
        elif number == signal.SIGINT:
            now = time.monotonic()
            if self._interrupted_at == math.inf:
                self._interrupted_at = now
                self._drain()
            elif now - self._interrupted_at >= SAME_INTERRUPT:
                self._stop(number)
        elif number == signal.SIGQUIT:
            self._stop(number)
        elif number in (signal.SIGTSTP, signal.SIGCONT):
            self._set_quiet(number)
        elif number == signal.SIGTTIN:
            self._change_workers(self._add_worker)
        elif number == signal.SIGTTOU:
            self._change_workers(self._remove_worker)
        elif number == signal.SIGUSR1:
            self._report()
        elif number == signal.SIGUSR2:
            self._hear_workers()

    def _drain(self) -> None:
        """Let the running tasks finish, give the rest back, and leave."""
        if self._stage is None:
            seconds = self._settings.drain_seconds
            log.info("draining: running tasks have up to %g s to finish", seconds)
        self._leave()

    def _stop(self, number: signal.Signals) -> None:
        """Leave without waiting for running tasks, if any: they go back to the queue."""
        if self._stage not in (None, WORKERS):
            return
        self._exit_code = 128 + number
        log.info("stopping at once")
        self._leave()
        self._kill_stage("as the signal asks for it")

    def _leave(self) -> None:
        if self._stage is None:
            self._drain_began = time.monotonic()
            self._begin_stage(WORKERS)

    def _begin_stage(self, stage: int) -> None:
        drain = max(self._settings.drain_seconds, LEAST_GRACE)
        grace = (drain, HOUSEKEEPER_GRACE, SERVER_GRACE)[stage]
        self._stage, self._stage_deadline = stage, time.monotonic() + grace
        for slot in self._of_stage(stage):
            if slot.child is None and stage == HOUSEKEEPER:
                self._fill(slot)  # it has just died, and the workers' claims are to be given back
            self._retire(slot)

    def _retire(self, slot: Slot) -> None:
        slot.retired = True
        if slot.child:
            tell(slot.child.pid, FAREWELL[slot.stage])
        else:
            self._slots.remove(slot)

    def _kill_stage(self, why: str) -> None:
        for slot in self._slots:
            if slot.child and slot.stage == self._stage:
                self._kill(slot, slot.child, why)
                if slot.stage == WORKERS and self._exit_code == EXIT_DRAINED:
                    self._exit_code = EXIT_KILLED

    def _kill(self, slot: Slot, child: Child, why: str) -> None:
        log.warning("%s (pid %d) is killed, %s", slot.name, child.pid, why)
        child.cause = BLAMELESS
        kill_tree(child.pid)

    def _hear_workers(self) -> None:
        """Workers ask to be relieved, are ready, maybe to relieve another, or have done all."""
        for slot in self._workers():
            child = slot.child
            if child is None or child.row is None:
                continue
            state = child.row.state
            if state == SPENT and not slot.retired:
                former = replace(slot, retired=True)
                self._slots.append(former)
                slot.child, slot.due, slot.relieves = None, 0.0, former
            elif state == LIVE and slot.relieves and slot.relieves.child:
                tell(slot.relieves.child.pid, signal.SIGTERM)
            elif state == LEFT and child.leave_by == math.inf:
                child.leave_by = time.monotonic() + self._settings.drain_seconds
                self._take_over_from(slot)

    def _take_over_from(self, former: Slot) -> None:
        for slot in self._workers():
            if slot.relieves is former:
                slot.relieves = None
                self._hush(slot)

    def _set_quiet(self, number: signal.Signals) -> None:
        if self._quiet == (number == signal.SIGTSTP):
            return
        self._quiet = not self._quiet
        log.info("quiet: no new tasks until SIGCONT" if self._quiet else "taking tasks again")
        for slot in self._workers():
            self._hush(slot)

    def _stands_by(self, slot: Slot) -> bool:
        """Whether its worker is to claim nothing for now."""
        return self._quiet or slot.relieves is not None

    def _hush(self, slot: Slot) -> None:
        """Let a worker know whether it stands by."""
        if slot.child and slot.child.row:
            slot.child.row.hush(self._stands_by(slot))
            tell(slot.child.pid, BELL)

    def _change_workers(self, change: Callable[[int], None]) -> None:
        if self._stage is not None:
            return
        for queue in range(len(self._customers)):
            change(queue)
        log.info("workers now: %d", len([slot for slot in self._workers() if not slot.retired]))

    def _remove_worker(self, queue: int) -> None:
        """Retire a queue's last worker, but never its only one."""
        active = [s for s in self._workers() if s.queue == queue and not s.retired]
        if len(active) > 1:
            last = max(active, key=lambda slot: slot.number)
            for slot in filter(None, (last, last.relieves)):
                self._retire(slot)

    def _report(self) -> None:
        """Log what every worker is doing, and ask each for its traceback."""
        now = time.monotonic()
        for slot in self._workers():
            if slot.child and slot.child.row:
                row = slot.child.row
                task = f"runs claim {row.owner}/{row.running} for {now - row.began:.1f} s"
                state = task if row.running else "is waiting"
                log.info("%s (pid %d) %s; %d done", slot.name, row.pid, state, row.completed)
                if row.pid:  # before it is there, the signal would kill it
                    tell(row.pid, signal.SIGUSR1)
        self._traces_at = now + TRACE_AFTER

    def _collect_traces(self) -> None:
        self._traces_at = math.inf
        for slot in self._workers():
            if slot.child and slot.child.trace:
                fd = slot.child.trace.fileno()
                text = os.pread(fd, 1 << 20, 0).decode(errors="replace")
                os.ftruncate(fd, 0)
                os.lseek(fd, 0, os.SEEK_SET)  # the worker's offset too: they share it
                log.info("%s (pid %d) is here:\n%s", slot.name, slot.child.pid, text.rstrip())


def trace_file() -> IO[bytes]:
    """A file for a worker's traceback, which the supervisor reads; in memory where that can be, as
    a container's folders may be read-only."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("traceback"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def run(
    customers: Sequence[WoodenCustomer], settings: Settings, lifeline: int | None = None
) -> int:
    """Be the supervisor of these customers; returns the exit code."""
    if not in_main_thread():
        raise RuntimeError("run() receives signals: it must be called in the main thread")
    logs.configure(settings.log_level, settings.log_format)
    waiter = waiter_at(settings.redis) if settings.redis else None  # one for all
    customers = [customer.under(settings, waiter) for customer in customers]
    if not customers:
        raise AppError("there is nothing to supervise: add a WoodenCustomer to the manager")
    server = server_for(customers[0].waiter.redis_clt, settings)
    setproctitle("woodenwaiter: supervisor of " + ", ".join(c.table_dish for c in customers)[:200])
    introduce(customers, settings)
    Link(customers[0].waiter.redis_clt, timeout=1)  # unopened: loads what each child would load
    supervisor = Supervisor(customers, settings, server, lifeline)
    for leftover in leftovers() if lifeline is None else ():
        log.warning("loading the application left %s: forked workers must not share it", leftover)
    return supervisor.run()


def introduce(customers: Sequence[WoodenCustomer], settings: Settings) -> None:
    """Say who this is, and what it is going to do."""
    log.info("woodenwaiter %s, supervisor, pid %d", __version__, os.getpid())
    for customer in customers:
        server = describe(customer.waiter.redis_clt)
        log.info("%s on %s, workers: %d", customer.table_dish, server, customer.worker_count)
    for queue in settings.processes_by_queue().keys() - {"", *(c.table_dish for c in customers)}:
        log.warning("processes are set for %s, but no customer serves it", queue)


if __name__ == "__main__":
    from woodenwaiter.command_line import supervise

    leave(supervise())
