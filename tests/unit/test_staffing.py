"""Who is added and who retired for the load's sake."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest

from woodenwaiter import pace
from woodenwaiter.processes.row import Cause, Row, State
from woodenwaiter.processes.scoreboard import Scoreboard
from woodenwaiter.supervisor.orders import Child, Order, Say, Tell
from woodenwaiter.supervisor.places import Place
from woodenwaiter.supervisor.slots import Slot, Slots
from woodenwaiter.supervisor.staffing import Bounds, Staffing


class Loop:
    """Plays the supervisor's loop; who is told to leave stays until it `leaves`."""

    def __init__(self, *bounds: tuple[int, int], places: float = math.inf) -> None:
        self.scoreboard = Scoreboard(64, len(bounds))
        self.slots = Slots(
            [Place(f"t:{i}", b[0]) for i, b in enumerate(bounds)], self.scoreboard, 9
        )
        self.staffing = Staffing(self.slots, [Bounds(*b) for b in bounds], self.scoreboard, places)
        self.now = 1000.0
        self.said: list[str] = []
        self._incarnations = 0
        self.turn()

    def turn(self, orders: Iterable[Order] = ()) -> list[str]:
        """Returns the names of those who are told to leave."""
        told = []
        for order in [*orders, *self.staffing.look(self.now)]:
            if isinstance(order, Say):
                self.said.append(order.text)
            elif isinstance(order, Tell) and order.child.row and order.child.row.is_dismissed:
                told.append(next(s.name for s in self.slots if s.child is order.child))
        for slot in self.slots.to_fill(self.now):
            self._fill(slot)
        return told

    def _fill(self, slot: Slot) -> None:
        self._incarnations += 1
        row = None
        if slot.name != "housekeeper":
            row = self.scoreboard.allocate()
            assert row
            row.open(slot.queue, slot.number, self._incarnations)
        self.slots.filled(slot, Child(self._incarnations, self.now, row))

    def passes(self, seconds: float) -> list[str]:
        told, end = [], self.now + seconds
        while (due := min(self.staffing.due, self.slots.due)) <= end:
            self.now = max(self.now, due)
            told += self.turn()
        self.now = end
        return told + self.turn()

    def waits(self, queue: int, tasks: int) -> list[str]:
        """The housekeeper has counted them, again and again."""
        self.scoreboard.demands[queue].tell(tasks, self.now)
        told = self.passes(pace.GROW)
        self.scoreboard.demands[queue].tell(tasks, self.now)
        return told + self.turn()

    def workers(self, queue: int = 0) -> list[Slot]:
        return self.slots.active_workers(queue)

    def row(self, slot: Slot) -> Row:
        assert slot.child
        assert slot.child.row
        return slot.child.row

    def is_ready(self, slot: Slot) -> None:
        """It has claimed, in vain."""
        self.row(slot).become(State.LIVE)
        self.row(slot).stand_on(2)

    def runs(self, slot: Slot) -> None:
        self.is_ready(slot)
        self.row(slot).begin(self.row(slot).started + 1, self.now)

    def is_done(self, slot: Slot) -> None:
        self.row(slot).finish(self.row(slot).started)

    def ends(self, slot: Slot, status: int = 0) -> list[str]:
        row = self.row(slot)
        orders = self.slots.ended(slot, status, self.now)
        row.close(status, Cause.BLAMELESS)
        row.free()
        return self.turn(orders)


def test_task_at_a_queue_without_workers_brings_one() -> None:
    loop = Loop((0, 3))
    assert loop.workers() == []
    assert loop.staffing.due == math.inf
    assert loop.scoreboard.demands[0].is_watched
    loop.scoreboard.demands[0].tell(1, loop.now)
    loop.turn()
    assert [slot.name for slot in loop.workers()] == ["worker t:0 #0"]


def test_more_come_while_tasks_wait_and_they_leave_when_there_are_none() -> None:
    loop = Loop((1, 3))
    loop.runs(loop.workers()[0])
    loop.waits(0, 10)
    assert len(loop.workers()) == 3
    assert not loop.scoreboard.demands[0].is_watched
    for slot in loop.workers():
        loop.runs(slot)
        loop.is_done(slot)
    assert loop.passes(pace.LINGER - 1) == []
    assert loop.passes(3) == ["worker t:0 #2", "worker t:0 #1"]
    assert loop.scoreboard.demands[0].is_watched


