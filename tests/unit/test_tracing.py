"""What a housekeeper does for who asks: errands beside each other, and where tasks are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from redis.exceptions import ConnectionError as ConnectionTrouble
from redis.exceptions import NoPermissionError

from woodenwaiter import pace
from woodenwaiter.housekeeper.errands import Errands, Job
from woodenwaiter.housekeeper.tracing import SUPERVISOR_SILENT, tracer
from woodenwaiter.processes.row import Cause, Row, State
from woodenwaiter.processes.scoreboard import Scoreboard
from woodenwaiter.protocol.errands import AT_ONCE, Answer, Errand
from woodenwaiter.protocol.keys import answer_key
from woodenwaiter.protocol.link import Command

from ..support import answer_of


def errand(number: int, verb: str = "count", **arguments: Any) -> bytes:
    whole = {"id": f"{number:032x}", "verb": verb, "arguments": arguments, "who": "me"}
    return json.dumps({"version": 1, **whole}).encode()


def count(errand: Errand) -> Job:
    for _ in range(errand.arguments["to"]):
        yield
    return Answer({"counted": errand.arguments["to"]})


class Desk:
    """What waits on a server, and what is answered there."""

    def __init__(self, *waiting: bytes) -> None:
        self.waiting = [*waiting]
        self.answered: list[str] = []
        self.is_away = False
        self.errands = Errands("a/0", {"count": count}, self.send)

    def send(self, commands: Sequence[Command]) -> Sequence[Any]:
        if self.is_away:
            return [ConnectionTrouble()] * len(commands)
        if commands[0][0] == "SET":
            self.answered += [command[1] for command in commands]
            return [b"OK"] * len(commands)
        most = commands[0][4]
        taken, self.waiting = self.waiting[:most], self.waiting[most:]
        return [taken]

    def look(self, now: float = 0) -> None:
        if self.errands.is_due(now, is_asking=False):
            self.errands.glance(now)
            self.errands.heed(len(self.waiting), now)
        self.errands.attend()


def key(number: int) -> str:
    return answer_key(f"{number:032x}")


def test_each_is_answered_when_it_is_done() -> None:
    desk = Desk(errand(1, to=3), errand(2, to=1), errand(3, to=0))
    answered = []
    for _ in range(4):
        desk.look()
        answered.append([*desk.answered])
    assert answered[0] == [key(3)]
    assert answered[1] == [key(3), key(2)]
    assert answered[3] == [key(3), key(2), key(1)]


def test_others_wait_until_one_of_those_is_done() -> None:
    desk = Desk(*(errand(number, to=99 * (number > 0)) for number in range(AT_ONCE + 1)))
    desk.look(0)
    assert len(desk.waiting) == 1
    assert desk.answered == [key(0)]
    desk.look(pace.ERRANDS)
    assert desk.waiting == []


def test_one_that_takes_long_keeps_no_other_waiting() -> None:
    desk = Desk(errand(1, to=99))
    desk.look(0)
    desk.waiting = [errand(2, to=0)]
    desk.look(pace.ERRANDS)
    assert desk.answered == [key(2)]


def test_server_that_is_away_when_they_are_taken() -> None:
    desk = Desk(errand(1, to=0))
    desk.errands.heed(1, 0)
    desk.is_away = True
    desk.errands.attend()
    desk.is_away = False
    desk.errands.attend()  # nobody knows whether they were taken
    assert desk.answered == []
    desk.look(pace.ERRANDS)
    assert desk.answered == [key(1)]


@pytest.mark.parametrize(
    ("outcome", "rest"),
    [(0, 0.0), (ConnectionTrouble(), pace.PUBLISH), (NoPermissionError(), pace.PUBLISH_AGAIN)],
    ids=repr,
)
def test_when_it_looks(outcome: Any, rest: float) -> None:
    errands = Errands("a/0", {}, list)
    assert errands.is_due(100, is_asking=False)
    errands.glance(100)
    errands.heed(outcome, 100)
    for every, is_asking in ((pace.ERRANDS_ALONG, True), (pace.ERRANDS, False)):
        due = 100 + max(every, rest)
        assert not errands.is_due(due - 0.1, is_asking=is_asking)
        assert errands.is_due(due, is_asking=is_asking)


# Where tasks are.

ASKED = Errand("0" * 32, "trace", {}, "me")


class Pool:
    """Workers that run claim number 1, longest first, and how often their supervisor is rung."""

    def __init__(self, workers: int) -> None:
        self.board = Scoreboard(workers)
        self.rows: list[Row] = []
        for number in range(workers):
            row = self.board.allocate()
            assert row
            row.open(0, number, number + 1)
            row.enter()
            row.become(State.LIVE)
            row.begin(1, 1.0 + number)
            self.rows.append(row)
        self.rung = 0
        self.trace = tracer(self.board.traced, lambda: {"t:d": self.rows}, self.ring)

    def ring(self) -> None:
        self.rung += 1

    def claims(self, *numbers: int) -> set[str]:
        return {f"{self.rows[number].owner}/1" for number in numbers}


def test_what_ran_all_the_while_is_told() -> None:
    pool = Pool(6)
    pool.rows[1].finish(1)
    job = pool.trace(ASKED)
    next(job)
    assert pool.rung == 1
    assert pool.board.traced.asked() == {1, 3, 4, 5, 6}
    pool.rows[2].finish(1)
    pool.rows[3].begin(2, 50)
    pool.rows[4].close(9, Cause.CHARGED)
    next(job)
    pool.board.traced.tell({1: "here", 3: "there", 4: "there", 5: "there", 6: ""})
    told = answer_of(job).told["traces"]
    assert told.keys() == pool.claims(0, 5)
    assert sorted(told.values()) == ["", "here"]


def test_row_that_another_worker_has_by_now() -> None:
    pool = Pool(1)
    job = pool.trace(ASKED)
    next(job)
    pool.rows[0].open(0, 0, 7)
    pool.rows[0].become(State.LIVE)
    pool.rows[0].begin(1, 9.0)
    pool.board.traced.tell({1: "there"})
    assert answer_of(job).told == {"traces": {}}


@pytest.mark.parametrize(("queue", "asked"), [("t:d", {1}), ("t:e", set()), ([], set())], ids=str)
def test_of_one_queue(queue: object, asked: set[int]) -> None:
    pool = Pool(1)
    next(pool.trace(ASKED._replace(arguments={"queue": queue})))
    assert pool.board.traced.asked() == asked


def test_one_after_the_other() -> None:
    pool = Pool(1)
    first, second = pool.trace(ASKED), pool.trace(ASKED)
    next(first)
    next(second)
    assert pool.rung == 1
    pool.board.traced.tell({1: "first"})
    assert [*answer_of(first).told["traces"].values()] == ["first"]
    next(second)
    assert pool.rung == 2
    pool.board.traced.tell({1: "second"})
    assert [*answer_of(second).told["traces"].values()] == ["second"]


def test_supervisor_that_is_silent() -> None:
    pool = Pool(1)
    assert answer_of(pool.trace(ASKED)) == SUPERVISOR_SILENT
    assert answer_of(pool.trace(ASKED)) == SUPERVISOR_SILENT
    assert pool.rung == 1
