"""The supervisor's loop: forks the workers and the housekeeper, reaps what dies, sends signals.

No Redis, no thread, none of the application's code: nothing that goes wrong elsewhere can delay a
reap or a drain. The loop sleeps until the next deadline, a signal, or the end of the program that
launched it; what is to be done then, `Slots` decides.
"""

from __future__ import annotations

import gc
import logging
import math
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from socket import socket

from ..errors import StartupError
from ..events import about
from ..logs import log
from ..processes.children import Dead, reap_and_measure, send_signal
from ..processes.cpus import places_in
from ..processes.descriptors import allow_descriptors, set_limits
from ..processes.fork import AtEnd, end_process, fork, leave
from ..processes.row import Cause, State
from ..processes.scoreboard import Scoreboard
from ..processes.signals import SignalInbox, name_of
from ..processes.totals import Tally
from ..processes.traces import Trace
from ..processes.tree import kill_group, kill_session, kill_tree
from ..settings import Settings
from .apart import Apart
from .condition import answer_of
from .deaths import Deaths, settle
from .doorway import Doorways
from .embedded import EmbeddedServer
from .forked import (
    AT_DOORWAYS,
    LAST_MOMENTS,
    SIGNALS,
    Answerer,
    Ties,
    be_housekeeper,
    be_watcher,
    be_worker,
    strays,
)
from .inquiries import Inquiries
from .orders import Child, Kill, Order, Say
from .places import Place, Setups, Stage
from .renewal import FOR_GOOD, Renewal, unless_ignored
from .roster import Outline, Roster, most_workers
from .shortage import Shortages, descriptors_for, shortage_of
from .slots import Slot, Slots
from .staffing import Bounds, Staffing
from .stalls import Stalls
from .systemd import Systemd
from .whereabouts import Whereabouts
from .wishes import asked_for, asked_for_once


def slots_of(roster: Roster, scoreboard: Scoreboard, settings: Settings) -> Slots:
    loads = not roster.is_loaded
    places = [_place_of(outline, settings, loads=loads) for outline in roster.outlines]
    slots = Slots(places, scoreboard, settings.drain_seconds)
    if settings.metrics:
        slots.add_helper(Stage.METRICS, "metrics")
    if settings.web:
        slots.add_helper(Stage.WEB, "web")
    if settings.reload:
        slots.add_helper(Stage.WATCHER, "watcher")
    return slots


def _place_of(outline: Outline, settings: Settings, *, loads: bool) -> Place:
    """``loads``: whether the workers load the application, which may fail as a setup does."""
    may_fail = outline.has_setup or loads
    setups = Setups(outline.queue, settings.setup_wait) if may_fail else None
    silence = outline.stall_timeout
    return Place(outline.queue, outline.least, outline.timeout, setups, silence)


def staffing_of(
    roster: Roster, slots: Slots, scoreboard: Scoreboard, settings: Settings
) -> Staffing:
    bounds = [Bounds(outline.least, outline.most, outline.share) for outline in roster.outlines]
    return Staffing(slots, bounds, scoreboard, places_in(settings.cpus))


