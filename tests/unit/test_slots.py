"""Who is to be forked, relieved, retired, killed, and when."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable
from signal import SIGCONT, SIGINT, SIGKILL, SIGQUIT, SIGSEGV, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from woodenwaiter import pace
from woodenwaiter.errors import EXIT_DRAINED, EXIT_KILLED, EXIT_REDIS, EXIT_SETUP
from woodenwaiter.pace import respawn_delay
from woodenwaiter.processes.row import Cause, Row, State
from woodenwaiter.processes.scoreboard import Scoreboard
from woodenwaiter.processes.signals import BELL, FAREWELL
from woodenwaiter.supervisor.orders import Child, Kill, Order, Say, Tell
from woodenwaiter.supervisor.places import Place, Setups, Stage
from woodenwaiter.supervisor.slots import Slot, Slots
from woodenwaiter.supervisor.staffing import Bounds, Staffing

DRAIN = 20.0
NO_REDIS = EXIT_REDIS << 8


class Loop:
    """Plays the supervisor's loop: its children are names, its signals words.

    The workers of the first queue are called ``a0``, ``a1``, …, each one's successor has a dash
    more: ``a0'``. Each method lets the loop turn once, and returns what it did.
    """

    def __init__(
        self,
        *workers: int,
        timeout: float | None = None,
        drain: float = DRAIN,
        rows: int = 64,
        setup_wait: float | None = None,
    ) -> None:
        self.scoreboard = Scoreboard(rows, len(workers))
        places = [
            Place(
                f"t:{'abc'[i]}",
                n,
                timeout,
                Setups(f"t:{'abc'[i]}", setup_wait) if setup_wait else None,
            )
            for i, n in enumerate(workers)
        ]
        self.slots = Slots(places, self.scoreboard, drain)
        bounds = [Bounds(n, n) for n in workers]
        self.staffing = Staffing(self.slots, bounds, self.scoreboard, math.inf)
        self.now = 1000.0
        self.can_fork = True
        self.recovers = True  # the rows of the dead
        self.living: dict[str, Child] = {}
        self.said: list[str] = []
        self._names: dict[int, str] = {}
        self._read: dict[Row, tuple[bool, int]] = {}  # of what each worker was told
        self._pids = itertools.count(100)
        self._fill()

    # The loop.

    def turn(self, orders: Iterable[Order] = ()) -> list[str]:
        done = [*self._do(orders), *self._do(self.slots.meet_deadlines(self.now))]
        self._fill()
        return done

    def passes(self, seconds: float) -> list[str]:
        """Time passes, through which the loop sleeps as far as it may."""
        end = self.now + seconds
        done: list[str] = []
        for _ in range(10_000):
            if self.slots.due > end:
                self.now = end
                return done
            self.now = max(self.now, self.slots.due)
            done += self.turn()
        raise AssertionError("the loop does not sleep")

    def _do(self, orders: Iterable[Order]) -> list[str]:
        done = []
        for order in orders:
            if isinstance(order, Say):
                self.said.append(order.text)
            elif isinstance(order, Kill):
                done.append(f"kill {self._names[order.child.pid]}")
            else:
                assert isinstance(order, Tell)
                done.append(f"{self._word(order)} {self._names[order.child.pid]}")
        return done

    def _word(self, told: Tell) -> str:
        """What this child finds when it is told to look, if anything is new."""
        if told.number == FAREWELL:
            assert told.child.row is None
            return "leave"
        assert told.number == BELL
        row = told.child.row
        if row is None:
            return "look"
        was_dismissed, was_overdue = self._read.get(row, (False, 0))
        self._read[row] = (row.is_dismissed, row.overdue)
        if row.is_dismissed > was_dismissed:
            return "leave"
        return "look" if row.overdue == was_overdue else "time is up"

    # Births.

    def _fill(self) -> None:
        for slot in self.slots.to_fill(self.now):
            if not self.can_fork:
                slot.not_filled(self.now)
            elif slot.stage == Stage.WORKERS:
                self._fill_with_worker(slot)
            else:
                self.slots.filled(slot, self._child(slot.name.split()[-1]))

    def _fill_with_worker(self, slot: Slot) -> None:
        row = self.scoreboard.allocate()
        if row is None:
            slot.postpone(self.now)
            return
        row.open(slot.queue, slot.number, incarnation=len(self._names))
        self._read.pop(row, None)  # which was another's
        row.hush(self.slots.stands_by(slot))
        if not slot.tells_of_setup(self.now):
            row.become(State.MUTED)
        self.slots.filled(slot, self._child(f"{'abc'[slot.queue]}{slot.number}", row))

    def _child(self, name: str, row: Row | None = None) -> Child:
        child = Child(next(self._pids), self.now, row)
        while name in self._names.values():
            name += "'"
        self._names[child.pid] = name
        self.living[name] = child
        return child

    # What happens to it.

    def row(self, name: str) -> Row:
        row = self.living[name].row
        assert row
        return row

    def starts_server(self) -> list[str]:
        self.slots.add_helper(Stage.SERVER, "embedded server", self._child("server"))
        return self.turn()

    def becomes(self, name: str, state: State) -> list[str]:
        self.row(name).become(state)
        return self.turn(self.slots.hear_workers(self.now))

    def dies(self, name: str, status: int = SIGKILL) -> list[str]:
        child = self.living.pop(name)
        slot = self.slots.slot_of(child.pid)
        assert slot
        orders = self.slots.ended(slot, status, self.now)
        if child.row:
            child.row.close(status, child.cause)
            if self.recovers:
                child.row.free()
        return self.turn([*orders, *self.slots.hear_workers(self.now)])

    def leaves(self, name: str) -> list[str]:
        """A worker ends well."""
        return self.becomes(name, State.LEFT) + self.dies(name, 0)

    def gets(self, number: int) -> list[str]:
        slots, now, code = self.slots, self.now, 128 + number
        orders: dict[int, Callable[[], list[Order]]] = {
            SIGTERM: lambda: slots.drain(now),
            SIGINT: lambda: slots.interrupt(now, code),
            SIGQUIT: lambda: slots.stop(now, code),
            SIGTSTP: lambda: slots.set_quiet(True),
            SIGCONT: lambda: slots.set_quiet(False),
            SIGTTIN: lambda: self.staffing.add_workers(now),
            SIGTTOU: lambda: self.staffing.remove_workers(now),
        }
        return self.turn(orders[number]())

    # What it is like.

    def quiet(self) -> set[str]:
        """The workers that are to claim nothing."""
        return {name for name, child in self.living.items() if child.row and child.row.quiet}

    def seconds_until_successor_of(self, name: str) -> float:
        """Seconds that the loop sleeps before the dead one's slot is filled again."""
        died = self.now
        while f"{name}'" not in self.living:
            assert self.slots.due < math.inf
            self.passes(self.slots.due - self.now)
        return self.now - died


