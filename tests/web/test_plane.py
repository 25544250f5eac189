"""What is remembered of supervisors between two looks."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from woodenwaiter import pace
from woodenwaiter.protocol.hosts import Crew, Host
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.published import publication
from woodenwaiter.web import plane as module
from woodenwaiter.web.plane import Plane


class Clock:
    """Monotonic seconds."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def publish(link: Link, restarts: int, up: float) -> None:
    crew = Crew("t:d", 1, 1, restarts={"signalled": restarts})
    host = Host("h", 1, "1.0.0", up, 1, 1, queues=(crew,), state="serving")
    [outcome] = link.exchange([publication("h.1/0", host)])
    assert not isinstance(outcome, Exception), outcome


def looked(plane: Plane, link: Link, clock: Clock, later: float = pace.PUBLISH) -> int:
    """How many restarts are told of, so many seconds later."""
    clock.now += later
    plane.look_at_hosts(link)
    assert {*plane.restarts} <= {("t:d", "signalled")}
    return plane.restarts.total()


def test_restarts_of_an_old_supervisor_are_those_that_were_seen(
    link: Link, client: Any, clock: Clock
) -> None:
    plane = Plane()
    publish(link, 7, up=pace.LATELY + 1)
    assert looked(plane, link, clock) == 0
    client.delete("{woodenwaiter:hosts}")
    publish(link, 9, up=pace.LATELY + 2)
    assert looked(plane, link, clock) == 2
    assert plane.restarts == Counter({("t:d", "signalled"): 2})


def test_restarts_of_a_young_one_are_all_of_late(link: Link, client: Any, clock: Clock) -> None:
    plane = Plane()
    publish(link, 7, up=60)
    assert looked(plane, link, clock) == 7
    assert looked(plane, link, clock) == 7
    assert looked(plane, link, clock, later=pace.PUBLISHED * 3) == 7, "once, though nobody looked"


def test_restarts_are_forgotten(link: Link, client: Any, clock: Clock) -> None:
    plane = Plane()
    publish(link, 7, up=60)
    looked(plane, link, clock)
    client.delete("{woodenwaiter:hosts}")
    publish(link, 7, up=pace.LATELY + 60)
    assert looked(plane, link, clock) == 7
    for _ in range(int(pace.LATELY / pace.PUBLISH) + 1):
        told = looked(plane, link, clock)
    assert told == 0
