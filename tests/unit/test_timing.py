"""When a queue's server is told how long handlers took, and what."""

from __future__ import annotations

from itertools import pairwise

import pytest
from redis.exceptions import ResponseError

from woodenwaiter import pace
from woodenwaiter.housekeeper.timing import Timing
from woodenwaiter.processes.row import Cause, Row
from woodenwaiter.processes.scoreboard import Scoreboard
from woodenwaiter.processes.times import RANGES

NO = ResponseError("WRONGTYPE no")


class Board:
    """With a worker at each of two places, of one queue."""

    def __init__(self) -> None:
        self.scoreboard = Scoreboard(places=3)
        self.rows = [self.add(place) for place in (1, 2)]
        self.timing = self.begin()

    def add(self, place: int) -> Row:
        row = self.scoreboard.allocate()
        assert row
        row.open(place, 0, place)
        return row

    def begin(self) -> Timing:
        """Another housekeeper."""
        return Timing(self.scoreboard, [1, 2], "a/0", lambda: 1.0)

    def run(self, place: int, seconds: float) -> None:
        self.rows[place - 1].diary.count_time(seconds)


@pytest.fixture
def board() -> Board:
    return Board()


def padded(*counts: int) -> list[int]:
    return [*counts, *[0] * (RANGES - len(counts))]


def test_nothing_is_told_while_no_handler_ends(board: Board) -> None:
    assert board.timing.addition(0.0) is None
    assert board.timing.rest is None
    board.run(1, 0.0)
    assert board.timing.addition(pace.BEAT) is not None


def test_all_places_count(board: Board) -> None:
    board.run(1, 0.0)
    board.run(2, 1e-6)
    board.scoreboard.allocate()
    addition = board.timing.addition(0.0)
    assert addition == ("a/0", padded(1, 1), padded())
    assert board.timing.heard(None, 0.0, 1) == ""
    assert board.timing.rest is None


def test_what_may_not_have_arrived_is_told_again(board: Board) -> None:
    board.run(1, 0.0)
    assert board.timing.addition(0.0)
    board.run(1, 0.0)
    assert board.timing.addition(0.1) == ("a/0", padded(2), padded())


def test_next_housekeeper_goes_on_from_there(board: Board) -> None:
    board.run(1, 0.0)
    board.timing.addition(0.0)
    board.timing.heard(None, 0.0, 1)
    board.run(2, 0.0)
    assert board.begin().addition(0.0) == ("a/0", padded(2), padded(1))


def test_those_that_are_no_more_count(board: Board) -> None:
    board.run(1, 0.0)
    board.rows[0].close(9, Cause.CHARGED)
    board.rows[0].free()
    assert board.timing.addition(0.0) == ("a/0", padded(1), padded())


def test_many_hosts_tell_seldom(board: Board) -> None:
    for hosts, every in ((1, 60), (3, 180), (1000, 300)):
        times, timing = [], board.begin()
        for now in range(2000):
            board.run(1, 0.0)
            if timing.addition(now):
                timing.heard(None, now, hosts)
                times.append(now)
        assert {after - before for before, after in pairwise(times)} == {every}


def test_trouble_is_told_once_and_waited_out(board: Board) -> None:
    board.run(1, 0.0)
    told = []
    for now in range(200):
        if board.timing.addition(now):
            told.append(board.timing.heard(NO, now, 1))
    assert told == ["WRONGTYPE no", "", "", ""]
    assert board.timing.addition(300)
    assert board.timing.heard(None, 300, 1) == ""
    board.run(1, 0.0)
    assert board.timing.addition(400) == ("a/0", padded(2), padded(1))
    assert board.timing.heard(NO, 400, 1) == "WRONGTYPE no"
