"""A task that is cancelled where it runs: that one is ended, and never the next."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from woodenwaiter import TaskCancelled, pace
from woodenwaiter.housekeeper import upkeep
from woodenwaiter.housekeeper.cancelling import canceller
from woodenwaiter.housekeeper.upkeep import takeover_of
from woodenwaiter.processes import cancellation
from woodenwaiter.processes.ends import End
from woodenwaiter.processes.row import Cause, Fate, Row, State, tally_of
from woodenwaiter.processes.scoreboard import Scoreboard
from woodenwaiter.protocol.cancelling import Became
from woodenwaiter.protocol.errands import Answer, Errand
from woodenwaiter.protocol.verdict import CANCELLED, DeadLetter, Policy, is_cancelled, judge
from woodenwaiter.supervisor import time_limits
from woodenwaiter.supervisor.time_limits import Measure, TimeLimit
from woodenwaiter.worker.failures import failure_of, interruption_of

BORN = 100.0


@pytest.fixture
def board() -> Scoreboard:
    return Scoreboard(rows=2)


@pytest.fixture
def row(board: Scoreboard) -> Row:
    row = board.allocate()
    assert row
    row.open(queue=0, slot=0, incarnation=1)
    row.enter()
    row.become(State.LIVE)
    return row


@pytest.fixture
def limit() -> TimeLimit:
    return TimeLimit(math.inf, BORN)


# What the supervisor does.


def test_is_raised_at_once_then_the_worker_is_killed(row: Row, limit: TimeLimit) -> None:
    row.begin(3, BORN)
    assert not limit.is_due(row, BORN + 1)
    row.cancellation.ask(3, "ann at web-1")
    assert limit.is_due(row, BORN + 1)
    assert limit.check(row, BORN + 1) == Measure.RAISE
    error = interruption_of(row)
    assert (type(error), str(error)) == (TaskCancelled, "by ann at web-1")
    up = BORN + 1 + pace.TIMEOUT_GRACE
    assert not limit.is_due(row, up - 0.1)
    assert limit.check(row, up - 0.1) == Measure.NONE
    assert limit.is_due(row, up)
    assert limit.check(row, up) == Measure.KILL


def test_time_that_is_up_already_puts_nothing_off(row: Row) -> None:
    limit = TimeLimit(8.0, BORN)
    row.begin(1, BORN)
    assert limit.check(row, BORN + 8) == Measure.RAISE
    row.cancellation.ask(1, "ann")
    assert not limit.is_due(row, BORN + 9)
    assert limit.check(row, BORN + 8 + pace.TIMEOUT_GRACE) == Measure.KILL


def test_task_that_has_failed_is_not_interrupted(row: Row, limit: TimeLimit) -> None:
    row.begin(1, BORN)
    row.note_failure(1)
    row.cancellation.ask(1, "ann")
    assert not limit.is_due(row, BORN + 1)


# Whoever judges it.


def test_whatever_the_handler_raises_it_is_a_dead_letter(row: Row) -> None:
    row.begin(1, BORN)
    row.cancellation.ask(1, "ann")
    for error in (TaskCancelled(), ValueError("no"), SystemExit(), KeyError()):
        failure = failure_of(error, 1.0, row.cancellation.by(1))
        verdict = judge(b"{}", "a/1", failure, Policy(), "a")
        assert isinstance(verdict, DeadLetter)
        assert is_cancelled(verdict)
        assert verdict.fields["error"] == b"by ann"
        assert type(error).__name__.encode() in verdict.fields["traceback"]
    assert failure_of(ValueError("no"), 1.0, row.cancellation.by(2)).reason == "the handler failed"


def test_handler_that_raises_it_by_itself_is_believed() -> None:
    failure = failure_of(TaskCancelled("as I like it"))
    assert (failure.reason, failure.final) == (CANCELLED, True)


@pytest.mark.parametrize("cause", [Cause.TIMED_OUT, Cause.CHARGED, Cause.BLAMELESS])
def test_however_its_worker_ends_it_is_a_dead_letter(row: Row, cause: Cause) -> None:
    row.begin(4, BORN)
    row.cancellation.ask(4, "ann")
    row.mark_overdue(4)
    row.close(9, cause, End.CANCELLED)
    failure = takeover_of(row).failure
    assert failure
    assert (failure.reason, failure.final) == (CANCELLED, True)
    assert failure.error.startswith("by ann; its worker (pid ")
    assert "went on after it was cancelled" in failure.error
    row.decide(Fate.BURIED)
    tally = tally_of(row)
    assert (tally.failed, tally.buried, tally.timed_out) == (1, 1, 0)


def test_next_task_is_not_judged_for_it(row: Row) -> None:
    row.begin(4, BORN)
    row.cancellation.ask(4, "ann")
    row.finish(4)
    row.begin(5, BORN)
    row.close(9, Cause.TIMED_OUT, End.CANCELLED)
    assert takeover_of(row).failure is None


def test_row_is_clean_for_the_next_worker(row: Row) -> None:
    row.begin(1, BORN)
    row.cancellation.ask(1, "ann")
    row.cancellation.note(1)
    row.open(0, 0, 2)
    assert (row.cancellation.asked, row.cancellation.done, row.diary.caller) == (0, 0, "")


def test_names_that_are_long_or_odd(row: Row) -> None:
    row.begin(1, BORN)
    row.cancellation.ask(1, "é\x1b[2J" * 1000)
    by = row.cancellation.by(1)
    assert by
    assert by.startswith(r"é\x1b[2J")
    assert by.isprintable()
    assert len(by.encode()) <= 128
    row.cancellation.ask(1, "another")  # was there first
    assert row.cancellation.by(1) == by


# What the housekeeper does.


class Desk:
    """Asks the housekeeper of one row."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.rung = 0
        self._cancel = canceller(lambda: {"t:d": [row]}, self._ring)

    def _ring(self) -> None:
        self.rung += 1

    def asks(self, seq: Any, owner: Any = None) -> Iterator[None]:
        whose = self.row.owner if owner is None else owner
        errand = Errand("0" * 32, "cancel", {"owner": whose, "seq": seq}, "ann")
        self.answer: Answer | None = None

        def job() -> Iterator[None]:
            self.answer = yield from self._cancel(errand)

        return job()

    def hears(self, job: Iterator[None]) -> Any:
        """What the claim became, once that is so."""
        for _ in job:
            pass
        assert self.answer
        return self.answer.told.get("became")


