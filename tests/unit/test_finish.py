"""When nothing is left to do for a supervisor that serves its queues once."""

from __future__ import annotations

import pytest

from woodenwaiter.housekeeper.finish import Doings, doings_of, is_done_with, is_over
from woodenwaiter.processes.row import Cause, Row, State
from woodenwaiter.processes.scoreboard import Scoreboard
from woodenwaiter.protocol.remains import Remains

NOTHING = Remains()


class Board:
    """Of a supervisor with two workers of its first queue, and none to begin with of its second."""

    def __init__(self) -> None:
        self.scoreboard = Scoreboard(8, 2)
        self.rows = [self.add(0), self.add(0)]

    def add(self, queue: int, state: State = State.LIVE) -> Row:
        row = self.scoreboard.allocate()
        assert row
        row.open(queue, 0, 1)
        row.become(state)
        return row

    @property
    def doings(self) -> Doings:
        return doings_of(self.scoreboard, [2, 0])


@pytest.fixture
def board() -> Board:
    return Board()


def ends(before: Doings, after: Doings, *remains: Remains | None) -> bool:
    return is_over(before, remains or [NOTHING, NOTHING], after)


def test_it_is_over_when_all_are_up_and_nothing_is_left(board: Board) -> None:
    assert ends(board.doings, board.doings)


@pytest.mark.parametrize("state", [State.STARTING, State.MUTED])
def test_not_while_a_worker_is_in_its_setup(board: Board, state: State) -> None:
    board.rows[1].become(state)
    assert not ends(board.doings, board.doings)


def test_not_before_each_queue_that_always_has_workers_has_one() -> None:
    board = Scoreboard(8, 2)
    assert not doings_of(board, [2, 0]).are_up
    assert doings_of(board, [0, 0]).are_up


def test_one_that_died_without_a_task_is_not_waited_for_while_another_is_up(board: Board) -> None:
    board.rows[0].close(9, Cause.CHARGED)
    assert ends(board.doings, board.doings)
    board.rows[1].close(9, Cause.CHARGED)
    assert not ends(board.doings, board.doings)


def test_not_while_a_task_runs(board: Board) -> None:
    before = board.doings
    board.rows[0].begin(1, 5.0)
    assert not ends(board.doings, board.doings)
    assert not ends(before, board.doings)


def test_not_while_what_a_dead_worker_ran_is_not_recovered(board: Board) -> None:
    board.rows[0].begin(1, 5.0)
    board.rows[0].close(9, Cause.CHARGED)
    assert not ends(board.doings, board.doings)
    board.rows[0].free()
    assert ends(board.doings, board.doings)


def test_not_where_a_task_came_and_went_while_queues_were_asked(board: Board) -> None:
    """It may have pushed another to a queue that had told before that it has none."""
    before = board.doings
    board.rows[0].begin(1, 5.0)
    board.rows[0].finish(1)
    assert not ends(before, board.doings)
    assert ends(board.doings, board.doings)


def test_not_where_a_worker_came_while_queues_were_asked(board: Board) -> None:
    before = board.doings
    board.add(1)
    assert not ends(before, board.doings)


@pytest.mark.parametrize(
    ("remains", "done"),
    [
        (NOTHING, True),
        (Remains(waiting=1), False),
        (Remains(claimed=1), False),
        (Remains(next_due=0.0), False),
        (Remains(next_due=1e9), False),
        (Remains(waiting=1, next_due=3.0, is_paused=True), True),
        (Remains(claimed=1, is_paused=True), False),
    ],
)
def test_what_is_left_of_any_queue_is_waited_for(
    board: Board, remains: Remains, done: bool
) -> None:
    assert is_done_with(remains) == done
    assert ends(board.doings, board.doings, NOTHING, remains) == done
    assert ends(board.doings, board.doings, remains, NOTHING) == done


def test_not_where_a_queue_cannot_tell(board: Board) -> None:
    assert not ends(board.doings, board.doings, None, NOTHING)