def is_filled(slots: Slots) -> bool:
    return all(slot.child for slot in slots)


# Births and deaths.


def test_housekeeper_is_told_that_a_look_is_wanted() -> None:
    loop = Loop(2)
    loop.scoreboard.want_look(1.0)
    told = ["look housekeeper"]
    assert loop.turn(loop.slots.hear_workers(loop.now)) == told
    loop.scoreboard.note_look(2.0)
    assert loop.turn(loop.slots.hear_workers(loop.now)) == []


def test_first_early_death_is_forgiven() -> None:
    assert respawn_delay(0) == respawn_delay(1) == 0
    assert [respawn_delay(n) for n in (2, 3, 4)] == [0.1, 0.2, 0.4]
    assert respawn_delay(1_000_000) == pace.RESPAWN.longest


def test_everything_is_started_at_once() -> None:
    loop = Loop(2, 1)
    assert loop.living.keys() == {"housekeeper", "a0", "a1", "b0"}
    assert [(slot.name, slot.queue, slot.number) for slot in loop.slots.workers()] == [
        ("worker t:a #0", 0, 0),
        ("worker t:a #1", 0, 1),
        ("worker t:b #0", 1, 0),
    ]
    assert loop.slots.due == math.inf
    assert not loop.quiet()
    assert not loop.slots.is_draining


@pytest.mark.parametrize("name", ["a0", "housekeeper", "server"])
def test_what_keeps_dying_young_is_replaced_ever_later(name: str) -> None:
    loop = Loop(2)
    loop.starts_server()
    siblings = {other: child for other, child in loop.living.items() if other != name}
    delays = []
    for _ in range(12):
        loop.passes(0.25)
        assert loop.dies(name, SIGSEGV) == []
        delays.append(loop.seconds_until_successor_of(name))
        name += "'"
    expected = [respawn_delay(n) for n in range(1, 13)]
    assert delays == pytest.approx(expected)  # from its death on, whenever the one before died
    assert expected[-1] == pace.RESPAWN.longest
    assert siblings.items() <= loop.living.items()


def test_each_slot_counts_its_own_deaths() -> None:
    loop = Loop(2)
    loop.dies("a0")
    loop.dies("a0'")
    assert loop.slots.due == loop.now + respawn_delay(2)
    loop.dies("a1")
    assert "a1'" in loop.living


def test_death_of_a_child_that_has_done_a_task_is_forgiven() -> None:
    loop = Loop(1)
    loop.dies("a0")
    loop.dies("a0'")
    loop.passes(1)
    loop.row("a0''").begin(1, loop.now)
    loop.row("a0''").finish(1)
    loop.dies("a0''")
    assert loop.seconds_until_successor_of("a0''") == 0
    loop.dies("a0'''")
    assert loop.seconds_until_successor_of("a0'''") == pytest.approx(respawn_delay(2))


@pytest.mark.parametrize(("age", "is_forgiven"), [(0.0, True), (-0.5, False)])
def test_death_of_a_child_of_age_is_forgiven(age: float, is_forgiven: bool) -> None:
    loop = Loop(1)
    loop.dies("housekeeper")
    loop.passes(pace.YOUNG + age)
    loop.dies("housekeeper'")
    assert ("housekeeper''" in loop.living) == is_forgiven


def test_task_that_was_only_begun_shows_no_ability() -> None:
    loop = Loop(1)
    loop.dies("a0")
    loop.row("a0'").begin(1, loop.now)
    loop.dies("a0'")
    assert loop.seconds_until_successor_of("a0'") == pytest.approx(respawn_delay(2))


def test_fork_that_fails_is_tried_again_ever_later() -> None:
    loop = Loop(1)
    loop.can_fork = False
    loop.dies("a0")
    delays = []
    for _ in range(9):
        delays.append(loop.slots.due - loop.now)
        loop.passes(delays[-1])
    assert delays == pytest.approx([max(pace.REFORK, respawn_delay(n)) for n in range(2, 11)])
    assert max(delays) > 10 * pace.REFORK
    assert loop.living.keys() == {"housekeeper"}
    loop.can_fork = True
    loop.passes(pace.RESPAWN.longest)
    assert is_filled(loop.slots)


def test_nobody_is_started_without_a_row_and_that_is_not_held_against_him() -> None:
    loop = Loop(2, rows=3)
    loop.recovers = False
    loop.dies("a0")
    row = loop.row("a0'")
    loop.dies("a0'")
    for seconds in (respawn_delay(2), *[pace.REFORK] * 20):
        assert loop.slots.due == pytest.approx(loop.now + seconds)
        loop.passes(loop.slots.due - loop.now)
    loop.recovers = True
    row.free()
    loop.passes(pace.REFORK)
    assert is_filled(loop.slots)
    loop.dies("a0''")
    assert loop.seconds_until_successor_of("a0''") == pytest.approx(respawn_delay(3))


def test_worker_that_left_unasked_is_replaced_at_once_as_often_as_that_is() -> None:
    loop = Loop(1)
    name = "a0"
    for _ in range(10):
        assert loop.becomes(name, State.LIVE) == []
        loop.leaves(name)
        name += "'"
        assert name in loop.living
    assert loop.quiet() == set()


def test_places_of_one_queue_number_their_workers_together() -> None:
    places = [Place("t:a", 2), Place("t:b", 1), Place("t:a", 2)]
    slots = Slots(places, Scoreboard(8), DRAIN)
    for queue in range(3):
        slots.add_worker(queue)
    workers = [(slot.queue, slot.name) for slot in slots.workers()]
    names = [
        f"worker t:{name}"
        for name in ("a #0", "a #1", "b #0", "a #2", "a #3", "a #4", "b #1", "a #5")
    ]
    assert workers == list(zip((0, 0, 1, 2, 2, 0, 1, 2), names, strict=True))