@pytest.mark.parametrize("age", [0.0, pace.OLD_COUNT + 1])
def test_count_that_is_old_or_from_before_one_was_idle_brings_nobody(age: float) -> None:
    loop = Loop((0, 1))
    loop.scoreboard.demands[0].tell(5, loop.now)
    if age:
        loop.now += age
        loop.turn()
        assert loop.workers() == []
        return
    loop.turn()
    [slot] = loop.workers()
    loop.runs(slot)
    loop.is_done(slot)
    assert loop.passes(pace.LINGER + 3) == [slot.name]
    loop.ends(slot)
    assert loop.workers() == []
    loop.scoreboard.demands[0].tell(5, loop.now)
    loop.turn()
    assert len(loop.workers()) == 1


def test_place_is_taken_from_who_is_idle_then_from_whose_task_began_first() -> None:
    loop = Loop((0, 3), (0, 3), places=3)
    loop.scoreboard.demands[0].tell(9, loop.now)
    loop.turn()
    loop.waits(0, 9)
    for slot in loop.workers():
        loop.now += 1
        loop.runs(slot)
    first, second, third = loop.workers()
    loop.is_done(third)
    loop.scoreboard.demands[0].tell(0, loop.now)
    loop.passes(1)
    loop.scoreboard.demands[1].tell(1, loop.now)
    assert loop.turn() == [third.name]
    assert loop.workers(1) == []  # there is no room before it has ended
    loop.ends(third)
    assert len(loop.workers(1)) == 1
    loop.runs(loop.workers(1)[0])
    assert loop.waits(0, 9) + loop.waits(1, 9) == [first.name]
    assert loop.row(second).running


def test_budget_counts_who_is_leaving_but_not_who_stands_by() -> None:
    loop = Loop((0, 2), places=1)
    loop.scoreboard.demands[0].tell(9, loop.now)
    loop.turn()
    [slot] = loop.workers()
    loop.runs(slot)
    loop.row(slot).become(State.SPENT)
    loop.turn(loop.slots.hear_workers(loop.now))
    loop.waits(0, 9)
    assert len(loop.slots.workers()) == 2
    assert len(loop.workers()) == 1


def test_deaths_are_not_forgotten_while_others_have_the_place() -> None:
    loop = Loop((0, 1), places=1)
    forks = []
    for _ in range(8):
        loop.waits(0, 1)
        while not loop.workers() or not loop.workers()[0].child:
            loop.passes(0.5)
            loop.scoreboard.demands[0].tell(1, loop.now)
            loop.turn()
        forks.append(loop.now)
        loop.ends(loop.workers()[0], 9)
    assert forks[-1] - forks[-2] >= pace.respawn_delay(7)


def test_quiet_and_a_drain_end_it() -> None:
    loop = Loop((0, 2))
    loop.slots.set_quiet(True)
    loop.waits(0, 9)
    assert loop.workers() == []
    assert not loop.scoreboard.demands[0].is_watched
    assert loop.staffing.due == math.inf
    loop.slots.set_quiet(False)
    loop.turn()
    assert loop.scoreboard.demands[0].is_watched
    loop.slots.drain(loop.now)
    loop.waits(0, 9)
    assert loop.workers() == []
    assert not loop.scoreboard.demands[0].is_watched


def test_people_change_what_a_queue_may_have() -> None:
    loop = Loop((1, 1), (0, 1), places=3)
    loop.turn(loop.staffing.add_workers(loop.now))
    loop.turn(loop.staffing.add_workers(loop.now))
    assert len(loop.workers(0)) == 3
    assert loop.workers(1) == []
    loop.turn(loop.staffing.add_workers(loop.now))
    assert len(loop.workers(0)) == 3  # the budget has no more
    for _ in range(4):
        loop.turn(loop.staffing.remove_workers(loop.now))
    assert len(loop.workers(0)) == 1
    assert [order.text for order in loop.staffing.describe() if isinstance(order, Say)] == [
        "t:1 has 0 workers, of 0 to 1; waiting: 0"
    ]


def test_log_tells_how_many_each_has_once_a_minute() -> None:
    loop = Loop((0, 1))
    for _ in range(5):
        loop.now += pace.REMIND / 10
        loop.scoreboard.demands[0].tell(1, loop.now)
        loop.turn()
    assert loop.said == []
    loop.now += pace.REMIND
    loop.turn()
    assert loop.said == ["workers now: t:0 1"]


def test_fixed_numbers_are_left_alone() -> None:
    loop = Loop((2, 2))
    assert loop.staffing.due == math.inf
    loop.waits(0, 1000)
    assert len(loop.workers()) == 2
    assert not loop.scoreboard.demands[0].is_watched
