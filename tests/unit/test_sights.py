"""Which running task is slow enough for what was claimed with it to go elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.housekeeper.sights import Sights
from woodenwaiter.pace import LONG, SLOW
from woodenwaiter.processes.row import Row
from woodenwaiter.processes.scoreboard import Scoreboard

NOW = 0.0
ENOUGH = SLOW + 1e-9
"""Whatever is added to it."""


def at(now: float) -> Callable[[], float]:
    return lambda: now


@pytest.fixture
def sights() -> Sights:
    return Sights()


@pytest.fixture
def row() -> Row:
    """Of a worker that runs the first of three claims."""
    row = Scoreboard(rows=1).allocate()
    assert row
    row.open(queue=0, slot=0, incarnation=1)
    row.hold(1, 3)
    row.begin(1, NOW)
    return row


def look(sights: Sights, row: Row, now: float) -> int:
    return sights.slow_claim(row, now, at(now))


def test_task_is_slow_when_two_looks_far_enough_apart_see_it(sights: Sights, row: Row) -> None:
    assert look(sights, row, NOW) == 0
    assert look(sights, row, NOW + SLOW - 0.001) == 0
    assert look(sights, row, NOW + SLOW) == 1


def test_first_look_tells_nothing_however_long_the_task_has_run(sights: Sights, row: Row) -> None:
    assert look(sights, row, NOW + 1000) == 0


def test_look_that_took_its_time_counts_from_when_it_saw_the_task(sights: Sights, row: Row) -> None:
    assert sights.slow_claim(row, NOW, at(NOW + 1)) == 0
    assert look(sights, row, NOW + SLOW) == 0
    assert look(sights, row, NOW + 1 + SLOW - 0.001) == 0
    assert look(sights, row, NOW + 1 + ENOUGH) == 1


def test_next_look_counts_from_its_beginning(sights: Sights, row: Row) -> None:
    look(sights, row, NOW)
    assert sights.slow_claim(row, NOW + SLOW / 2, at(NOW + 10)) == 0


def test_next_task_is_another(sights: Sights, row: Row) -> None:
    look(sights, row, NOW)
    row.finish(1)
    row.begin(2, NOW + SLOW / 2)
    assert look(sights, row, NOW + SLOW) == 0
    assert look(sights, row, NOW + 2 * SLOW) == 2


def test_same_number_of_the_next_worker_in_the_row_is_another(sights: Sights, row: Row) -> None:
    look(sights, row, NOW)
    row.open(queue=0, slot=0, incarnation=2)
    row.hold(1, 3)
    row.begin(1, NOW + SLOW)
    assert look(sights, row, NOW + SLOW) == 0
    assert look(sights, row, NOW + 2 * SLOW) == 1


def test_task_with_nothing_behind_it_may_be_slow(sights: Sights, row: Row) -> None:
    row.hold(1, 1)
    for seconds in range(5):
        assert look(sights, row, NOW + seconds) == 0
    row.hold(1, 2)
    assert look(sights, row, NOW + 5) == 1


def test_idle_worker_is_not_slow_nor_is_its_next_task(sights: Sights, row: Row) -> None:
    row.finish(1)
    for seconds in range(5):
        assert look(sights, row, NOW + seconds) == 0
    row.begin(2, NOW + 5)
    assert look(sights, row, NOW + 5) == 0


def test_what_could_not_be_given_back_is_tried_again(sights: Sights, row: Row) -> None:
    look(sights, row, NOW)
    assert look(sights, row, NOW + SLOW) == 1
    assert look(sights, row, NOW + SLOW + 0.001) == 1


def test_what_was_given_back_is_so_once(sights: Sights, row: Row) -> None:
    look(sights, row, NOW)
    look(sights, row, NOW + SLOW)
    sights.gave_back(row)
    for looks in range(2, 11):
        assert look(sights, row, NOW + looks * SLOW) == 0
    row.finish(1)
    row.begin(2, NOW + 10 * SLOW)
    look(sights, row, NOW + 10 * SLOW)
    assert look(sights, row, NOW + 10 * SLOW + ENOUGH) == 2


def test_look_can_tell_soon_of_what_seems_slow(sights: Sights, row: Row) -> None:
    look(sights, row, NOW)
    assert sights.can_tell_at(row, NOW + LONG - 0.001) == math.inf  # ordinary looks will do
    assert sights.can_tell_at(row, NOW + LONG) == NOW + SLOW


def test_look_can_tell_no_sooner_of_what_was_just_seen(sights: Sights, row: Row) -> None:
    look(sights, row, NOW + 1)
    assert sights.can_tell_at(row, NOW + 1) == NOW + 1 + SLOW


def test_another_look_tells_nothing_of_what_was_given_back(sights: Sights, row: Row) -> None:
    look(sights, row, NOW + 1)
    look(sights, row, NOW + 2)
    sights.gave_back(row)
    assert sights.can_tell_at(row, NOW + 2) == math.inf


def test_no_look_is_hurried_by_what_could_not_be_given_back(sights: Sights, row: Row) -> None:
    """While its server is away, say."""
    look(sights, row, NOW + 1)
    look(sights, row, NOW + 2)
    assert sights.can_tell_at(row, NOW + 2) == math.inf


def test_another_look_tells_nothing_where_nothing_waits(sights: Sights, row: Row) -> None:
    row.hold(1, 1)
    look(sights, row, NOW + 1)
    assert sights.can_tell_at(row, NOW + 1) == math.inf


def test_rows_are_seen_apart(sights: Sights) -> None:
    scoreboard = Scoreboard(rows=2)
    rows = []
    for incarnation in (1, 2):
        row = scoreboard.allocate()
        assert row
        row.open(queue=0, slot=0, incarnation=incarnation)
        row.hold(4, 5)
        row.begin(4, NOW)
        rows.append(row)
    first, second = rows
    look(sights, first, NOW)
    look(sights, second, NOW + 1)
    assert look(sights, first, NOW + SLOW) == 4
    sights.gave_back(first)
    assert look(sights, second, NOW + 1) == 0
    assert look(sights, second, NOW + 1 + ENOUGH) == 4


def test_what_is_forgotten_was_never_seen(sights: Sights, row: Row) -> None:
    sights.forget(row)
    look(sights, row, NOW)
    sights.forget(row)
    sights.forget(row)
    assert look(sights, row, NOW + SLOW) == 0


MOMENTS = st.floats(0, 2 * SLOW)


@given(st.lists(MOMENTS, min_size=1, max_size=30), st.lists(MOMENTS, min_size=10, max_size=30))
def test_worker_of_a_slow_task_takes_it_for_long(tasks: list[float], pauses: list[float]) -> None:
    """Looks begin, read the row and end with any pauses between, while tasks come and go: whoever
    is told to be slow has run so long that its worker lets go of the rest by itself."""
    row = Scoreboard(rows=1).allocate()
    assert row
    row.open(queue=0, slot=0, incarnation=1)
    row.hold(1, len(tasks))
    begun = [sum(tasks[:n]) for n in range(len(tasks) + 1)]
    sights = Sights()
    now = 0.0
    for before, after in zip(pauses[::2], pauses[1::2], strict=False):
        began, now = now, now + before  # the look had to see to others first
        running = sum(moment <= now for moment in begun)
        row.finish(running - 1)
        row.begin(running, 0)
        if slow := sights.slow_claim(row, began, at(now)):
            assert slow == running
            assert now - begun[slow - 1] >= max(LONG, SLOW - 1e-9)
        now += after