def test_stranger_is_nobodys_child() -> None:
    loop = Loop(1)
    child = loop.living["a0"]
    slot = loop.slots.slot_of(child.pid)
    assert slot
    assert slot.child is child
    assert loop.slots.slot_of(99) is None


def test_end_that_is_told_twice_counts_once() -> None:
    loop = Loop(1)
    slot = loop.slots.workers()[0]
    assert loop.slots.ended(slot, SIGKILL, loop.now) == []
    assert loop.slots.ended(slot, SIGKILL, loop.now) == []
    assert (slot.young_deaths, slot.due) == (1, loop.now)


# Setups that fail.


def tellers(loop: Loop) -> set[str]:
    """The workers that are to tell why their setup fails."""
    rows = {name: child.row for name, child in loop.living.items() if child.row}
    return {name for name, row in rows.items() if row.state == State.STARTING}


def fail_until(loop: Loop, seconds: float, *names: str) -> set[str]:
    """Their setups fail, and those of their successors; returns who told why."""
    told = set()
    end = loop.now + seconds
    while loop.now < end and not loop.slots.is_draining:
        for name in [name for name in loop.living if name.rstrip("'") in names]:
            told |= tellers(loop) & {name}
            loop.dies(name, EXIT_SETUP << 8)
        loop.passes(min(0.25, max(0.01, loop.slots.due - loop.now)))
    return told


def test_setup_that_fails_is_told_once_and_then_in_a_line_a_minute() -> None:
    loop = Loop(3, setup_wait=1e6)
    assert tellers(loop) == {"a0"}
    assert fail_until(loop, pace.REMIND - 1, "a0", "a1", "a2") == {"a0"}
    assert loop.said == []
    assert fail_until(loop, 9 * pace.REMIND, "a0", "a1", "a2") == set()
    assert 7 <= len(loop.said) <= 9
    assert all(line.startswith("the setup of t:a failed ") for line in loop.said)
    assert not loop.slots.is_draining


def test_setup_that_fails_in_another_worker_is_told_as_well() -> None:
    loop = Loop(3, setup_wait=1e6)
    loop.becomes("a0", State.LIVE)
    assert len(fail_until(loop, pace.REMIND / 2, "a1", "a2")) == 1


def test_setup_that_fails_after_it_has_succeeded_is_told_anew_but_not_at_each_turn() -> None:
    loop = Loop(1, setup_wait=1e6)
    assert fail_until(loop, 1, "a0") == {"a0"}
    for seconds, told in ((0, False), (pace.REMIND, True)):
        loop.passes(pace.RESPAWN.longest)
        [name] = loop.living.keys() - {"housekeeper"}
        loop.becomes(name, State.LIVE)
        loop.passes(seconds)
        loop.dies(name)
        loop.passes(1)
        assert bool(fail_until(loop, 1, "a0")) == told


@pytest.mark.parametrize("seconds", [0.05, 5, 60, 100])
def test_supervisor_gives_up_where_no_setup_succeeds_in_time(seconds: float) -> None:
    loop = Loop(2, 1, setup_wait=seconds)
    loop.becomes("b0", State.LIVE)
    began = loop.now
    fail_until(loop, 1e6, "a0", "a1")
    assert loop.slots.is_draining
    assert loop.now - began == pytest.approx(seconds, abs=0.5)
    assert f"no worker of t:a got through its setup in {seconds:g} s" in loop.said
    loop.leaves("b0")
    loop.dies("housekeeper", 0)
    assert not loop.slots
    assert loop.slots.exit_code == EXIT_SETUP


@pytest.mark.parametrize("state", [State.LIVE, State.SPENT, State.LEFT])
@pytest.mark.parametrize("heard", [True, False])
def test_supervisor_never_gives_up_once_a_setup_has_succeeded(state: State, heard: bool) -> None:
    loop = Loop(2, setup_wait=60)
    if heard:
        loop.becomes("a0", state)
    else:
        loop.row("a0").become(state)
    loop.dies("a0")
    fail_until(loop, 1000, "a0", "a1")
    assert not loop.slots.is_draining


def test_slow_setup_is_waited_for() -> None:
    loop = Loop(1, setup_wait=60)
    loop.passes(1000)
    loop.becomes("a0", State.LIVE)
    assert not loop.slots.is_draining


def test_worker_without_setup_is_replaced_for_ever() -> None:
    loop = Loop(2)
    assert tellers(loop) == {"a0", "a1"}
    fail_until(loop, 1000, "a0", "a1")
    assert not loop.slots.is_draining
    assert loop.said == []


def test_setup_that_fails_in_a_drain_is_no_matter() -> None:
    loop = Loop(1, setup_wait=0.001)
    loop.passes(1)
    loop.gets(SIGTERM)
    loop.dies("a0", EXIT_SETUP << 8)
    loop.dies("housekeeper", 0)
    assert not loop.slots
    assert loop.slots.exit_code == EXIT_DRAINED


# A relief.


def relief(*workers: int, timeout: float | None = None) -> Loop:
    """The worker a0 has asked to be relieved."""
    loop = Loop(*workers or (1,), timeout=timeout)
    loop.becomes("a0", State.LIVE)
    assert loop.becomes("a0", State.SPENT) == []
    return loop


def test_spent_worker_works_on_until_its_successor_stands_by() -> None:
    loop = relief(2)
    assert loop.living.keys() == {"housekeeper", "a0", "a1", "a0'"}
    assert loop.quiet() == {"a0'"}
    assert loop.becomes("a1", State.LIVE) == []
    assert loop.becomes("a0'", State.LIVE) == ["leave a0"]
    assert loop.quiet() == {"a0'"}
    assert "look a0'" in loop.becomes("a0", State.LEFT)
    assert loop.quiet() == set()
    assert loop.dies("a0", 0) == []
    assert loop.living.keys() == {"housekeeper", "a1", "a0'"}
    assert len(list(loop.slots)) == 3
    assert loop.slots.due == math.inf


