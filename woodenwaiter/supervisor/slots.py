"""Who is to be forked, relieved, retired, killed, and when: decisions alone.

No clock, no fork, no signal: `Slots` is told what happened and when, writes words of shared memory,
and returns the signals and kills that the supervisor is to carry out. Children are kept by slot,
not by pid: whatever dies, its slot knows what belongs there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from .. import pace
from ..errors import EXIT_DRAINED, EXIT_KILLED, EXIT_REDIS, EXIT_SETUP
from ..events import about
from ..processes.ends import End
from ..processes.row import SETTING_UP, Cause, Row, State
from ..processes.scoreboard import Scoreboard
from ..processes.signals import BELL
from .orders import Child, Order, Say, Tell, dismiss, farewell, kill
from .places import Place, Setups, Stage
from .time_limits import Measure

GRACES = {
    Stage.HOUSEKEEPER: pace.HOUSEKEEPER_GRACE,
    Stage.METRICS: pace.METRICS_GRACE,
    Stage.WEB: pace.WEB_GRACE,
    Stage.WATCHER: pace.WATCHER_GRACE,
    Stage.SERVER: pace.SERVER_GRACE,
}
"""Seconds to leave, for those that have no tasks."""


@dataclass(eq=False)
class Slot:
    """A place for one child, filled again whenever it dies, unless retired."""

    stage: Stage
    name: str
    queue: int = 0  # of a worker: the index of its place
    number: int = 0
    child: Child | None = None
    young_deaths: int = 0
    due: float = 0.0  # when to fill it
    retired: bool = False
    setups: Setups | None = None  # of its place
    setup_failed: bool = False  # when it was last tried here
    is_routine: bool = False  # whether that it comes or goes is nothing to tell
    relieves: Slot | None = None  # a worker that asked for it; the new one stands by until it left

    def not_filled(self, now: float) -> None:
        """Its child could not be started: not for good, one hopes."""
        self.young_deaths += 1
        self.due = now + max(pace.REFORK, pace.respawn_delay(self.young_deaths))

    def postpone(self, now: float) -> None:
        """There is no row for its child yet."""
        self.due = now + pace.REFORK

    def died(self, child: Child, now: float) -> None:
        """Its child is to be replaced, at once unless it keeps dying young."""
        self.is_routine = False
        is_able = child.row is not None and child.row.completed > 0
        is_young = not is_able and now - child.born < pace.YOUNG
        self.young_deaths = self.young_deaths + 1 if is_young else 1
        self.due = now + pace.respawn_delay(self.young_deaths)

    def tells_of_setup(self, now: float) -> bool:
        """Whether its next worker is to tell why its setup fails, should it fail."""
        return self.setups is None or self.setups.begin(self.number, now)

    def hear_of_setup(self, state: State) -> None:
        if self.setups and state not in SETTING_UP:
            self.setup_failed = False
            self.setups.succeeded(self.number)

    def judge_setup(self, row: Row, now: float) -> list[Order]:
        """Its worker, which had this row, is no more."""
        self.hear_of_setup(row.state)
        if self.setups is None or row.state not in SETTING_UP:
            return []
        self.setup_failed = True
        said = self.setups.failed(now, told=row.state == State.STARTING)
        self.due = self.setups.next_try(now, self.due)
        extra = about("queue.setup", queue=self.setups.queue)
        return [Say(said, is_trouble=True, about=extra)] if said else []

    def check(self, now: float) -> Iterator[Order]:
        """What time calls for: its task may take too long, or it does not end."""
        child = self.child
        if child is None or child.is_killed:
            return
        if child.row and child.limit and child.limit.is_due(child.row, now):
            measure = child.limit.check(child.row, now)
            if measure == Measure.RAISE:
                yield Tell(child, BELL)
            elif measure == Measure.KILL:
                yield self._kill_for_time(child, child.row)
        if now >= child.leave_by and not child.is_killed:
            why = "as it has nothing left to do and does not end"
            runs = child.row and child.row.running  # it crashed in its task
            cause = Cause.CHARGED if runs else Cause.BLAMELESS
            yield kill(self.name, child, why, End.STUCK, cause)

    def _kill_for_time(self, child: Child, row: Row) -> Order:
        what, end = "its time was up", End.TIMED_OUT
        if row.cancellation.is_of(row.running):
            what, end = "it was cancelled", End.CANCELLED
        elif row.was_silent:
            what, end = "telling nothing for too long", End.STALLED
        return kill(self.name, child, f"as its task goes on after {what}", end, Cause.TIMED_OUT)


class Slots:
    """All children of one supervisor; ``drain_seconds``: for running tasks. Times are monotonic
    seconds. ``exit_code``: the supervisor's, once no slot is left."""

    def __init__(
        self, places: Sequence[Place], scoreboard: Scoreboard, drain_seconds: float
    ) -> None:
        self._places = places
        self._scoreboard = scoreboard
        self._drain_seconds = drain_seconds
        self.is_quiet = False
        self._interrupted_at = math.inf
        self._stage: Stage | None = None  # of the drain; None: it has not begun
        self._stage_deadline = math.inf
        self.drain_began = 0.0
        self.exit_code = EXIT_DRAINED
        self._slots = [Slot(Stage.HOUSEKEEPER, "housekeeper")]
        for queue, place in enumerate(places):
            for _ in range(place.workers):
                self.add_worker(queue)

    def __iter__(self) -> Iterator[Slot]:
        return iter(tuple(self._slots))

    def __bool__(self) -> bool:
        return bool(self._slots)

    @property
    def is_draining(self) -> bool:
        return self._stage is not None

    def workers(self) -> list[Slot]:
        return self._of_stage(Stage.WORKERS)

    def _of_stage(self, stage: Stage) -> list[Slot]:
        return [slot for slot in self._slots if slot.stage == stage]

    @property
    def is_frozen(self) -> bool:
        """Whether nobody is to be added or retired: they leave, or claim nothing for now."""
        return self.is_quiet or self.is_draining

    def active_workers(self, queue: int | None = None) -> list[Slot]:
        """Those that are not about to leave, of one queue or of all."""
        return [slot for slot in self.workers() if not slot.retired and queue in (None, slot.queue)]

    def place(self, queue: int) -> Place:
        return self._places[queue]

    def add_worker(self, queue: int, former: Slot | None = None) -> Slot:
        """``former``: one that was retired while it waited to be filled; what it waits for is not
        forgotten."""
        place = self._places[queue]  # of which several may serve the same queue
        taken = {w.number for w in self.workers() if self._places[w.queue].queue == place.queue}
        number = next(n for n in range(len(taken) + 1) if n not in taken)
        name = f"worker {place.queue:.80} #{number}"
        slot = Slot(Stage.WORKERS, name, queue, number, setups=place.setups)
        if former:
            slot.due, slot.young_deaths = former.due, former.young_deaths
        self._slots.append(slot)
        return slot

    def retire(self, slot: Slot) -> list[Order]:
        """Let a worker leave after its running task, and so whom it relieves."""
        both = filter(None, (slot, slot.relieves))
        return [order for each in both for order in self._retire(each)]

    # Births.

    def to_fill(self, now: float) -> list[Slot]:
        """The slots whose children are to be started."""
        return [slot for slot in self._slots if slot.child is None and slot.due <= now]

    def stands_by(self, slot: Slot) -> bool:
        """Whether its worker is to claim nothing for now."""
        return self.is_quiet or slot.relieves is not None

    def filled(self, slot: Slot, child: Child) -> None:
        if child.row:
            child.limit = self._places[slot.queue].time_limit(child.born)
        slot.child = child

    def add_helper(self, stage: Stage, name: str, child: Child | None = None) -> None:
        """An embedded server, which is up before anything else; or one of the others."""
        self._slots.append(Slot(stage, name, child=child))

    # Deaths.

    def slot_of(self, pid: int) -> Slot | None:
        """Whose child this was; None for an orphan that was handed to PID 1."""
        return next((slot for slot in self._slots if slot.child and slot.child.pid == pid), None)

    def ended(self, slot: Slot, status: int, now: float) -> list[Order]:
        """Its child is no more; ``status`` is waitpid's."""
        child, slot.child = slot.child, None
        if child is None:
            return []
        if slot.retired:
            self._slots.remove(slot)
            return self._take_over_from(slot)
        if slot.stage == Stage.HOUSEKEEPER and status == EXIT_REDIS << 8:
            self._slots.remove(slot)  # it never had a server to work with
            self.exit_code = EXIT_REDIS
            return self._begin_drain(now, "leaving: there is no Redis to work with")
        if not (child.row and child.row.state == State.LEFT):
            slot.died(child, now)
        said = slot.judge_setup(child.row, now) if child.row else []
        if slot.setups and slot.setups.is_hopeless(now):
            self.exit_code = EXIT_SETUP
            said += self._begin_drain(now, "leaving: see to the setup")
        return said

    # Workers tell.

    def hear_workers(self, now: float) -> list[Order]:
        """Workers ask for relief, or a look, are ready, maybe to relieve another, or are ending."""
        housekeepers = self._of_stage(Stage.HOUSEKEEPER) if self._scoreboard.is_look_wanted else []
        return [Tell(slot.child, BELL) for slot in housekeepers if slot.child] + [
            order
            for slot in self.workers()
            if slot.child and slot.child.row
            for order in self._hear(slot, slot.child, slot.child.row.state, now)
        ]

    def _hear(self, slot: Slot, child: Child, state: State, now: float) -> list[Order]:
        """What a worker's state calls for, though those before it were not heard of."""
        orders: list[Order] = []
        slot.hear_of_setup(state)
        if state in (State.LIVE, State.SPENT) and slot.relieves and slot.relieves.child:
            orders += dismiss(slot.relieves.child)
        if state == State.SPENT and not slot.retired and not self._has_predecessor(slot):
            former = replace(slot, retired=True)
            self._slots.append(former)
            slot.child, slot.due, slot.relieves = None, 0.0, former
        if child.row and child.row.is_ending and child.leave_by == math.inf:
            child.leave_by = now + self._grace(Stage.WORKERS)
            orders += self._take_over_from(slot) if state == State.LEFT else []
        return orders

    def _has_predecessor(self, slot: Slot) -> bool:
        """Whether one that was here before has not ended: where to end takes longer than to be
        spent, they would pile up."""
        return any(w.retired and (w.queue, w.number) == (slot.queue, slot.number) for w in self)

    def _take_over_from(self, former: Slot) -> list[Order]:
        orders: list[Order] = []
        for slot in self.workers():
            if slot.relieves is former:
                slot.relieves = None
                orders += self._hush(slot)
        return orders

    def _hush(self, slot: Slot) -> list[Order]:
        """Let a worker know whether it stands by."""
        if not (slot.child and slot.child.row):
            return []
        slot.child.row.hush(self.stands_by(slot))
        return [Tell(slot.child, BELL)]

    # People tell.

    def drain(self, now: float) -> list[Order]:
        """Let the running tasks finish, give the rest back, and leave."""
        seconds = f"{self._drain_seconds:g}"
        return self._begin_drain(now, f"draining: running tasks have up to {seconds} s to finish")

    def interrupt(self, now: float, code: int) -> list[Order]:
        """Drain; when told a second time, stop."""
        if self._interrupted_at == math.inf:
            self._interrupted_at = now
            return self.drain(now)
        if now - self._interrupted_at >= pace.SAME_INTERRUPT:
            return self.stop(now, code)
        return []

    def stop(self, now: float, code: int) -> list[Order]:
        """Leave with this exit code and without waiting for running tasks, if any: they go back to
        the queue."""
        if self._stage not in (None, Stage.WORKERS):
            return []
        self.exit_code = code
        leave = self._begin_drain(now, "stopping at once") or [Say("stopping at once")]
        return leave + self._kill_stage("as the signal asks for it")

    def set_quiet(self, quiet: bool) -> list[Order]:
        """Claim nothing, or go on."""
        if quiet == self.is_quiet:
            return []
        self.is_quiet = quiet
        say = Say("quiet: no new tasks until SIGCONT" if quiet else "taking tasks again")
        return [say, *(order for slot in self.workers() for order in self._hush(slot))]

    # Time passes.

    @property
    def due(self) -> float:
        """When something is due that no signal announces."""
        dues = [slot.child.due if slot.child else slot.due for slot in self._slots]
        return min([self._stage_deadline, *dues])

    def meet_deadlines(self, now: float) -> list[Order]:
        orders = [order for slot in self.workers() for order in slot.check(now)]
        if now >= self._stage_deadline:
            self._stage_deadline = math.inf
            orders += self._kill_stage("as its time is up")
        while self._stage is not None and self._slots and not self._of_stage(self._stage):
            orders += self._begin_stage(Stage(self._stage + 1), now)
        return orders

    # A drain.

    def _begin_drain(self, now: float, why: str) -> list[Order]:
        if self._stage is not None:
            return []
        self.drain_began = now
        said = Say(why, about=about("supervisor.draining", cause=why))
        return [said, *self._begin_stage(Stage.WORKERS, now)]

    def _begin_stage(self, stage: Stage, now: float) -> list[Order]:
        self._stage, self._stage_deadline = stage, now + self._grace(stage)
        if stage == Stage.HOUSEKEEPER:
            self._scoreboard.close()
        return [order for slot in self._of_stage(stage) for order in self._retire(slot)]

    def _grace(self, stage: Stage) -> float:
        """Seconds for a stage."""
        if stage == Stage.WORKERS:
            return max(self._drain_seconds, pace.LEAST_DRAIN)
        return GRACES[stage]

    def _retire(self, slot: Slot) -> list[Order]:
        slot.retired = True
        if slot.child:
            return farewell(slot.child, slot.stage)
        if slot.stage == Stage.HOUSEKEEPER:
            slot.due = 0.0  # it has just died, and the workers' claims are to be given back
        else:
            self._slots.remove(slot)
        return []

    def _kill_stage(self, why: str) -> list[Order]:
        orders: list[Order] = []
        for slot in [slot for slot in self._slots if slot.stage == self._stage]:
            if slot.child:
                orders.append(kill(slot.name, slot.child, why, End.STOPPED))
            else:
                self._slots.remove(slot)
        if orders and self._stage == Stage.WORKERS and self.exit_code == EXIT_DRAINED:
            self.exit_code = EXIT_KILLED
        return orders
