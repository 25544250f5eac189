"""Who is charged for a worker's end."""

from __future__ import annotations

import os
from signal import SIGKILL, SIGSEGV

import pytest

from woodenwaiter.errors import EXIT_DRAINED, EXIT_SETUP
from woodenwaiter.housekeeper.upkeep import is_death, takeover_of
from woodenwaiter.processes.children import UNKNOWN_STATUS
from woodenwaiter.processes.ends import End
from woodenwaiter.processes.row import Cause, Row
from woodenwaiter.processes.scoreboard import Scoreboard
from woodenwaiter.protocol.entry import RECORD_SEPARATOR, Suspicion
from woodenwaiter.protocol.queue import Oldest
from woodenwaiter.protocol.recovery import (
    LEAST_PORTION,
    MOST_PORTION,
    Portion,
    Takeover,
    lapse_of,
)
from woodenwaiter.protocol.verdict import Failure

RAW = b'{"n": 1}'
FAILURE = Failure("its worker is no more")


@pytest.fixture
def row() -> Row:
    """Of a worker that has done four tasks and runs the fifth."""
    row = Scoreboard(rows=1).allocate()
    assert row
    row.open(queue=0, slot=0, incarnation=7)
    row.enter()
    row.finish(4)
    row.begin(5, 100.0)
    return row


# Of a claim, by what the server knows.


@pytest.mark.parametrize(
    ("settled", "raw", "is_charged"),
    [
        (4, RAW, True),
        (5, RAW, False),  # the worker had reported the failure itself
        (5, None, False),
        (4, None, False),  # it was given away, or never was
        (4, b"", True),
    ],
)
def test_claim_that_was_seen_running_is_charged(
    settled: int, raw: bytes | None, is_charged: bool
) -> None:
    assert Takeover("w/1", 4, 0, FAILURE).charges(Oldest(settled, raw)) == is_charged


@pytest.mark.parametrize("settled", [0, 3, 1000])
def test_where_nobody_saw_which_one_ran_it_is_the_one_that_ran_alone(settled: int) -> None:
    lapse = lapse_of("w/1")
    assert lapse.charges(Oldest(settled, RECORD_SEPARATOR + RAW, is_alone=True))
    assert not lapse.charges(Oldest(settled, RECORD_SEPARATOR + RAW)), "it waited to be alone"
    assert not lapse.charges(Oldest(settled, RAW, is_alone=True))
    assert not lapse.charges(Oldest(settled))


def test_lapse_is_known_by_the_lease_alone() -> None:
    lapse = lapse_of("w/1")
    assert (lapse.owner, lapse.completed, lapse.lapsed) == ("w/1", 0, True)
    assert lapse.failure
    assert lapse.failure.suspicion == Suspicion.RAN


# How many retries come to the queue at once.


def portions(*rounds: int) -> list[int]:
    """The sizes when as many rounds in vain go before each that is not, of a crowd."""
    portion, sizes = Portion(), []
    for vain in rounds:
        for promoted in (*[0] * vain, 1):
            portion.note(promoted, is_crowd=True)
        sizes.append(portion.size)
    return sizes


def test_more_come_while_workers_are_quick() -> None:
    assert portions(0, 1, 0)[:3] == [20, 40, 80]
    assert portions(*[0] * 10)[-1] == MOST_PORTION


def test_as_many_come_as_workers_take_in_a_few_rounds() -> None:
    assert portions(0, 0, 2, 3) == [20, 40, 40, 40]


def test_fewer_come_once_workers_are_slow() -> None:
    assert portions(*[0] * 7, 30) == [20, 40, 80, 160, 320, 640, 1000, 100]
    assert portions(1000) == [LEAST_PORTION]


def test_crowd_that_is_gone_is_forgotten() -> None:
    portion = Portion()
    portion.note(10, is_crowd=True)
    portion.note(7, is_crowd=False)
    assert portion.size == LEAST_PORTION


# Of a worker, by what its row tells.


@pytest.mark.parametrize(
    ("status", "ending"),
    [
        (SIGKILL, "died of signal 9 (SIGKILL)"),
        (SIGSEGV | 0x80, "died of signal 11 (SIGSEGV), core dumped"),
        (0, "left with exit code 0"),  # a handler's os._exit(0)
        (UNKNOWN_STATUS, "ended unseen"),
    ],
)
def test_end_in_a_task_is_its_failure(row: Row, status: int, ending: str) -> None:
    row.close(status, Cause.CHARGED)
    failure = Failure(f"its worker (pid {os.getpid()}) {ending}", worker_pid=os.getpid())
    assert takeover_of(row) == Takeover(row.owner, 4, 0, failure)
    assert is_death(row)


def test_end_between_tasks_is_nobodys_failure(row: Row) -> None:
    row.finish(5)
    row.close(SIGKILL, Cause.CHARGED)
    assert takeover_of(row) == Takeover(row.owner, 5, 0, None)
    assert is_death(row)


def test_end_before_the_first_task_is_nobodys_failure() -> None:
    row = Scoreboard(rows=1).allocate()
    assert row
    row.open(queue=0, slot=0, incarnation=1)
    row.close(1 << 8, Cause.CHARGED)
    assert takeover_of(row) == Takeover(row.owner, 0, 0, None)


def test_end_that_the_supervisor_wanted_is_nobodys_failure(row: Row) -> None:
    row.close(SIGKILL, Cause.BLAMELESS)
    assert takeover_of(row) == Takeover(row.owner, 4, 0, None)
    assert not is_death(row)


@pytest.mark.parametrize("status", [EXIT_DRAINED << 8, EXIT_SETUP << 8, UNKNOWN_STATUS])
def test_worker_that_left_between_tasks_did_not_die(row: Row, status: int) -> None:
    row.finish(5)
    row.close(status, Cause.CHARGED)
    assert not is_death(row)


def test_end_of_its_time_is_the_failure_of_the_late_task(row: Row) -> None:
    row.mark_overdue(5)
    row.close(SIGKILL, Cause.TIMED_OUT, End.TIMED_OUT)
    failure = takeover_of(row).failure
    assert failure
    assert failure.reason.endswith("was killed, as the task went on after its time was up")


def test_end_of_its_time_is_not_the_failure_of_the_next_task(row: Row) -> None:
    row.mark_overdue(4)
    row.close(SIGKILL, Cause.TIMED_OUT)
    assert takeover_of(row) == Takeover(row.owner, 4, 0, None)


def test_failure_that_was_being_reported_is_charged_by_who_knows_of_it(row: Row) -> None:
    """If the report came through, the server's count is ahead."""
    row.note_failure(5)
    row.close(SIGKILL, Cause.CHARGED)
    takeover = takeover_of(row)
    assert takeover.failure
    assert takeover.charges(Oldest(4, RAW))
    assert not takeover.charges(Oldest(5, RAW))


def test_worker_that_started_over_is_ended_under_its_last_name(row: Row) -> None:
    row.rename(2)
    row.close(SIGKILL, Cause.CHARGED)
    takeover = takeover_of(row)
    assert takeover.owner.endswith("/7+2")
    assert takeover.completed == 4


def test_worker_that_died_here_is_ended_whether_its_lease_holds_or_not(row: Row) -> None:
    row.close(SIGKILL, Cause.CHARGED)
    assert not takeover_of(row).lapsed