def test_spent_worker_gets_one_successor_however_often_it_is_heard() -> None:
    loop = relief()
    assert loop.becomes("a0", State.SPENT) == []
    assert loop.living.keys() == {"housekeeper", "a0", "a0'"}


def test_death_of_the_relieved_ends_the_relief() -> None:
    loop = relief()
    assert loop.dies("a0") == ["look a0'"]
    assert loop.quiet() == set()
    assert loop.living.keys() == {"housekeeper", "a0'"}
    assert loop.becomes("a0'", State.LIVE) == []


def test_death_of_a_successor_brings_another() -> None:
    loop = relief()
    assert loop.dies("a0'") == []
    assert loop.dies("a0''") == []
    loop.passes(respawn_delay(2))
    assert loop.quiet() == {"a0'''"}
    assert loop.becomes("a0'''", State.LIVE) == ["leave a0"]
    assert "look a0'''" in loop.leaves("a0")


@pytest.mark.parametrize("order", [("a0", "a0'"), ("a0'", "a0")])
def test_death_of_both_leaves_one_who_works(order: tuple[str, str]) -> None:
    loop = relief()
    for name in order:
        loop.dies(name)
    assert loop.living.keys() == {"housekeeper", "a0''"}
    assert loop.quiet() == set()


def test_successor_that_is_born_after_the_relieved_left_works_at_once() -> None:
    loop = relief()
    loop.becomes("a0'", State.LIVE)
    loop.can_fork = False
    loop.dies("a0'")
    assert loop.leaves("a0") == []
    loop.can_fork = True
    loop.passes(pace.REFORK)
    assert loop.living.keys() == {"housekeeper", "a0''"}
    assert loop.quiet() == set()


def test_spent_successor_is_relieved_once_its_predecessor_has_ended() -> None:
    loop = relief()
    assert loop.becomes("a0'", State.LIVE) == ["leave a0"]
    assert loop.becomes("a0'", State.SPENT) == []
    assert loop.quiet() == {"a0'"}
    assert "look a0'" in loop.becomes("a0", State.LEFT)
    assert loop.living.keys() == {"housekeeper", "a0", "a0'"}
    assert loop.dies("a0", 0) == []
    assert loop.quiet() == {"a0''"}
    assert loop.becomes("a0''", State.LIVE) == ["leave a0'"]
    assert "look a0''" in loop.leaves("a0'")
    assert loop.living.keys() == {"housekeeper", "a0''"}


@pytest.mark.parametrize("is_ready", [False, True])
def test_worker_is_retired_together_with_whom_it_relieves(is_ready: bool) -> None:
    loop = relief(2)
    loop.dies("a1")
    loop.becomes("a1'", State.SPENT)
    told = loop.becomes("a1''", State.LIVE) if is_ready else []
    assert sorted(told + loop.gets(SIGTTOU)) == ["leave a1'", "leave a1''"]
    assert loop.said == ["workers now: 1"]
    for name in ("a1'", "a1''"):
        loop.leaves(name)
    assert loop.living.keys() == {"housekeeper", "a0", "a0'"}


def test_worker_is_retired_with_a_successor_that_is_not_born() -> None:
    loop = relief(1, 2)
    loop.can_fork = False
    loop.becomes("b1", State.SPENT)
    assert loop.gets(SIGTTOU) == ["leave b1"]
    loop.can_fork = True
    loop.leaves("b1")
    loop.passes(60)
    assert loop.living.keys() == {"housekeeper", "a0", "a0'", "b0"}


def test_retired_worker_that_is_spent_has_no_successor() -> None:
    loop = Loop(2)
    assert loop.gets(SIGTTOU) == ["leave a1"]
    assert loop.becomes("a1", State.SPENT) == []
    assert loop.living.keys() == {"housekeeper", "a0", "a1"}


@pytest.mark.parametrize("timeout", [None, 3600.0])
def test_worker_whose_teardown_hangs_is_killed_without_a_charge(timeout: float | None) -> None:
    loop = relief(timeout=timeout)
    loop.becomes("a0'", State.LIVE)
    loop.becomes("a0", State.LEFT)
    loop.passes(1)
    loop.becomes("a0'", State.LIVE)  # the time runs from the first word of it, not from this one
    assert loop.slots.due == loop.now + DRAIN - 1
    assert loop.passes(DRAIN - 1.5) == []
    assert loop.passes(0.5) == ["kill a0"]
    assert loop.living["a0"].cause == Cause.BLAMELESS
    assert loop.dies("a0") == []
    assert loop.living.keys() == {"housekeeper", "a0'"}


@pytest.mark.parametrize("runs", [False, True])
def test_worker_that_crashes_and_does_not_end_is_killed_and_replaced(runs: bool) -> None:
    loop = Loop(1)
    loop.becomes("a0", State.LIVE)
    row = loop.row("a0")
    row.begin(1, loop.now)
    if not runs:
        row.finish(1)
    row.end()
    assert loop.becomes("a0", State.LIVE) == []
    assert loop.passes(DRAIN - 0.5) == []
    assert loop.passes(0.5) == ["kill a0"]
    assert loop.living["a0"].cause == (Cause.CHARGED if runs else Cause.BLAMELESS)
    loop.dies("a0")
    assert loop.living.keys() == {"housekeeper", "a0'"}


def test_worker_that_neither_drains_nor_ends_is_killed_once() -> None:
    loop = Loop(1)
    loop.becomes("a0", State.LIVE)
    loop.gets(SIGTERM)
    assert loop.passes(1) == []
    loop.row("a0").end()
    assert loop.becomes("a0", State.LIVE) == []
    assert loop.passes(2 * DRAIN) == ["kill a0"]


def test_worker_that_has_left_has_time_to_end_even_where_tasks_have_none() -> None:
    loop = Loop(2, drain=0)
    loop.gets(SIGTTOU)
    assert loop.becomes("a1", State.LEFT) == []
    assert loop.slots.due == loop.now + pace.LEAST_DRAIN


def test_successor_that_is_spent_before_it_was_heard_of_relieves_all_the_same() -> None:
    loop = relief()
    loop.row("a0'").become(State.LIVE)
    assert loop.becomes("a0'", State.SPENT) == ["leave a0"]
    loop.leaves("a0")
    assert loop.becomes("a0''", State.LIVE) == ["leave a0'"]


