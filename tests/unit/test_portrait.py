"""What a scoreboard tells of a supervisor."""

from __future__ import annotations

import os
import socket
from dataclasses import replace

import pytest
import redis

from woodenwaiter import pace
from woodenwaiter.consumer import Consumer
from woodenwaiter.housekeeper.portrait import MOST_TASKS, Portrait, measured
from woodenwaiter.processes.diary import Progress
from woodenwaiter.processes.ends import End
from woodenwaiter.processes.footprint import Footprint, Footprints
from woodenwaiter.processes.row import Cause, Row, State
from woodenwaiter.processes.scoreboard import Scoreboard
from woodenwaiter.protocol.hosts import Crew, Host
from woodenwaiter.protocol.verdict import Policy
from woodenwaiter.settings import Settings


class Pool:
    """The workers of the queue ``t:d``, of which there may be 1 to 9."""

    def __init__(self) -> None:
        self.scoreboard = Scoreboard(places=2)
        self.rows: list[Row] = []
        settings = Settings(redis="redis://:s3cr3t@host", redis_password_file="/s3cr3t")
        clients = {1: Consumer("t:d", redis.Redis(), print, 1.0, (1, 9), Policy())}
        self.portrait = Portrait(self.scoreboard, settings, clients, 4711)

    def add(self, state: State = State.LIVE) -> Row:
        row = self.scoreboard.allocate()
        assert row
        row.open(1, len(self.rows), len(self.rows) + 1)
        row.enter()
        row.become(state)
        self.rows.append(row)
        return row

    def seen(self, now: float = 100.0) -> Host:
        return self.portrait.at(self.scoreboard.made_at + now, {"t:d": self.rows})

    @property
    def crew(self) -> Crew:
        [crew] = self.seen().queues
        return crew

    def run(self, row: Row, seq: int, at: float) -> None:
        row.begin(seq, self.scoreboard.made_at + at)


@pytest.fixture
def pool() -> Pool:
    return Pool()


def test_nobody(pool: Pool) -> None:
    seen = pool.seen()
    assert (seen.host, seen.pid, seen.up) == (socket.gethostname(), 4711, 100.0)
    assert (seen.started, seen.alive, seen.workers) == (0, 0, ())
    assert pool.crew == Crew("t:d", 1, 9)


def test_secrets_are_not_told(pool: Pool) -> None:
    assert "s3cr3t" not in str(pool.seen())
    assert pool.seen().settings["lease_seconds"] == pace.LEASE


def test_states(pool: Pool) -> None:
    pool.add(State.STARTING)
    pool.add(State.MUTED)
    pool.add()
    pool.add(State.SPENT)
    pool.add().hush(True)
    pool.add().dismiss()
    pool.add().end()
    pool.add(State.LEFT)
    pool.run(pool.add(), 1, 5.0)
    busy_but_quiet = pool.add()
    busy_but_quiet.hush(True)
    pool.run(busy_but_quiet, 1, 5.0)
    pool.add().close(9, Cause.CHARGED)
    assert pool.crew == Crew("t:d", 1, 9, starting=2, idle=2, quiet=1, leaving=3, running=2)
    assert pool.crew.workers == pool.seen().alive == 10
    assert pool.seen().started == 11


def test_tasks(pool: Pool) -> None:
    young, old, idle = pool.add(), pool.add(), pool.add()
    old.finish(2)
    pool.run(old, 3, 40.0)
    old.diary.report(3, Progress(0.25, "a quarter", pool.scoreboard.made_at + 90.0))
    old.dismiss()
    pool.run(young, 1, 98.5)
    young.diary.report(9, Progress(0.5, "another's", pool.scoreboard.made_at))
    pool.run(idle, 1, 10.0)
    idle.finish(1)
    first, second = pool.seen().workers
    assert (first.slot, first.pid, first.queue) == (1, os.getpid(), "t:d")
    assert (first.claim, first.done) == (f"{old.owner}/3", 2)
    assert (first.seconds, first.told) == pytest.approx((60.0, 10.0), abs=0.01)
    assert (first.fraction, first.text, first.is_leaving) == (0.25, "a quarter", True)
    assert second.seconds == pytest.approx(1.5, abs=0.01)
    assert (second.slot, second.fraction, second.text, second.told) == (0, None, "", None)


def test_what_was_done(pool: Pool) -> None:
    assert pool.portrait.with_totals(pool.seen()) == pool.seen()
    dead, alive = pool.add(), pool.add()
    for row, seconds in ((dead, 3e-6), (alive, 5e-6), (alive, 3e-6)):
        pool.run(row, row.incarnation, 1.0)
        row.finish(row.incarnation)
        row.diary.count_time(seconds)
    dead.diary.spend(2.0004, 1.5)
    dead.close(9, Cause.CHARGED)
    for end in (End.EXITED, End.EXITED, End.LEFT, End.OUT_OF_MEMORY):
        pool.scoreboard.ends.count(1, end)
    pool.scoreboard.ends.count(0, End.EXITED)
    for _ in range(2):
        [crew] = pool.portrait.with_totals(pool.seen()).queues
        assert crew.tally == {"started": 3, "done": 3}
        assert (crew.busy, crew.cpu, crew.times) == (2.0, 1.5, (0, 0, 2, 1))
        assert crew.restarts == {"exited": 2, "out of memory": 1}
        if dead.state == State.DEAD:
            dead.free()
    assert crew.bare == replace(pool.crew, restarts=crew.restarts)


def test_queue_of_several_dishes(pool: Pool) -> None:
    client = Consumer("t:d", redis.Redis(), print, 1.0, (1, 2), Policy())
    portrait = Portrait(pool.scoreboard, Settings(), {0: client, 1: client}, 1)
    for place in (0, 1):
        pool.scoreboard.ends.count(place, End.EXITED)
    [crew] = portrait.at(pool.scoreboard.made_at, {}).queues
    assert crew == Crew("t:d", 2, 4, restarts={"exited": 2})


def test_the_newest_of_many_tasks_are_counted(pool: Pool) -> None:
    for seq in range(MOST_TASKS + 5):
        pool.run(pool.add(), 1, 50.0 - seq / 100)
    seen = pool.seen()
    assert [task.slot for task in seen.workers] == [*range(MOST_TASKS + 4, 4, -1)]
    assert (seen.more_workers, pool.crew.running) == (5, MOST_TASKS + 5)


def test_what_is_measured(pool: Pool) -> None:
    pool.run(pool.add(), 1, 5.0)
    seen = pool.seen()
    [task] = seen.workers
    found = {task.pid: Footprint(10, 1.5, 3), 1: Footprint(30, 2.0), 2: Footprint(20, None)}
    assert measured(seen, found) == replace(
        seen, memory=30, cpu=3.5, workers=(replace(task, memory=10, cpu=1.5, children=3),)
    )
    assert measured(seen, {}) == seen


def test_footprints() -> None:
    footprints, own = Footprints(), os.getpid()
    first = footprints.measure([own, 2**22 + 1], 10.0)
    assert first.keys() == {own}
    assert first[own].cpu is None
    assert first[own].memory > 1 << 20
    spent = sum(number * number for number in range(3_000_000))
    assert spent
    second = footprints.measure([own], 11.0)[own].cpu
    assert second is not None
    assert 1 < second < 1000
    assert footprints.measure([], 12.0) == {}
    assert footprints.measure([own], 13.0)[own].cpu is None