@pytest.fixture
def desk(row: Row) -> Desk:
    return Desk(row)


def test_cancelled(desk: Desk) -> None:
    desk.row.begin(1, BORN)
    job = desk.asks(1)
    next(job)
    assert (desk.rung, desk.row.cancellation.by(1)) == (1, "ann")
    next(job)
    desk.row.cancellation.note(1)
    desk.row.finish(1)
    assert desk.hears(job) == Became.ENDED


def test_returned_meanwhile(desk: Desk) -> None:
    desk.row.begin(1, BORN)
    job = desk.asks(1)
    next(job)
    desk.row.finish(1)
    desk.row.begin(2, BORN)
    assert desk.hears(job) == Became.OVER


def test_killed_and_recovered(desk: Desk) -> None:
    desk.row.begin(1, BORN)
    job = desk.asks(1)
    next(job)
    desk.row.mark_overdue(1)
    desk.row.close(9, Cause.TIMED_OUT, End.CANCELLED)
    next(job)  # it is not a dead letter yet
    desk.row.decide(Fate.BURIED)
    desk.row.free()
    assert desk.hears(job) == Became.KILLED
    assert desk.answer
    assert desk.answer.told["how"].startswith("was killed")


def test_others_row_says_nothing(desk: Desk) -> None:
    desk.row.begin(1, BORN)
    job = desk.asks(1)
    next(job)
    desk.row.close(9, Cause.CHARGED)
    desk.row.free()
    desk.row.open(0, 0, 2)
    desk.row.begin(1, BORN)
    assert desk.hears(job) == Became.OVER


@pytest.mark.parametrize(
    ("seq", "became"),
    [(4, Became.OVER), (0, Became.OVER), (6, Became.HELD), ("5", Became.UNKNOWN), ([], "unknown")],
)
def test_what_does_not_run_is_left_alone(desk: Desk, seq: Any, became: str) -> None:
    desk.row.begin(5, BORN)
    desk.row.finish(4)
    assert desk.hears(desk.asks(seq)) == became
    assert (desk.rung, desk.row.cancellation.asked) == (0, 0)