def test_successor_that_has_left_before_it_was_heard_of_leaves_its_task_to_another() -> None:
    """Somebody sent it a SIGTERM during its setup."""
    loop = relief()
    loop.becomes("a0'", State.LEFT)
    loop.dies("a0'", 0)
    assert loop.quiet() == {"a0''"}
    assert loop.becomes("a0''", State.LIVE) == ["leave a0"]


# Signals, once and again.


def test_term_drains_once() -> None:
    loop = Loop(1, 1)
    assert loop.gets(SIGTERM) == ["leave a0", "leave b0"]
    began = loop.now
    for _ in range(3):
        loop.passes(0.5)
        assert loop.gets(SIGTERM) == []
    assert loop.slots.drain_began == began
    assert loop.slots.due == began + DRAIN
    assert loop.said == ["draining: running tasks have up to 20 s to finish"]


def test_interrupt_that_comes_twice_at_once_is_one() -> None:
    loop = Loop(1)
    assert loop.gets(SIGINT) == ["leave a0"]
    loop.passes(pace.SAME_INTERRUPT - 0.125)
    assert loop.gets(SIGINT) == []
    loop.passes(0.125)
    assert loop.gets(SIGINT) == ["kill a0"]
    assert loop.slots.exit_code == 128 + SIGINT
    assert loop.said[1:] == ["stopping at once"]


@pytest.mark.parametrize("first", [SIGTERM, SIGINT])
def test_quit_stops_what_drains(first: int) -> None:
    loop = Loop(1)
    loop.gets(first)
    assert loop.gets(SIGQUIT) == ["kill a0"]
    assert loop.slots.exit_code == 128 + SIGQUIT


def test_interrupt_after_term_is_the_first() -> None:
    loop = Loop(1)
    loop.gets(SIGTERM)
    loop.passes(5)
    assert loop.gets(SIGINT) == []
    loop.passes(5)
    assert loop.gets(SIGINT) == ["kill a0"]


def test_quit_stops_at_once() -> None:
    loop = Loop(2)
    assert loop.gets(SIGQUIT) == ["leave a0", "leave a1", "kill a0", "kill a1"]
    assert loop.said == ["stopping at once"]
    assert {child.cause for name, child in loop.living.items() if name != "housekeeper"} == {
        Cause.BLAMELESS
    }
    assert loop.dies("a0") == []
    assert loop.dies("a1") == ["look housekeeper"]
    assert loop.gets(SIGQUIT) == loop.gets(SIGINT) == []  # there is nobody to be hurried
    loop.dies("housekeeper", 0)
    assert not loop.slots
    assert loop.slots.exit_code == 128 + SIGQUIT


def test_quiet_and_on_again_are_told_once() -> None:
    loop = Loop(1, 1)
    assert loop.gets(SIGTSTP) == ["look a0", "look b0"]
    assert loop.gets(SIGTSTP) == []
    assert loop.quiet() == {"a0", "b0"}
    assert loop.gets(SIGCONT) == ["look a0", "look b0"]
    assert loop.gets(SIGCONT) == []
    assert loop.quiet() == set()
    assert loop.said == ["quiet: no new tasks until SIGCONT", "taking tasks again"]


def test_whoever_is_born_into_the_quiet_is_quiet() -> None:
    loop = Loop(1)
    loop.gets(SIGTSTP)
    loop.gets(SIGTTIN)
    loop.dies("a0")
    assert loop.quiet() == {"a0'", "a1"}
    loop.gets(SIGCONT)
    assert loop.quiet() == set()


def test_quiet_is_told_to_nobody_who_is_not_there() -> None:
    loop = Loop(1)
    loop.can_fork = False
    loop.dies("a0")
    assert loop.gets(SIGTSTP) == []
    loop.can_fork = True
    loop.passes(pace.REFORK)
    assert loop.quiet() == {"a0'"}


def test_quiet_does_not_end_with_a_relief_nor_a_relief_with_it() -> None:
    loop = relief()
    loop.gets(SIGTSTP)
    assert loop.quiet() == {"a0", "a0'"}
    loop.gets(SIGCONT)
    assert loop.quiet() == {"a0'"}
    loop.becomes("a0'", State.LIVE)
    loop.gets(SIGTSTP)
    loop.leaves("a0")
    assert loop.quiet() == {"a0'"}
    assert loop.gets(SIGCONT) == ["look a0'"]
    assert loop.quiet() == set()


def test_quiet_worker_is_relieved() -> None:
    loop = Loop(1)
    loop.gets(SIGTSTP)
    loop.becomes("a0", State.SPENT)
    assert loop.becomes("a0'", State.LIVE) == ["leave a0"]
    assert "look a0'" in loop.leaves("a0")
    assert loop.quiet() == {"a0'"}


def test_one_more_and_one_fewer_for_each_queue() -> None:
    loop = Loop(1, 2)
    assert loop.gets(SIGTTIN) == []
    assert loop.living.keys() == {"housekeeper", "a0", "a1", "b0", "b1", "b2"}
    assert loop.gets(SIGTTOU) == ["leave a1", "leave b2"]
    assert loop.gets(SIGTTOU) == ["leave b1"]
    assert loop.gets(SIGTTOU) == []
    assert [text.split()[-1] for text in loop.said] == ["5", "3", "2", "2"]
    for name in ("a1", "b2", "b1"):
        loop.leaves(name)
    assert loop.living.keys() == {"housekeeper", "a0", "b0"}
    assert len(list(loop.slots)) == 3


def test_only_worker_of_a_queue_is_left_alone_while_it_is_relieved() -> None:
    loop = relief()
    assert loop.gets(SIGTTOU) == []
    assert loop.living.keys() == {"housekeeper", "a0", "a0'"}


def test_worker_that_waits_to_be_replaced_is_just_dropped() -> None:
    loop = Loop(2)
    loop.can_fork = False
    loop.dies("a1")
    assert loop.gets(SIGTTOU) == []
    loop.can_fork = True
    loop.passes(60)
    assert loop.living.keys() == {"housekeeper", "a0"}


