"""Tracebacks for the log and for the housekeeper, who may ask at the same time."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest

from woodenwaiter import pace
from woodenwaiter.processes.scoreboard import Scoreboard
from woodenwaiter.processes.signals import TRACE
from woodenwaiter.processes.traces import Trace
from woodenwaiter.supervisor import whereabouts
from woodenwaiter.supervisor.orders import Child
from woodenwaiter.supervisor.roster import Outline
from woodenwaiter.supervisor.slots import Slot
from woodenwaiter.supervisor.whereabouts import Whereabouts


class Worker:
    """In a slot. What it writes is told from here: the process is this one, which ignores TRACE."""

    def __init__(self, board: Scoreboard, number: int) -> None:
        row = board.allocate()
        assert row
        row.open(0, number, number)
        self.trace = Trace()
        self.name = f"worker t:d #{number}"
        self.child = Child(os.getpid(), 0.0, row, self.trace, queue="t:d")

    def write(self, text: str) -> None:
        os.write(self.trace.fileno(), text.encode())


@pytest.fixture
def board() -> Scoreboard:
    return Scoreboard(2, places=1)


@pytest.fixture
def workers(board: Scoreboard) -> Iterator[list[Worker]]:
    workers = [Worker(board, number) for number in (1, 2)]
    yield [*workers]
    for worker in workers:
        worker.trace.close()


class Supervisor:
    def __init__(self, board: Scoreboard, workers: list[Worker]) -> None:
        self.slots = cast("list[Slot]", workers)
        self.whereabouts = Whereabouts(board, [cast("Outline", SimpleNamespace(queue="t:d"))])

    def look(self, now: float) -> float:
        self.whereabouts.look(self.slots, now)
        return self.whereabouts.due


@pytest.fixture
def supervisor(board: Scoreboard, workers: list[Worker]) -> Supervisor:
    return Supervisor(board, workers)


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [r.getMessage() for r in caplog.records if "is here" in r.getMessage()]
    caplog.clear()
    return found


def test_only_those_are_asked_that_are_meant(
    board: Scoreboard,
    workers: list[Worker],
    supervisor: Supervisor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[int] = []
    monkeypatch.setattr(whereabouts, "send_signal", lambda pid, number: sent.append(number))
    board.traced.ask([2])
    assert supervisor.look(10) == 10 + pace.TRACE_AFTER
    assert sent == [TRACE]
    for worker in workers:
        worker.write(worker.name)
    supervisor.look(10 + pace.TRACE_AFTER)
    assert board.traced.found() == {2: "worker t:d #2"}
    assert workers[0].trace.take() == "worker t:d #1"


def test_nobody_is_asked_again_before_it_is_told(
    board: Scoreboard, workers: list[Worker], supervisor: Supervisor
) -> None:
    board.traced.ask([1, 2])
    due = supervisor.look(10)
    for worker in workers:
        worker.write("here")
    assert supervisor.look(due - 0.1) == due
    assert board.traced.is_asked
    supervisor.look(due)
    assert board.traced.found() == {1: "here", 2: "here"}
    assert not board.traced.is_asked


def test_who_asks_while_another_waits_comes_next(
    board: Scoreboard,
    workers: list[Worker],
    supervisor: Supervisor,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    supervisor.whereabouts.ask(supervisor.slots, 10)
    due = supervisor.look(10)
    board.traced.ask([1])
    workers[0].write("first")
    next_due = supervisor.look(due)
    assert len(logged(caplog)) == 2
    assert board.traced.is_asked
    workers[0].write("second")
    supervisor.look(next_due)
    assert board.traced.found() == {1: "second"}
    assert logged(caplog) == []


def test_late_writing_is_forgotten(
    board: Scoreboard, workers: list[Worker], supervisor: Supervisor
) -> None:
    workers[0].write("of the last time")
    board.traced.ask([1])
    supervisor.look(supervisor.look(10))
    assert board.traced.found() == {1: ""}


def test_who_is_gone_meanwhile(
    board: Scoreboard, workers: list[Worker], supervisor: Supervisor
) -> None:
    board.traced.ask([1, 2])
    due = supervisor.look(10)
    workers[1].write("here")
    workers[0].trace.close()
    del supervisor.slots[0]
    supervisor.look(due)
    assert board.traced.found() == {2: "here"}
