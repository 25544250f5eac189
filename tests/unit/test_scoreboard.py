"""The shared memory in which workers tell what they are doing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from woodenwaiter.errors import Retry
from woodenwaiter.processes.children import UNKNOWN_STATUS, ending
from woodenwaiter.processes.diary import Progress
from woodenwaiter.processes.ends import End
from woodenwaiter.processes.row import Cause, Fate, Row, State, tally_of
from woodenwaiter.processes.scoreboard import Scoreboard
from woodenwaiter.processes.totals import Tally
from woodenwaiter.protocol.verdict import DeadLetter, Redeliver
from woodenwaiter.worker.failures import with_one

from ..support import run


def opened(scoreboard: Scoreboard, incarnation: int = 1, queue: int = 0, slot: int = 0) -> Row:
    row = scoreboard.allocate()
    assert row is not None
    row.open(queue, slot, incarnation)
    return row


def test_row_tells_a_workers_life() -> None:
    row = opened(Scoreboard(), incarnation=7, queue=2, slot=3)
    assert (row.state, row.queue, row.slot, row.incarnation) == (State.STARTING, 2, 3, 7)
    assert (row.pid, row.started, row.completed, row.running) == (0, 0, 0, 0)
    for quiet in (True, False):
        row.hush(quiet)
        assert row.quiet == quiet
    row.enter()
    row.hold(2, 3)
    row.begin(1, now=12.5)
    assert (row.pid, row.holds_several, row.began) == (os.getpid(), True, 12.5)
    assert (row.started, row.completed, row.running) == (1, 0, 1)
    row.finish(1)
    assert (row.started, row.completed, row.running) == (1, 1, 0)
    for state in (State.LIVE, State.SPENT, State.LEFT):
        row.become(state)
        assert row.state == state
        assert row.alive
    row.free()
    assert row.state == State.FREE
    assert not row.alive


def test_row_tells_of_the_next_retry_that_is_due() -> None:
    row = opened(Scoreboard())
    assert row.retry_due == 0
    for now, after, due in [(100, 5, 105), (101, 9, 105), (102, 1, 103), (103, 4, 107)]:
        row.expect_retry(after, now)
        assert row.retry_due == due
    row.open(queue=0, slot=0, incarnation=2)
    assert row.retry_due == 0


@pytest.mark.parametrize(
    ("cause", "end", "ending"),
    [
        (Cause.BLAMELESS, End.STOPPED, "was killed, as the pool ended"),
        (Cause.CHARGED, End.SIGNALLED, "died of signal 9 (SIGKILL)"),
        (Cause.TIMED_OUT, End.TIMED_OUT, "was killed, as the task went on after its time was up"),
    ],
)
def test_dead_row_keeps_what_was_running(cause: Cause, end: End, ending: str) -> None:
    row = opened(Scoreboard())
    row.begin(5, now=1.0)
    row.mark_overdue(5)
    row.close(signal.SIGKILL, cause, end)
    assert (row.state, row.running, row.overdue, row.cause) == (State.DEAD, 5, 5, cause)
    assert row.ending == ending
    assert row.is_charged == (cause != Cause.BLAMELESS)
    assert not row.alive


def test_dead_row_keeps_that_its_task_was_silent() -> None:
    row = opened(Scoreboard())
    row.begin(5, now=1.0)
    row.mark_overdue(5, silent=True)
    row.close(signal.SIGKILL, Cause.TIMED_OUT, End.STALLED)
    assert (row.overdue, row.was_silent, row.is_charged) == (5, True, True)
    assert row.ending == "was killed, as the task went on after telling nothing for too long"


@pytest.mark.parametrize(
    ("cause", "is_charged"),
    [(Cause.BLAMELESS, False), (Cause.CHARGED, True), (Cause.TIMED_OUT, False)],
)
def test_time_limit_of_one_task_is_not_charged_to_the_next(cause: Cause, is_charged: bool) -> None:
    row = opened(Scoreboard())
    row.begin(5, now=1.0)
    row.mark_overdue(5)
    row.finish(5)
    row.begin(6, now=7.0)
    row.close(signal.SIGKILL, cause)
    assert row.is_charged == is_charged


def test_new_incarnation_starts_from_nothing() -> None:
    scoreboard = Scoreboard(rows=1)
    row = opened(scoreboard)
    row.enter()
    row.hold(8, 9)
    row.begin(9, now=1.0)
    row.finish(8)
    row.mark_overdue(9)
    row.rename(1)
    row.close(signal.SIGSEGV, Cause.TIMED_OUT)
    row.free()
    again = opened(scoreboard, incarnation=2)
    assert (again.pid, again.status, again.overdue) == (0, 0, 0)
    assert (again.started, again.completed, again.began) == (0, 0, 0)
    assert not again.holds_several
    assert again.owner.endswith("/2")


def test_task_whose_failure_is_being_reported_is_not_in_its_handler() -> None:
    row = opened(Scoreboard())
    assert row.in_handler == 0
    row.begin(4, now=1.0)
    assert (row.running, row.in_handler) == (4, 4)
    row.note_failure(4)
    assert (row.running, row.in_handler) == (4, 0)
    row.finish(4)
    assert (row.running, row.in_handler) == (0, 0)
    row.begin(5, now=2.0)
    assert (row.running, row.in_handler) == (5, 5)


def test_report_of_the_former_worker_is_not_of_the_next() -> None:
    scoreboard = Scoreboard(rows=1)
    row = opened(scoreboard)
    row.begin(1, now=1.0)
    row.note_failure(1)
    row.free()
    again = opened(scoreboard, incarnation=2)
    again.begin(1, now=2.0)
    assert again.in_handler == 1


def fail(row: Row, seq: int, *, buried: bool = False, asked: bool = False) -> None:
    """As a worker does whose handler raised."""
    error = Retry() if asked else ValueError()
    letter = DeadLetter(0, {}, "") if buried else Redeliver(0, b"", 0, "")
    row.note_failure(seq)
    row.diary.failures = with_one(row.diary.failures, seq, error, letter)


def test_tasks_are_counted_by_what_became_of_them() -> None:
    row = opened(Scoreboard())
    assert tally_of(row) == Tally()
    for seq in range(1, 6):
        row.begin(seq, now=1.0)
        if seq in (2, 3):
            fail(row, seq, asked=seq == 2, buried=seq == 3)
        assert tally_of(row).done == [0, 1, 1, 1, 2][seq - 1]
        row.finish(seq)
    assert tally_of(row) == Tally(started=5, done=3, failed=1, retried=1, buried=1)
    assert str(tally_of(row)) == "tasks done: 3, failed: 1, retried: 1, buried: 1"
    row.begin(6, now=1.0)
    row.note_failure(6)
    assert tally_of(row) == Tally(started=6, done=3, failed=1, retried=1, buried=1)
    fail(row, 6)  # though Redis does not know yet
    assert tally_of(row) == Tally(started=6, done=3, failed=2, retried=2, buried=1)
    assert str(Tally()) == "tasks done: 0"
    assert str(Tally(timed_out=1, killed=2)) == "tasks done: 0, timed out: 1, killed: 2"
    assert tally_of(opened(Scoreboard())) == Tally()


@pytest.mark.parametrize(
    ("cause", "fate", "expected"),
    [
        (Cause.CHARGED, Fate.OPEN, Tally(3, 1, 2, 1, killed=1)),
        (Cause.CHARGED, Fate.RETRIED, Tally(3, 1, 2, 2, killed=1)),
        (Cause.CHARGED, Fate.BURIED, Tally(3, 1, 2, 1, 1, killed=1)),
        (Cause.TIMED_OUT, Fate.RETRIED, Tally(3, 1, 2, 2, timed_out=1, killed=1)),
        (Cause.BLAMELESS, Fate.OPEN, Tally(3, 1, 1, 1, killed=1)),
    ],
)
def test_task_that_ended_with_its_worker_is_counted(
    cause: Cause, fate: Fate, expected: Tally
) -> None:
    row = opened(Scoreboard())
    row.begin(1, now=1.0)
    row.finish(1)
    row.begin(2, now=1.0)
    fail(row, 2)
    row.finish(2)
    row.begin(3, now=1.0)
    row.mark_overdue(3)
    row.close(signal.SIGKILL, cause)
    row.decide(fate)
    assert tally_of(row) == expected


def test_task_that_had_failed_when_its_worker_ended_is_counted_once() -> None:
    row = opened(Scoreboard())
    row.begin(1, now=1.0)
    fail(row, 1)
    row.close(signal.SIGKILL, Cause.CHARGED)
    row.decide(Fate.RETRIED)
    assert tally_of(row) == Tally(started=1, failed=1, retried=1)


def test_words_do_not_overlap() -> None:
    """What is written by one side is left alone by the others."""
    row = opened(Scoreboard(rows=1, places=11), incarnation=9, queue=10, slot=11)
    writers: dict[str, Callable[[], None]] = {
        "quiet": lambda: row.hush(True),
        "overdue": lambda: row.mark_overdue(2**40),
        "was_silent": lambda: row.mark_overdue(2**40, silent=True),
        "pid": row.enter,
        "began started running in_handler totals": lambda: row.begin(2**41, 5.0),
        "in_handler": lambda: row.note_failure(2**41),
        "totals": lambda: fail(row, 2**41),
        "totals ": lambda: row.diary.count_time(1.0),
        "limit": lambda: row.reach(End.MAX_TASKS),
        "fate": lambda: row.decide(Fate.BURIED),
        "completed running totals": lambda: row.finish(2**42),
        "holds_several": lambda: row.hold(2**43, 2**44),
        "owner": lambda: row.rename(3),
        "state alive status cause is_charged": lambda: row.close(-1, Cause.CHARGED),
    }
    names = [name for name, thing in vars(Row).items() if isinstance(thing, property)]
    row.diary.report(2**41, Progress(0.5, "half", 7.0))
    for changes, write in writers.items():
        before = {name: getattr(row, name) for name in names}
        write()
        changed = {name for name in names if getattr(row, name) != before[name]}
        assert changed - {"ending"} == set(changes.split())
    assert row.diary.progress(2**41) == Progress(0.5, "half", 7.0)


def test_counts_are_large() -> None:
    row = opened(Scoreboard())
    row.begin(2**40, now=10.0**9)
    row.finish(2**40 - 1)
    row.mark_overdue(2**40)
    assert (row.running, row.overdue, row.began) == (2**40, 2**40, 10.0**9)


def test_owners_are_never_the_same() -> None:
    scoreboard, other = Scoreboard(), Scoreboard()
    rows = [opened(scoreboard, 1), opened(scoreboard, 2), opened(other, 1)]
    names = [row.owner for row in rows]
    for row in rows:
        row.rename(1)
    names += [row.owner for row in rows]
    assert len(set(names)) == 6


def test_rows_do_not_overlap() -> None:
    scoreboard = Scoreboard(rows=3)
    rows = [opened(scoreboard, n, queue=n, slot=n) for n in (1, 2, 3)]
    for number, row in enumerate(rows, 1):
        row.begin(10 * number, now=number)
        row.finish(10 * number - 1)
        row.hold(number, number)
    scoreboard.note_redis_usable()
    for number, row in enumerate(rows, 1):
        assert (row.queue, row.slot, row.incarnation) == (number, number, number)
        assert (row.running, row.holds_several, row.began) == (10 * number, False, number)


def test_header_tells_what_concerns_all() -> None:
    scoreboard = Scoreboard(rows=1)
    row = opened(scoreboard)
    assert (scoreboard.redis_was_usable, scoreboard.is_closing) == (False, False)
    scoreboard.note_redis_usable()
    assert (scoreboard.redis_was_usable, scoreboard.is_closing) == (True, False)
    scoreboard.close()
    assert (scoreboard.redis_was_usable, scoreboard.is_closing) == (True, True)
    assert list(scoreboard) == [row]
    assert scoreboard.allocate() is None


def test_demands_are_apart_from_the_rows_and_from_each_other() -> None:
    scoreboard = Scoreboard(rows=1, places=2)
    row = opened(scoreboard, 7, queue=1, slot=2)
    first, second = scoreboard.demands
    first.watch(True)
    first.tell(5, 100.0)
    first.tell(3, 101.0)
    second.tell(0, 102.0)
    second.tell(2, 103.0)
    assert (first.is_watched, first.waiting, first.since, first.counted) == (True, 3, 100, 101)
    assert (second.is_watched, second.waiting, second.since, second.counted) == (False, 2, 103, 103)
    assert (row.queue, row.slot, row.incarnation) == (1, 2, 7)
    assert Scoreboard().demands == []


def test_full_board_has_no_row_until_one_is_free() -> None:
    scoreboard = Scoreboard(rows=2)
    first, second = opened(scoreboard, 1), opened(scoreboard, 2)
    second.close(0, Cause.BLAMELESS)
    assert scoreboard.allocate() is None
    first.free()
    assert scoreboard.allocate() is first


def test_iterates_over_rows_that_were_in_use() -> None:
    scoreboard = Scoreboard()
    assert list(scoreboard) == []
    rows = [opened(scoreboard, n) for n in (1, 2)]
    rows[0].free()
    assert list(scoreboard) == rows
    assert opened(scoreboard, 3) is rows[0]
    assert list(scoreboard) == rows


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0, "left with exit code 0"),
        (70 << 8, "left with exit code 70"),
        (signal.SIGKILL, "died of signal 9 (SIGKILL)"),
        (signal.SIGSEGV, "died of signal 11 (SIGSEGV)"),
        (signal.SIGSEGV | 0x80, "died of signal 11 (SIGSEGV), core dumped"),
        (33, "died of signal 33"),
        (UNKNOWN_STATUS, "ended unseen"),
    ],
)
def test_endings(status: int, text: str) -> None:
    assert ending(status) == text


def test_parent_reads_what_a_killed_child_wrote(tmp_path: Path) -> None:
    script = """
import os, signal
from woodenwaiter.processes.scoreboard import Scoreboard
scoreboard = Scoreboard()
row = scoreboard.allocate()
row.open(0, 0, 1)
if not (pid := os.fork()):
    row.enter()
    row.begin(4, 1.5)
    row.finish(3)
    scoreboard.note_redis_usable()
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(pid, 0)
print(row.pid == pid, row.running, row.completed, row.began, scoreboard.redis_was_usable)
"""
    assert run(tmp_path, "-c", script).stdout == "True 4 3 1.5 True\n"