def test_number_is_free_when_its_worker_has_ended() -> None:
    loop = Loop(2)
    loop.gets(SIGTTOU)
    loop.gets(SIGTTIN)
    assert loop.living.keys() == {"housekeeper", "a0", "a1", "a2"}
    loop.leaves("a1")
    loop.gets(SIGTTIN)
    assert loop.living.keys() == {"housekeeper", "a0", "a1'", "a2"}
    numbers = [slot.number for slot in loop.slots.workers()]
    assert sorted(numbers) == [0, 1, 2]


def test_number_of_workers_is_settled_once_they_leave() -> None:
    loop = Loop(2)
    loop.gets(SIGTERM)
    assert loop.gets(SIGTTIN) == loop.gets(SIGTTOU) == []
    assert loop.living.keys() == {"housekeeper", "a0", "a1"}
    assert "workers" not in loop.said[-1]


# A drain.


def test_drain_goes_from_the_workers_to_the_housekeeper_to_the_server() -> None:
    loop = Loop(1, 1)
    loop.starts_server()
    assert loop.gets(SIGTERM) == ["leave a0", "leave b0"]
    assert loop.slots.is_draining
    assert loop.leaves("a0") == []
    assert not loop.scoreboard.is_closing
    assert loop.leaves("b0") == ["look housekeeper"]
    assert loop.scoreboard.is_closing
    assert loop.dies("housekeeper", 0) == ["leave server"]
    assert loop.dies("server", 0) == []
    assert not loop.slots
    assert loop.slots.exit_code == EXIT_DRAINED


def test_relief_ends_with_the_drain() -> None:
    loop = relief()
    assert sorted(loop.gets(SIGTERM)) == ["leave a0", "leave a0'"]
    assert loop.becomes("a0'", State.LIVE) == []
    loop.leaves("a0'")
    assert loop.leaves("a0") == ["look housekeeper"]


def test_worker_that_is_killed_in_a_drain_is_not_replaced() -> None:
    loop = Loop(2)
    loop.gets(SIGTERM)
    assert loop.dies("a0") == []
    assert loop.dies("a1") == ["look housekeeper"]
    loop.dies("housekeeper", 0)
    assert not loop.slots
    assert loop.slots.exit_code == EXIT_DRAINED


def test_drain_does_not_wait_for_workers_that_are_not_there() -> None:
    loop = Loop(1)
    loop.can_fork = False
    loop.dies("a0")
    assert loop.gets(SIGTERM) == ["look housekeeper"]


def test_housekeeper_is_replaced_as_long_as_there_are_workers() -> None:
    loop = Loop(1)
    loop.gets(SIGTERM)
    loop.dies("housekeeper")
    loop.dies("housekeeper'")
    loop.passes(respawn_delay(2))
    assert loop.leaves("a0") == ["look housekeeper''"]
    assert loop.dies("housekeeper''") == []
    assert not loop.slots


def test_absent_housekeeper_is_started_for_its_own_stage() -> None:
    loop = Loop(1)
    name = "housekeeper"
    for _ in range(10):
        loop.dies(name)
        loop.seconds_until_successor_of(name)
        name += "'"
    loop.gets(SIGTERM)
    loop.dies(name)
    assert loop.slots.due > loop.now + 5
    assert loop.leaves("a0") == []
    assert loop.living.keys() == {name + "'"}
    assert loop.scoreboard.is_closing
    loop.dies(name + "'")
    assert not loop.slots


def test_housekeeper_that_cannot_be_started_is_given_up_in_time() -> None:
    loop = Loop(1)
    loop.can_fork = False
    loop.dies("housekeeper")
    loop.gets(SIGTERM)
    loop.leaves("a0")
    loop.passes(pace.HOUSEKEEPER_GRACE - 0.125)
    assert loop.slots
    loop.passes(0.125)
    assert not loop.slots
    assert loop.slots.exit_code == EXIT_DRAINED


def test_housekeeper_that_can_be_started_late_is() -> None:
    loop = Loop(1)
    loop.can_fork = False
    loop.dies("housekeeper")
    loop.gets(SIGTERM)
    loop.leaves("a0")
    loop.passes(pace.REFORK)
    loop.can_fork = True
    loop.passes(3 * pace.REFORK)
    assert loop.living.keys() == {"housekeeper'"}
    assert loop.passes(pace.HOUSEKEEPER_GRACE) == ["kill housekeeper'"]


@pytest.mark.parametrize("seconds", [0.0, 0.25, 60.0])
def test_each_stage_has_its_time(seconds: float) -> None:
    loop = Loop(2, drain=seconds)
    loop.starts_server()
    loop.gets(SIGTERM)
    loop.leaves("a0")
    workers = max(seconds, pace.LEAST_DRAIN)
    stages = [
        ("a1", workers, "look housekeeper"),
        ("housekeeper", pace.HOUSEKEEPER_GRACE, "leave server"),
        ("server", pace.SERVER_GRACE, None),
    ]
    for name, grace, following in stages:
        assert loop.slots.due == pytest.approx(loop.now + grace)
        assert loop.passes(grace - 0.125) == []
        assert loop.passes(0.125) == [f"kill {name}"]
        assert loop.living[name].cause == Cause.BLAMELESS
        assert loop.slots.due == math.inf
        assert loop.slots.exit_code == EXIT_KILLED
        assert loop.dies(name) == ([following] if following else [])
    assert not loop.slots


def test_only_workers_that_are_killed_count_in_the_exit_code() -> None:
    loop = Loop(1)
    loop.starts_server()
    loop.gets(SIGTERM)
    loop.leaves("a0")
    for name in ("housekeeper", "server"):
        assert loop.passes(pace.SERVER_GRACE) == [f"kill {name}"]
        loop.dies(name)
    assert loop.slots.exit_code == EXIT_DRAINED


def test_housekeeper_without_redis_ends_it_all() -> None:
    loop = Loop(1)
    loop.starts_server()
    assert loop.dies("housekeeper", NO_REDIS) == ["leave a0"]
    assert loop.said == ["leaving: there is no Redis to work with"]
    assert loop.passes(DRAIN) == ["kill a0"]
    assert loop.dies("a0") == ["leave server"]
    loop.dies("server", 0)
    assert not loop.slots
    assert loop.slots.exit_code == EXIT_REDIS


