"""What workers did that are no more: it is kept, and counted once."""

from __future__ import annotations

import signal
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from woodenwaiter.processes.account import Account, bytes_for
from woodenwaiter.processes.effort import Effort
from woodenwaiter.processes.row import Cause, Row, State
from woodenwaiter.processes.scoreboard import Scoreboard
from woodenwaiter.processes.times import RANGES, range_of
from woodenwaiter.processes.totals import Tally, Totals


class Killed(BaseException):
    pass


@contextmanager
def killed_at(step: int) -> Iterator[list[int]]:
    """What runs here ends after so many instructions, as by SIGKILL. Yields those that are left."""
    left = [step]

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        frame.f_trace_opcodes = "woodenwaiter" in frame.f_code.co_filename
        if event == "opcode":
            left[0] -= 1
            if left[0] == 0:
                raise Killed
        return trace

    former = sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # or Python 3.12 would not heed those of others
    with suppress(Killed):
        sys.settrace(trace)
        try:
            yield left
        finally:
            sys.settrace(former)


def dead(scoreboard: Scoreboard, incarnation: int, queue: int, tasks: int) -> Row:
    """One who did so many, each in two seconds, and died in another."""
    row = scoreboard.allocate()
    assert row
    row.open(queue, 0, incarnation)
    for seq in range(1, tasks + 1):
        row.begin(seq, 1.0)
        row.finish(seq)
        row.diary.count_time(2.0)
    row.begin(tasks + 1, 1.0)
    row.diary.spend(2.0 * tasks, 1.0 * tasks)
    row.close(signal.SIGKILL, Cause.CHARGED)
    return row


def totals_of(tasks: int, deaths: int) -> Totals:
    times = [0] * RANGES
    times[range_of(2.0)] = tasks
    tally = Tally(started=tasks + deaths, done=tasks, failed=deaths, killed=deaths)
    return Totals(tally, Effort(2.0 * tasks, 1.0 * tasks), tuple(times))


def keep_house(scoreboard: Scoreboard) -> None:
    """As a housekeeper does from its start on. Who came late has a row that comes first."""
    scoreboard.free_entered()
    for row in scoreboard:
        if row.state == State.DEAD:
            row.free()


def test_dead_are_counted_once_wherever_their_housekeeper_is_killed() -> None:
    """And at each step of the second one as well: a third does what is left."""
    step, left = 0, [-1]
    while left[0] <= 0:
        step += 1
        scoreboard = Scoreboard(rows=3, places=2)
        gone = dead(scoreboard, 1, queue=0, tasks=0)
        dead(scoreboard, 2, queue=0, tasks=3)
        dead(scoreboard, 3, queue=1, tasks=5)
        gone.free()
        with killed_at(step) as left:
            keep_house(scoreboard)
        assert scoreboard.totals() == [totals_of(3, 2), totals_of(5, 1)]
        assert dead(scoreboard, 4, queue=0, tasks=7) is gone
        with killed_at(1 + step * 7 % 400):
            keep_house(scoreboard)
        assert scoreboard.totals() == [totals_of(10, 3), totals_of(5, 1)]
        keep_house(scoreboard)
        assert scoreboard.totals() == [totals_of(10, 3), totals_of(5, 1)]
        assert all(row.state == State.FREE for row in scoreboard)
    assert step > 200  # or nothing was killed


def test_account_changes_at_once() -> None:
    step, left = 0, [-1]
    while left[0] <= 0:
        step += 1
        account = Account(memoryview(bytearray(bytes_for(3))))
        account.write([1, 2, 3])
        with killed_at(step) as left:
            account.write([4, 5, 6])
        assert account.read() in ([1, 2, 3], [4, 5, 6])
        account.write([7, 8, 9])
        assert account.read() == [7, 8, 9]
    assert step > 20


def test_account_that_nobody_wrote_has_zeros() -> None:
    assert Account(memoryview(bytearray(bytes_for(2)))).read() == [0, 0]


def test_account_leaves_alone_what_counts_until_all_is_written() -> None:
    """A process may be killed halfway through the copy, which is one instruction here."""
    memory = bytearray(bytes_for(3))
    account = Account(memoryview(memory))
    for number in (10, 20, 30):
        before = bytes(array("q", account.read()))
        account.write([number, number + 1, number + 2])
        assert before in bytes(memory)