def test_claim_of_another_owner(desk: Desk) -> None:
    desk.row.begin(5, BORN)
    owners: list[Any] = ["a/1", "", [], f"{desk.row.owner}+1"]
    for owner in owners:
        assert desk.hears(desk.asks(5, owner)) == Became.UNKNOWN


def test_one_that_cannot_be_ended_is_told_of(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "CANCEL_WAIT", 0.0)
    desk.row.begin(1, BORN)
    assert desk.hears(desk.asks(1)) is None
    assert desk.answer
    assert "goes on with it" in desk.answer.trouble


# All together, in every order.

EVENTS = ("begin", "end", "ask", "look", "bell", "crash")


class Hit(AssertionError):
    """A task was ended that nobody has cancelled."""


def live(events: Sequence[str], row: Row, limit: TimeLimit, takeover: Callable[[Row], Any]) -> None:
    """A worker's tasks, one after the other, of which the housekeeper is asked to end the one that
    it saw last, be that over or not; whoever ends another raises Hit."""
    meant, seen, now, seq = set(), 0, BORN, 0
    for event in events:
        now += 1.0
        if event == "begin" and not row.running:
            seq += 1
            row.begin(seq, now)
            seen = seen or seq
        elif event == "end" and row.running:
            row.finish(row.running)
        elif event == "ask" and seen:
            row.cancellation.ask(seen, "ann")
            meant.add(seen)
            seen = 0
        elif event == "look" and limit.is_due(row, now):
            if limit.check(row, now).value != Measure.NONE.value and row.running not in meant:
                raise Hit("the supervisor has ended another")
        elif event == "bell" and row.overdue == row.in_handler != 0:  # as the worker's handler
            if isinstance(interruption_of(row), TaskCancelled) and row.running not in meant:
                raise Hit("the worker has ended another")
        elif event == "crash":
            row.close(9, Cause.CHARGED, End.SIGNALLED)
            failure = takeover(row).failure
            if failure and failure.reason == CANCELLED and row.running not in meant:
                raise Hit("the housekeeper has buried another")
            return


def histories(check: Callable[[Sequence[str]], None]) -> None:
    """All of some events."""
    for events in product(EVENTS, repeat=5):
        check(("begin", *events))


def fresh_row() -> Row:
    row = Scoreboard(rows=1).allocate()
    assert row
    row.open(queue=0, slot=0, incarnation=1)
    row.become(State.LIVE)
    return row


def test_no_other_task_is_ended() -> None:
    histories(lambda events: live(events, fresh_row(), TimeLimit(math.inf, BORN), takeover_of))


def mutant_of(module: ModuleType, text: str, instead: str) -> Any:
    """The module, did its source say ``instead`` in the one place of ``text``."""
    source = Path(str(module.__file__)).read_text()
    assert source.count(text) == 1
    mutant = ModuleType(module.__name__)
    mutant.__package__ = module.__package__
    exec(source.replace(text, instead), mutant.__dict__)
    return mutant


def test_without_the_fence_others_are_ended() -> None:
    mutant = mutant_of(cancellation, "0 != seq == self.asked", "0 != seq and 0 != self.asked")

    def check(events: Sequence[str]) -> None:
        row = fresh_row()
        row.cancellation = mutant.Cancellation(row._large, row.diary)
        live(events, row, TimeLimit(1.0, BORN), takeover_of)

    with pytest.raises(Hit):
        histories(check)


def test_supervisor_without_the_fence_ends_others() -> None:
    mutant = mutant_of(time_limits, "cancellation.is_of(running)", "cancellation.asked")

    def check(events: Sequence[str]) -> None:
        limit = mutant.TimeLimit(math.inf, BORN)
        limit.is_due = lambda row, now: True
        live(events, fresh_row(), limit, takeover_of)

    with pytest.raises(Hit):
        histories(check)


def test_housekeeper_without_the_fence_buries_others() -> None:
    mutant = mutant_of(upkeep, "by(row.running)", "by(row.cancellation.asked)")

    def check(events: Sequence[str]) -> None:
        live(events, fresh_row(), TimeLimit(math.inf, BORN), mutant.takeover_of)

    with pytest.raises(Hit):
        histories(check)