@pytest.mark.parametrize("status", [EXIT_REDIS, 1 << 8, 5 << 8, -1])
def test_housekeeper_that_ends_otherwise_is_replaced(status: int) -> None:
    loop = Loop(1)
    loop.dies("housekeeper", status)
    assert "housekeeper'" in loop.living
    assert loop.slots.exit_code == EXIT_DRAINED


def test_worker_may_end_as_it_likes() -> None:
    loop = Loop(1)
    loop.dies("a0", NO_REDIS)
    assert "a0'" in loop.living
    assert loop.slots.exit_code == EXIT_DRAINED


def test_end_of_a_drain_that_finds_no_redis() -> None:
    loop = Loop(1)
    loop.gets(SIGTERM)
    assert loop.dies("housekeeper", NO_REDIS) == []
    loop.leaves("a0")
    assert not loop.slots
    assert loop.slots.exit_code == EXIT_REDIS
    assert len(loop.said) == 1


def test_drain_that_begins_before_anything_was_started() -> None:
    slots = Slots([Place("t:a", 3)], scoreboard := Scoreboard(4), DRAIN)
    assert [type(order) for order in slots.drain(7.0)] == [Say]
    slots.add_helper(Stage.SERVER, "embedded server", Child(1, 7.0))
    assert slots.meet_deadlines(7.0) == []
    assert scoreboard.is_closing
    assert [slot.stage for slot in slots] == [Stage.HOUSEKEEPER, Stage.SERVER]
    [housekeeper] = slots.to_fill(7.0)
    slots.filled(housekeeper, Child(2, 7.0))
    slots.ended(housekeeper, 0, 7.0)
    assert [type(order) for order in slots.meet_deadlines(7.0)] == [Tell]


def test_who_serves_metrics_is_replaced_and_leaves_after_the_housekeeper() -> None:
    loop = Loop(1)
    loop.slots.add_helper(Stage.METRICS, "metrics")
    loop.starts_server()
    loop.dies("metrics")
    assert "metrics'" in loop.living
    assert loop.gets(SIGTERM) == ["leave a0"]
    loop.dies("metrics'")
    loop.passes(pace.YOUNG)
    assert "metrics''" in loop.living
    assert loop.leaves("a0") == ["look housekeeper"]
    assert loop.dies("housekeeper", 0) == ["look metrics''"]
    assert loop.passes(pace.METRICS_GRACE) == ["kill metrics''"]
    assert loop.dies("metrics''", 9) == ["leave server"]
    loop.dies("server", 0)
    assert not loop.slots
    assert loop.slots.exit_code == EXIT_DRAINED


def test_metrics_that_are_not_served_end_with_a_drain() -> None:
    loop = Loop(1)
    loop.slots.add_helper(Stage.METRICS, "metrics")
    loop.turn()
    loop.can_fork = False
    loop.dies("metrics")
    loop.gets(SIGTERM)
    loop.leaves("a0")
    loop.dies("housekeeper", 0)
    assert not loop.slots


def test_server_is_replaced_but_not_in_a_drain() -> None:
    loop = Loop(1)
    loop.starts_server()
    loop.dies("server")
    assert "server'" in loop.living
    loop.gets(SIGTERM)
    loop.can_fork = False
    loop.dies("server'")
    loop.leaves("a0")
    loop.dies("housekeeper", 0)
    assert not loop.slots


# Time limits.


def test_time_limit_is_told_then_the_worker_is_killed() -> None:
    loop = Loop(1, timeout=8)
    loop.becomes("a0", State.LIVE)
    loop.passes(3)
    loop.row("a0").begin(1, loop.now)
    assert loop.passes(7.5) == []
    assert loop.passes(0.5) == ["time is up a0"]
    assert loop.passes(pace.TIMEOUT_GRACE - 0.5) == []
    assert loop.passes(0.5) == ["kill a0"]
    assert loop.passes(3600) == []
    row = loop.row("a0")
    loop.recovers = False
    loop.dies("a0")
    assert (row.cause, row.is_charged) == (Cause.TIMED_OUT, True)
    assert "a0'" in loop.living


def test_time_limit_goes_on_in_a_drain_and_a_relief() -> None:
    loop = Loop(1, timeout=4)
    loop.row("a0").begin(1, loop.now)
    loop.becomes("a0", State.SPENT)
    loop.becomes("a0'", State.LIVE)
    loop.gets(SIGTERM)
    assert loop.passes(4 + pace.TIMEOUT_GRACE) == ["time is up a0", "kill a0"]
    assert loop.living["a0"].cause == Cause.TIMED_OUT


def test_each_queue_has_its_own_time_limit() -> None:
    slots = Slots([Place("t:a", 1, 5.0), Place("t:b", 1)], board := Scoreboard(4), DRAIN)
    for slot in slots.to_fill(0.0):
        row = board.allocate() if slot.stage == Stage.WORKERS else None
        if row:
            row.open(slot.queue, slot.number, 1)
            row.begin(1, 0.0)
        slots.filled(slot, Child(len(list(board)) + 1, 0.0, row))
    slots.meet_deadlines(0.0)
    assert slots.due == 5.0
    assert [order.child.row.queue for order in slots.meet_deadlines(5.0)] == [0]  # type: ignore[union-attr]


# All of it at random.

SECONDS = st.sampled_from([0.0, 0.125, 0.5, 1.0, 5.0, 20.0])
CHOICE = st.integers(0, 10**6)


