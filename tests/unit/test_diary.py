"""What a worker tells in shared memory of what it spends, and of how far its task is."""

from __future__ import annotations

import os
import signal
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from woodenwaiter.processes.diary import DIARY_BYTES, MOST_TEXT, Diary, Progress, fit
from woodenwaiter.processes.effort import Effort
from woodenwaiter.processes.row import Cause, Row
from woodenwaiter.processes.scoreboard import Scoreboard
from woodenwaiter.processes.times import range_of

ANY_TEXT = st.text(st.characters() | st.sampled_from("\n\r\0\x1b\ud800\u202e\u2028🍲é"))


@pytest.fixture
def scoreboard() -> Scoreboard:
    return Scoreboard(rows=3, places=3)


def opened(scoreboard: Scoreboard, incarnation: int = 1, queue: int = 0) -> Row:
    row = scoreboard.allocate()
    assert row
    row.open(queue, 0, incarnation)
    return row


def test_task_is_read_as_far_as_it_told(scoreboard: Scoreboard) -> None:
    diary = opened(scoreboard).diary
    assert diary.progress(1) is None
    diary.report(1, Progress(0.25, "page 2", 100.0))
    assert diary.progress(1) == Progress(0.25, "page 2", 100.0)
    assert str(diary.progress(1)) == "25%: page 2"
    diary.report(1, Progress(0.5, "", 101.5))
    assert str(diary.progress(1)) == "50%"
    assert diary.told_at == 101.5


def test_progress_of_one_task_is_not_anothers(scoreboard: Scoreboard) -> None:
    diary = opened(scoreboard).diary
    diary.report(1, Progress(0.5, "one", 100.0))
    assert diary.progress(2) is None
    assert diary.progress(0) is None


def test_next_worker_of_a_row_begins_a_new_diary(scoreboard: Scoreboard) -> None:
    row = opened(scoreboard)
    row.diary.report(1, Progress(0.5, "one", 100.0))
    row.diary.spend(3.0, 2.0)
    row.close(0, Cause.BLAMELESS)
    row.free()
    assert opened(scoreboard, 2) is row
    assert row.diary.progress(1) is None
    assert (row.diary.told_at, row.diary.effort) == (0.0, Effort())


def test_diaries_do_not_overlap(scoreboard: Scoreboard) -> None:
    rows = [opened(scoreboard, n) for n in (1, 2, 3)]
    text = "x" * MOST_TEXT
    for n, row in enumerate(rows, 1):
        row.diary.report(n, Progress(n / 4, text, n))
        row.diary.spend(n, 2 * n)
    for n, row in enumerate(rows, 1):
        assert row.diary.progress(n) == Progress(n / 4, text, n)
        assert row.diary.effort == Effort(n, 2 * n)


@given(ANY_TEXT)
@example("é" * MOST_TEXT)
@example("x" + "é" * MOST_TEXT)
@example("\ud800" * MOST_TEXT)
@example("x" * 10**6)
def test_any_text_fits_and_is_fit_to_be_shown(text: str) -> None:
    fitting = fit(text)
    assert fitting.isprintable()
    assert len(fitting.encode()) <= MOST_TEXT
    assert fitting == fit(fitting)
    diary = Diary(memoryview(bytearray(DIARY_BYTES)))
    diary.report(1, Progress(1.0, fitting, 5.0))
    assert diary.progress(1) == Progress(1.0, fitting, 5.0)


def test_short_text_is_kept_as_it_is() -> None:
    assert fit("page 3 of 8, Brühe 🍲") == "page 3 of 8, Brühe 🍲"


@given(st.binary(min_size=DIARY_BYTES, max_size=DIARY_BYTES))
def test_what_is_torn_is_not_read(memory: bytes) -> None:
    assert Diary(memoryview(bytearray(memory))).progress(1) is None


def test_reader_never_sees_half_of_what_is_being_written(scoreboard: Scoreboard) -> None:
    diary = opened(scoreboard).diary
    told = [Progress(n / 8, str(n) * (20 * n + 1), float(n)) for n in range(8)]
    pid = os.fork()
    if not pid:
        while True:
            for progress in told:
                diary.report(1, progress)
    try:
        seen: set[Progress | None] = set()
        until = time.monotonic() + 10
        while len(seen - {None}) < 8 and time.monotonic() < until:
            seen.add(diary.progress(1))
        assert seen - {None} == set(told)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_queue_keeps_what_its_dead_spent(scoreboard: Scoreboard) -> None:
    first, second = opened(scoreboard, 1, queue=1), opened(scoreboard, 2, queue=1)
    other = opened(scoreboard, 3, queue=2)
    first.diary.spend(1.0, 0.5)
    second.diary.spend(2.0, 0.25)
    other.diary.spend(8.0, 8.0)
    first.close(signal.SIGKILL, Cause.CHARGED)
    assert scoreboard.totals()[1].effort == Effort(3.0, 0.75)
    first.free()
    assert scoreboard.totals()[1].effort == Effort(3.0, 0.75)
    again = opened(scoreboard, 4, queue=1)
    again.diary.spend(4.0, 4.0)
    assert scoreboard.totals()[1].effort == Effort(7.0, 4.75)
    assert scoreboard.totals()[2].effort == Effort(8.0, 8.0)
    assert scoreboard.totals()[0].effort == Effort()


def test_row_of_a_fork_that_failed_adds_nothing(scoreboard: Scoreboard) -> None:
    row = opened(scoreboard)
    row.diary.spend(1.0, 1.0)
    row.free()
    assert scoreboard.totals()[0].effort == Effort()


def test_end_of_a_worker_adds_the_task_that_it_ran(scoreboard: Scoreboard) -> None:
    diary = opened(scoreboard).diary
    diary.spend(2.0, 1.0)
    diary.settle(3.0, 4.0)
    assert diary.effort == Effort(5.0, 4.0)
    assert [range_of(3.0)] == [number for number, count in enumerate(diary.times) if count]
    diary.settle(0.0, 0.0)  # where nobody was told what it had used
    assert diary.effort == Effort(5.0, 4.0)
    assert sum(diary.times) == 1
