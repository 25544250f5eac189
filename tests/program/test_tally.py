"""What is counted of a queue, on a pool that works: it is what happened, whatever happened."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import count

import pytest

from woodenwaiter import Backoff, pace
from woodenwaiter.protocol.history import Account, summary
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.queue import Queue

from ..application import Application, kill_all
from ..counting import accounts, requeued
from ..support import eventually

BEATS = "{t:d}:beats"


@pytest.fixture
def link(app: Application) -> Iterator[Link]:
    with closing(Link(app.client, 10)) as link:
        yield link


def account(link: Link) -> Account:
    [found] = accounts(link, ["t:d"])
    assert isinstance(found, Account)
    return found


def is_empty(link: Link) -> bool:
    now = account(link)
    return (now.waiting, now.claimed, now.delayed) == (0, 0, 0)


def are_done(app: Application, number: int) -> bool:
    return len(app.done) >= number


def test_totals_are_what_happened(app: Application, link: Link) -> None:
    """Workers are killed by their tasks, replies are lost, a host dies: of those that fail once too
    it may hold one."""
    app.write(
        processes=3,
        max_deliveries=3,
        backoff=Backoff(0, 0),
        then="""
            if foods["n"] % 10 == 3 and delivery().number == 1:
                raise RuntimeError("once")
            if foods["n"] % 10 == 5:
                raise Reject("because")
            if foods["n"] % 50 == 7:
                os.kill(os.getpid(), 9)
        """,
    )
    first, second = (app.serve("--lease-seconds", "1").ready(3) for _ in range(2))
    pushed = 200
    app.push(*({"n": n, "sleep": 0.02} for n in range(pushed)))
    for done in (30, 60, 90):
        eventually(partial(are_done, app, done), f"{done} tasks")
        app.client.client_kill_filter(_type="normal")
    kill_all(first)
    left = pushed - len(range(5, pushed, 10)) - len(range(7, pushed, 50))
    eventually(lambda: len(set(app.done)) == left, "all done", 60)
    eventually(lambda: len(app.letters()) == pushed - left, "all buried", 60)
    eventually(partial(is_empty, link), "what the dead host had done is done again")
    assert second.stop() == 0
    assert is_empty(link)
    now = account(link)
    assert (now.pushed, now.now.done, now.now.buried) == (pushed, left, pushed - left)
    # Each of those that fail once and of those that are rejected; and each that kills, thrice.
    kills = len(range(7, pushed, 50))
    assert now.now.failed >= len(range(3, pushed, 10)) + pushed - left + 2 * kills
    queue = Queue(link, "t:d", lease=30)
    for letter, _ in list(queue.dead_letters()):
        assert requeued(queue, letter)
    now = account(link)
    assert (now.pushed, now.requeued, now.waiting) == (pushed, pushed - left, pushed - left)


def test_queue_that_only_fills_has_a_history(app: Application, link: Link) -> None:
    """Its worker is busy, and its host has nothing else to do for it."""
    app.write(processes=1)
    app.push({"n": 0, "sleep": 300})
    supervisor = app.serve()
    eventually(lambda: app.begun and app.client.llen(BEATS), "a first beat")
    pushed_at, numbers = time.time(), count(1)

    def are_noted() -> bool:
        app.push({"n": next(numbers)})
        return int(app.client.llen(BEATS)) >= 4

    eventually(are_noted, "beats", 5 * pace.BEAT + pace.LEASE)
    now = account(link)
    oldest, age = summary(now).oldest, now.now.time - pushed_at
    assert oldest
    assert oldest.most
    assert oldest.least <= age <= oldest.most + 1
    assert oldest.most - oldest.least <= 3 * pace.BEAT
    app.let_go(0)
    eventually(lambda: summary(account(link)).oldest is None, "nothing waits")
    assert supervisor.stop() == 0
    told = summary(account(link))
    assert told.rates
    assert told.rates.done > 0
    assert told.done == len(app.done)