class AnyHistory(RuleBasedStateMachine):
    """Two queues with time limits, and whatever may happen to their workers."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = Loop(2, 1, timeout=3.0)
        self.loop.starts_server()
        self.wanted = [2, 1]
        self.doomed: list[str] = []  # killed, not reaped yet
        self.told: set[str] = set()  # to leave

    def note(self, orders: list[str]) -> None:
        for order in orders:
            word, _, name = order.rpartition(" ")
            if word == "leave":
                self.told.add(name)
            elif word == "kill" and name not in self.doomed:
                self.doomed.append(name)

    def workers(self, *states: State) -> list[str]:
        """Those that run, and are in one of these states."""
        rows = {name: child.row for name, child in self.loop.living.items()}
        return [
            name
            for name, row in rows.items()
            if row and row.state in states and name not in self.doomed
        ]

    def working(self) -> list[str]:
        """Those that claim tasks, and are not about to stop."""
        running = self.workers(State.STARTING, State.LIVE, State.SPENT)
        return [n for n in running if n not in self.told and n not in self.loop.quiet()]

    def become(self, names: list[str], which: int, state: State, is_heard: bool) -> None:
        """One of these changes; the supervisor may hear of it later, together with others."""
        if names:
            self.loop.row(names[which % len(names)]).become(state)
            if is_heard:
                self.is_heard()

    @rule()
    def is_heard(self) -> None:
        self.note(self.loop.turn(self.loop.slots.hear_workers(self.loop.now)))

    @rule(which=CHOICE, is_heard=st.booleans())
    def is_ready(self, which: int, is_heard: bool) -> None:
        self.become(self.workers(State.STARTING), which, State.LIVE, is_heard)

    @rule(which=CHOICE)
    def begins(self, which: int) -> None:
        ready = set(self.workers(State.LIVE, State.SPENT)) & set(self.working())
        if names := sorted(n for n in ready if not self.loop.row(n).running):
            row = self.loop.row(names[which % len(names)])
            row.begin(row.completed + 1, self.loop.now)

    @rule(which=CHOICE)
    def finishes(self, which: int) -> None:
        if rows := [row for n in self.workers(*State) if (row := self.loop.row(n)).running]:
            row = rows[which % len(rows)]
            row.finish(row.running)

    @rule(which=CHOICE, is_heard=st.booleans())
    def is_spent(self, which: int, is_heard: bool) -> None:
        self.become(self.workers(State.LIVE), which, State.SPENT, is_heard)

    @rule(which=CHOICE, is_heard=st.booleans())
    def is_done(self, which: int, is_heard: bool) -> None:
        """One that was told to leave, or has had its fill, ends."""
        idle = [n for n in self.workers(State.LIVE, State.SPENT) if not self.loop.row(n).running]
        names = [n for n in idle if n in self.told or self.loop.row(n).state == State.SPENT]
        self.become(names, which, State.LEFT, is_heard)

    @rule(which=CHOICE, status=st.sampled_from([0, 1 << 8, SIGKILL, SIGSEGV]))
    def dies(self, which: int, status: int) -> None:
        if self.loop.living:
            names = sorted(self.loop.living)
            self.reap(names[which % len(names)], status)

    @rule()
    def is_reaped(self) -> None:
        if self.doomed:
            self.reap(self.doomed[0], SIGKILL)

    def reap(self, name: str, status: int) -> None:
        if name in self.doomed:
            self.doomed.remove(name)
        self.note(self.loop.dies(name, status))

    @rule(number=st.sampled_from([SIGTSTP, SIGCONT, SIGTTIN, SIGTTOU]))
    def is_told(self, number: int) -> None:
        draining = self.loop.slots.is_draining
        self.note(self.loop.gets(number))
        step = (number == SIGTTIN) - (number == SIGTTOU)
        if not draining:
            self.wanted = [max(1, wanted + step) for wanted in self.wanted]

    @precondition(lambda self: len(self.loop.said) > 2)
    @rule(number=st.sampled_from([SIGTERM, SIGINT, SIGQUIT]))
    def is_ended(self, number: int) -> None:
        self.note(self.loop.gets(number))

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.note(self.loop.passes(seconds))

    @rule(can_fork=st.booleans())
    def memory_is_short_or_not(self, can_fork: bool) -> None:
        self.loop.can_fork = can_fork

    @invariant()
    def no_worker_has_more_than_one_before_it(self) -> None:
        names = Counter(name.rstrip("'") for name in self.loop.living)
        assert max(names.values(), default=0) <= 2

    @invariant()
    def no_queue_has_more_workers_than_it_should(self) -> None:
        slots = self.loop.slots
        for queue, wanted in enumerate(self.wanted):
            here = [n for n in self.working() if self.loop.row(n).queue == queue]
            assert len(here) <= (0 if slots.is_draining else wanted)
            active = [s for s in slots.workers() if s.queue == queue and not s.retired]
            assert len(active) == (0 if slots.is_draining else wanted)

    @invariant()
    def every_slot_has_a_child_or_will_have_one(self) -> None:
        for slot in self.loop.slots:
            assert slot.child or slot.due < math.inf
            assert slot.child or not slot.retired or slot.stage == Stage.HOUSEKEEPER
        assert not self.loop.slots.to_fill(self.loop.now)

    @invariant()
    def every_child_has_a_slot(self) -> None:
        children = [slot.child.pid for slot in self.loop.slots if slot.child]
        assert sorted(children) == sorted(child.pid for child in self.loop.living.values())

    @invariant()
    def whoever_is_not_to_stay_knows_or_is_waited_for(self) -> None:
        waited_for = [slot.relieves for slot in self.loop.slots if slot.relieves]
        retired = [
            slot.child for slot in self.loop.slots if slot.retired and slot not in waited_for
        ]
        for name, child in self.loop.living.items():
            if child in retired and child.row and child.row.state != State.LEFT:
                assert name in self.told

    @invariant()
    def nothing_is_due_before_it_is(self) -> None:
        slots, now = self.loop.slots, self.loop.now
        for moment in (now, min(now + 1.0, (now + slots.due) / 2)):
            if moment < slots.due:
                before = [*slots], slots.due, self.loop.scoreboard.is_closing
                assert slots.meet_deadlines(moment) == []
                assert ([*slots], slots.due, self.loop.scoreboard.is_closing) == before

    def teardown(self) -> None:
        """A drain ends in time, whatever was."""
        loop = self.loop
        self.note(loop.gets(SIGTERM))
        latest = loop.now + DRAIN + pace.HOUSEKEEPER_GRACE + pace.SERVER_GRACE
        while loop.slots:
            while self.doomed:
                self.is_reaped()
            if loop.slots:
                assert loop.slots.due <= latest
                self.note(loop.passes(max(0.0, loop.slots.due - loop.now)))
        assert not loop.living
        assert loop.slots.exit_code in (EXIT_DRAINED, EXIT_KILLED, 128 + SIGINT, 128 + SIGQUIT)


AnyHistory.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
test_any_history = AnyHistory.TestCase
