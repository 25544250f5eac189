"""What an idle worker sees of the others of its queue."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress

import pytest

from woodenwaiter.pace import LONG
from woodenwaiter.processes.row import Cause, Row
from woodenwaiter.processes.scoreboard import Scoreboard
from woodenwaiter.worker.lookout import Lookout

BEGAN = 100.0
SLOW_FROM = BEGAN + LONG


class Pool:
    """Two workers of one queue, and one of another: the first is idle."""

    def __init__(self, read: int, bell: int) -> None:
        self._read = read
        self.scoreboard = Scoreboard(rows=3)
        self.idle, self.other, self.stranger = (self._row(n, queue=n // 2) for n in range(3))
        self.lookout = Lookout(self.scoreboard, self.idle, bell)

    def _row(self, number: int, queue: int) -> Row:
        row = self.scoreboard.allocate()
        assert row
        row.open(queue, slot=0, incarnation=number + 1)
        return row

    def rings(self) -> int:
        """How often the supervisor was rung since the last call."""
        with suppress(BlockingIOError):
            return len(os.read(self._read, 100))
        return 0


@pytest.fixture
def pool() -> Iterator[Pool]:
    read, bell = os.pipe()
    os.set_blocking(read, False)
    yield Pool(read, bell)
    os.close(read)
    os.close(bell)


def busy(row: Row, *, began: float = BEGAN, claims: int = 2) -> None:
    row.hold(1, claims)
    row.begin(1, began)


def test_task_that_seems_slow_is_to_be_looked_at(pool: Pool) -> None:
    busy(pool.other)
    assert pool.lookout.look(SLOW_FROM) == math.inf
    assert (pool.rings(), pool.scoreboard.is_look_wanted) == (1, True)


def test_look_comes_when_a_task_will_seem_slow(pool: Pool) -> None:
    busy(pool.other)
    assert pool.lookout.look(BEGAN) == SLOW_FROM
    assert (pool.rings(), pool.scoreboard.is_look_wanted) == (0, False)


def test_who_has_nothing_that_others_could_run_is_left_alone(pool: Pool) -> None:
    busy(pool.other, claims=1)
    busy(pool.stranger)
    assert pool.lookout.look(SLOW_FROM) == math.inf
    busy(pool.other)
    pool.other.finish(1)
    assert pool.lookout.look(SLOW_FROM) == math.inf
    busy(pool.other)
    pool.other.close(0, Cause.CHARGED)
    assert pool.lookout.look(SLOW_FROM) == math.inf
    assert (pool.rings(), pool.scoreboard.is_look_wanted) == (0, False)


def test_one_look_is_wanted_however_many_are_idle(pool: Pool) -> None:
    busy(pool.other)
    for _ in range(3):
        pool.lookout.look(SLOW_FROM)
    assert pool.rings() == 1


def test_what_was_looked_at_needs_no_other_look(pool: Pool) -> None:
    """The housekeeper comes again by itself; what had not seemed slow then, it does not know."""
    busy(pool.other)
    pool.scoreboard.note_look(SLOW_FROM - 0.001)
    pool.lookout.look(SLOW_FROM)
    assert pool.rings() == 1
    pool.scoreboard.note_look(SLOW_FROM + 0.001)
    assert not pool.scoreboard.is_look_wanted
    pool.lookout.look(SLOW_FROM + 0.002)
    assert (pool.rings(), pool.scoreboard.is_look_wanted) == (0, False)
