"""What is to be done about a task that may take too long. Seconds are eighths of one, or whole:
a row keeps such times as they are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.pace import TIMEOUT_GRACE
from woodenwaiter.processes.diary import Progress
from woodenwaiter.processes.row import Cause, Row
from woodenwaiter.processes.scoreboard import Scoreboard
from woodenwaiter.supervisor.places import Place
from woodenwaiter.supervisor.time_limits import Measure, TimeLimit

BORN = 100.0
LIMIT = 8.0
TICK = 0.125


@pytest.fixture
def row() -> Row:
    row = Scoreboard(rows=1).allocate()
    assert row
    row.open(queue=0, slot=0, incarnation=1)
    return row


@pytest.fixture
def limit() -> TimeLimit:
    return TimeLimit(LIMIT, BORN)


def test_idle_worker_is_looked_at_no_later_than_its_next_task_can_be_late(
    row: Row, limit: TimeLimit
) -> None:
    assert limit.check_at == BORN
    for now in (BORN, BORN + 1, BORN + 50):
        assert limit.check(row, now) == Measure.NONE
        assert limit.check_at == now + LIMIT
    assert row.overdue == 0


def test_time_is_up_to_the_moment(row: Row, limit: TimeLimit) -> None:
    row.begin(3, BORN + 2)
    assert limit.check(row, BORN + 2) == Measure.NONE
    assert limit.check_at == BORN + 2 + LIMIT
    assert limit.check(row, BORN + 2 + LIMIT - TICK) == Measure.NONE
    assert row.overdue == 0
    assert limit.check(row, BORN + 2 + LIMIT) == Measure.RAISE
    assert row.overdue == 3


def test_raised_once_then_killed_after_the_grace(row: Row, limit: TimeLimit) -> None:
    row.begin(1, BORN)
    up = BORN + LIMIT
    assert limit.check(row, up) == Measure.RAISE
    for now in (up, up + 1, up + TIMEOUT_GRACE - TICK):
        assert limit.check(row, now) == Measure.NONE
        assert limit.check_at == up + TIMEOUT_GRACE
    assert limit.check(row, up + TIMEOUT_GRACE) == Measure.KILL
    assert limit.check_at == math.inf


def test_next_task_has_a_limit_of_its_own(row: Row, limit: TimeLimit) -> None:
    row.begin(1, BORN)
    up = BORN + LIMIT
    assert limit.check(row, up) == Measure.RAISE
    row.finish(1)
    row.begin(2, up + 1)
    assert limit.check(row, up + TIMEOUT_GRACE) == Measure.NONE
    assert limit.check_at == up + 1 + LIMIT
    assert limit.check(row, up + 1 + LIMIT) == Measure.RAISE
    assert row.overdue == 2


def test_limit_shorter_than_the_grace_holds_for_the_next_task(row: Row) -> None:
    limit = TimeLimit(1.0, BORN)
    row.begin(1, BORN)
    assert limit.check(row, BORN + 1) == Measure.RAISE
    row.finish(1)
    row.begin(2, BORN + 1)
    assert limit.check_at == BORN + 2
    assert limit.check(row, limit.check_at) == Measure.RAISE
    assert row.overdue == 2


def test_task_after_one_that_ended_late_is_late_in_time(row: Row) -> None:
    limit = TimeLimit(1.0, BORN)
    row.begin(1, BORN)
    assert limit.check(row, BORN + 1) == Measure.RAISE
    assert limit.check(row, limit.check_at) == Measure.NONE
    row.finish(1)
    row.begin(2, BORN + 2)
    assert limit.check_at == BORN + 3
    assert limit.check(row, limit.check_at) == Measure.RAISE


def test_report_of_a_failure_takes_the_time_it_takes(row: Row, limit: TimeLimit) -> None:
    row.begin(1, BORN)
    row.note_failure(1)
    assert limit.check(row, BORN + 100) == Measure.NONE
    assert limit.check_at == BORN + 100 + LIMIT


def test_report_after_the_time_was_up_is_not_cut_short(row: Row, limit: TimeLimit) -> None:
    row.begin(1, BORN)
    assert limit.check(row, BORN + LIMIT) == Measure.RAISE
    row.note_failure(1)
    assert limit.check(row, BORN + LIMIT + TIMEOUT_GRACE) == Measure.NONE
    row.finish(1)
    assert limit.check(row, BORN + 60) == Measure.NONE


def test_task_that_ended_in_time_is_not_late_afterwards(row: Row, limit: TimeLimit) -> None:
    row.begin(1, BORN)
    row.finish(1)
    assert limit.check(row, BORN + 60) == Measure.NONE
    assert row.overdue == 0


def test_end_after_the_kill_charges_the_late_task_alone(row: Row, limit: TimeLimit) -> None:
    row.begin(1, BORN)
    limit.check(row, BORN + LIMIT)
    assert limit.check(row, BORN + LIMIT + TIMEOUT_GRACE) == Measure.KILL
    row.finish(1)  # at the last moment
    row.begin(2, BORN + LIMIT + TIMEOUT_GRACE)
    row.close(9, Cause.TIMED_OUT)
    assert not row.is_charged


SILENCE = 4.0


def tell(row: Row, now: float) -> None:
    row.diary.report(row.running, Progress(0.5, "", now))


def test_silence_is_counted_from_the_last_sign_of_life(row: Row) -> None:
    limit = TimeLimit(math.inf, BORN, SILENCE)
    row.begin(1, BORN)
    for now in range(1, 100):
        tell(row, BORN + now)
        assert limit.check(row, BORN + now + SILENCE - TICK) == Measure.NONE
        assert limit.check_at == BORN + now + SILENCE
    assert limit.check(row, BORN + 99 + SILENCE) == Measure.RAISE
    assert (row.overdue, row.was_silent) == (1, True)


def test_task_that_tells_nothing_is_silent_from_its_beginning(row: Row) -> None:
    limit = TimeLimit(math.inf, BORN, SILENCE)
    row.begin(1, BORN)
    tell(row, BORN + 3)
    row.finish(1)
    row.begin(2, BORN + 5)
    assert limit.check(row, BORN + 5 + SILENCE - TICK) == Measure.NONE
    assert limit.check(row, BORN + 5 + SILENCE) == Measure.RAISE
    assert (row.overdue, row.was_silent) == (2, True)


def test_what_is_told_after_the_time_was_up_puts_off_no_kill(row: Row) -> None:
    limit = TimeLimit(math.inf, BORN, SILENCE)
    row.begin(1, BORN)
    up = BORN + SILENCE
    assert limit.check(row, up) == Measure.RAISE
    for now in (up + 1, up + TIMEOUT_GRACE - TICK):
        tell(row, now)
        assert limit.check(row, now) == Measure.NONE
    assert limit.check(row, up + TIMEOUT_GRACE) == Measure.KILL


def test_silence_and_time_are_limited_together(row: Row) -> None:
    limit = TimeLimit(LIMIT, BORN, SILENCE)
    row.begin(1, BORN)
    assert limit.check(row, BORN) == Measure.NONE
    assert limit.check_at == BORN + SILENCE
    for now in (3, 6):
        tell(row, BORN + now)
    assert limit.check(row, BORN + SILENCE) == Measure.NONE
    assert limit.check_at == BORN + LIMIT
    assert limit.check(row, BORN + LIMIT) == Measure.RAISE
    assert (row.overdue, row.was_silent) == (1, False)


def test_idle_worker_is_looked_at_no_later_than_its_next_task_can_be_silent(row: Row) -> None:
    limit = TimeLimit(LIMIT, BORN, SILENCE)
    assert limit.check(row, BORN) == Measure.NONE
    assert limit.check_at == BORN + SILENCE


@pytest.mark.parametrize(
    ("seconds", "silence", "expected"),
    [
        (None, None, math.inf),
        (LIMIT, None, LIMIT),
        (None, SILENCE, SILENCE),
        (LIMIT, SILENCE, SILENCE),
    ],
)
def test_queue_may_limit_either(
    row: Row, seconds: float | None, silence: float | None, expected: float
) -> None:
    limit = Place("t:d", 1, seconds, None, silence).time_limit(BORN)
    row.begin(1, BORN)
    limit.check(row, BORN)
    assert limit.check_at - BORN == expected


class Task(NamedTuple):
    """Starts after an ``idle`` time, takes ``seconds``, or ends ``reaction`` after its time is up.
    Then a failure, if it is one, takes its time to be ``reported``."""

    idle: float
    seconds: float
    reaction: float
    reported: float

    def in_handler(self, limit: float) -> float:
        return min(self.seconds, limit + self.reaction)


Event = tuple[float, str, int]


def _life(tasks: list[Task], limit: float) -> Iterator[Event]:
    """What a worker does, and when."""
    now = BORN
    for number, task in enumerate(tasks, 1):
        now += task.idle
        yield now, "begin", number
        now += task.in_handler(limit)
        yield now, "report", number
        now += task.reported
        yield now, "finish", number


def _carry_out(row: Row, event: Event) -> None:
    now, what, number = event
    if what == "begin":
        row.begin(number, now)
    elif what == "report":
        row.note_failure(number)
    else:
        row.finish(number)


def _measures(
    limit: TimeLimit, row: Row, life: list[Event]
) -> Iterator[tuple[float, Measure, int]]:
    """What looks at the worker call for, each at the time that the one before asked for."""
    coming = list(life)
    end = life[-1][0]
    while limit.check_at <= end:
        while coming and coming[0][0] <= limit.check_at:
            _carry_out(row, coming.pop(0))
        now = limit.check_at
        measure = limit.check(row, now)
        assert limit.check_at > now
        if measure != Measure.NONE:
            yield now, measure, row.running
        if measure == Measure.KILL:
            return


def _expected(tasks: list[Task], limit: float) -> Iterator[tuple[float, Measure, int]]:
    now = BORN
    for number, task in enumerate(tasks, 1):
        now += task.idle
        if task.in_handler(limit) > limit:
            yield now + limit, Measure.RAISE, number
        if task.in_handler(limit) > limit + TIMEOUT_GRACE:
            yield now + limit + TIMEOUT_GRACE, Measure.KILL, number
            return
        now += task.in_handler(limit) + task.reported


def eighths(most: float) -> st.SearchStrategy[float]:
    return st.integers(0, int(most * 8)).map(lambda n: n / 8)


TASKS = st.builds(Task, eighths(20), eighths(20), eighths(2 * TIMEOUT_GRACE), eighths(20))


@given(st.lists(TASKS, min_size=1, max_size=8), st.integers(1, 100).map(lambda n: n / 8))
def test_every_task_has_its_time_and_no_more(tasks: list[Task], limit: float) -> None:
    row = Scoreboard(rows=1).allocate()
    assert row
    life = list(_life(tasks, limit))
    measures = list(_measures(TimeLimit(limit, BORN), row, life))
    assert measures == list(_expected(tasks, limit))