class Supervisor:
    """Runs the roster's workers until a signal ends it. ``apart``: keeps the application's code
    out of it. ``systemd``: is told how it fares. ``lifeline``: a descriptor that becomes readable
    when the program that launched this process is gone. ``renewal``: how to start anew.
    ``threads``: that libraries have started before. ``doorways``: for its children."""

    def __init__(
        self,
        roster: Roster,
        settings: Settings,
        apart: Apart,
        systemd: Systemd,
        lifeline: int | None = None,
        renewal: Renewal | None = None,
        threads: str = "",
        doorways: Doorways | None = None,
    ) -> None:
        self._roster = roster
        self._settings = settings
        self._apart, self._systemd = apart, systemd
        self._server = roster.server
        self._lifeline = lifeline
        self._renewal = renewal or Renewal()
        self._doorways = doorways or Doorways()
        self._pid = os.getpid()
        self._scoreboard = Scoreboard(places=len(roster.outlines))
        self._incarnations = 0
        self._deaths = Deaths(self._scoreboard)
        self._whereabouts = Whereabouts(self._scoreboard, roster.outlines)
        self._shortages = Shortages()
        self._stalls = Stalls(threads, time.monotonic())
        self._strays = set(strays())
        self._slots = slots_of(roster, self._scoreboard, settings)
        self._staffing = staffing_of(roster, self._slots, self._scoreboard, settings)

    def run(self) -> int:
        """Supervise until drained; returns the exit code."""
        self._inbox = SignalInbox((*unless_ignored(SIGNALS), *LAST_MOMENTS, *self._strays))
        former = signal.pthread_sigmask(signal.SIG_UNBLOCK, self._inbox.actions)
        most = most_workers(self._roster.outlines, self._settings)
        self._limits = allow_descriptors(descriptors_for(most))
        self._alive_read, self._alive_write = os.pipe()
        self._inquiries = Inquiries()
        try:
            if self._server:
                self._start(self._server)
            gc.collect()
            gc.freeze()  # else the first collection in each child would copy all pages
            while self._slots:
                self._turn()
        finally:
            self._renewal.end_trial()  # of a drain that it is not the reason of
            gc.unfreeze()
            self._inquiries.end()
            self._doorways.close()
            os.close(self._alive_read)
            os.close(self._alive_write)
            set_limits(self._limits)
            signal.pthread_sigmask(signal.SIG_SETMASK, former)
            self._inbox.restore()
        _tell_drain(time.monotonic() - self._slots.drain_began, self._scoreboard.sum().tally)
        if self._renewal.is_ready:
            log.info("starting anew")
        return self._slots.exit_code

    def _turn(self) -> None:
        self._apart.look_after_reporter(self._fork, self._alive_read)
        for slot in [s for s in self._slots.to_fill(time.monotonic()) if self._fill(s)]:
            _tell_birth(slot)  # of all at last: two forks share no memory that is used in between
        timed = (self._slots, self._staffing, self._whereabouts, self._stalls, self._apart)
        due = min(part.due for part in (*timed, self._renewal, self._systemd, self._inquiries))
        self._listen(None if due == math.inf else due - time.monotonic())
        for dead in self._reap():
            self._note_end(dead)
        _carry_out(self._slots.hear_workers(time.monotonic()))  # one of them may have rung
        self._meet_deadlines()
        self._systemd.look(self._slots, self._scoreboard, self._renewal)
        self._scoreboard.note_state(self._slots.is_quiet, self._slots.is_draining)

    def _listen(self, seconds: float | None) -> bool:
        """Sleep until a signal comes or the time is up; returns whether it is time to leave."""
        lifeline = () if self._lifeline is None else (self._lifeline,)
        ready = self._inbox.wait((*lifeline, *self._inquiries.watched()), seconds)
        condition = (self._slots, self._scoreboard, self._settings.lease_seconds)
        self._inquiries.answer(ready, partial(answer_of, *condition, time.monotonic()))
        if self._lifeline in ready:
            self._lifeline = None
            _carry_out(self._slots.drain(time.monotonic()))
            log.warning("the program that launched this supervisor is gone")
        for number in self._inbox.take():
            self._act_on(number)
            self._scoreboard.note_heard()
        return self._slots.is_draining

    def _act_on(self, number: int) -> None:
        now = time.monotonic()
        if number in FOR_GOOD:
            self._renewal.give_up()
        if number == signal.SIGHUP:
            _carry_out(self._renew(now))
        else:
            _carry_out(asked_for(number, self._slots, self._staffing, now))
        if number == signal.SIGUSR1:
            self._whereabouts.ask(self._slots.workers(), now)
        elif number in self._strays:
            self._strays.remove(number)  # once is enough
            log.warning("%s came, and means nothing here: it is ignored", name_of(number))

    def _renew(self, now: float) -> list[Order]:
        """Try the new code, or drain where it is not for this process to start again."""
        if not self._renewal.is_possible:
            self._renewal.give_up()
            return self._slots.drain(now)
        if not self._slots.is_draining:
            self._renewal.try_out(self._fork, now)
        return []

    def _meet_deadlines(self) -> None:
        now = time.monotonic()
        self._renewal.meet_deadline(now)
        self._whereabouts.look(self._slots.workers(), now)
        self._stalls.look(self._slots.workers(), now)
        asked = asked_for_once(self._scoreboard, self._slots, now)
        _carry_out([*asked, *self._slots.meet_deadlines(now), *self._staffing.look(now)])

    # Births.

    def _start(self, server: EmbeddedServer) -> None:
        """Start the server, heeding signals meanwhile."""
        born = time.monotonic()
        if pid := server.start(self._listen, self._settings.redis_wait):
            self._slots.add_helper(Stage.SERVER, "embedded server", Child(pid, born))
        else:
            self._server = None  # another supervisor's is used
        self._meet_deadlines()  # of a drain that has begun meanwhile

    def _fill(self, slot: Slot) -> Child | None:
        born, child = time.monotonic(), None
        try:
            child = self._bear(slot, born)
        except (OSError, StartupError) as error:  # no memory, say
            slot.not_filled(born)
            self._shortages.note(slot.name, shortage_of(error, len(self._slots.workers())), born)
        else:
            if child:
                self._slots.filled(slot, child)
        return child

    def _bear(self, slot: Slot, born: float) -> Child | None:
        if slot.stage == Stage.WORKERS:
            return self._bear_worker(slot, born)
        mains = {Stage.HOUSEKEEPER: self._housekeeper, Stage.WATCHER: self._watcher}
        if main := mains.get(slot.stage):
            return Child(self._fork(main, leave), born)
        if slot.stage in self._doorways:
            with self._doorways.lent(slot.stage) as listener:
                main = partial(self._answerer, AT_DOORWAYS[slot.stage], listener)
                return Child(self._fork(main, leave), born)
        return Child(self._server.spawn(), born) if self._server else None

    def _bear_worker(self, slot: Slot, born: float) -> Child | None:
        row = self._scoreboard.allocate()
        if row is None:
            slot.postpone(born)
            self._shortages.note(slot.name, self._scoreboard.why_full, born)
            return None
        self._incarnations += 1
        row.open(slot.queue, slot.number, self._incarnations)
        row.hush(self._slots.stands_by(slot))
        if not slot.tells_of_setup(born):
            row.become(State.MUTED)
        roster, board, lease = self._roster, self._scoreboard, self._settings.lease_seconds

        def worker() -> int:
            self._apart.leave()
            return be_worker(slot.name, roster, board, row, trace, lease, self._ties)

        try:
            trace = Trace()
            pid = self._fork(worker)
        except OSError:
            row.free()
            raise
        return Child(pid, born, row, trace, queue=self._slots.place(slot.queue).queue)

    def _housekeeper(self) -> int:
        given = self._roster, self._scoreboard, self._settings, self._ties
        renewal, stops = self._renewal, self._server is not None
        return be_housekeeper(*given, lambda: renewal.is_possible, stops_server=stops)

    def _answerer(self, be: Answerer, listener: socket) -> int:
        return be(self._roster, self._scoreboard, self._settings, listener, self._ties)

    def _watcher(self) -> int:
        return be_watcher(*self._renewal.watched, self._scoreboard, self._ties)

    def _fork(self, main: Callable[[], int], at_end: AtEnd = end_process) -> int:
        def child() -> int:
            self._let_go()
            return main()

        return fork(child, at_end)

    def _let_go(self) -> None:
        """Leave a child without what is the supervisor's, but for a way to ring it."""
        set_limits(self._limits)
        self._ties = Ties(self._alive_read, self._inbox.bequeath(), self._pid)
        os.close(self._alive_write)
        self._inquiries.leave()
        self._doorways.close()
        for slot in self._slots:
            if slot.child and slot.child.trace:
                slot.child.trace.close()

    # Deaths.

    def _reap(self) -> Iterator[Dead]:
        """The children that died. As PID 1 it is everybody's parent; else it leaves alone what is
        not its own: a program may have other children."""
        if self._pid == 1:
            while (dead := reap_and_measure(-1)).pid:
                yield dead
            return
        for pid in [*self._renewal.pids, *(slot.child.pid for slot in self._slots if slot.child)]:
            if (dead := reap_and_measure(pid)).pid:
                yield dead

    def _note_end(self, dead: Dead) -> None:
        if dead.pid == self._renewal.pid:
            self._note_trial(dead.status)
        slot = self._slots.slot_of(dead.pid)
        if slot is None or slot.child is None:
            return
        child = slot.child
        end = self._deaths.note(slot, child, dead)
        if child.row:
            # What its handlers had started: it ends that itself, where it can see it.
            (kill_group if child.row.state == State.LEFT else kill_session)(dead.pid)
        orders = self._slots.ended(slot, dead.status, time.monotonic())
        if child.row and child.trace:
            settle(child.row, dead.cpu)
            child.row.close(dead.status, child.cause, end)
            child.trace.close()
        _carry_out(orders)

    def _note_trial(self, status: int) -> None:
        if self._renewal.ended(status):
            _carry_out(self._renew(time.monotonic()))
        elif self._renewal.is_ready:
            _carry_out(self._slots.drain(time.monotonic()))


def _carry_out(orders: Iterable[Order]) -> None:
    for order in orders:
        if isinstance(order, Say):
            level = logging.ERROR if order.is_trouble else logging.INFO
            log.log(level, "%s", order.text, extra=order.about)
        elif isinstance(order, Kill):
            level = logging.ERROR if order.cause == Cause.TIMED_OUT else logging.WARNING
            name, pid = order.name, order.child.pid
            event = about(
                "worker.killed" if order.child.row else "helper.killed",
                queue=order.child.queue,
                worker=name,
                worker_pid=pid,
                cause=order.why,
            )
            log.log(level, "%s (pid %d) is killed, %s", name, pid, order.why, extra=event)
            kill_tree(pid)
        else:
            send_signal(order.child.pid, order.number)


def _tell_drain(seconds: float, tally: Tally) -> None:
    extra = about("supervisor.drained", seconds=seconds)
    log.info("drained in %.1f s; %s", seconds, tally, extra=extra)


def _tell_birth(slot: Slot) -> None:
    level = logging.DEBUG if slot.setup_failed or slot.is_routine else logging.INFO
    if child := slot.child:
        event = about(
            "worker.started" if child.row else "helper.started",
            queue=child.queue,
            worker=slot.name,
            worker_pid=child.pid,
        )
        log.log(level, "%s (pid %d) started", slot.name, child.pid, extra=event)
